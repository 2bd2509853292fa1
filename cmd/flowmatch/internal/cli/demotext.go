package cli

import (
	"bytes"
	"context"
	_ "embed" // the run file of the demo of text
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/plot"
	"flowmatch/run"
)

//go:embed demotext.yaml
var demoTextConfig []byte

// The files of the demo of text beside its run, and how many sentences of the language it learns from.
const (
	demoTextData      = "language.txt"
	demoTextPicture   = "tokens.gif"
	demoTextSentences = 4000
)

type demoTextResult struct {
	Run     string           `json:"run"`
	Data    string           `json:"data"`
	Step    int              `json:"step"`
	Backend string           `json:"backend"`
	Seed    uint64           `json:"seed"`
	Stages  []demoTextStage  `json:"stages"` // samples on the way
	ELBO    model.TokenBound `json:"elbo"`   // of held-out text
	// Entropy is -log2 p of the same text by the exact law of the language, in bits a token: what a model without an
	// error comes to.
	Entropy      float64  `json:"exact_bits_per_token"`
	Pictures     []string `json:"pictures"`
	TrainSeconds float64  `json:"train_seconds"` // over all sessions
	Seconds      float64  `json:"seconds"`       // of this session, all in all
}

// demoTextStage is a sample at a step of training, of the same noise at all steps.
type demoTextStage struct {
	Step int     `json:"step"`
	Bits float64 `json:"elbo_bits_per_token"` // of a part of the held-out text
	Text string  `json:"text"`
}

func (d demoTextResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s, %d steps in %.1f s on backend %s\n", d.Run, d.Step, d.TrainSeconds, d.Backend)
	fmt.Fprintf(w, "data\t%s, seed %d\n", d.Data, d.Seed)
	for _, s := range d.Stages {
		fmt.Fprintf(w, "step %d\t%s  ELBO %.3f\n", s.Step, choice.Quote(s.Text), s.Bits)
	}
	fmt.Fprintf(w, "ELBO\t%.3f ± %.3f bits a character of held-out text; the law of the language has %.3f\n",
		d.ELBO.Bits, d.ELBO.BitsSE, d.Entropy)
	fmt.Fprintf(w, "pictures\t%s\n", strings.Join(d.Pictures, " "))
	fmt.Fprintf(w, "seconds\t%.1f\n", d.Seconds)
	fmt.Fprintf(w, "next\tflowmatch sample %s --n 4 --out samples.txt\n", quote(d.Run))
	fmt.Fprintf(w, "\tflowmatch train %s --out runs/mine --set net.width=128\n", quote(filepath.Join(d.Run, demoFile)))
}

func (a *app) runDemoText(ctx context.Context, dir string) (result, error) {
	start := time.Now()
	if n := a.ranks.Size(); n > 1 {
		return nil, usagef("the demo of text is for one process, and mpirun (or srun) started %d; start it alone", n)
	}
	demo := a.demoText
	if demo == nil {
		demo = demoTextConfig
	}
	if err := a.claim(dir, demo); err != nil {
		return nil, err
	}
	language := text.SmallLanguage()
	if err := writeLanguage(filepath.Join(dir, demoTextData), language); err != nil {
		return nil, err
	}
	cfg, err := run.ReadTokenConfig(filepath.Join(dir, demoFile), nil)
	if err != nil {
		return nil, err
	}
	a.status("training on a small language for %d steps, in %s", cfg.Train.Steps, dir)
	trained, r, err := a.trainTokensIn(ctx, cfg, dir, true, "flowmatch demo --kind text --out "+quote(dir))
	if err != nil {
		return nil, err
	}
	res := &demoTextResult{Run: dir, Data: trained.Data, Step: r.Step, Backend: trained.Backend, Seed: cfg.Seed,
		TrainSeconds: trained.Seconds}
	if err := a.evaluateDemoText(ctx, r, language, res); err != nil {
		return nil, err
	}
	if err := a.drawDemoText(ctx, r, res); err != nil {
		return nil, err
	}
	res.Seconds = time.Since(start).Seconds()
	return res, nil
}

// writeLanguage writes the text of the demo, unless it is there.
func writeLanguage(file string, l text.Language) error {
	content := []byte(l.Text(1, demoTextSentences))
	if was, err := os.ReadFile(file); err == nil && bytes.Equal(was, content) {
		return nil
	}
	return atomicfile.WriteBytes(file, content)
}

// evaluateDemoText compares the bound of held-out text with its exact log-probability, and draws samples of the
// snapshots.
func (a *app) evaluateDemoText(ctx context.Context, r *run.TokenRun, l text.Language, res *demoTextResult) error {
	corpus, err := r.Text()
	if err != nil {
		return err
	}
	e, seed := r.Config.Eval, r.Config.Seed
	x, _ := corpus.Testing(e.Test)
	a.status("comparing the ELBO with the law of the language on %d sequences", x.N)
	if res.ELBO, _, err = r.Model.Bound(ctx, x, nil, discrete.ELBOOptions{Draws: e.Draws, Seed: seed},
		a.watch("bounds", x.N)); err != nil {
		return err
	}
	for i := range x.N {
		res.Entropy -= l.LogProb(corpus.Decode(x.Row(i))) / math.Ln2 / float64(len(x.X))
	}
	steps, err := run.Snapshots(r.Dir)
	if err != nil {
		return err
	}
	few, _ := corpus.Testing(40)
	for _, step := range steps {
		at, err := run.OpenTokensAt(r.Dir, step, run.OpenOptions{})
		if err != nil {
			return err
		}
		b, _, err := at.Model.Bound(ctx, few, nil, discrete.ELBOOptions{Seed: seed}, nil)
		if err != nil {
			return err
		}
		s, _, err := at.Model.Sample(ctx, model.TokenSampling{N: 1, Sampler: e.Sampling(seed)})
		if err != nil {
			return err
		}
		res.Stages = append(res.Stages, demoTextStage{step, b.Bits, corpus.Decode(s.Row(0))})
	}
	return nil
}

func (a *app) drawDemoText(ctx context.Context, r *run.TokenRun, res *demoTextResult) error {
	for _, p := range []struct {
		name string
		draw func(w io.Writer) error
	}{
		{"loss.png", func(w io.Writer) error { return r.DrawLoss(w, plot.LossOptions{}) }},
		{demoTextPicture, func(w io.Writer) error {
			return a.drawAppearing(ctx, w, r, sequencesShown, r.Config.Seed, plot.GIFOptions{})
		}},
	} {
		file := filepath.Join(r.Dir, p.name)
		a.status("drawing %s", file)
		if err := atomicfile.WriteFile(file, p.draw); err != nil {
			return err
		}
		res.Pictures = append(res.Pictures, file)
	}
	return nil
}
