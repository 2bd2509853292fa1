package train

import (
	"context"
	"fmt"
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
)

// heldAtOnce is how many bytes of the points and the noise of a validation are kept; those of a larger one are made
// anew each time, some at a time.
const heldAtOnce = 64 << 20

// heldRows is about how many examples of a validation are made at a time, or as few as heldAtOnce bytes are.
const heldRows = 4096

// validation is Validation that keeps so many bytes.
func (o CFM) validation(m *model.Model, held data.Finite, batch, most int) (Validate, error) {
	held, err := heldOut(m, held, batch)
	if err != nil {
		return nil, err
	}
	if 16*held.Len()*held.Dim() <= most {
		ex, err := o.heldOut(m, held, batch)
		return meanLoss(ex), err
	}
	if o, err = o.timed(m); err != nil {
		return nil, err
	}
	v := &streamed{o: o, m: m, held: held, batch: batch,
		order: seed.Rand(o.Seed, "train/held", 0).Perm(held.Len())}
	return v.measure, nil
}

// streamed makes the examples of [CFM.heldOut] some at a time: the same ones, bit for bit.
type streamed struct {
	o     CFM
	m     *model.Model
	held  data.Finite
	batch int
	order []int // of the points
	key   *uint64
}

// measure implements [Validate].
func (s *streamed) measure(ctx context.Context, net *nn.Net) (float64, error) {
	if s.key == nil {
		if err := s.findKey(ctx); err != nil {
			return 0, err
		}
	}
	o := s.o
	o.Seed = *s.key
	sum := 0.
	err := s.each(ctx, func(from int, x1 flow.Batch, given flow.Given) error {
		ex := nn.NewExamples(x1.N, x1.D)
		ex.X1, ex.Given = x1, taken(s.m, given)
		o.prepare(s.m, ex)
		if err := o.fillHeld(s.m, ex, given.Label, from, s.batch); err != nil {
			return err
		}
		each, err := net.Loss(ex)
		for _, loss := range each {
			sum += loss
		}
		return err
	})
	return sum / float64(len(s.order)), err
}

// each calls use with all points in their order, with what each is given, whole batches at a time.
func (s *streamed) each(ctx context.Context, use func(from int, x1 flow.Batch, given flow.Given) error) error {
	rng, rows := s.noise(), s.batch*max(1, s.rows()/s.batch)
	for from := 0; from < len(s.order); from += rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.read(s.order[from:min(from+rows, len(s.order))], rng, func(x1 flow.Batch, g flow.Given) error {
			return use(from, x1, g)
		}); err != nil {
			return err
		}
	}
	return nil
}

// rows is about how many points are read at a time.
func (s *streamed) rows() int { return max(1, min(heldRows, heldAtOnce/(16*s.held.Dim()))) }

// noise is what drives what is random about the points, as of [heldPoints].
func (s *streamed) noise() *rand.Rand { return seed.Rand(s.o.Seed, "train/validation", 0) }

func (s *streamed) read(index []int, rng *rand.Rand, use func(x1 flow.Batch, given flow.Given) error) error {
	x1 := flow.NewBatch(len(index), s.held.Dim())
	given := flow.NewGiven(len(index), s.held.Classes() > 0, s.held.Context())
	if err := s.held.Read(x1, given, index, rng); err != nil {
		return fmt.Errorf("train: held-out points: %w", err)
	}
	return use(x1, given)
}

// findKey finds the seed of noise and times, which comes behind what all points have drawn: nothing where the
// first draws nothing.
func (s *streamed) findKey(ctx context.Context) error {
	nothing := func(flow.Batch, flow.Given) error { return nil }
	rng, same := s.noise(), s.noise()
	if err := s.read(s.order[:1], rng, nothing); err != nil {
		return err
	}
	key := same.Uint64()
	if rng.Uint64() != key {
		rng = s.noise()
		for rest := s.order; len(rest) > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(s.rows(), len(rest))
			if err := s.read(rest[:n], rng, nothing); err != nil {
				return err
			}
			rest = rest[n:]
		}
		key = rng.Uint64()
	}
	s.key = &key
	return nil
}
