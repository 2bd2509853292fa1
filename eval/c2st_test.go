package eval

import (
	"errors"
	"slices"
	"testing"

	"flowmatch/classify"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/model"
)

// The figure is that of the room below, by hand.
func TestSamplesAreToldFromHeldOutPoints(t *testing.T) {
	s := moons().train(t)
	s.Seed, s.Settings = 3, quick(40)
	var told []float64
	s.Watch = func(what string, points int) model.Progress {
		if what != "points told apart from samples" {
			return nil
		}
		return func(done float64, nfe int) { told = append(told, done, float64(nfe)) }
	}
	rep, err := s.Report(t.Context(), PartC2ST)
	check(t, err)
	if rep.C2ST == nil || rep.Samples != nil || rep.Likelihood != nil {
		t.Fatalf("asked for c2st alone: %+v", rep)
	}
	x, _, err := s.TestPoints(40)
	check(t, err)
	sampler, err := s.Settings.Sampler()
	check(t, err)
	drawn, err := s.Model.Sample(t.Context(), model.SampleOptions{N: 40, Seed: 3, Sampler: sampler})
	check(t, err)
	want, err := classify.TwoSample(t.Context(), s.Model.Net().Engine(), x, drawn.X, classify.C2STOptions{Seed: 3})
	check(t, err)
	if got := rep.C2ST; !slices.Equal(got.Folds, want.Folds) || got.Accuracy != want.Accuracy || got.NFE != 8 {
		t.Errorf("got %+v, want %+v in 8 evaluations", got, want)
	}
	if want := []float64{0.2, 8, 0.4, 8, 0.6, 8, 0.8, 8, 1, 8}; !slices.Equal(told, want) {
		t.Errorf("progress %v, want %v", told, want)
	}
}

// Unasked it is made as far as it is quick, and never of images.
func TestATwoSampleTestIsMadeUnaskedWhereItIsQuick(t *testing.T) {
	s := moons().train(t)
	for samples, want := range map[int]bool{4: false, 5: true, 50: true} {
		s.Settings = quick(samples)
		rep, err := s.Report(t.Context())
		check(t, err)
		if got := rep.C2ST != nil; got != want {
			t.Errorf("%d samples: made %t, want %t", samples, got, want)
		}
	}
	s.Settings = quick(4)
	_, err := s.Report(t.Context(), PartC2ST)
	fails(t, "4 points, asked for", err, "c2st not measured: classify: 4 and 4 points in 5 folds")

	s = ofStrokes(t, image.ConditionConfig{}, 4).train(t)
	rep, err := s.Report(t.Context())
	check(t, err)
	if rep.C2ST != nil {
		t.Errorf("of images: %+v", rep.C2ST)
	}
	_, err = s.Report(t.Context(), PartC2ST)
	var failed *PartError
	fails(t, "images, asked for", err, "compare images by features")
	if !errors.As(err, &failed) || failed.Part != PartC2ST {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsGivenIsBesideThePoints(t *testing.T) {
	x := flow.Batch{N: 3, D: 1, X: []float64{7, 8, 9}}
	given := flow.Given{Label: []int32{1, 0, -1}, Context: flow.Batch{N: 3, D: 2, X: []float64{1, 2, 3, 4, 5, 6}}}
	want := []float64{7, 0, 1, 1, 2, 8, 1, 0, 3, 4, 9, 0, 0, 5, 6}
	if got := beside(x, given, 2).X; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := beside(x, flow.Given{}, 2); got.D != 1 || !slices.Equal(got.X, x.X) {
		t.Errorf("without anything given: %v", got)
	}
}
