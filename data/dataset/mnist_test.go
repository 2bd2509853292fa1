package dataset

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"flowmatch/data/internal/datatest"
	"flowmatch/data/internal/moments"
	"flowmatch/flow"
)

func TestMNISTLoads(t *testing.T) {
	dir := filepath.Join(datatest.SharedData(t), "mnist")
	c := Config{
		Path: "t10k-images-idx3-ubyte.gz", LabelsPath: "t10k-labels-idx1-ubyte.gz",
		Standardize: StandardizeScalar, Val: new(1000.0), Test: new(0.2),
	}
	s, err := c.Open(dir, 13)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(s.Shape, s.Dim, s.Classes, s.TrainSet.Len(), s.Val.Len(), s.Test.Len(), s.Levels, s.Dequantized)
	if want := "[28 28] 784 10 7000 1000 2000 256 true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	x, label := flow.NewBatch(7000, 784), make([]int32, 7000)
	if err := s.Train.Fill(x, flow.Given{Label: label}, 0); err != nil { // a whole epoch
		t.Fatal(err)
	}
	mean, std, _ := moments.Of(x.X, 1, len(x.X))
	// The standardizer knows the law of the noise and not its draw, whose effect
	// on the mean is 5 deviations of sqrt(1/12/n)/128/Std at most.
	if tol := 5e-5; math.Abs(mean) > tol || math.Abs(std-1) > tol {
		t.Errorf("training pixels: mean %g, deviation %g, want 0 and 1, tolerance %g", mean, std, tol)
	}
	count := make([]int, 10)
	for _, k := range label {
		count[k]++
	}
	for k, n := range count {
		if n < 500 || n > 900 { // the digits are 9 to 11.4 % of the file
			t.Errorf("digit %d comes %d times in 7000", k, n)
		}
	}
	// Digit means differ: labels and images belong together.
	s.Original(x)
	ink := make([]float64, 10)
	for i, k := range label {
		for _, v := range x.Row(i) {
			ink[k] += (v + 1) / float64(count[k])
		}
	}
	if !(ink[0] > 1.5*ink[1]) {
		t.Errorf("zeros have %g ink and ones %g; labels do not belong to their images", ink[0], ink[1])
	}
}
