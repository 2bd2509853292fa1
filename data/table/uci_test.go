package table

import (
	"slices"
	"testing"

	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

func TestNumpyRandIsRandomState(t *testing.T) {
	x := flow.NewBatch(1000, 1)
	for i := range x.X {
		x.X[i] = float64(i)
	}
	rng := newNumpyRand(42)
	rng.shuffle(x)
	if want := []float64{521, 737, 740, 660, 411, 678, 626, 513}; !slices.Equal(x.X[:8], want) {
		t.Errorf("shuffled to %v, want %v", x.X[:8], want)
	}
	for k, want := range []float64{0x1.fadc114ce926ep-1, 0x1.4a172057a00a4p-2, 0x1.9ea7dd059fa19p-1} {
		if got := rng.uniform(); got != want {
			t.Errorf("draw %d: got %x, want %x", k, got, want)
		}
	}
}

func TestUCISetsThatAreNotThereAreErrors(t *testing.T) {
	_, err := ReadUCI("powr", t.TempDir())
	datatest.WantError(t, "unknown", err, `unknown UCI set "powr"; did you mean "power"?`)
	_, err = ReadUCI("power", t.TempDir())
	datatest.WantError(t, "empty folder", err, "data.npy")
	_, err = ReadUCI("power", datatest.WriteTemp(t, "data.npy", nil))
	datatest.WantError(t, "a file", err, "data.npy is a file; power wants the folder")
}
