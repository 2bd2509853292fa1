package data_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

// inParts are streams beside those of streams, with their labels.
func inParts(t *testing.T) map[string]data.Stream {
	t.Helper()
	all := streams(3)
	pix, label := make([]byte, 40*6), make([]int32, 40)
	rng := datatest.Rand()
	for i := range pix {
		pix[i] = byte(rng.Uint32())
	}
	for i := range label {
		label[i] = int32(i % 3)
	}
	m, err := image.New([]int{2, 3}, pix, label, true, &data.Standardizer{Mean: []float64{1}, Std: []float64{2}})
	if err != nil {
		t.Fatal(err)
	}
	part := data.Subset(m.InParts(), []uint32{3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 7, 32, 38})
	flipped, err := image.Flip(part, m.Shape)
	if err != nil {
		t.Fatal(err)
	}
	all["flipped images"] = data.Shuffle(flipped, 4)
	scaled := data.Scaled(counting(30), &data.Standardizer{Mean: []float64{1}, Std: []float64{2}}, nil)
	all["scaled"] = data.Shuffle(scaled, 4)
	set := &data.Set{Name: "a", Classes: 3, ClassNames: []string{"x", "y", "z"}, Train: all["flipped images"],
		TrainSet: flipped}
	if set, err = set.WithClasses([]string{"z", "x", "y"}, 3); err != nil {
		t.Fatal(err)
	}
	all["other classes"] = set.Train
	return all
}

func TestAPartOfABatchIsThatOfTheWhole(t *testing.T) {
	const n = 17
	for name, s := range inParts(t) {
		whole, label := flow.NewBatch(n, s.Dim()), make([]int32, n)
		if err := s.Fill(whole, flow.Given{Label: label}, 5); err != nil {
			t.Fatal(name, err)
		}
		for _, spans := range [][][2]int{{{0, n}}, {{0, 4}}, {{4, 9}, {12, 17}}, {{3, 3}, {16, 17}}, {{2, 2}}, nil} {
			var want []float64
			var wantLabel []int32
			rows := 0
			for _, span := range spans {
				want = append(want, whole.Slice(span[0], span[1]).X...)
				wantLabel = append(wantLabel, label[span[0]:span[1]]...)
				rows += span[1] - span[0]
			}
			x, got := flow.NewBatch(rows, s.Dim()), make([]int32, rows)
			err := data.FillPart(s, x, flow.Given{Label: got}, 5, n, spans)
			if err != nil || !slices.Equal(x.X, want) || !slices.Equal(got, wantLabel) {
				t.Errorf("%s: rows %v are not those of the whole batch (%v)", name, spans, err)
			}
			bare := flow.NewBatch(rows, s.Dim())
			if err := data.FillPart(s, bare, flow.Given{}, 5, n, spans); err != nil || !slices.Equal(bare.X, want) {
				t.Errorf("%s: rows %v without labels are others (%v)", name, spans, err)
			}
		}
		for _, spans := range [][][2]int{{{0, 3}}, {{16, 18}}, {{-1, 1}}, {{3, 2}, {0, 3}}} {
			if data.FillPart(s, flow.NewBatch(2, s.Dim()), flow.Given{}, 5, n, spans) == nil {
				t.Errorf("%s: rows %v of %d as 2 points are no error", name, spans, n)
			}
		}
	}
}

// A part of a batch of images on disk, or of those of another package, reads no more than it must.
func TestAPartOfASetReadsItsPointsAlone(t *testing.T) {
	read := &counted{Points: data.Points{X: flow.NewBatch(50, 2)}}
	for _, c := range []struct {
		f    data.Finite
		want string
	}{{read, "10"}, {partly{read}, "3"}, {data.Subset(partly{read}, []int{1, 2, 3, 4}), "3"}} {
		read.points = 0
		index := make([]int, 10)
		if err := data.ReadPart(c.f, flow.NewBatch(3, 2), flow.Given{}, index, 7, nil); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(read.points); got != c.want {
			t.Errorf("3 of 10 points of %T: %s were read, want %s", c.f, got, c.want)
		}
	}
}

// counted counts the points that are read of it.
type counted struct {
	data.Points
	points int
}

func (c *counted) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	c.points += len(index)
	return c.Points.Read(x, given, index, rng)
}

// partly reads parts.
type partly struct{ *counted }

func (p partly) ReadPart(x flow.Batch, given flow.Given, index []int, from int, rng *rand.Rand) error {
	return p.Read(x, given, index[from:from+x.N], rng)
}
