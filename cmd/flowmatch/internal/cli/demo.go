package cli

import (
	"bytes"
	"context"
	_ "embed" // the run file of the demo
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/eval"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/report"
	"flowmatch/run"
)

//go:embed demo.yaml
var demoConfig []byte

//go:embed demosphere.yaml
var demoSphereConfig []byte

// demoFile is the run file in the demo's folder, and how a folder is known to
// be an earlier demo's.
const demoFile = "demo.yaml"

// demoCells is the grid of the demo's density: a quarter of the usual points,
// for the sake of the minute.
const demoCells = 64

// demoPicture is a file that a demo draws and the kind of picture in it.
type demoPicture struct{ file, kind string }

// demoPictures are those of the demo of points, and demoSpherePictures of that of the sphere.
var (
	demoPictures = []demoPicture{
		{"samples.png", "samples"}, {"density.png", "density"}, {"field.png", "field"},
		{"trajectories.png", "trajectories"}, {"loss.png", "loss"}, {"flow.gif", "flow"},
	}
	demoSpherePictures = []demoPicture{
		{"samples.png", "samples"}, {"density.png", "density"}, {"globe.gif", "globe"}, {"loss.png", "loss"},
	}
)

// The kinds of demo.
const demoOfPoints, demoOfSphere, demoOfText = "points", "sphere", "text"

var demoKinds = []string{demoOfPoints, demoOfSphere, demoOfText}

type demoResult struct {
	Run             string   `json:"run"`
	Data            string   `json:"data"`
	Step            int      `json:"step"`
	Backend         string   `json:"backend"`
	Seed            uint64   `json:"seed"`
	Solver          string   `json:"solver"`
	eval.Likelihood          // exact, on held-out points
	Pictures        []string `json:"pictures"`
	TrainSeconds    float64  `json:"train_seconds"` // over all sessions
	EvalSeconds     float64  `json:"eval_seconds"`
	PictureSeconds  float64  `json:"picture_seconds"`
	Seconds         float64  `json:"seconds"` // of this session, all in all
}

func (d demoResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s, %d steps in %.1f s on backend %s\n", d.Run, d.Step, d.TrainSeconds, d.Backend)
	fmt.Fprintf(w, "data\t%s, seed %d\n", d.Data, d.Seed)
	fmt.Fprintf(w, "solver\t%s, %.1f s\n", d.Solver, d.EvalSeconds)
	writeLines(w, report.Likelihood(&d.Likelihood))
	fmt.Fprintf(w, "pictures\t%s, %.1f s\n", strings.Join(d.Pictures, " "), d.PictureSeconds)
	fmt.Fprintf(w, "seconds\t%.1f\n", d.Seconds)
	fmt.Fprintf(w, "next\tflowmatch sample %s --n 1000 --logp --out samples.csv\n", quote(d.Run))
	fmt.Fprintf(w, "\tflowmatch train %s --out runs/mine --set train.lr=3e-3\n", quote(filepath.Join(d.Run, demoFile)))
}

func (a *app) demoCommand() *cobra.Command {
	var out, kind string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Train, sample and evaluate a flow in a minute",
		Long: `Train a flow on a checkerboard, compare its exact likelihood on held-out points with
the best possible one, and draw it. It takes about a minute.

--kind sphere learns a distribution on the sphere of known density instead, and draws it on
a map and on a globe that turns.

--kind text learns a small language, whose sentences have a known entropy. It
shows samples at several steps of training, the bound of the log-probability of held-out
text beside the exact law, and tokens that appear over time.

The folder --out receives demo.yaml (a normal run file with all settings), the run and
the pictures. If the folder has the same demo.yaml from an earlier demo, an
interrupted demo continues, and a finished one is evaluated and drawn again. Any other
folder must be empty; only the demo's own files are changed.`,
		Example: `  flowmatch demo
  flowmatch demo --kind sphere --out runs/sphere
  flowmatch demo --kind text --out runs/text
  flowmatch demo --out runs/demo --json`,
		Args: arguments(),
		RunE: a.do(func(cmd *cobra.Command, _ []string) (result, error) {
			if err := choice.Check("kind of demo", kind, demoKinds); err != nil {
				return nil, usagef("--kind: %w", err)
			}
			switch kind {
			case demoOfText:
				return a.runDemoText(cmd.Context(), out)
			case demoOfSphere:
				demo := a.demoSphere
				if demo == nil {
					demo = demoSphereConfig
				}
				return a.runDemo(cmd.Context(), out, kind, demo, demoSpherePictures)
			}
			return a.runDemo(cmd.Context(), out, kind, a.demo, demoPictures)
		}),
	}
	cmd.Flags().StringVar(&kind, "kind", demoOfPoints, "what is learnt: "+strings.Join(demoKinds, ", "))
	complete(cmd, "kind", demoKinds...)
	cmd.Flags().StringVar(&out, "out", "demo", "folder of the run and of the pictures")
	return cmd
}

