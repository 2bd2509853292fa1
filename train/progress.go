package train

import (
	"fmt"

	"flowmatch/model"
	"flowmatch/nn"
)

// Event is a log line of a Loop.
type Event struct {
	Step     int      `json:"step"`               // steps taken
	Loss     float64  `json:"loss"`               // mean over the steps since the last line
	GradNorm float64  `json:"grad_norm"`          // of the last step, before clipping
	LR       float64  `json:"lr"`                 // of the last step
	ValLoss  *float64 `json:"val_loss,omitempty"` // of the averaged weights, when this step was validated
	// NFE is the number of evaluations of the field in a step's solve, mean like Loss; 0:
	// nothing is solved.
	NFE     float64 `json:"nfe,omitempty"`
	Seconds float64 `json:"seconds"` // training time, over all sessions
	// Rate is the examples a second since the last line, validation and saving
	// included, and PeakMiB the most memory that the process has held; 0: not known.
	Rate    float64 `json:"examples_per_second,omitempty"`
	PeakMiB float64 `json:"peak_mib,omitempty"`
	// Slower is how many times the training began again at a lower learning rate.
	Slower int `json:"slower,omitempty"`
}

// Progress is what a checkpoint must carry besides the network's state, as JSON.
type Progress struct {
	BestLoss float64 `json:"best_loss"` // lowest validation loss so far
	BestStep int     `json:"best_step"` // its step; 0: none yet
	Misses   int     `json:"misses"`    // validations since
	Stopped  bool    `json:"stopped"`   // ended early
	Seconds  float64 `json:"seconds"`
	// Slower is how many times the training began again at a lower learning rate.
	Slower int `json:"slower,omitempty"`
	// First is the loss of the first step, and Watched the mean in the making of the logarithms of
	// the losses of the last steps: a start whose loss grows beyond all bounds has diverged.
	First   float64 `json:"first,omitempty"`
	Watched float64 `json:"watched,omitempty"`
	// The log line in the making: sums of losses and evaluations over Count steps.
	Sum   float64 `json:"sum"`
	NFE   float64 `json:"nfe,omitempty"`
	Count int     `json:"count"`
	// Due is the line of a step that was taken, and whose validation ctx ended: it is the
	// first thing that a resumed training does.
	Due *Event `json:"due,omitempty"`
}

// Validate reports what no training has come to that has taken so many steps: a checkpoint
// may be damaged.
func (p Progress) Validate(taken int) error {
	numbers := []float64{p.BestLoss, p.Seconds, p.First, p.Watched, p.Sum, p.NFE}
	for _, v := range numbers {
		if v-v != 0 {
			return fmt.Errorf("train: the progress holds %g; its numbers must be finite", v)
		}
	}
	for _, f := range []struct {
		name    string
		v, most int
	}{
		{"best_step", p.BestStep, taken}, {"misses", p.Misses, taken}, {"count", p.Count, taken},
		{"slower", p.Slower, slowerTimes},
	} {
		if f.v < 0 || f.v > f.most {
			return fmt.Errorf("train: the progress has %s %d after %d steps; it must be in 0..%d", f.name, f.v, taken,
				f.most)
		}
	}
	if p.Seconds < 0 {
		return fmt.Errorf("train: the progress has %g seconds; they must not be negative", p.Seconds)
	}
	if p.Due != nil && p.Due.Step != taken {
		return fmt.Errorf("train: the progress has a line of step %d due after %d steps", p.Due.Step, taken)
	}
	return nil
}

// Hooks are what a Loop reports to and saves with. Nil hooks are not called.
type Hooks struct {
	// Step is called after every step with the loss of that step.
	Step func(step int, loss float64)
	// Event is called at every log line.
	Event func(Event) error
	// FellBack is called when a training that diverged at its start begins again at a lower
	// learning rate; nil: it does not, and ends with the error.
	FellBack func(FellBack) error
	// Save is called when the state should reach the disk; best says that its
	// validation loss is the lowest so far. What s holds is the trainer's own, to be read only,
	// until Save returns.
	Save func(s nn.State, p Progress, best bool) error
	// Snapshot is called every Loop.SnapshotEvery steps, with a state to keep, before
	// that of the step is saved. What s holds is the trainer's own, as in Save.
	Snapshot func(s nn.State) error
	// Sample is called every Loop.SampleEvery steps with the model of the averaged weights,
	// to show what it makes. The model is the trainer's own until Sample returns.
	Sample func(step int, m *model.Model) error
}
