package dataset

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
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
	d, err := synth.ByName(c.Name, c.Params)
	if err != nil {
		return nil, err
	}
	s := &data.Set{Name: c.Name, Kind: data.KindSynthetic, Dim: d.Dim(), Shape: []int{d.Dim()}}
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
func (c Config) parts(n int, apart bool, seed uint64) (train, val, test []int, err error) {
	testSize := size(c.Test, defaultFileTest)
	if apart {
		testSize = 0
	}
	if c.SplitSeed != nil {
		seed = *c.SplitSeed
	}
	if train, val, test, err = data.Split(n, size(c.Val, defaultFileVal), testSize, seed); err != nil {
		return nil, nil, nil, fmt.Errorf("%w (%s)", err, c.Path)
	}
	return train, val, test, nil
}

func (c Config) openTable(dir string, seed uint64) (*data.Set, error) {
	opts, err := c.tableOptions()
	if err != nil {
		return nil, err
	}
	t, err := c.readTable(within(dir, c.Path), within(dir, c.ContextPath), opts)
	if err != nil {
		return nil, err
	}
	train, val, test, err := c.parts(t.X.N, c.TestPath != "", seed)
	if err != nil {
		return nil, err
	}
	space, err := c.onManifold(&t)
	if err != nil {
		return nil, err
	}
	points := t.Points()
	s := &data.Set{
		Name: filepath.Base(c.Path), Kind: data.KindTable, Space: space, Dim: t.X.D, Shape: []int{t.X.D},
		Columns: t.Columns, Context: points.Context(), ContextColumns: t.ContextColumns,
		Classes: points.Classes(), ClassNames: t.ClassNames, LabelName: c.Label,
		Fingerprint: t.Fingerprint(), Header: t.Header,
		Notes:    slices.Concat(t.Notes, manyLabels(t, c.Label), unseen(t.Label, train, t.ClassNames)),
		TrainSet: data.Subset(points, train), Val: data.Subset(points, val), Test: data.Subset(points, test),
		Skipped: t.Read - t.X.N,
	}
	if s.ContextShape, err = c.Grid.of(t.Shape, s.Context); err != nil {
		return nil, err
	}
	if s.Bounds, err = c.bounds(t, within(dir, c.Path)); err != nil {
		return nil, err
	}
	var apart table.Table
	if c.TestPath != "" {
		if apart, err = c.readTest(dir, opts, t); err != nil {
			return nil, err
		}
		if _, err := c.bounds(apart, within(dir, c.TestPath)); err != nil {
			return nil, err
		}
		if space != nil {
			if err := toPoints(space, &apart, c.TestPath); err != nil {
				return nil, err
			}
		}
		holdApart(s, apart.Points(), apart.Fingerprint())
		s.Skipped += apart.Read - apart.X.N
		s.Notes = slices.Concat(s.Notes, apart.Notes)
	}
	if how := cmp.Or(c.Standardize, StandardizeColumns); how != StandardizeNone && space == nil {
		if err := c.standardize(s, how, t, apart); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, strings.Join(append([]string{choice.Cut(c.Path)}, t.Notes...), "; "))
		}
	}
	s.Train = data.Shuffle(s.TrainSet, seed)
	return s, nil
}

// standardize brings the rows of both tables, and their contexts, to model units: those of the
// training rows.
func (c Config) standardize(s *data.Set, how string, t, apart table.Table) error {
	x, given, err := data.Rows(s.TrainSet, 0, s.TrainSet.Len(), nil)
	if err != nil {
		return err
	}
	if s.Standardizer, err = fit(how, x, t.Columns); err != nil {
		return err
	}
	if s.Context > 0 {
		if s.ContextStandardizer, err = c.Grid.fit(given.Context, s.ContextShape, t.ContextColumns); err != nil {
			return fmt.Errorf("%s: %w", c.contextKey(), err)
		}
		s.ContextStandardizer.Squash = c.SquashContext
	}
	for _, part := range []table.Table{t, apart} {
		if part.X.N == 0 {
			continue
		}
		s.Standardizer.Apply(part.X)
		if s.Context > 0 {
			s.ContextStandardizer.Apply(part.Context)
		}
	}
	return nil
}

// inOtherOrder says whether two tables have columns of the same names, but not in the same order.
func inOtherOrder(a, b table.Table) bool {
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	return same(a.Columns, b.Columns) && same(a.ContextColumns, b.ContextColumns) &&
		!(slices.Equal(a.Columns, b.Columns) && slices.Equal(a.ContextColumns, b.ContextColumns))
}

// readTest reads the test file, which must have the columns and the classes of the other.
func (c Config) readTest(dir string, opts table.Options, of table.Table) (table.Table, error) {
	path, contexts := within(dir, c.TestPath), within(dir, c.TestContextPath)
	t, err := c.readTable(path, contexts, opts)
	if err == nil && inOtherOrder(t, of) {
		opts.Columns, opts.Rest = of.Columns, false
		if contexts == "" {
			opts.Context = of.ContextColumns
		} else if !numberedContexts(of.ContextColumns) {
			c.Context = of.ContextColumns
		}
		t, err = c.readTable(path, contexts, opts)
	}
	if err != nil {
		return table.Table{}, err
	}
	if !slices.Equal(t.Columns, of.Columns) || !slices.Equal(t.ContextColumns, of.ContextColumns) {
		return table.Table{}, files.Malformed(path, "columns %s; want those of %s: %s",
			choice.List(slices.Concat(t.Columns, t.ContextColumns)), choice.Cut(c.Path),
			choice.List(slices.Concat(of.Columns, of.ContextColumns)))
	}
	t.Notes = notesOf(path, t.Notes)
	if t.Label, err = data.Renumber(t.Label, t.ClassNames, of.ClassNames, data.Classes(of.Label)); err != nil {
		return table.Table{}, files.Malformed(path, "%v, the classes of the training rows", err)
	}
	return t, nil
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
