package nn

import (
	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/cluster"
	"flowmatch/engine/native"
)

// The gradients of ranks are summed while the rest of the backward pass goes on, where it is in two stages:
// the gradients of the first stage are complete before the second begins. The native engine takes a tile of
// examples through the whole network, and has all gradients at the end, unless it is told to wait. Waiting
// costs the memory of the activations of the second stage, and the way there and back.

// staged is the optional upgrade of a body whose backward pass can be in two stages.
type staged interface {
	// stages returns the first tensor whose gradient is of the first stage, in which the tensors from it
	// on are; 0: there is one stage. forward must call stage on what the tensors before it lead to.
	stages() (tensor int)
}

// stage returns x, whose gradient the second stage of a backward pass waits for.
func (at input) stage(x *Node) *Node {
	if !at.cut {
		return x
	}
	return IdentityWithCustomGradient(x, func(_, v *Node) *Node { return SchedulingBarrier(v, v) })
}

// leastHidden is the least number of gradients that are worth a stage of their own: those of a quarter of
// a block of a sum. Tests lower it.
var leastHidden = 1 << 16

// stages returns the first tensor of the first stage of the backward pass in a training of ranks; 0: it has
// one stage.
func (tr *NetTrainer) stages() (tensor int) {
	s, ok := tr.net.arch.body.(staged)
	if !ok || tr.ranks.Size() == 1 || tr.eng.name != native.Name || tr.how.Recompute {
		return 0
	}
	if tensor = s.stages(); tensor == 0 || tr.layout.size-tr.layout.tensors[tensor].Offset < leastHidden {
		return 0
	}
	return tensor
}

// early is the sum over ranks of the gradients of the first stage, in the memory of the engine.
type early struct {
	tensor int            // the first one; 0: there is no such stage
	sum    compute.Buffer // of gradients so far
	wait   func() error   // for the sum that is under way; nil: none is
	late   bool           // it begins after the pass: what tests compare with
}

// begin begins the sum.
func (e *early) begin(ranks *cluster.Comm) error {
	flat, err := e.sum.Data()
	if err != nil {
		return err
	}
	e.wait = cluster.Begin(ranks, flat.([]float32))
	return nil
}

// end waits for the sum, which it begins where nothing did before.
func (e *early) end(ranks *cluster.Comm) error {
	if e.tensor == 0 {
		return nil
	}
	if e.wait == nil {
		if err := e.begin(ranks); err != nil {
			return err
		}
	}
	wait := e.wait
	e.wait = nil
	return wait()
}
