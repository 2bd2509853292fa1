package data

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// Set is data ready to train on and to be judged by. All points it hands out are
// in model units.
type Set struct {
	Name  string
	Kind  string // synthetic, table, uci, or images whatever files they came from
	Dim   int    // D
	Shape []int  // of one point: [2], [28, 28]; its product is D

	Columns []string // names of the coordinates of a table; nil otherwise
	Classes int      // number of class labels; 0 means none
	// ClassNames are the folders that became classes, by label; nil otherwise.
	ClassNames []string
	// Skipped is how many images were left out because they could not be decoded.
	Skipped int

	// Train is the endless sequence of batches, a function of the seed given to
	// Open. TrainSet is what it shuffles, nil when every batch is drawn fresh.
	Train    Stream
	TrainSet Finite
	// Val and Test are held out from training; they may be empty, never nil.
	// [Rows] turns them into batches; a dequantised image gets new noise at each
	// call, as the average over K dequantisations needs.
	Val, Test Finite

	// Standardizer maps original to model units; nil means they are the same
	// (for images: the same as [-1, 1]; for a set of UCINames: those of the
	// published tables, not of the file).
	Standardizer *Standardizer
	// Density is the exact log p_1 in model units; nil when unknown.
	Density LogProber
	// Levels is 256 for images of bytes, 0 otherwise; Dequantized says whether
	// their pixels carry uniform noise.
	Levels      int
	Dequantized bool

	entropy float64
	known   bool
}

// LogDet returns log |det d(original)/d(model)| in nats, the constant of
//
//	NLL in original units = NLL in model units + LogDet.
//
// Original units are those of the file, or of the synthetic set; of images, the
// levels 0 to 256 of a pixel with its noise, so that BPD is the NLL in original
// units over D ln 2 (see [Images]).
func (s *Set) LogDet() float64 {
	sum := 0.0
	if s.Standardizer != nil {
		sum = s.Standardizer.LogDet(s.Dim)
	}
	if s.Kind == KindImages {
		sum += float64(s.Dim) * logHalfLevels
	}
	return sum
}

// Original maps points from model units to original units in place; images come
// to [-1, 1], for [Pixels]. It panics when x.D != Dim.
func (s *Set) Original(x flow.Batch) {
	checkFill(s.Dim, x, nil)
	if s.Standardizer != nil {
		s.Standardizer.Invert(x)
	}
}

// Image returns the height, width and number of channels of an image; nil for data
// that are no images.
func (s *Set) Image() []int {
	switch {
	case s.Kind != KindImages:
		return nil
	case len(s.Shape) == 2: // grey
		return []int{s.Shape[0], s.Shape[1], 1}
	}
	return slices.Clone(s.Shape)
}

// OptimalNLL returns the entropy of p_1 in model units, in nats: the NLL that no
// model can beat on average. It is known for few sets; for others with a Density
// the mean of -log p over Test estimates it.
func (s *Set) OptimalNLL() (nll float64, known bool) { return s.entropy, s.known }

// Open reads or draws what c describes. Paths that are not absolute are relative
// to dir (empty: the working directory). Everything random follows from seed,
// under separate purposes: the stream ("data", or "shuffle" and "dequantize"),
// a finite sample ("sample"), the split of a file ("split"), the held-out draws
// ("val", "test"), and the draws a standardizer is fitted on ("standardize").
func (c Config) Open(dir string, seed uint64) (*Set, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	switch c.ResolvedKind() {
	case KindSynthetic:
		return c.openSynthetic(seed)
	case KindTable:
		return c.openTable(dir, seed)
	case KindUCI:
		return c.openUCI(dir, seed)
	case KindCIFAR10, KindCIFAR100:
		return c.openCIFAR(dir, seed)
	case KindFolder, KindShards:
		return c.openPictures(dir, seed, MaxDecoded)
	default: // Validate lets nothing else through
		return c.openImages(dir, seed)
	}
}

// standardizeDraws is how many draws stand for a set that has no end.
const standardizeDraws = 100_000

