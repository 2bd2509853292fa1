package eval

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
)

// The class asked for is that of the image, whether the network knows labels or not.
func TestSamplesOfImagesAreComparedWithTheClassesOfTheseImages(t *testing.T) {
	for _, conditional := range []bool{false, true} {
		c := ofStrokes(t, image.ConditionConfig{Kind: "superres", Factor: 2}, 8)
		c.data.LabelsPath, c.conditional, c.settings.Samples = classes(t, 40, 8), conditional, 8
		s := c.train(t)
		by := classifier(t, s)
		r, err := s.Classify(t.Context(), by, FeatureOptions{})
		check(t, err)
		given, err := s.Prompt(8)
		check(t, err)
		sampler, err := s.Settings.Sampler()
		check(t, err)
		drawn, err := s.Model.Sample(t.Context(), model.SampleOptions{N: 8, Given: given.Given, Sampler: sampler})
		check(t, err)
		_, probs, err := by.Classify(clipped(drawn.X))
		check(t, err)
		_, all, err := s.rows(s.Set.Test, 8, "run/test", 0)
		check(t, err)
		want, err := classify.Accuracy(probs, all.Label)
		if err != nil || r.Agreement == nil || *r.Agreement != want {
			t.Errorf("conditional %v: agreement %v, want %g (%v)", conditional, r.Agreement, want, err)
		}
		if r.Accuracy == nil || r.Guidance != 1 || r.InceptionScore == nil || r.Samples != 8 {
			t.Errorf("conditional %v: %+v", conditional, r)
		}
	}
}

// A distance between samples and images of other proportions is one of these.
func TestSamplesHaveTheClassesOfTheHeldOutImages(t *testing.T) {
	c := ofStrokes(t, image.ConditionConfig{}, 8)
	c.data.LabelsPath, c.conditional, c.settings.Samples = classes(t, 40, 8), true, 6
	s := c.train(t)
	rare := make([]int32, s.Set.Test.Len()) // all but one of class 0
	rare[3] = 2
	x, _, err := data.Rows(s.Set.Test, 0, len(rare), seed.Rand(0, "noise", 0))
	check(t, err)
	set := *s.Set
	set.Test = data.Points{X: x, Given: flow.Given{Label: rare}}
	s.Set = &set
	by, err := newByClassifier(classifier(t, s))
	check(t, err)
	s, err = s.checked()
	check(t, err)
	_, seen, err := s.compare(t.Context(), by, FeatureOptions{})
	check(t, err)
	if !slices.Equal(seen.label, seen.testLabel) || slices.Max(seen.label) > 2 || slices.Contains(seen.label, 1) {
		t.Errorf("samples of the classes %v beside images of %v", seen.label, seen.testLabel)
	}
}

func classifier(t *testing.T, s Subject) *nn.Classifier {
	t.Helper()
	cfg := nn.ClassifierConfig{Image: []int{8, 8, 1}, Classes: 4, Channels: 2, Features: 3}
	c, err := nn.NewClassifier(s.Model.Net().Engine(), cfg, 1)
	check(t, err)
	return c
}

func TestGuidanceReachesTheSamplesCompared(t *testing.T) {
	c := ofStrokes(t, image.ConditionConfig{}, 8)
	c.data.LabelsPath, c.conditional, c.settings.Samples = classes(t, 40, 8), true, 8
	s := c.train(t)
	nfe := map[float64]int{}
	for _, scale := range []*float64{nil, new(1.0), new(0.0), new(2.5)} {
		r, err := s.Classify(t.Context(), classifier(t, s), FeatureOptions{Guidance: scale})
		check(t, err)
		if scale != nil && r.Guidance != *scale {
			t.Errorf("guidance %g is reported as %g", *scale, r.Guidance)
		}
		nfe[r.Guidance] = r.NFE
	}
	if nfe[1] != 2 || nfe[0] != 2 || nfe[2.5] != 4 {
		t.Errorf("evaluations by scale: %v, want 4 where both fields are evaluated, else 2", nfe)
	}
	s.Settings.Solve = ode.Config{Solver: Average}
	_, err := s.Classify(t.Context(), classifier(t, s), FeatureOptions{Guidance: new(2.0)})
	fails(t, "guidance of average velocities", err, "guidance needs the solver of an ODE")
}

// sums is an extractor of two features: the sums of the halves of an image.
type sums struct {
	scale float64
	asked *int // images that it was shown
}

func (e sums) Name() string { return "sums of halves, times " + string(rune('0'+int(e.scale))) }

func (e sums) Features(x flow.Batch) (features, probs flow.Batch, err error) {
	*e.asked += x.N
	features = flow.NewBatch(x.N, 2)
	for i := range x.N {
		for d, v := range x.Row(i) {
			features.Row(i)[d*2/x.D] += e.scale * v
		}
	}
	return features, probs, nil
}

