package data

import (
	"math"
	"path/filepath"
	"slices"

	"flowmatch/flow"
)

// logHalfLevels is ln 128, the log of the levels in one model unit of a pixel.
var logHalfLevels = math.Log(Levels / 2)

func (c Config) dequantize() bool { return c.Dequantize == nil || *c.Dequantize }

// openImages opens IDX or NPY.
func (c Config) openImages(dir string, seed uint64) (*Set, error) {
	m, err := readImages(within(dir, c.Path), within(dir, c.LabelsPath), c.dequantize())
	if err != nil {
		return nil, err
	}
	if c.TestPath == "" {
		return c.imageSet(gathered{images: m}, nil, seed)
	}
	path := within(dir, c.TestPath)
	apart, err := readImages(path, within(dir, c.TestLabelsPath), c.dequantize())
	if err != nil {
		return nil, err
	}
	if !slices.Equal(apart.Shape, m.Shape) {
		return nil, malformed(path, "images of shape %v; want %v as in %s", apart.Shape, m.Shape, c.Path)
	}
	return c.imageSet(gathered{images: m}, &gathered{images: apart}, seed)
}

// imageSet makes a Set of images and, unless apart is nil, a test part of its own,
// which goes with a TestPath.
func (c Config) imageSet(from gathered, apart *gathered, seed uint64) (*Set, error) {
	m := from.images
	train, val, test, err := c.parts(m.Len(), seed)
	if err != nil {
		return nil, err
	}
	s := &Set{
		Name: filepath.Base(c.Path), Kind: KindImages, Dim: m.Dim(), Shape: m.Shape, Classes: m.Classes(), ClassNames: from.index.names,
		TrainSet: Subset(m, train), Val: Subset(m, val), Test: Subset(m, test),
		Levels: Levels, Dequantized: m.Dequantize, Skipped: from.skipped,
	}
	if apart != nil {
		s.Test = apart.images
		s.Classes = max(s.Classes, apart.images.Classes())
		s.Skipped += apart.skipped
	}
	if c.Standardize == StandardizeScalar {
		if s.Standardizer, err = fitImages(m, train); err != nil {
			return nil, err
		}
		m.Standardizer = s.Standardizer
		if apart != nil {
			apart.images.Standardizer = s.Standardizer
		}
	}
	s.Train = Shuffle(s.TrainSet, seed)
	if c.Flip {
		s.Train = Shuffle(Flip(s.TrainSet, s.Shape), seed)
	}
	return s, nil
}

// readImages reads images and, unless labels is empty, their classes.
func readImages(path, labels string, dequantize bool) (*Images, error) {
	shape, pix, err := readPixels(path)
	if err != nil {
		return nil, err
	}
	if len(shape) < 2 || slices.Contains(shape, 0) {
		return nil, malformed(path, "bytes of shape %v; want at least one image: [N, height, width] or more axes", shape)
	}
	var label []int32
	if labels != "" {
		if label, err = readLabelFile(labels, shape[0]); err != nil {
			return nil, err
		}
	}
	return NewImages(shape[1:], pix, label, dequantize, nil)
}

// readPixels reads bytes from IDX, or from NPY of type u1.
func readPixels(path string) ([]int, []byte, error) {
	if extension(path) != ".npy" {
		return ReadIDX(path)
	}
	a, err := readNPY(path)
	if err != nil {
		return nil, nil, err
	}
	if a.dtype[1:] != "u1" || a.fortran {
		return nil, nil, malformed(path, "NPY array of type %s, fortran_order %v; images must be unsigned bytes (u1) in C order", a.dtype, a.fortran)
	}
	return a.shape, a.raw, nil
}

// readLabelFile reads n classes from IDX, or from NPY with one axis.
func readLabelFile(path string, n int) ([]int32, error) {
	if extension(path) != ".npy" {
		return readIDXLabels(path, n)
	}
	t, err := readNPYTable(path, TableOptions{})
	if err != nil {
		return nil, err
	}
	if t.X.N != n || t.X.D != 1 {
		return nil, malformed(path, "labels of shape [%d %d] for %d images; want one each", t.X.N, t.X.D, n)
	}
	// A column of nothing but labels: put it behind an empty one.
	both := flow.NewBatch(n, 2)
	for i, v := range t.X.X {
		both.X[2*i+1] = v
	}
	t, err = Table{X: both, Columns: []string{"", "label"}}.splitLabel(path, rowPlace)
	return t.Label, err
}

// fitImages fits one mean and deviation to the pixels of the training images, by
// counting levels: exact, and no float64 copy of the images is made. The noise
// of dequantisation is counted in: mean 1/2 and variance 1/12 of a level.
func fitImages(m *Images, train []int) (*Standardizer, error) {
	count, err := m.levels(train)
	if err != nil {
		return nil, err
	}
	total, mean := float64(len(train)*m.dim), 0.0
	for v, n := range count {
		mean += n / total * (float64(v) + 0.5)
	}
	variance := 0.0
	if m.Dequantize {
		variance = 1.0 / 12
	}
	for v, n := range count {
		d := float64(v) + 0.5 - mean
		variance += n / total * d * d
	}
	if variance == 0 {
		return FitScalar(flow.Batch{N: 1, D: 1, X: []float64{mean}}) // its error says it
	}
	const half = Levels / 2
	s := &Standardizer{Mean: []float64{mean/half - 1}, Std: []float64{math.Sqrt(variance) / half}}
	return s, s.Validate()
}