func (c Config) openSynthetic(seedValue uint64) (*Set, error) {
	d, err := ByName(c.Name, c.Params)
	if err != nil {
		return nil, err
	}
	s := &Set{Name: c.Name, Kind: KindSynthetic, Dim: d.Dim(), Shape: []int{d.Dim()}}
	if l, ok := d.(Labelled); ok {
		s.Classes = l.Classes()
	}
	draw := func(purpose string, n int) Points {
		p := Points{X: flow.NewBatch(n, d.Dim())}
		if s.Classes > 0 {
			p.Label = make([]int32, n)
		}
		// Labels are asked for only where there are some: no error is possible.
		if err := sample(d, p.X, p.Label, seed.Rand(seedValue, purpose, 0)); err != nil {
			panic(err)
		}
		return p
	}
	val := draw("val", int(size(c.Val, defaultSyntheticVal)))
	test := draw("test", int(size(c.Test, defaultSyntheticTest)))
	finite := draw("sample", c.N)
	if how := cmp.Or(c.Standardize, StandardizeNone); how != StandardizeNone {
		on := finite.X
		if c.N == 0 {
			on = draw("standardize", standardizeDraws).X
		}
		if s.Standardizer, err = fit(how, on, nil); err != nil {
			return nil, err
		}
		s.Standardizer.Apply(val.X)
		s.Standardizer.Apply(test.X)
		s.Standardizer.Apply(finite.X)
	}
	s.Val, s.Test = val, test
	if c.N > 0 {
		s.TrainSet, s.Train = finite, Shuffle(finite, seedValue)
	} else {
		s.Train = Draw(d, s.Standardizer, seedValue)
	}
	s.setDensity(d)
	return s, nil
}

// setDensity moves what d knows of its density to model units.
func (s *Set) setDensity(d Distribution) {
	if p, ok := d.(LogProber); ok {
		s.Density = p
		if s.Standardizer != nil {
			s.Density = scaled{p, s.Standardizer}
		}
	}
	if e, ok := d.(Entropier); ok {
		s.entropy, s.known = e.Entropy()-s.LogDet(), true
	}
}

// scaled is the density of z = (x - Mean)/Std: log p_z(z) = log p_x(x) + LogDet.
type scaled struct {
	p   LogProber
	std *Standardizer
}

func (s scaled) LogProb(logp []float64, z flow.Batch) {
	x := z.Clone()
	s.std.Invert(x)
	s.p.LogProb(logp, x)
	det := s.std.LogDet(z.D)
	for i := range logp {
		logp[i] += det
	}
}

// fit fits a standardizer of the kind how, which is not none.
func fit(how string, x flow.Batch, columns []string) (*Standardizer, error) {
	if how == StandardizeScalar {
		return FitScalar(x)
	}
	return Fit(x, columns)
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// parts cuts a file into train, val and test; a test file of its own leaves the
// file to train and val.
func (c Config) parts(n int, seed uint64) (train, val, test []int, err error) {
	testSize := size(c.Test, defaultFileTest)
	if c.TestPath != "" {
		testSize = 0
	}
	if train, val, test, err = Split(n, size(c.Val, defaultFileVal), testSize, seed); err != nil {
		return nil, nil, nil, fmt.Errorf("%w (%s)", err, c.Path)
	}
	return train, val, test, nil
}

func (c Config) openTable(dir string, seed uint64) (*Set, error) {
	delimiter, err := c.delimiter()
	if err != nil {
		return nil, err
	}
	opts := TableOptions{Columns: c.Columns, Label: c.Label, Delimiter: delimiter, Header: c.Header}
	t, err := ReadTable(within(dir, c.Path), opts)
	if err != nil {
		return nil, err
	}
	train, val, test, err := c.parts(t.X.N, seed)
	if err != nil {
		return nil, err
	}
	points := Points{X: t.X, Label: t.Label}
	s := &Set{
		Name: filepath.Base(c.Path), Kind: KindTable, Dim: t.X.D, Shape: []int{t.X.D},
		Columns: t.Columns, Classes: classes(t.Label),
		TrainSet: Subset(points, train), Val: Subset(points, val), Test: Subset(points, test),
	}
	var apart Table
	if c.TestPath != "" {
		if apart, err = c.readTest(dir, opts, t.Columns); err != nil {
			return nil, err
		}
		s.Test = Points{X: apart.X, Label: apart.Label}
		s.Classes = max(s.Classes, classes(apart.Label))
	}
	if how := cmp.Or(c.Standardize, StandardizeColumns); how != StandardizeNone {
		on, _ := Rows(s.TrainSet, 0, s.TrainSet.Len(), nil)
		if s.Standardizer, err = fit(how, on, t.Columns); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, c.Path)
		}
		s.Standardizer.Apply(t.X)
		if c.TestPath != "" {
			s.Standardizer.Apply(apart.X)
		}
	}
	s.Train = Shuffle(s.TrainSet, seed)
	return s, nil
}

// readTest reads the test file, which must have the columns of the other.
func (c Config) readTest(dir string, opts TableOptions, columns []string) (Table, error) {
	path := within(dir, c.TestPath)
	t, err := ReadTable(path, opts)
	if err != nil {
		return Table{}, err
	}
	if !slices.Equal(t.Columns, columns) {
		return Table{}, malformed(path, "columns %v; want those of %s, %v", t.Columns, c.Path, columns)
	}
	return t, nil
}