func TestStatisticsAreKeptByExtractorAndSplit(t *testing.T) {
	c := ofStrokes(t, image.ConditionConfig{}, 8)
	c.settings.Samples = 10
	s := c.train(t)
	dir := t.TempDir()
	s.Cache = dir
	kept := func() []string {
		files, err := filepath.Glob(filepath.Join(dir, "features-*.stats"))
		check(t, err)
		return files
	}
	asked := 0
	first, err := s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{})
	check(t, err)
	if first.InceptionScore != nil || first.Accuracy != nil || *first.FIDData < 0 || asked != 30 {
		t.Errorf("got %+v after %d images, want no classes, and 30 images", first, asked)
	}
	files := kept()
	if len(files) != 2 {
		t.Fatalf("%v are kept; want the statistics of held-out and of training images", files)
	}
	stats, err := ReadStatistics(files[0])
	check(t, err)
	if stats.Extractor != first.Extractor || !strings.Contains(stats.Split, "sha256:") || stats.N != 10 {
		t.Errorf("%s is of %q and %q; want both named", files[0], stats.Extractor, stats.Split)
	}
	asked = 0
	again, err := s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{Reference: &stats})
	check(t, err)
	if asked != 20 || *again.FID != *first.FID || again.FIDReference == nil || again.Reference != stats.Split {
		t.Errorf("again: %+v after %d images, want FID %g without the training images", again, asked, *first.FID)
	}
	// Features three times as large are three times as far apart, and are kept beside.
	three, err := s.Compare(t.Context(), sums{3, &asked}, FeatureOptions{})
	check(t, err)
	if a, b := *three.FIDData, 9**first.FIDData; math.Abs(a-b) > 1e-6*a || len(kept()) != 4 {
		t.Errorf("FID %g of features times 3, %g of them, %d files", *three.FIDData, *first.FIDData, len(kept()))
	}
	_, err = s.Compare(t.Context(), sums{3, &asked}, FeatureOptions{Reference: &stats})
	var part *PartError
	if !errors.Is(err, metrics.ErrExtractor) || !errors.As(err, &part) || part.Part != PartFeatures {
		t.Errorf("a reference of another extractor: %v", err)
	}
	// A split that has changed is computed again.
	s.Set.Name = "other"
	if r, err := s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{}); err != nil || *r.FID != *first.FID {
		t.Errorf("another split: %+v, %v", r, err)
	}
	if stats, err = ReadStatistics(files[0]); err != nil || !strings.HasPrefix(stats.Split, "other, ") {
		t.Errorf("the file of the other split is of %q (%v)", stats.Split, err)
	}
	s.Cache = ""
	r, err := s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{})
	if err != nil || *r.FID != *first.FID || len(kept()) != 4 {
		t.Errorf("without a cache: %+v, %v, %d files", r, err, len(kept()))
	}
}

func TestFeaturesNeedImages(t *testing.T) {
	asked := 0
	plain := moons().train(t)
	_, err := plain.Compare(t.Context(), sums{1, &asked}, FeatureOptions{})
	fails(t, "points in the plane", err, "features are of images")
	s := ofStrokes(t, image.ConditionConfig{}, 8).train(t)
	_, err = s.Classify(t.Context(), classifier(t, s), FeatureOptions{})
	fails(t, "images without labels", err, "with labels")
	test := s.Set.Test
	s.Set.Test = tiles().Test
	if _, err := s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{}); !errors.Is(err, ErrNoPoints) {
		t.Errorf("no held-out images: %v", err)
	}
	s.Set.Test, s.Set.TrainSet = test, nil
	_, err = s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{})
	fails(t, "no training images", err, "Set.TrainSet")
	s = ofStrokes(t, image.ConditionConfig{}, 8).train(t)
	s.Settings.Samples = 2
	r, err := s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{})
	fails(t, "too few samples for KID", err, "KID of 2")
	if r == nil || r.FID == nil || r.FIDData == nil || r.KID != nil || r.Precision != nil {
		t.Errorf("too few samples for KID: %+v; want the distances that there are", r)
	}
	// Samples that cannot be drawn do not keep the data from being compared.
	s.Settings.Samples = 10
	s.Settings.Solve = ode.Config{MaxNFE: 3}
	r, err = s.Compare(t.Context(), sums{1, &asked}, FeatureOptions{})
	fails(t, "too few evaluations", err, "features not measured: samples: ")
	if r == nil || r.FIDData == nil || r.FID != nil || r.KID != nil || r.NFE != 0 {
		t.Errorf("too few evaluations: %+v; want the distance of the data", r)
	}
}

func TestStatisticsThatCannotBeReadNameTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.stats")
	if _, err := ReadStatistics(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	check(t, os.WriteFile(file, []byte("nothing\n"), 0o666))
	if _, err := ReadStatistics(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("another file: %v", err)
	}
}
