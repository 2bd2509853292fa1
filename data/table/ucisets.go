package table

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"flowmatch/data/internal/files"
	"flowmatch/data/internal/numpyrand"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// readPower reads household electric power: rows shuffled, two columns dropped,
// noise of the width of a rounding step on all but the time of day, the last
// tenths held out, normalised by train and val.
func readPower(dir string) (UCI, error) {
	names := []string{
		"global_active_power", "global_reactive_power", "voltage", "global_intensity",
		"sub_metering_1", "sub_metering_2", "sub_metering_3", "time",
	}
	t, path, err := uciTable(dir, "data.npy", len(names), "")
	if err != nil {
		return UCI{}, err
	}
	rng := numpyrand.New(42)
	rng.Shuffle(t.X.N, func(i, j int) {
		a, b := t.X.Row(i), t.X.Row(j)
		for k := range a {
			a[k], b[k] = b[k], a[k]
		}
	})
	kept := others(len(names), 1, 3)
	x := columnsOf(t.X, kept)
	noise := func(width float64, columns ...int) {
		for i := range x.N {
			for _, c := range columns {
				x.Row(i)[c] += float64(width * rng.Uniform()) // rounded before it is added, on every machine
			}
		}
	}
	noise(0.01, 1)    // voltage
	noise(0.001, 0)   // global active power
	noise(1, 2, 3, 4) // sub-metering
	return byLastTenths(path, namesOf(names, kept), x)
}

// readMiniboone reads particle identification. The file of the archive is past
// what the published code lists as done before: outliers and columns with
// repeated values are gone, which leaves 43 of 50 columns.
func readMiniboone(dir string) (UCI, error) {
	t, path, err := uciTable(dir, "data.npy", 43, "")
	if err != nil {
		return UCI{}, err
	}
	return byLastTenths(path, t.Columns, t.X)
}

// byLastTenths holds out the last tenths of x and normalises it, in place, by
// what is left for train and val.
func byLastTenths(path string, columns []string, x flow.Batch) (UCI, error) {
	u := UCI{Columns: columns}
	var err error
	if u.Train, u.Val, u.Test, err = lastTenths(path, x); err != nil {
		return UCI{}, err
	}
	s, err := normalizer(path, columns, x.Slice(0, u.Train.N+u.Val.N), numpyStd)
	if err != nil {
		return UCI{}, err
	}
	s.Apply(x)
	return u, nil
}

// gasAdvice is for the one set that only Python can read.
const gasAdvice = `the archive has a pickle; in its folder, run
  python3 -c "import pandas; pandas.read_pickle('ethylene_CO.pickle').to_csv('ethylene_CO.csv', index=False)"`

// readGas reads the gas sensors: time and concentrations dropped, then sensors
// that repeat others, normalised by all rows (test included, as published), the
// last tenths held out.
func readGas(dir string) (UCI, error) {
	t, path, err := uciTable(dir, "ethylene_CO.csv", 19, gasAdvice)
	if err != nil {
		return UCI{}, err
	}
	dropped := []int{0, 1, 2} // of a file without names
	if !slices.Equal(t.Columns, files.Numbered(t.X.D)) {
		for k, name := range []string{"Time", "Meth", "Eth"} {
			if dropped[k] = slices.Index(t.Columns, name); dropped[k] < 0 {
				return UCI{}, files.Malformed(path, "no column %q; want Time, Meth, Eth and 16 sensors, not %s",
					name, choice.List(t.Columns))
			}
		}
	}
	kept := others(t.X.D, dropped...)
	x, names := columnsOf(t.X, kept), namesOf(t.Columns, kept)
	kept = distinct(x)
	x, names = columnsOf(x, kept), namesOf(names, kept)
	s, err := normalizer(path, names, x, pandasStd)
	if err != nil {
		return UCI{}, err
	}
	s.Apply(x)
	u := UCI{Columns: names}
	u.Train, u.Val, u.Test, err = lastTenths(path, x)
	return u, err
}

// distinct returns the columns left when, as long as two have a correlation
// above 0.98, the first that has such a partner is dropped.
func distinct(x flow.Batch) []int {
	var corr mat.SymDense
	stat.CorrelationMatrix(&corr, mat.NewDense(x.N, x.D, x.X), nil)
	kept := others(x.D)
	for {
		first := slices.IndexFunc(kept, func(a int) bool {
			return slices.ContainsFunc(kept, func(b int) bool { return a != b && corr.At(a, b) > 0.98 })
		})
		if first < 0 {
			return kept
		}
		kept = slices.Delete(kept, first, first+1)
	}
}

