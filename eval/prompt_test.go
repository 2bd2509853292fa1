package eval

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

func TestImagesMadeFromImagesAreMeasuredBesideThem(t *testing.T) {
	for _, c := range []image.ConditionConfig{{Kind: "superres", Factor: 2}, {Kind: "inpaint", Mask: "left"}} {
		s := ofStrokes(t, c, 12).train(t)
		rep, err := s.Report(t.Context())
		check(t, err)
		p, made := rep.Samples.Restoration, s.Model.Conditioner()
		if p == nil || p.Images != 4 || p.SSIM == nil || rep.Condition == nil ||
			rep.Likelihood == nil || rep.Likelihood.BPD == nil {
			t.Fatalf("%v: the report lacks something: %+v", c, rep)
		}
		if (p.Consistency != nil) != (made.LowShape() != nil) {
			t.Errorf("%v: consistency %v", c, p.Consistency)
		}
		if _, err := json.Marshal(rep); err != nil {
			t.Error(err)
		}
		// The PSNR of the input by hand.
		x, given, err := s.TestPoints(4)
		check(t, err)
		context, err := s.Model.ContextOf(x, s.Seed)
		check(t, err)
		shown, err := made.Shown(context)
		check(t, err)
		if !slices.Equal(context.X, given.Context.X) {
			t.Errorf("%v: the contexts of the set are not those that the model makes", c)
		}
		want := 0.0
		for i := range x.N {
			sum, n := 0.0, 0
			for d, known := range made.Known(context.Row(i)) {
				if !known {
					diff := min(max(shown.Row(i)[d], -1), 1) - x.Row(i)[d]
					sum, n = sum+diff*diff, n+1
				}
			}
			want += 10 * math.Log10(4*float64(n)/sum) / 4
		}
		if math.Abs(p.InputPSNR-want) > 1e-9 {
			t.Errorf("%v: PSNR of the input %g, want %g", c, p.InputPSNR, want)
		}
		// More images than are held out: they come again.
		all, err := s.Prompt(13)
		if err != nil || !slices.Equal(all.Original.Row(0), all.Original.Row(10)) ||
			all.Given.Context.N != 13 || !all.OfImages() {
			t.Errorf("%v: 13 contexts of 10 images: %v", c, err)
		}
		s.Set = nil
		if _, err := s.Prompt(2); !errors.Is(err, ErrNoPoints) || !strings.Contains(err.Error(), "give images") {
			t.Errorf("%v: without data: %v", c, err)
		}
	}
}

// A set whose points have no contexts gives the same figures as one that makes them.
func TestTheModelMakesTheContextsThatASetLacks(t *testing.T) {
	for _, mask := range []string{"left", "random", "pixels"} {
		c := ofStrokes(t, image.ConditionConfig{Kind: "inpaint", Mask: mask}, 8)
		s := c.train(t)
		with, err := s.Report(t.Context())
		check(t, err)
		s.Set, err = c.data.Open("", 0)
		check(t, err)
		without, err := s.Report(t.Context())
		check(t, err)
		p, q, a, b := with.Samples, without.Samples, with.Likelihood.NLL, without.Likelihood.NLL
		if a != b || p.Restoration.PSNR != q.Restoration.PSNR || *p.W2 != *q.W2 {
			t.Errorf("mask %s: NLL %g and %g, restoration %+v and %+v", mask, a, b, p.Restoration, q.Restoration)
		}
		x, _, err := s.TestPoints(2)
		check(t, err)
		if _, l, err := s.LogProb(t.Context(), x, flow.Given{}); err != nil || l.Points != 2 {
			t.Errorf("mask %s: log-densities without contexts: %v", mask, err)
		}
	}
}

func TestSmallImagesOfAFileAreEnlarged(t *testing.T) {
	s := ofStrokes(t, image.ConditionConfig{Kind: "superres", Factor: 2}, 8).train(t)
	s.Set = nil // which images of a file do not need
	small, err := s.ImagePrompt(strokes(t, 5, 4), 3)
	if c := small.Given.Context; err != nil || c.N != 3 || c.D != 64 || small.Original.N != 0 || small.Shown().N != 3 {
		t.Errorf("contexts [%d, %d], %d originals (%v), want [3, 64] and none", c.N, c.D, small.Original.N, err)
	}
	again, err := s.ImagePrompt(strokes(t, 5, 4), 6)
	if err != nil || !slices.Equal(again.Given.Context.Row(5), small.Given.Context.Row(0)) {
		t.Errorf("five images for six samples do not come again: %v", err)
	}
	large, err := s.ImagePrompt(strokes(t, 5, 8), 3)
	check(t, err)
	of, err := s.Model.ContextOf(large.Original, s.Seed)
	if err != nil || large.Original.N != 3 || !slices.Equal(large.Given.Context.X, of.X) {
		t.Errorf("contexts of images at full size: %v", err)
	}
	_, err = s.ImagePrompt(strokes(t, 5, 6), 3)
	fails(t, "images of another size", err, "want images of [[4 4 1] [8 8 1]]")
	_, err = s.ImagePrompt(strokes(t, 5, 8), 0)
	fails(t, "no samples", err, "at least 1")
	plain := moons().train(t)
	if _, err := plain.ImagePrompt("x", 1); !errors.Is(err, ErrNoCondition) {
		t.Errorf("a model without a condition: %v", err)
	}
}

