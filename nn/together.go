package nn

import (
	"github.com/gomlx/compute"

	"flowmatch/cluster"
	"flowmatch/engine/native"
)

// Together has the trainers of all ranks take the steps together. Every rank gives Step the same
// batch, or its share of it (Examples.Of); each computes the gradient of its share, these are summed, and
// all take the same step: the result is that of one rank but for the order of sums. The trainers must
// be in the same state. Of one rank it changes nothing.
func (tr *NetTrainer) Together(ranks *cluster.Comm) (err error) {
	switch {
	case tr == nil || tr.net == nil:
		return errNoTrainer
	case ranks.Size() == 1:
		return nil
	}
	tr.ranks = ranks
	tr.parts, err = newParts(tr)
	return err
}

// sumOverRanks adds up the gradients and the losses of the shares of all ranks.
func (tr *NetTrainer) sumOverRanks(loss float64) (float64, error) {
	if tr.ranks.Size() == 1 {
		return loss, nil
	}
	if err := tr.parts.early.end(tr.ranks); err != nil {
		return loss, err
	}
	all := []float64{loss}
	if err := cluster.Sum(tr.ranks, all); err != nil {
		return loss, err
	}
	return all[0], tr.sumGradients()
}

// sumGradients adds up the gradients, in the memory of the native engine.
func (tr *NetTrainer) sumGradients() error {
	sum := tr.parts.sum
	if tr.eng.name == native.Name {
		flat, err := sum[0].Data()
		if err != nil {
			return err
		}
		return cluster.Sum(tr.ranks, flat.([]float32))
	}
	grad, err := download(sum[0])
	if err != nil {
		return err
	}
	if err := cluster.Sum(tr.ranks, grad); err != nil {
		return err
	}
	for d := range sum {
		if sum[d], err = tr.eng.uploadTo(compute.DeviceNum(d), grad); err != nil {
			return err
		}
	}
	return nil
}
