package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/table"
	"flowmatch/engine/onnx"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/model/layout"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/run"
)

type exportResult struct {
	Run    string   `json:"run"`
	File   string   `json:"file"`
	Step   int      `json:"step"`
	Inputs []string `json:"inputs"`
	Output string   `json:"output"`
	// Context are the columns of a context that is to be standardised; absent: there is none.
	Context []string `json:"context,omitempty"`
	Nodes   int      `json:"nodes"`
	Weights int      `json:"weights"`
	Check   string   `json:"check,omitempty"` // folder of inputs and outputs
}

func (e exportResult) text(w io.Writer) {
	fmt.Fprintf(w, "network\t%s of %s, step %d, %d weights in %d nodes\n", e.File, e.Run, e.Step, e.Weights, e.Nodes)
	fmt.Fprintf(w, "inputs\t%s\n", strings.Join(e.Inputs, ", "))
	fmt.Fprintf(w, "output\t%s\n", e.Output)
	if e.Context != nil {
		fmt.Fprintf(w, "condition\t(context - mean) / std of %s, both in the metadata "+
			"(flowmatch.context_standardizer)\n", choice.List(e.Context))
	}
	if e.Check != "" {
		fmt.Fprintf(w, "check\tpoints and what the program makes of them in %s\n", e.Check)
	}
}

type exportFlags struct {
	out, backend string
	as           string // a layout of weights; empty: ONNX
	raw, average bool
	sampler      string // a method; empty: the field is written
	shift        shift  // of the sampler
	check        int
}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export DIR --out FILE.onnx",
		Short: "Write the velocity field of a trained run as an ONNX file, or its weights for PyTorch",
		Long: `Write the velocity field v(x, t) of a trained run, or v(x, t, label) of a
conditional one, as an ONNX file for onnxruntime and other programs.

Inputs are x [N, ...shape] and t [N] in float32, label [N] in int64 (-1: no label)
and, for a run with a context, condition: [N, height, width, channels] where images are
made from images, [N, numbers] of a table. N may be any batch size; the output has the
shape of x. Images are [N, height, width, channels]. Time runs from 0 (noise) to 1 (data).
Numbers are in model units: path, range of times, standardisation, shape and step are in
the file's metadata. The context of a table is standardised by itself: condition =
(context - mean) / std, with mean and std of flowmatch.context_standardizer there.

The file computes the velocity for every kind of prediction, preconditioned or not,
because it includes the formulas of the path. A schedule of your own is the exception.
--raw writes the network's own input and output instead, and --average the average
velocity u(x, t, s) of a run that learnt it. scripts/check-onnx.sh compares a file
with onnxruntime.

--sampler writes a whole sampler: a loop of steps of that method. Inputs are noise
[N, ...shape], drawn of N(0, 1), and steps, the number of steps (int64, a scalar), with
label and condition as above; the output, samples, is in the units of the data. The shift
of the steps is that of the run (eval.time_grid), or --shift.

--as LAYOUT writes the weights instead, to a safetensors file with the names of tensors
that another program has, so that training goes on there; flowmatch import --list has
the layouts. What the network sees and outputs is printed, and in the metadata.`,
		Example: `  flowmatch export runs/first --out field.onnx
  flowmatch export runs/first --raw --out network.onnx
  flowmatch export runs/images --as guided-diffusion --out adm.safetensors
  flowmatch export runs/meanflow --average --out average.onnx
  flowmatch export runs/first --sampler euler --shift 3 --out sampler.onnx`,
		Args:              arguments("DIR"),
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			if cmd.Flags().Changed("check") && f.check < 1 {
				return nil, usagef("--check is %d; it must be at least 1, or left out", f.check)
			}
			if err := f.checkSampler(cmd); err != nil {
				return nil, err
			}
			if f.as != "" {
				return exportWeights(args[0], f)
			}
			return export(cmd.Context(), args[0], f)
		}),
	}
	f.flags(cmd)
	return cmd
}

// flags adds those of the command.
func (f *exportFlags) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "file to write, .onnx")
	fl.StringVar(&f.backend, "backend", "", backendUsage+"the run)")
	fl.BoolVar(&f.raw, "raw", false, "write only the network, with its own input and output")
	fl.BoolVar(&f.average, "average", false, "write the average velocity u(x, t, s) of a run that learnt it")
	fl.IntVar(&f.check, "check", 0,
		"also write this number of points and the program's results for them, as NAME.check/*.npy")
	fl.StringVar(&f.sampler, "sampler", "", "write a whole sampler, whose steps are those of a method: "+
		strings.Join(ode.Names(), ", "))
	fl.Var(&f.shift, "shift", "shift of the steps of --sampler, or "+autoShift+" (default: that of the run)")
	fl.StringVar(&f.as, "as", "", "write the weights in the layout of "+strings.Join(layout.Names(), ", "))
	cmd.MarkFlagsMutuallyExclusive("raw", "average", "sampler", "as")
	cmd.MarkFlagsMutuallyExclusive("check", "as")
	complete(cmd, "sampler", ode.Names()...)
	complete(cmd, "as", layout.Names()...)
	require(cmd, "out")
	complete(cmd, "backend", backendNames()...)
	completeFiles(cmd, "out", "onnx", "safetensors")
}

// open opens the run that is exported, once it is known that its file can be written.
func (f exportFlags) open(dir, ext string) (*run.Run, error) {
	if _, err := extension("--out", f.out, ext); err != nil {
		return nil, err
	}
	if err := inFolder(f.out); err != nil {
		return nil, err
	}
	if err := checkBackend(f.backend); err != nil {
		return nil, err
	}
	r, err := openRun(dir, f.backend, nil)
	if err == nil {
		err = sparesData(f.out, r.Config)
	}
	return r, err
}

