package classify_test

import (
	"strings"
	"testing"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/train"
)

// What is not there is an error and never a panic.
func TestWhatIsNotThereIsAnError(t *testing.T) {
	set := stripes(t, 20, 8)
	short := flow.Batch{N: 3, D: 2, X: []float64{1}}
	_, noSet := classify.Train(t.Context(), nil, nil, classify.Config{}, train.Hooks{})
	_, noStream := classify.Train(t.Context(), nil, &data.Set{}, classify.Config{}, train.Hooks{})
	_, noEngine := classify.Train(t.Context(), nil, set, classify.Config{}, train.Hooks{})
	_, _, zero := (&classify.Extractor{}).Features(short)
	_, _, none := (*classify.Extractor)(nil).Features(short)
	_, probs := classify.Accuracy(short, []int32{0, 0, 0})
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no set": {noSet, "nothing to train on"}, "a set of nothing": {noStream, "nothing to train on"},
		"no engine": {noEngine, "the engine is nil"}, "the zero extractor": {zero, "nil or empty"},
		"no extractor": {none, "nil or empty"}, "short probabilities": {probs, "3 images"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, c.err, c.want)
		}
	}
	if (*classify.Extractor)(nil).Name() != "" {
		t.Error("nothing has a name")
	}
}