// readHepmass reads high-energy collisions, those of the signal: normalised by
// all rows of the training file, of which the last tenth is then val; columns
// whose smallest value comes more than 5 times are dropped.
func readHepmass(dir string) (UCI, error) {
	path := filepath.Join(dir, "1000_train.csv")
	x, names, err := readSignal(path)
	if err != nil {
		return UCI{}, err
	}
	test, _, err := readSignal(filepath.Join(dir, "1000_test.csv"))
	if err != nil {
		return UCI{}, err
	}
	kept := slices.DeleteFunc(others(x.D), func(d int) bool { return smallestCount(x, d) > 5 })
	nv := tenth(x.N)
	switch {
	case len(kept) == 0:
		return UCI{}, files.Malformed(path,
			"the smallest value of every column comes more than 5 times; want measurements that do not repeat")
	case nv == 0:
		return UCI{}, files.Malformed(path, "%d rows of class 1 are too few to hold out a tenth; want 10 or more", x.N)
	}
	x, test, names = columnsOf(x, kept), columnsOf(test, kept), namesOf(names, kept)
	s, err := normalizer(path, names, x, pandasStd)
	if err != nil {
		return UCI{}, err
	}
	s.Apply(x)
	s.Apply(test)
	return UCI{Columns: names, Train: x.Slice(0, x.N-nv), Val: x.Slice(x.N-nv, x.N), Test: test}, nil
}

// readSignal returns the 27 features of the rows of class 1. What stands behind
// them is passed over: the test file has one column more than the other.
func readSignal(path string) (flow.Batch, []string, error) {
	const features = 27
	fail := func(err error) (flow.Batch, []string, error) { return flow.Batch{}, nil, err }
	f, err := files.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(missing(filepath.Dir(path), filepath.Base(path), ""))
	} else if err != nil {
		return fail(err)
	}
	defer f.Close()
	c, err := newCSVReader(f, path, Options{Delimiter: ','})
	if err != nil {
		return fail(err)
	}
	row, err := c.next()
	if err != nil && err != io.EOF {
		return fail(err)
	}
	if len(row) < 1+features || !looksLikeNames(row, false) {
		return fail(files.Malformed(path,
			"the first line is not one of names; want %d or more: the class, then %d features", 1+features, features))
	}
	names := slices.Clone(row[:1+features])
	in := source{names: names, chosen: others(len(names)), whole: make([]bool, len(names))}
	var x, v []float64
	for row, err = c.next(); err == nil; row, err = c.next() {
		if v, err = c.numbers(v[:0], row[:min(len(row), len(names))], in); err != nil {
			return fail(err)
		}
		if v[0] == 1 {
			x = append(x, v[1:]...)
		}
	}
	if err != io.EOF {
		return fail(err)
	}
	if len(x) == 0 {
		return fail(files.MalformedAt(path, column(names[0]), "no row is of class 1, the only one that is used"))
	}
	return flow.Batch{N: len(x) / features, D: features, X: x}, names[1:], nil
}

// smallestCount returns how often the smallest value of column d comes.
func smallestCount(x flow.Batch, d int) int {
	smallest, count := x.X[d], 0
	for i := range x.N {
		switch v := x.Row(i)[d]; {
		case v < smallest:
			smallest, count = v, 1
		case v == smallest:
			count++
		}
	}
	return count
}

// bsdsAdvice is for the one set in HDF5.
const bsdsAdvice = `the archive has HDF5; in its folder, run
  python3 -c "import h5py, numpy; f = h5py.File('BSDS300.hdf5'); ` +
	`[numpy.save(k, f[k][:]) for k in ('train', 'validation', 'test')]"`

// readBSDS300 reads patches of natural images as they are.
func readBSDS300(dir string) (u UCI, err error) {
	for _, part := range []struct {
		file string
		x    *flow.Batch
	}{{"train.npy", &u.Train}, {"validation.npy", &u.Val}, {"test.npy", &u.Test}} {
		t, _, err := uciTable(dir, part.file, 63, bsdsAdvice)
		if err != nil {
			return UCI{}, err
		}
		*part.x, u.Columns = t.X, t.Columns
	}
	return u, nil
}