// runDemo is the demo of points, or of the sphere, by its run file.
func (a *app) runDemo(ctx context.Context, dir, kind string, demo []byte, pictures []demoPicture) (result, error) {
	start := time.Now()
	cfg, err := run.ParseConfig(demo, nil)
	if err != nil {
		return nil, err
	}
	if err := a.claim(dir, demo); err != nil {
		return nil, err
	}
	a.status("training on %s for %d steps, in %s", cfg.Data.Name, cfg.Train.Steps, dir)
	again := "flowmatch demo --out " + quote(dir)
	if kind != demoOfPoints {
		again = "flowmatch demo --kind " + kind + " --out " + quote(dir)
	}
	trained, r, err := a.trainRun(ctx, cfg, dir, true, again)
	if err != nil {
		return nil, err
	}
	res := demoResult{
		Run: dir, Data: trained.Data, Step: r.Step, Backend: trained.Backend, Seed: cfg.Seed,
		TrainSeconds: trained.Seconds,
	}
	r.Watch, r.Reading = a.watch, a.reading()
	if err := a.evaluateDemo(ctx, r, &res); err != nil {
		return nil, err
	}
	if err := a.drawDemo(ctx, r, pictures, &res); err != nil {
		return nil, err
	}
	res.Seconds = time.Since(start).Seconds()
	return res, nil
}

// claim makes sure that dir is the demo's to write to, whose run file is given.
func (a *app) claim(dir string, demo []byte) error {
	was, err := atomicfile.Read(filepath.Join(dir, demoFile))
	if err == nil && bytes.Equal(was, demo) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return usageError{err}
	case len(entries) > 0:
		return usagef("folder %s is not empty and not that of an earlier demo with the same %s; give another --out",
			dir, demoFile)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, demoFile), demo)
}

// evaluateDemo evaluates the exact likelihood of all held-out points.
func (a *app) evaluateDemo(ctx context.Context, r *run.Run, res *demoResult) error {
	start := time.Now()
	solver, err := r.Config.Eval.DensitySolver()
	if err != nil {
		return err
	}
	s, err := r.Subject(true)
	if err != nil {
		return err
	}
	x, given, err := s.TestPoints(0)
	if err != nil {
		return err
	}
	a.status("evaluating the likelihood of %d held-out points", x.N)
	l, _, err := s.Likelihood(ctx, x, given)
	if err != nil {
		return err
	}
	res.Likelihood, res.Solver = *l, solver.String()
	res.EvalSeconds = time.Since(start).Seconds()
	return nil
}

func (a *app) drawDemo(ctx context.Context, r *run.Run, pictures []demoPicture, res *demoResult) error {
	start := time.Now()
	o := run.PictureOptions{Seed: r.Config.Seed, Cells: demoCells}
	for _, p := range pictures {
		file := filepath.Join(r.Dir, p.file)
		a.status("drawing %s", file)
		draw := func(w io.Writer) error { return r.Picture(ctx, w, p.kind, o) }
		if err := atomicfile.WriteFile(file, draw); err != nil {
			return err
		}
		res.Pictures = append(res.Pictures, file)
	}
	res.PictureSeconds = time.Since(start).Seconds()
	return nil
}