func TestImagesAreCompletedWithoutACondition(t *testing.T) {
	s := ofStrokes(t, image.ConditionConfig{}, 8).train(t)
	set := s.Set
	for _, file := range []string{"", strokes(t, 5, 8)} {
		if s.Set = set; file != "" {
			s.Set = nil
		}
		parts, err := s.MaskedPrompt(file, 6, "left")
		check(t, err)
		solver, err := s.Settings.Solver()
		check(t, err)
		drawn, err := s.Model.Sample(t.Context(), model.SampleOptions{
			N: 6, Given: parts.Given, Sampler: model.ODE{Solver: solver, Hold: parts.Hold},
		})
		check(t, err)
		x, hold := drawn.X.X, parts.Hold
		for i, v := range x {
			if right := i%8 >= 4; hold.Known[i] != right || right && math.Abs(v-hold.X.X[i]) > 1e-5 {
				t.Fatalf("value %d ends at %g, known %v, to be held at %g", i, v, hold.Known[i], hold.X.X[i])
			}
		}
		check(t, parts.Keep(drawn.X))
		for i, known := range hold.Known {
			if known && x[i] != hold.X.X[i] || math.Abs(parts.Original.X[i]-hold.X.X[i]) > 1./128 && known {
				t.Fatalf("value %d is %g, want %g of an original %g", i, x[i], hold.X.X[i], parts.Original.X[i])
			}
		}
		if shown := parts.Shown(); !parts.OfImages() || shown.N != 6 || shown.D != 64 {
			t.Errorf("shown are [%d, %d]", shown.N, shown.D)
		}
	}
	if _, err := s.MaskedPrompt("", 1, "middle"); err == nil {
		t.Error("an unknown mask")
	}
	if _, err := s.MaskedPrompt("", 1, "left"); !errors.Is(err, ErrNoPoints) {
		t.Errorf("held-out images without data: %v", err)
	}
	_, err := moons().train(t).MaskedPrompt("", 1, "left")
	fails(t, "points in the plane", err, "a mask is for images")
}

// What samples of a model without contexts are given needs no data.
func TestClassesComeInTurn(t *testing.T) {
	s := setup{
		data: dataset.Config{Name: "8gaussians", Val: new(50.0), Test: new(60.0)},
		net:  nn.Config{Hidden: []int{8}}, conditional: true,
	}.train(t)
	_, held, err := s.TestPoints(20)
	check(t, err)
	beside, err := s.HeldOutPrompt(20)
	if err != nil || !slices.Equal(beside.Given.Label, held.Label) {
		t.Errorf("beside points of classes %v: %v (%v)", held.Label, beside.Given.Label, err)
	}
	s.Set = nil
	p, err := s.Prompt(10)
	if beside, err := s.HeldOutPrompt(10); err != nil || !slices.Equal(beside.Given.Label, p.Given.Label) {
		t.Errorf("beside no points: %v (%v)", beside.Given.Label, err)
	}
	want := []int32{0, 1, 2, 3, 4, 5, 6, 7, 0, 1}
	if err != nil || !slices.Equal(p.Given.Label, want) || p.OfImages() || p.Shown().N != 0 {
		t.Errorf("got %+v, %v", p, err)
	}
	x := flow.NewBatch(10, 2)
	check(t, p.Keep(x)) // knows nothing
	plain := moons().train(t)
	if p, err := plain.Prompt(3); err != nil || !p.Given.Empty() {
		t.Errorf("without classes: %+v, %v", p, err)
	}
}

// Contexts that come with the points of a table are given as those of images are.
func TestContextsMayComeWithThePoints(t *testing.T) {
	x, context := flow.NewBatch(30, 1), flow.NewBatch(30, 2)
	for i := range 30 {
		x.X[i] = float64(i%5) / 5
		context.Row(i)[0], context.Row(i)[1] = x.X[i], float64(i)
	}
	points := data.Points{X: x, Given: flow.Given{Context: context}}
	eng, err := nn.Open("")
	check(t, err)
	net, err := nn.New(eng, nn.Config{Dim: 1, Hidden: []int{8}, Context: 2}, 0)
	check(t, err)
	m, err := model.New(model.Spec{Shape: []int{1}}, net)
	check(t, err)
	fit := train.Fit{Loop: train.Loop{Steps: 3, Batch: 8}}
	m, err = fit.Train(t.Context(), m, train.CFM{Data: data.Shuffle(points, 0)})
	check(t, err)
	s := Subject{Model: m, Set: &data.Set{Name: "table", Dim: 1, Test: points}, Settings: quick(10)}
	rep, err := s.Report(t.Context())
	if err != nil || rep.Samples.Restoration != nil || rep.Likelihood.Points != 30 {
		t.Errorf("got %+v, %v", rep, err)
	}
	p, err := s.Prompt(32)
	if err != nil || !slices.Equal(p.Given.Context.Row(31), p.Given.Context.Row(1)) || p.OfImages() {
		t.Errorf("32 samples of 30 contexts: %v", err)
	}
	s.Set.Test = data.Points{X: x}
	if _, err := s.Report(t.Context()); !errors.Is(err, flow.ErrContext) {
		t.Errorf("points without contexts: %v", err)
	}
}
