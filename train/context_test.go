package train

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/path"
)

// pictures are images of 4x4 levels, read with noise and mirrored at random.
func pictures(t *testing.T, n int) data.Finite {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	pix := make([]byte, 16*n)
	for i := range pix {
		pix[i] = byte(rng.IntN(256))
	}
	m, err := data.NewImages([]int{4, 4}, pix, nil, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data.Flip(m, m.Shape)
}

// Whatever is done to an image when it is read, its condition is of the very image
// that the flow is to end at.
func TestAConditionIsOfItsOwnImage(t *testing.T) {
	set := pictures(t, 30)
	for _, cfg := range []data.ConditionConfig{{Kind: data.SuperRes, Factor: 2}, {Kind: data.Inpaint, Mask: "left"}} {
		c, err := cfg.New([]int{4, 4}, nil)
		if err != nil {
			t.Fatal(err)
		}
		o := CFM{Data: data.Shuffle(set, 3), Scheduler: path.CondOT{}, Condition: c, Seed: 5}
		own := func(what string, ex *nn.Examples) {
			t.Helper()
			want := flow.NewBatch(ex.X1.N, c.Dim())
			c.Fill(want, ex.X1, nil)
			if !slices.Equal(ex.Cond.X, want.X) {
				t.Errorf("%v: the conditions of %s are of other images", cfg, what)
			}
		}
		ex := nn.NewExamples(16, 16)
		for _, step := range []uint64{3, 4} { // the second fills the same memory
			if err := o.Examples(ex, step); err != nil {
				t.Fatal(err)
			}
			own("a step", ex)
		}
		val, err := o.Validation(set, 7, false)
		if err != nil {
			t.Fatal(err)
		}
		own("validation", val)
		// A path with noise of its own writes over x_1, after it was looked at.
		o.Scheduler = path.Bridge{Sigma: 0.5}
		noisy := nn.NewExamples(16, 16)
		if err := o.Examples(noisy, 4); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(noisy.Cond.X, ex.Cond.X) || slices.Equal(noisy.X1.X, ex.X1.X) {
			t.Errorf("%v: noise around the path reaches the condition", cfg)
		}
	}
}

func TestMasksAreAFunctionOfSeedAndStep(t *testing.T) {
	c, err := data.ConditionConfig{Kind: data.Inpaint, Mask: "pixels"}.New([]int{4, 4}, nil)
	if err != nil {
		t.Fatal(err)
	}
	make := func(seed, step uint64) []float64 {
		ex := nn.NewExamples(8, 16)
		if err := (CFM{Data: data.Shuffle(pictures(t, 30), 3), Scheduler: path.CondOT{}, Condition: c, Seed: seed}).Examples(ex, step); err != nil {
			t.Fatal(err)
		}
		return ex.Cond.X
	}
	mask := func(cond []float64) (out []float64) {
		for i := 1; i < len(cond); i += 2 {
			out = append(out, cond[i])
		}
		return out
	}
	if !slices.Equal(make(1, 6), make(1, 6)) {
		t.Error("the same step, other conditions")
	}
	if slices.Equal(mask(make(1, 6)), mask(make(1, 7))) || slices.Equal(mask(make(1, 6)), mask(make(2, 6))) {
		t.Error("another step or seed, the same masks")
	}
}

func TestConditionsNeedIndependentNoise(t *testing.T) {
	c, err := data.ConditionConfig{Kind: data.SuperRes, Factor: 2}.New([]int{4, 4}, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := CFM{Data: data.Shuffle(pictures(t, 30), 3), Scheduler: path.CondOT{}, Condition: c, Coupling: coupling.OT{}}
	if err := o.Examples(nn.NewExamples(8, 16), 0); !errors.Is(err, ErrConditionCoupled) {
		t.Errorf("%v, want ErrConditionCoupled", err)
	}
	o.Coupling = nil
	if err := (FM{CFM: o}).Examples(nn.NewExamples(8, 16), 0); err == nil {
		t.Error("the exact objective takes a condition")
	}
}