func export(ctx context.Context, dir string, f exportFlags) (result, error) {
	r, err := f.open(dir, ".onnx")
	if err != nil {
		return nil, err
	}
	numbers := float64(f.check) * float64(2*r.Model.Dim()+r.Model.Net().Config().Context+3)
	if err := memory.Check(fmt.Sprintf("--check %d", f.check), 2*8*numbers); err != nil {
		return nil, err
	}
	file, err := f.save(r)
	if err != nil {
		err = advise(err, model.ErrNotVelocity, "export it with --raw")
		return nil, advise(err, nn.ErrNoAverage, "export it without --average")
	}
	res := exportResult{
		Run: r.Dir, File: f.out, Step: r.Step, Nodes: len(file.Graph.Nodes), Weights: r.Model.Net().NumWeights(),
	}
	for _, in := range file.Graph.Inputs {
		res.Inputs = append(res.Inputs, in.String())
	}
	res.Output = file.Graph.Outputs[0].String()
	if spec := r.Model.Spec(); spec.ContextStandardizer != nil {
		res.Context = spec.ContextColumns
	}
	if f.check > 0 {
		res.Check = strings.TrimSuffix(f.out, filepath.Ext(f.out)) + ".check"
		if f.sampler == "" {
			err = writeCheck(r, res.Check, f)
		} else {
			err = writeSamplerCheck(ctx, r, res.Check, f)
		}
	}
	return res, err
}

// save writes the file.
func (f exportFlags) save(r *run.Run) (*onnx.Model, error) {
	if f.sampler == "" {
		return r.Model.SaveONNX(f.out, model.ExportOptions{Raw: f.raw, Average: f.average, Step: r.Step,
			Version: run.Version()})
	}
	o, err := f.samplerOptions(r)
	if err != nil {
		return nil, err
	}
	return r.Model.SaveONNXSampler(f.out, o)
}

// checkPoints are points with a time (and a later one), a label and a context each, and
// what the program makes of them.
type checkPoints struct {
	x, t, s, label, context, output flow.Batch
}

// drawCheck draws the points of --check: of N(0, I) or, for the velocity, as far out as the
// path is at their times.
func drawCheck(r *run.Run, f exportFlags) checkPoints {
	n, cfg, rng := f.check, r.Model.Net().Config(), seed.Rand(r.Config.Seed, "flowmatch/export", 0)
	p := checkPoints{
		x: flow.NewBatch(n, cfg.Dim), output: flow.NewBatch(n, cfg.Dim), context: flow.NewBatch(n, cfg.Context),
		t: flow.NewBatch(n, 1), s: flow.NewBatch(n, 1), label: flow.NewBatch(n, 1),
	}
	for _, b := range []flow.Batch{p.x, p.context} {
		for i := range b.X {
			b.X[i] = float64(float32(rng.NormFloat64()))
		}
	}
	lo, hi := r.Model.Span()
	for i := range n {
		p.t.X[i], p.s.X[i] = float64(rng.Float32()), float64(rng.Float32())
		if cfg.Classes > 0 {
			p.label.X[i] = float64(rng.IntN(cfg.Classes+1) - 1)
		}
		if f.raw || f.average {
			continue
		}
		p.t.X[i] = float64(float32(lo + (hi-lo)*p.t.X[i]))
		at := r.Model.Scheduler().At(p.t.X[i])
		for k, v := range p.x.Row(i) {
			p.x.Row(i)[k] = float64(float32(at.Point(v, v)))
		}
	}
	return p
}

// evaluate fills in the output: the velocity, or that of the network itself, or its average
// velocity.
func (p checkPoints) evaluate(m *model.Model, f exportFlags) error {
	for i := range p.x.N {
		var given flow.Given
		if m.Net().Config().Classes > 0 {
			given.Label = []int32{int32(p.label.X[i])}
		}
		if p.context.D > 0 {
			given.Context = p.context.Slice(i, i+1)
		}
		if err := p.evaluateOne(m, f, i, given); err != nil {
			return err
		}
	}
	return nil
}

func (p checkPoints) evaluateOne(m *model.Model, f exportFlags, i int, given flow.Given) error {
	if f.average {
		u, err := m.Net().BindAverage(given)
		if err != nil {
			return err
		}
		return u.Average(p.output.Row(i), p.t.X[i], p.s.X[i], p.x.Row(i))
	}
	bind := m.Field
	if f.raw {
		bind = func(g flow.Given) (flow.Field, error) { return m.Net().Bind(g) }
	}
	v, err := bind(given)
	if err != nil {
		return err
	}
	return v.Velocity(p.output.Row(i), p.t.X[i], p.x.Row(i))
}

// writeCheck writes the points of --check, and what the program makes of them.
func writeCheck(r *run.Run, dir string, f exportFlags) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	p := drawCheck(r, f)
	if err := p.evaluate(r.Model, f); err != nil {
		return err
	}
	files := map[string]flow.Batch{"x": p.x, "t": p.t, "output": p.output}
	if r.Conditional() {
		files["label"] = p.label
	}
	if p.context.D > 0 {
		files["condition"] = p.context
	}
	if f.average {
		files["s"] = p.s
	}
	for name, b := range files {
		if err := table.WriteNPY(filepath.Join(dir, name+".npy"), b); err != nil {
			return err
		}
	}
	return nil
}
