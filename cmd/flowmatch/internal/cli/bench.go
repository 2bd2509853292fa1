package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/bench"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/memory"
	"flowmatch/nn"
	"flowmatch/plot"
	"flowmatch/run"
)

// Options of a quick measurement.
const (
	quickRounds = 2
	quickBudget = 400 * time.Millisecond
)

// pageCommand is what docs/performance.md says it was made with.
const pageCommand = "./flowmatch bench all --peers DIR/bin/python --out docs/performance.md"

type benchResult struct{ bench.Report }

func (b benchResult) text(w io.Writer) { b.Text(w) }

type benchFlags struct {
	quick               bool
	backend, peers, out string
	budget              time.Duration
}

func (a *app) benchCommand() *cobra.Command {
	var f benchFlags
	groups := append(bench.Groups(), "all")
	cmd := &cobra.Command{
		Use:   "bench " + strings.Join(groups, "|") + "|CASE",
		Short: "Time training, convolution, sampling, likelihoods and couplings, also against Python libraries",
		Long: `Time the same work as other libraries: the same networks, batches, solvers and
tolerances. The reported time is the lowest of many short rounds. If you name one case,
only this case runs, and the reported memory is that of this case.

With --peers, PyTorch, onnxruntime, JAX and POT run the same cases, each right after
this program. The ratio to the best of them is the median over rounds, with its quartiles: what else
the machine does meets both. scripts/setup-peers.sh DIR installs them; then PYTHON is
DIR/bin/python. With --out, the result is also kept as JSON in a folder beside a page,
a file for each machine, and all of them are written as the page, with pictures:
docs/performance/*.json and docs/performance.md.

Ctrl-C stops, and reports what was measured so far.`,
		Example: `  flowmatch bench all
  flowmatch bench all --quick
  flowmatch bench train --backend xla
  flowmatch bench "train mlp64x3 B256" --budget 10s --json
  flowmatch bench all --peers DIR/bin/python --out docs/performance.md`,
		Args:      arguments("CASES, one of " + strings.Join(groups, "|") + ","),
		ValidArgs: groups,
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.bench(cmd.Context(), args[0], f)
		}),
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.quick, "quick", false, "small cases only, few rounds")
	fl.StringVar(&f.backend, "backend", "", "engine: native, go, xla or xla:/path/to/plugin.so")
	fl.DurationVar(&f.budget, "budget", 0,
		"time for the rounds of a case, and of each variant of each peer (default 3s; a third for cases of scaling)")
	fl.StringVar(&f.peers, "peers", "", "Python interpreter with the libraries to compare with")
	fl.StringVar(&f.out, "out", "", "page to write, .md; its pictures go to the folder img/ next to it")
	complete(cmd, "backend", backendNames()...)
	completeFiles(cmd, "out", "md")
	return cmd
}

func (f benchFlags) options() (bench.Options, error) {
	o := bench.Options{Budget: f.budget}
	if f.quick {
		o.Rounds = quickRounds
		if o.Budget == 0 {
			o.Budget = quickBudget
		}
	}
	if f.out != "" {
		if _, err := extension("--out", f.out, ".md"); err != nil {
			return o, err
		}
		if st, err := os.Stat(filepath.Dir(f.out)); err != nil || !st.IsDir() {
			return o, usagef("--out %q; there is no such folder", f.out)
		}
	}
	return o, checkBackend(f.backend)
}

// bench measures the cases. What was measured before a failure is reported as well.
func (a *app) bench(ctx context.Context, which string, f benchFlags) (res result, err error) {
	report := bench.NewReport(run.Version())
	start := time.Now()
	report.Date = start.Format(time.DateOnly)
	cases, err := bench.Cases(which, f.quick)
	if err != nil {
		return nil, usageError{err}
	}
	o, err := f.options()
	if err != nil {
		return nil, err
	}
	eng, err := nn.Open(f.backend)
	if err != nil {
		return nil, err
	}
	report.Backend = eng.Name()
	report.PeakFLOPS, report.PeakAll = eng.PeakFLOPS()
	if which != cases[0].Name { // one case is measured here, and nowhere else
		o.Alone = f.elsewhere
	}
	if f.peers != "" {
		a.status("starting the other libraries")
		if o.Peers, err = bench.StartPeers(ctx, f.peers); err != nil {
			return nil, asUsage(err, bench.ErrPeers)
		}
		defer func() { err = errors.Join(err, o.Peers.Close()) }()
		report.Versions = o.Peers.Versions()
	}
	report.Results, err = bench.Measure(ctx, eng, cases, o, func(doing string) {
		a.status("%5s  %s", time.Since(start).Round(time.Second), doing)
	})
	report.Seconds = time.Since(start).Seconds()
	_, report.Memory.Peak = memory.Process()
	if err != nil && len(report.Results) == 0 {
		return nil, err
	}
	if err != nil {
		report.Interrupted = ctx.Err() != nil
		err = fmt.Errorf("%d of %d cases measured; %w", len(report.Results), len(cases), err)
		return benchResult{report}, partial{err}
	}
	if f.out != "" {
		if err := writePage(f.out, report); err != nil {
			return benchResult{report}, partial{err}
		}
	}
	return benchResult{report}, nil
}

