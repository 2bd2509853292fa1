package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/eval"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/run"
)

type plotResult struct {
	Run  string `json:"run"`
	Kind string `json:"kind"`
	File string `json:"file"`
}

func (p plotResult) text(w io.Writer) { fmt.Fprintf(w, "%s\t%s of %s\n", p.File, p.Kind, p.Run) }

// plotKinds are the kinds of picture, with the flags that have no effect on them.
var plotKinds = []struct {
	name    string
	use     use
	without []string
}{
	{"samples", useSamples, nil},
	{"density", useODE, []string{"n", "seed"}},
	{"field", useODE, []string{"solver", "steps", "rtol", "atol", "n", "seed"}},
	{"trajectories", useODE, nil},
	{"loss", useODE, []string{"solver", "steps", "rtol", "atol", "n", "seed", "backend"}},
}

// plotNames are the names of the kinds of picture.
func plotNames() (names []string) {
	for _, k := range plotKinds {
		names = append(names, k.name)
	}
	return names
}

type plotFlags struct {
	runFlags
	kind, out string
	o         run.PictureOptions
}

// check reports what is wrong with the flags whatever the run is. It returns the name that
// room run has for the picture, and what is solved for.
func (f *plotFlags) check(cmd *cobra.Command) (name string, u use, err error) {
	if err := choice.Check("kind", f.kind, plotNames()); err != nil {
		return "", 0, usagef("--kind: %w", err)
	}
	for _, k := range plotKinds {
		if k.name == f.kind {
			u, err = k.use, exclude(cmd, "on a picture of kind "+k.name, k.without...)
		}
	}
	if err != nil {
		return "", 0, err
	}
	endings := []string{".png"}
	if f.kind == "trajectories" {
		endings = append(endings, ".gif")
	}
	ext, err := extension("--out", f.out, endings...)
	if err != nil {
		return "", 0, usagef("%w for a picture of kind %s", err, f.kind)
	}
	if cmd.Flags().Changed("n") && f.o.N < 1 {
		return "", 0, usagef("--n is %d; it must be at least 1", f.o.N)
	}
	if ext == ".gif" {
		return "flow", u, nil
	}
	return f.kind, u, nil
}

func (a *app) plotCommand() *cobra.Command {
	var f plotFlags
	cmd := &cobra.Command{
		Use:   "plot DIR --kind KIND --out FILE",
		Short: "Draw a trained run",
		Long: `Draw a trained run: samples beside data, the learnt density beside the exact one,
the velocity field, the trajectories from noise to data (as a GIF they move), or
the losses of training. Where the data cannot be opened any more, the picture shows
the model alone.`,
		Example: `  flowmatch plot runs/first --kind samples --out samples.png
  flowmatch plot runs/first --kind density --out density.png
  flowmatch plot runs/first --kind trajectories --out flow.gif
  flowmatch plot runs/first --kind loss --out loss.png`,
		Args:              arguments("DIR"),
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			name, u, err := f.check(cmd)
			if err != nil {
				return nil, err
			}
			r, err := f.open(cmd, args[0], u)
			if err != nil {
				return nil, err
			}
			if !cmd.Flags().Changed("seed") {
				f.o.Seed = r.Config.Seed
			}
			f.o.NoData = a.noData
			a.status("drawing %s", f.out)
			r.Watch = a.watch
			err = atomicfile.WriteFile(f.out, func(w io.Writer) error { return r.Picture(cmd.Context(), w, name, f.o) })
			return plotResult{Run: r.Dir, Kind: f.kind, File: f.out}, err
		}),
	}
	f.add(cmd, eval.Solvers())
	fl := cmd.Flags()
	fl.StringVar(&f.kind, "kind", "", strings.Join(plotNames(), ", "))
	fl.StringVar(&f.out, "out", "", "file to write: .png, or .gif for moving trajectories")
	fl.IntVar(&f.o.N, "n", 0, "number of points of samples and trajectories (default 4000, of images 100)")
	fl.Uint64Var(&f.o.Seed, "seed", 0, "seed of samples and trajectories (default: that of the run)")
	require(cmd, "kind", "out")
	complete(cmd, "kind", plotNames()...)
	completeFiles(cmd, "out", "png", "gif")
	return cmd
}
