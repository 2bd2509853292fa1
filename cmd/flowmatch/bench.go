package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/bench"
	"flowmatch/nn"
)

type benchResult struct {
	versionResult
	Threads int            `json:"threads"`
	Results []bench.Result `json:"results"`
}

func (b benchResult) text(w io.Writer) {
	fmt.Fprintf(w, "case\ttime\tNFE\tbackend\tthreads\trepeats\n")
	for _, r := range b.Results {
		nfe := "-"
		if r.NFE > 0 {
			nfe = fmt.Sprint(r.NFE)
		}
		fmt.Fprintf(w, "%s\t%.3f ms/%s\t%s\t%s\t%d\t%d\n", r.Case, 1e3*r.Seconds, r.Unit, nfe, r.Backend, r.Threads, r.Repeats)
	}
}

func (a *app) benchCommand() *cobra.Command {
	var (
		quick   bool
		backend string
	)
	groups := append(bench.Groups(), "all")
	cmd := &cobra.Command{
		Use:   "bench " + strings.Join(groups, "|"),
		Short: "Time training, sampling, likelihoods and couplings",
		Long: `Time the cases that other libraries are timed on: the same networks, batches,
solvers and tolerances. The time told is the least of several. The largest cases
take minutes on the pure Go backend; --quick leaves them out.`,
		Example: `  flowmatch bench all
  flowmatch bench train --backend xla
  flowmatch bench coupling --json
  flowmatch bench all --quick`,
		Args:      arguments(strings.Join(groups, "|")),
		ValidArgs: groups,
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			cases, err := bench.Cases(args[0], quick)
			if err != nil {
				return nil, usageError{err}
			}
			if err := checkBackend(backend); err != nil {
				return nil, err
			}
			eng, err := nn.Open(backend)
			if err != nil {
				return nil, err
			}
			o := bench.Options{}
			if quick {
				o = bench.Options{Repeats: 2, Budget: 400 * time.Millisecond}
			}
			res := benchResult{versionResult: thisVersion(), Threads: bench.Threads()}
			for _, c := range cases {
				a.status("timing %s", c.Name)
				r, err := c.Run(cmd.Context(), eng, o)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", c.Name, err)
				}
				res.Results = append(res.Results, r)
			}
			return res, nil
		}),
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "small cases only, few repetitions")
	cmd.Flags().StringVar(&backend, "backend", "", "engine: go, xla or xla:/path/to/plugin.so")
	return cmd
}
