package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"flowmatch/data"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/train"
)

// How often progress is shown: on a terminal, and as lines elsewhere.
const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 5 * time.Second
)

// ticks is how finely a bar is divided.
const ticks = 1000

// lossMemory is the weight of the past in the loss that is shown.
const lossMemory = 0.98

// progress shows how far a long work is, with its rate and the time left: on a terminal
// as a bar, elsewhere as a line now and then. The zero value shows nothing.
type progress struct {
	w           io.Writer
	bar         *progressbar.ProgressBar
	unit        string
	from, total float64
	shown       bool
	start, last time.Time
}

// begin starts the progress of a work of total units, of which from are done, and ends
// that of an earlier one.
func (a *app) begin(unit string, from, total float64) *progress {
	a.settle()
	if a.quiet {
		return &progress{}
	}
	now := time.Now()
	p := &progress{w: a.stderr, unit: unit, from: from, total: total, start: now, last: now}
	if f, ok := a.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && total > from {
		p.bar = progressbar.NewOptions(ticks,
			progressbar.OptionSetWriter(a.stderr),
			progressbar.OptionSetWidth(20),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false),
		)
	}
	a.bar = p
	return p
}

// settle leaves the line of the bar.
func (a *app) settle() {
	if p := a.bar; p != nil && p.bar != nil && p.shown {
		fmt.Fprintln(p.w)
	}
	a.bar = nil
}

// at shows, if it is time, that done units are behind, and what else there is to say;
// last asks for it whatever the time.
func (p *progress) at(done float64, what func() string, last bool) {
	if p.w == nil {
		return
	}
	now, every := time.Now(), lineEvery
	if p.bar != nil {
		every = barEvery
	}
	if now.Sub(p.last) < every && !last {
		return
	}
	p.last, p.shown = now, true
	line := what()
	if rate := (done - p.from) / max(1e-9, now.Sub(p.start).Seconds()); rate > 0 {
		left := time.Duration((p.total - done) / rate * float64(time.Second))
		line += fmt.Sprintf("  %s %s/s  %s left", figure(rate), p.unit, left.Round(time.Second))
	}
	if p.bar == nil {
		fmt.Fprintln(p.w, line)
		return
	}
	_ = p.bar.Set(int(ticks * (done - p.from) / (p.total - p.from))) // a terminal that went away is no reason to stop
	p.bar.Describe(line)
}

// figure writes a rate with as many digits as an eye takes in.
func figure(rate float64) string {
	if rate < 100 {
		return fmt.Sprintf("%.3g", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}

// watch begins the progress of a solve, and returns what it is reported to.
func (a *app) watch(what string, points int) model.Progress {
	p := a.begin("points", 0, float64(points))
	return func(done float64, nfe int) {
		p.at(done*p.total, func() string {
			return fmt.Sprintf("%s %.0f/%d  NFE %d", what, done*p.total, points, nfe)
		}, done == 1 && p.shown)
	}
}

// reading returns what the opening of data is reported to.
func (a *app) reading() *data.Watch {
	var p *progress
	doing := ""
	return &data.Watch{
		Say: func(text string) { a.status("%s", text) },
		Progress: func(what, unit string, done, total float64) {
			if what != doing {
				doing, p = what, a.begin(unit, 0, total)
			}
			p.at(done, func() string { return fmt.Sprintf("%s %s of %s %s", what, figure(done), figure(total), unit) },
				false)
		},
	}
}

// training is the progress of a training run.
type training struct {
	*progress
	loss float64
	nll  bool        // the loss is a negative log-likelihood
	of   string      // the unit of the loss
	elbo float64     // of held-out tokens, in bits a token; 0: none
	line train.Event // the last line of metrics
	told bool        // how long it takes
	// weights are those of the network; 0: they are few, and not told.
	weights int
}

// training starts over at a step of a training run of total steps.
func (a *app) training(from, total int) *training {
	return &training{progress: a.begin("steps", float64(from), float64(total))}
}

// step is called after every step.
func (t *training) step(step int, loss float64) {
	if t.loss == 0 {
		t.loss = loss
	}
	t.loss = lossMemory*t.loss + (1-lossMemory)*loss
	t.tell(step)
	t.at(float64(step), func() string { return t.where(step) }, step == int(t.total))
}

// tell says once, as soon as the rate is known, how long a long training takes, beside what it takes of memory.
func (t *training) tell(step int) {
	spent := time.Since(t.start)
	if t.w == nil || t.told || spent < time.Second {
		return
	}
	t.told = true
	whole := time.Duration(float64(spent) * (t.total - t.from) / max(1, float64(step)-t.from))
	if whole < time.Minute {
		return
	}
	if t.bar != nil {
		_ = t.bar.Clear()
	}
	takes := ""
	if t.weights > 0 {
		takes = fmt.Sprintf("%d weights, ", t.weights)
	}
	if _, peak := memory.Process(); peak > 0 {
		takes += memory.Size(float64(peak)) + " of memory so far, "
	}
	each := spent.Seconds() / max(1, float64(step)-t.from)
	fmt.Fprintf(t.w, "%s%s a step: about %s for %.0f steps\n", takes, seconds(each), roughly(whole), t.total-t.from)
}

// seconds writes a short time to three digits.
func seconds(s float64) string {
	if s < 1 {
		return fmt.Sprintf("%.3g ms", 1e3*s)
	}
	return fmt.Sprintf("%.3g s", s)
}

// roughly writes a time to two digits or so.
func roughly(d time.Duration) string {
	if d > 2*time.Hour {
		return fmt.Sprintf("%.1f hours", d.Hours())
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}

// event is called at every line of metrics.
func (t *training) event(e train.Event) { t.line = e }

// where returns the step and the loss, and of the last line of metrics what it took.
func (t *training) where(step int) string {
	name := "loss"
	if t.nll {
		name = "NLL"
	}
	text := fmt.Sprintf("step %d/%.0f  %s %.4f%s", step, t.total, name, t.loss, t.of)
	if t.elbo > 0 {
		text += fmt.Sprintf("  ELBO %.4f bits/token", t.elbo)
	}
	if t.line.NFE > 0 {
		text += fmt.Sprintf("  NFE %.0f", t.line.NFE)
	}
	if t.line.Rate > 0 {
		text += fmt.Sprintf("  %.0f examples/s", t.line.Rate)
	}
	if t.line.PeakMiB > 0 {
		text += fmt.Sprintf("  %.0f MiB", t.line.PeakMiB)
	}
	return text
}
