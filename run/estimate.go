package run

import (
	"fmt"

	"flowmatch/internal/memory"
	"flowmatch/nn"
	"flowmatch/train"
)

// Estimate is what a training takes, as it is known before the first step.
type Estimate struct {
	Weights int   // of the network
	Batch   int   // examples a step
	Bytes   int64 // weights, their average, moments, gradient and all that a step has beside them
	Free    int64 // what there is, with what the network has taken already; 0: not known
}

// told is the size from which on an estimate is worth a line.
const told = 1 << 30

// estimate tells what a large training takes, and reports one that there is no memory for. Of
// objectives that make their own targets or solve in a step it is not known.
func (s *session) estimate(o TrainOptions) error {
	kind, err := train.KindOf(s.cfg.Train.Objective)
	if err != nil {
		return err
	}
	if kind.Averages || kind.Solves || len(s.cfg.Net.Levels) > 0 {
		return nil
	}
	const slab, filled = 4, 2 // bytes of a number; slabs that are written already
	e := Estimate{Weights: s.model.Net().NumWeights(), Batch: s.cfg.Train.Batch}
	if slab*e.Weights < told/8 {
		return nil
	}
	bytes, known, err := s.trainer.StepMemory(e.Batch)
	if err != nil || !known {
		return err
	}
	s.warnAccumulate(slab * e.Weights)
	e.Bytes = int64(bytes)
	if free, ok := memory.Available(); ok {
		e.Free = free + slab*filled*int64(e.Weights)
	}
	if o.Estimated != nil && bytes >= told {
		o.Estimated(e)
	}
	if e.Free == 0 || e.Bytes <= e.Free {
		return nil
	}
	return fmt.Errorf("run: training %s with train.batch %d needs %w: %s, and there are %s; make it smaller",
		s.cfg.Net.Sizes(), e.Batch, memory.ErrTooLarge, memory.Size(float64(e.Bytes)), memory.Size(float64(e.Free)))
}

// warnAccumulate says where parts of a batch cost memory instead of saving some.
func (s *session) warnAccumulate(slab int) {
	if k := s.cfg.Train.Accumulate; k > 1 && s.model.Net().Engine().Name() == nn.DefaultBackend {
		s.warnings = append(s.warnings, fmt.Sprintf("train.accumulate %d saves nothing on the native engine, which "+
			"takes a batch in tiles of an image or a few for each core, and keeps the sum of the gradients, %s more: "+
			"leave it out", k, memory.Size(float64(slab))))
	}
}

// warnHalf says where bfloat16 costs time instead of saving some.
func (s *session) warnHalf() {
	if s.cfg.Train.Precision == nn.BFloat16 && s.model.Net().Engine().SlowBF16() {
		s.warnings = append(s.warnings, "train.precision bf16 saves no time on this processor, which rounds "+
			"numbers besides: it has no instructions for bfloat16 that do more than those for float32, or "+
			"FLOWMATCH_CPU forbids them; leave it out")
	}
}
