package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"flowmatch/train"
)

// How often progress is told: on a terminal, and as lines elsewhere.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 5 * time.Second
)

// lossMemory is the weight of the past in the loss that is shown.
const lossMemory = 0.98

// progress tells how far training is, on a terminal as a bar, elsewhere as a
// line now and then. The zero value tells nothing.
type progress struct {
	w           io.Writer
	bar         *progressbar.ProgressBar
	from, total int
	loss        float64
	nll         bool        // the loss is a negative log-likelihood
	told        train.Event // the last line of metrics
	start, last time.Time
}

// begin starts over at a step of a training run of total steps.
func (a *app) begin(from, total int) *progress {
	if a.quiet {
		return &progress{}
	}
	now := time.Now()
	p := &progress{w: a.stderr, from: from, total: total, start: now, last: now}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && total > from {
		p.bar = progressbar.NewOptions(total-from,
			progressbar.OptionSetWriter(a.stderr),
			progressbar.OptionSetWidth(24),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString("steps"),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(barEvery),
			progressbar.OptionSetDescription("training"),
		)
	}
	return p
}

// step is called after every step.
func (p *progress) step(step int, loss float64) {
	if p.w == nil {
		return
	}
	if p.loss == 0 {
		p.loss = loss
	}
	p.loss = lossMemory*p.loss + (1-lossMemory)*loss
	now, every := time.Now(), lineEvery
	if p.bar != nil {
		every = barEvery
	}
	if now.Sub(p.last) < every && step < p.total {
		return
	}
	p.last = now
	if p.bar != nil {
		p.bar.Describe(p.where(step))
		_ = p.bar.Set(step - p.from) // a terminal that went away is no reason to stop
		return
	}
	rate := float64(step-p.from) / max(1e-9, now.Sub(p.start).Seconds())
	left := time.Duration(float64(p.total-step) / rate * float64(time.Second))
	fmt.Fprintf(p.w, "%s  %.0f steps/s  %s left\n", p.where(step), rate, left.Round(time.Second))
}

// event is called at every line of metrics.
func (p *progress) event(e train.Event) { p.told = e }

// where tells the step and the loss, and of the last line of metrics what it took.
func (p *progress) where(step int) string {
	name := "loss"
	if p.nll {
		name = "NLL"
	}
	text := fmt.Sprintf("step %d/%d  %s %.4f", step, p.total, name, p.loss)
	if p.told.NFE > 0 {
		text += fmt.Sprintf("  NFE %.0f", p.told.NFE)
	}
	if p.told.Rate > 0 {
		text += fmt.Sprintf("  %.0f examples/s", p.told.Rate)
	}
	if p.told.PeakMiB > 0 {
		text += fmt.Sprintf("  %.0f MiB", p.told.PeakMiB)
	}
	return text
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p.bar != nil {
		fmt.Fprintln(p.w)
	}
}
