package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/run"
)

type exportResult struct {
	Run     string   `json:"run"`
	File    string   `json:"file"`
	Step    int      `json:"step"`
	Inputs  []string `json:"inputs"`
	Output  string   `json:"output"`
	Nodes   int      `json:"nodes"`
	Weights int      `json:"weights"`
	Check   string   `json:"check,omitempty"` // folder of inputs and outputs
}

func (e exportResult) text(w io.Writer) {
	fmt.Fprintf(w, "network\t%s of %s, step %d, %d weights in %d nodes\n", e.File, e.Run, e.Step, e.Weights, e.Nodes)
	fmt.Fprintf(w, "inputs\t%s\n", strings.Join(e.Inputs, ", "))
	fmt.Fprintf(w, "output\t%s\n", e.Output)
	if e.Check != "" {
		fmt.Fprintf(w, "check\tpoints and what the network makes of them in %s\n", e.Check)
	}
}

type exportFlags struct {
	out          string
	raw, average bool
	check        int
}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export DIR --out FILE.onnx",
		Short: "Write the network of a trained run as an ONNX file",
		Long: `Write the velocity field v(x, t) of a trained run, or v(x, t, label) of a
conditional one, as an ONNX file, which onnxruntime and others run.

Inputs are x [N, ...shape] and t [N] in float32, label [N] in int64 (-1: no label)
and, of a run with a condition, condition [N, height, width, channels], for batches of any size N; the output has the shape of x. Images are
[N, height, width, channels]. Time runs from 0 (noise) to 1 (data). Numbers are in
model units: prediction, path, standardisation, shape and step are in the file's
metadata.

A network that does not predict the velocity is written with --raw, as it is;
one that knows average velocities, u(x, t, s), with --average.
scripts/check-onnx.sh compares a file with onnxruntime.`,
		Example: `  flowmatch export runs/first --out field.onnx
  flowmatch export runs/meanflow --average --out average.onnx`,
		Args: arguments("DIR"),
		RunE: a.do(func(_ *cobra.Command, args []string) (result, error) {
			return export(args[0], f)
		}),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "file to write, .onnx")
	fl.BoolVar(&f.raw, "raw", false, "write the network's own output, whatever it predicts")
	fl.BoolVar(&f.average, "average", false, "write the average velocity u(x, t, s), of a run that learnt it")
	fl.IntVar(&f.check, "check", 0, "write so many points and what the network makes of them too, as NAME.check/*.npy")
	cmd.MarkFlagsMutuallyExclusive("raw", "average")
	require(cmd, "out")
	return cmd
}

func export(dir string, f exportFlags) (result, error) {
	if _, err := extension("--out", f.out, ".onnx"); err != nil {
		return nil, err
	}
	if f.check < 0 {
		return nil, usagef("--check is %d; it must not be negative", f.check)
	}
	r, err := run.Open(dir, "")
	if err != nil {
		return nil, asUsage(err, run.ErrNoRun)
	}
	o := model.ExportOptions{Raw: f.raw, Average: f.average, Step: r.Step, Version: run.Version()}
	file, err := r.Model.SaveONNX(f.out, o)
	if err != nil {
		return nil, asUsage(err, model.ErrNotVelocity, nn.ErrNoInterval)
	}
	res := exportResult{Run: r.Dir, File: f.out, Step: r.Step, Nodes: len(file.Graph.Nodes), Weights: r.Model.Net.NumWeights()}
	for _, in := range file.Graph.Inputs {
		res.Inputs = append(res.Inputs, in.String())
	}
	res.Output = file.Graph.Outputs[0].String()
	if f.check > 0 {
		res.Check = strings.TrimSuffix(f.out, filepath.Ext(f.out)) + ".check"
		err = writeCheck(r, res.Check, f)
	}
	return res, err
}

// writeCheck writes points, each with a time and a label of its own, and what the
// network makes of them.
func writeCheck(r *run.Run, dir string, f exportFlags) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	n, classes := f.check, r.Model.Net.Config().Classes
	rng := seed.Rand(r.Config.Seed, "flowmatch/export", 0)
	x, y := flow.NewBatch(n, r.Model.Dim()), flow.NewBatch(n, r.Model.Dim())
	t, s, label := flow.NewBatch(n, 1), flow.NewBatch(n, 1), flow.NewBatch(n, 1)
	cond := flow.NewBatch(n, r.Model.Net.Config().Condition)
	for _, b := range []flow.Batch{x, cond} {
		for i := range b.X {
			b.X[i] = float64(float32(rng.NormFloat64()))
		}
	}
	for i := range n {
		t.X[i], s.X[i] = float64(rng.Float32()), float64(rng.Float32())
		var one []int32
		if classes > 0 {
			one = []int32{int32(rng.IntN(classes+1)) - 1}
			label.X[i] = float64(one[0])
		}
		var told flow.Batch
		if cond.D > 0 {
			told = cond.Slice(i, i+1)
		}
		field, err := r.Model.Net.BindTo(one, told)
		if err != nil {
			return err
		}
		if f.average {
			err = field.Average(y.Row(i), t.X[i], s.X[i], x.Row(i))
		} else {
			err = field.Velocity(y.Row(i), t.X[i], x.Row(i))
		}
		if err != nil {
			return err
		}
	}
	files := map[string]flow.Batch{"x": x, "t": t, "output": y}
	if classes > 0 {
		files["label"] = label
	}
	if cond.D > 0 {
		files["condition"] = cond
	}
	if f.average {
		files["s"] = s
	}
	for name, b := range files {
		if err := data.WriteNPY(filepath.Join(dir, name+".npy"), b); err != nil {
			return err
		}
	}
	return nil
}
