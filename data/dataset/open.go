package dataset

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"

	"flowmatch/data"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/digest"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
)

// Open reads or draws what c describes. Paths that are not absolute are relative
// to dir (empty: the working directory). Everything random follows from seed,
// under separate purposes: the stream ("data", or "shuffle" and "dequantize"),
// a finite sample ("sample"), simulations (those of [simulator.Simulator.Draw]), the
// split of a file ("split", of SplitSeed where that is set) or of simulations, the
// held-out draws ("val", "test"), and the draws a standardizer is fitted on
// ("standardize").
func (c Config) Open(dir string, seed uint64) (*data.Set, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.Encoder = within(dir, c.Encoder)
	switch c.ResolvedKind() {
	case data.KindNone:
		return nil, ErrNone
	case data.KindSynthetic:
		return c.openLaw(seed)
	case data.KindTable:
		if c.Typed() {
			return c.openTyped(dir, seed, nil)
		}
		return c.openTable(dir, seed)
	case data.KindUCI:
		return c.openUCI(dir, seed)
	case data.KindSimulator:
		return c.openSimulator(seed)
	case data.KindCIFAR10, data.KindCIFAR100:
		return c.openCIFAR(dir, seed)
	case data.KindFolder, data.KindShards:
		return c.openPictures(dir, seed, 0)
	default: // Validate lets nothing else through
		return c.openImages(dir, seed)
	}
}

// standardizeDraws is how many draws stand for a set that has no end.
const standardizeDraws = 100_000

func (c Config) openLaw(seedValue uint64) (*data.Set, error) {
	d, space, err := c.law()
	if err != nil {
		return nil, err
	}
	s := &data.Set{Name: c.Name, Kind: data.KindSynthetic, Space: space, Dim: d.Dim(), Shape: []int{d.Dim()}}
	if space != nil {
		s.Columns = space.Coordinates()
	}
	if l, ok := d.(data.Labelled); ok {
		s.Classes = l.Classes()
	}
	if s.Fingerprint, err = c.fingerprintLaw(); err != nil {
		return nil, err
	}
	val, test := size(c.Val, defaultSyntheticVal), size(c.Test, defaultSyntheticTest)
	if err := c.affordable(d.Dim(), val, test); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	draw := func(purpose string, n int) data.Points { return data.Sample(d, n, seed.Rand(seedValue, purpose, 0)) }
	held, tested := draw("val", int(val)), draw("test", int(test))
	finite := draw("sample", c.N)
	if how := cmp.Or(c.Standardize, StandardizeNone); how != StandardizeNone {
		on := finite.X
		if c.N == 0 {
			on = draw("standardize", standardizeDraws).X
		}
		if s.Standardizer, err = fit(how, on, nil); err != nil {
			return nil, err
		}
		s.Standardizer.Apply(held.X)
		s.Standardizer.Apply(tested.X)
		s.Standardizer.Apply(finite.X)
	}
	s.Val, s.Test = held, tested
	if c.N > 0 {
		s.TrainSet, s.Train = finite, data.Shuffle(finite, seedValue)
	} else {
		s.Train = data.Draw(d, s.Standardizer, seedValue)
	}
	if p, ok := d.(data.LogProber); ok {
		s.Density = data.Standardized(p, s.Standardizer)
	}
	if e, ok := d.(data.Entropier); ok {
		s.Entropy = new(e.Entropy() - s.LogDet())
	}
	return s, nil
}

// affordable reports more points of a law than there is memory for, each with a label: of one
// part, or of all.
func (c Config) affordable(dim int, val, test float64) error {
	each, sum, all := float64(8*dim+4), 0.0, ""
	parts := []struct {
		what string
		n    float64
	}{{"data.n", float64(c.N)}, {"data.val", val}, {"data.test", test}, {"the draws to standardize by,", 0}}
	if cmp.Or(c.Standardize, StandardizeNone) != StandardizeNone && c.N == 0 {
		parts[3].n = standardizeDraws
	}
	for _, p := range parts {
		what := fmt.Sprintf("%s %.15g", p.what, p.n)
		if err := memory.Check(what, p.n*each); err != nil {
			return err
		}
		if p.n > 0 {
			all += what + ", "
			sum += p.n
		}
	}
	return memory.Check(fmt.Sprintf("%stogether, of %d dimensions,", all, dim), sum*each)
}

// fingerprintLaw is the SHA-256 of what a law and its sample are made from but for
// the seed.
func (c Config) fingerprintLaw() (string, error) {
	text, err := json.Marshal(Config{Name: c.Name, Params: c.Params, N: c.N})
	if err == nil && !c.Space.Flat() {
		var space []byte
		space, err = json.Marshal(c.Space)
		text = append(text, space...)
	}
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	return digest.Of(text), nil
}

// holdApart makes points from files of their own, which have that fingerprint, the test part
// of a set.
func holdApart(s *data.Set, test data.Finite, fingerprint string) {
	s.Test = test
	d := digest.New()
	d.Text(s.Fingerprint)
	d.Text(fingerprint)
	s.Fingerprint = d.String()
}

// ints returns numbers of points as ints.
func ints(index []uint32) []int {
	out := make([]int, len(index))
	for k, i := range index {
		out[k] = int(i)
	}
	return out
}

// fit fits a standardizer of the kind how, which is not none.
func fit(how string, x flow.Batch, columns []string) (*data.Standardizer, error) {
	if how == StandardizeScalar {
		return data.FitScalar(x)
	}
	return data.Fit(x, columns)
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// parts cuts a file into train, val and test; held-out data in a file of their own
// (apart) leave the file to train and val.
func (c Config) parts(n int, apart bool, seed uint64) (train, val, test []uint32, err error) {
	testSize := size(c.Test, defaultFileTest)
	if apart {
		testSize = 0
	}
	if c.SplitSeed != nil {
		seed = *c.SplitSeed
	}
	if train, val, test, err = data.Split32(n, size(c.Val, defaultFileVal), testSize, seed); err != nil {
		return nil, nil, nil, fmt.Errorf("%w (%s)", err, c.Path)
	}
	return train, val, test, nil
}

func (c Config) openUCI(dir string, seed uint64) (*data.Set, error) {
	u, err := table.ReadUCI(c.UCI, within(dir, c.Path))
	if err != nil {
		return nil, err
	}
	s := &data.Set{
		Name: c.UCI, Kind: data.KindUCI, Dim: u.Train.D, Shape: []int{u.Train.D}, Columns: u.Columns,
		TrainSet: data.Points{X: u.Train}, Val: data.Points{X: u.Val}, Test: data.Points{X: u.Test},
		Fingerprint: u.Fingerprint(),
	}
	s.Train = data.Shuffle(s.TrainSet, seed)
	return s, nil
}
