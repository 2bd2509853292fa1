package main

import (
	"fmt"
	"math"

	"flowmatch/nn"
)

// host is a machine of a job, one rank on each, and what joins it to the others.
type host struct {
	flops   float64 // operations a second, in the products of a training step
	link    float64 // bytes a second, each way
	message float64 // seconds that a message takes beside its bytes
	adding  float64 // seconds for each byte of the gradient: copies, and the sums themselves
}

// training is a step of a training: a network, and the examples of all ranks together.
type training struct {
	nn.Cost
	batch int
}

// stepTime is where the seconds of a step go.
type stepTime struct {
	compute float64
	sum     float64 // of the gradients
	hidden  float64 // of it, behind the last stage of the backward pass
}

// total is the time of a step.
func (s stepTime) total() float64 { return s.compute + s.sum - s.hidden }

// block is how many numbers a sum takes at a time: see package cluster.
const block = 1 << 18

// onHosts returns the time of a step on k hosts of a kind. Ranks exchange a block in pieces twice, each
// piece a message: the parts of a piece go to the rank that adds it up, and its sum goes to all.
func (t training) onHosts(k int, h host) stepTime {
	s := stepTime{compute: t.perExample() * float64(t.batch) / float64(k) / h.flops}
	s.sum = t.sum(float64(t.Weights), k, h)
	if t.Early > 0 {
		late := t.Late * float64(t.batch) / float64(k) / h.flops
		s.hidden = min(late, t.sum(float64(t.Early), k, h))
	}
	return s
}

// perExample is the operations of an example in a step.
func (t training) perExample() float64 { return t.Forward + t.Backward }

// sum is the seconds of a sum of so many numbers.
func (t training) sum(numbers float64, k int, h host) float64 {
	if k == 1 {
		return 0
	}
	others := float64(k-1) / float64(k)
	messages := 2 * float64(k-1) * math.Ceil(numbers/block)
	return 8*numbers*others/h.link + messages*h.message + 4*numbers*h.adding
}

// efficiency is the share of the time of a step on k hosts in which all of them compute.
func (t training) efficiency(k int, h host) float64 {
	s := t.onHosts(k, h)
	return s.compute / s.total()
}

// half is the most hosts, of those that have an example each, on which a step is as efficient as that; 0:
// not even two are.
func (t training) half(least float64, h host) int {
	most := 0
	for k := 2; k <= t.batch; k++ {
		if t.efficiency(k, h) >= least {
			most = k
		}
	}
	return most
}

// seconds writes a time.
func seconds(s float64) string {
	switch {
	case s >= 100:
		return fmt.Sprintf("%.0f s", s)
	case s >= 1:
		return fmt.Sprintf("%.3g s", s)
	}
	return fmt.Sprintf("%.3g ms", 1e3*s)
}
