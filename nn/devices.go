package nn

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/distributed"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// ErrDevices is returned when a step is asked for more devices than the engine has,
// or for a number of them that does not divide its examples.
var ErrDevices = errors.New("nn: the devices do not fit")

// Devices returns how many devices the engine has: see StepOptions.Devices.
func (e *Engine) Devices() int {
	if e.check() != nil {
		return 0
	}
	return e.backend.NumDevices()
}

// checkDevices reports a number of devices that the engine does not have.
func (e *Engine) checkDevices(n int) error {
	if n > e.Devices() {
		return fmt.Errorf("%w: a step on %d; the engine %s has %d", ErrDevices, n, e.name, e.Devices())
	}
	return nil
}

// together has a graph run by n devices.
func together(g *Graph, n int) error {
	mesh, err := distributed.NewDeviceMesh([]int{n}, []string{"batch"})
	if err != nil {
		return err
	}
	return g.SetSPMD(mesh)
}

// meanOver returns the means of tensors over n devices, the same on each.
func meanOver(n int, x ...*Node) []*Node {
	if n <= 1 {
		return x
	}
	x = x[0].Graph().Distributed().AllReduce(x, compute.ReduceOpSum)
	for i, sum := range x {
		x[i] = MulScalar(sum, 1/float64(n))
	}
	return x
}

// each returns the frames of all devices.
func (f *frame) each() []*frame { return append([]*frame{f}, f.peers...) }

// runTogether runs a program of several devices.
func (f *frame) runTogether() error {
	var in []compute.Buffer
	var donate []bool
	for _, g := range f.each() {
		if err := g.send(); err != nil {
			return err
		}
		g.release()
		in, donate = append(in, g.bufs...), append(donate, g.donate...)
	}
	outs, err := f.c.exec.Execute(in, donate, 0)
	if err != nil {
		return err
	}
	for d, g := range f.each() {
		copy(g.outs, outs[d*len(g.outs):])
	}
	for i, b := range f.outs {
		if f.c.update[i] < 0 {
			if err := f.fetch(i, b); err != nil {
				return err
			}
		}
	}
	return nil
}
