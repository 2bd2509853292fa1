package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/run"
	"flowmatch/train"
)

type classifierResult struct {
	File     string  `json:"file"`
	Data     string  `json:"data"`
	Classes  int     `json:"classes"`
	Steps    int     `json:"steps"`
	Weights  int     `json:"weights"`
	Accuracy float64 `json:"accuracy"` // on the held-out images; 0 when there are none
	Test     int     `json:"test"`
	Seconds  float64 `json:"seconds"`
}

func (c classifierResult) text(w io.Writer) {
	fmt.Fprintf(w, "classifier\t%s, %d weights, %d classes of %s\n", c.File, c.Weights, c.Classes, c.Data)
	if c.Test > 0 {
		fmt.Fprintf(w, "accuracy\t%.2f %% of %d held-out images\n", 100*c.Accuracy, c.Test)
	}
	fmt.Fprintf(w, "seconds\t%.1f, %d steps\n", c.Seconds, c.Steps)
}

type classifierFlags struct {
	out, backend string
	set          []string
	cfg          classify.Config
}

func (a *app) classifierCommand() *cobra.Command {
	var f classifierFlags
	cmd := &cobra.Command{
		Use:   "classifier RUN.yaml --out FILE",
		Short: "Train a classifier on the images of a run file, to evaluate samples",
		Long: `Train a small convolutional classifier on the labelled images of a run file, on the
same training part. flowmatch eval --classifier FILE then reports how many samples
are of the requested class.`,
		Example: `  flowmatch classifier examples/digits.yaml --out runs/classifier.safetensors
  flowmatch classifier run.yaml --out c.safetensors --steps 500 --set data.test=2000`,
		Args:              arguments("RUN.yaml"),
		ValidArgsFunction: yamlArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.classifier(cmd.Context(), args[0], f)
		}),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "file to write, .safetensors")
	fl.StringArrayVar(&f.set, "set", nil, "change a setting of the run file, as key=value")
	fl.StringVar(&f.backend, "backend", "", backendUsage+"the run file)")
	fl.IntVar(&f.cfg.Loop.Steps, "steps", 2000, "steps of the optimizer")
	fl.IntVar(&f.cfg.Loop.Batch, "batch", 64, "images a step")
	require(cmd, "out")
	completeSettings(cmd)
	complete(cmd, "backend", backendNames()...)
	completeFiles(cmd, "out", "safetensors")
	return cmd
}

func (a *app) classifier(ctx context.Context, file string, f classifierFlags) (result, error) {
	if _, err := extension("--out", f.out, ".safetensors"); err != nil {
		return nil, err
	}
	if err := inFolder(f.out); err != nil {
		return nil, err
	}
	l := f.cfg.Loop
	if l.Steps < 1 || l.Batch < 1 {
		return nil, usagef("--steps is %d and --batch %d; both must be at least 1", l.Steps, l.Batch)
	}
	cfg, err := readRun(run.ReadConfig, file, f.set, f.backend)
	if err == nil {
		err = sparesData(f.out, cfg)
	}
	if err != nil {
		return nil, err
	}
	eng, err := nn.Open(cfg.Backend)
	if err != nil {
		return nil, err
	}
	cfg.Data.Watch = a.reading()
	set, err := cfg.Data.Open("", cfg.Seed)
	if err != nil {
		return nil, err
	}
	f.cfg.Seed = cfg.Seed
	start, p := time.Now(), a.training(0, l.Steps)
	c, err := classify.Train(ctx, eng, set, f.cfg, train.Hooks{Step: p.step})
	if err != nil {
		return nil, err
	}
	res := classifierResult{
		File: f.out, Data: set.Name, Classes: set.Classes, Steps: l.Steps, Weights: c.NumWeights(),
		Test: set.Test.Len(),
	}
	if res.Test > 0 {
		x, given, err := data.Rows(set.Test, 0, res.Test, seed.Rand(cfg.Seed, "run/test", 0))
		if err != nil {
			return nil, err
		}
		_, probs, err := c.Classify(x)
		if err != nil {
			return nil, err
		}
		if res.Accuracy, err = classify.Accuracy(probs, given.Label); err != nil {
			return nil, err
		}
	}
	res.Seconds = time.Since(start).Seconds()
	return res, model.SaveClassifier(f.out, c)
}
