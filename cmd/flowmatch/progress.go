package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
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
		p.bar.Describe(fmt.Sprintf("step %d/%d  loss %.4f", step, p.total, p.loss))
		_ = p.bar.Set(step - p.from) // a terminal that went away is no reason to stop
		return
	}
	rate := float64(step-p.from) / max(1e-9, now.Sub(p.start).Seconds())
	left := time.Duration(float64(p.total-step) / rate * float64(time.Second))
	fmt.Fprintf(p.w, "step %d/%d  loss %.4f  %.0f steps/s  %s left\n", step, p.total, p.loss, rate, left.Round(time.Second))
}

// end leaves the line of the bar.
func (p *progress) end() {
	if p.bar != nil {
		fmt.Fprintln(p.w)
	}
}
