package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/internal/atomicfile"
	"flowmatch/run"
)

type plotResult struct {
	Run  string `json:"run"`
	Kind string `json:"kind"`
	File string `json:"file"`
}

func (p plotResult) text(w io.Writer) { fmt.Fprintf(w, "%s\t%s of %s\n", p.File, p.Kind, p.Run) }

var plotKinds = []string{"samples", "density", "field", "trajectories", "loss"}

// picture returns the name that room run has for a picture of a kind in a file
// of that name.
func picture(kind, file string) (string, error) {
	endings := []string{".png"}
	switch kind {
	case "trajectories":
		endings = append(endings, ".gif")
	case "samples", "density", "field", "loss":
	default:
		return "", usagef("--kind %q; it must be one of %s", kind, strings.Join(plotKinds, ", "))
	}
	ext, err := extension("--out", file, endings...)
	if err != nil {
		return "", usagef("%v for a picture of kind %s", err, kind)
	}
	if ext == ".gif" {
		return "flow", nil
	}
	return kind, nil
}

func (a *app) plotCommand() *cobra.Command {
	var (
		f         runFlags
		kind, out string
		o         run.PictureOptions
	)
	cmd := &cobra.Command{
		Use:   "plot DIR --kind KIND --out FILE",
		Short: "Draw a trained run",
		Long: `Draw a trained run: samples beside data, the learnt density beside the exact one,
the velocity field, the trajectories from noise to data (as a GIF they move), or
the losses of training.`,
		Example: `  flowmatch plot runs/first --kind samples --out samples.png
  flowmatch plot runs/first --kind density --out density.png
  flowmatch plot runs/first --kind trajectories --out flow.gif
  flowmatch plot runs/first --kind loss --out loss.png`,
		Args: arguments("DIR"),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			name, err := picture(kind, out)
			if err != nil {
				return nil, err
			}
			if cmd.Flags().Changed("n") && o.N < 1 {
				return nil, usagef("--n is %d; it must be at least 1", o.N)
			}
			r, err := f.open(cmd, args[0])
			if err != nil {
				return nil, err
			}
			if !cmd.Flags().Changed("seed") {
				o.Seed = r.Config.Seed
			}
			a.status("drawing %s", out)
			r.Watch = a.watch
			err = atomicfile.WriteFile(out, func(w io.Writer) error { return r.Picture(cmd.Context(), w, name, o) })
			return plotResult{Run: r.Dir, Kind: kind, File: out}, err
		}),
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&kind, "kind", "", strings.Join(plotKinds, ", "))
	fl.StringVar(&out, "out", "", "file to write: .png, or .gif for moving trajectories")
	fl.IntVar(&o.N, "n", 0, "number of points (default 4000, of images 100)")
	fl.Uint64Var(&o.Seed, "seed", 0, "seed of the samples (default: that of the run)")
	require(cmd, "kind", "out")
	return cmd
}