// elsewhere runs one case in a new process of this program.
func (f benchFlags) elsewhere(ctx context.Context, name string, threads int,
	budget time.Duration) (r bench.Report, err error) {
	program, err := os.Executable()
	if err != nil {
		return r, err
	}
	args := []string{"bench", name, "--json", "--quiet"}
	if f.backend != "" {
		args = append(args, "--backend", f.backend)
	}
	if budget > 0 {
		args = append(args, "--budget", budget.String())
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = os.Environ()
	if threads > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", threads))
	}
	out, err := cmd.Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return r, fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

// writePage writes a report beside those of other machines, in the folder named as the page, and all of
// them as a page, with the pictures of the new one.
func writePage(file string, r bench.Report) error {
	folder := strings.TrimSuffix(file, ".md")
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	err := atomicfile.WriteFile(filepath.Join(folder, r.Slug()+".json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
	if err != nil {
		return err
	}
	all, err := bench.Reports(folder)
	if err != nil {
		return err
	}
	if err := draw(file, r); err != nil {
		return err
	}
	return atomicfile.WriteFile(file, func(w io.Writer) error {
		return bench.Markdown(w, all, pageCommand, pictures(file, all))
	})
}

// picture is the name of a picture of a report, as the page links it.
func picture(r bench.Report, what string) string { return path.Join("img", r.Slug()+"-"+what+".png") }

// pictures are those that are there beside a page, by machine.
func pictures(file string, all []bench.Report) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, r := range all {
		out[r.Slug()] = map[string]string{}
		for _, what := range append(r.Axes(), bench.PeersPicture) {
			name := picture(r, "scaling-"+what)
			if what == bench.PeersPicture {
				name = picture(r, what)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(name))); err == nil {
				out[r.Slug()][what] = name
			}
		}
	}
	return out
}

// draw draws the pictures of a report.
func draw(file string, r bench.Report) error {
	write := func(what string, fill func(w io.Writer) error) error {
		name := filepath.Join(filepath.Dir(file), filepath.FromSlash(picture(r, what)))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		return atomicfile.WriteFile(name, fill)
	}
	if beside := r.Beside(); len(beside) > 0 {
		if err := write(bench.PeersPicture, func(w io.Writer) error { return drawBeside(w, beside) }); err != nil {
			return err
		}
	}
	for _, axis := range r.Axes() {
		var series []plot.Series
		places := 0
		for _, l := range r.Lines(axis) {
			places = max(places, len(l.At))
			s := plot.Series{Name: l.Name}
			for k, at := range l.At {
				s.X, s.Y = append(s.X, float64(at)), append(s.Y, 1e3*l.Seconds[k])
			}
			series = append(series, s)
		}
		if places < 3 { // then the table shows as much
			continue
		}
		err := write("scaling-"+axis, func(w io.Writer) error {
			return plot.Lines(w, series, plot.LineOptions{XName: axis, YName: "ms per training step"})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// drawBeside draws how many times as long as flowmatch other libraries take, a row for each
// case.
func drawBeside(w io.Writer, all []bench.Multiples) error {
	panel := plot.DotPanel{Lines: []plot.Floor{{Name: "flowmatch", Y: 1}}}
	var cases []string
	for _, m := range all {
		var dots []plot.Dot
		for _, t := range m.Of {
			dots = append(dots, plot.Dot{X: t.Times, Name: t.Library})
		}
		cases, panel.Rows = append(cases, m.Case), append(panel.Rows, dots)
	}
	return plot.DotPlot(w, cases, []plot.DotPanel{panel}, plot.DotOptions{XName: "time / time of flowmatch"})
}
