package table

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/internal/moments"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
)

// UCINames returns the names that [ReadUCI] knows: the five sets of tabular density
// estimation, as the archive of Papamakarios, Pavlakou and Murray, "Masked
// Autoregressive Flow for Density Estimation" (2017) holds them
// (zenodo.org/record/1161203). FFJORD and most papers since report on them.
//
//	name       D   files in the folder of the set
//	power      6   data.npy, 8 columns
//	gas        8   ethylene_CO.csv, made from ethylene_CO.pickle
//	hepmass    21  1000_train.csv and 1000_test.csv
//	miniboone  43  data.npy
//	bsds300    63  train.npy, validation.npy and test.npy, made from BSDS300.hdf5
//
// An error for a file that is not there says how to make it. Any format of
// [Read] does in place of .npy and of ethylene_CO.csv.
//
// The parts and the units are those of the published code, quirks included, so
// that an NLL in nats compares with the published tables: which rows train,
// validate and test is fixed, and the normalisation is part of the set: it has no
// standardizer besides. Numbers are float64, where the published code rounds to
// float32 at the end.
func UCINames() []string {
	var names []string
	for _, info := range UCICatalog() {
		names = append(names, info.Name)
	}
	return names
}

// UCICatalog describes the sets of [UCINames], in their order.
func UCICatalog() []data.Info {
	describe := func(name, doc string) data.Info {
		return data.Info{Name: name, Doc: "uci: " + doc, Params: []string{"uci", "path"}}
	}
	return []data.Info{
		describe("power", "POWER, household electricity, 6 columns; path = folder with data.npy"),
		describe("gas", "GAS, sensors in mixtures of gases, 8 columns; path = folder with ethylene_CO.csv"),
		describe("hepmass",
			"HEPMASS, particle collisions, 21 columns; path = folder with 1000_train.csv and 1000_test.csv"),
		describe("miniboone", "MINIBOONE, particle identification, 43 columns; path = folder with data.npy"),
		describe("bsds300",
			"BSDS300, patches of images, 63 columns; path = folder with train.npy, validation.npy and test.npy"),
	}
}

// UCI is one of the sets of [UCINames] after the steps of the published code.
type UCI struct {
	Columns          []string
	Train, Val, Test flow.Batch
}

// Fingerprint is the SHA-256 of the numbers of all parts.
func (u UCI) Fingerprint() string {
	d := digest.New()
	for _, x := range []flow.Batch{u.Train, u.Val, u.Test} {
		d.Text(Table{X: x}.Fingerprint())
	}
	return d.String()
}

// ReadUCI reads the set of that name, one of [UCINames], from its folder. An error for
// a file that is not there says how to make it.
func ReadUCI(name, folder string) (UCI, error) {
	if err := choice.Check("UCI set", name, UCINames()); err != nil {
		return UCI{}, fmt.Errorf("data: %w", err)
	}
	if st, err := os.Stat(folder); err == nil && !st.IsDir() {
		return UCI{}, fmt.Errorf("data: %s is a file; %s wants the folder with the files of the set", folder, name)
	}
	switch name {
	case "power":
		return readPower(folder)
	case "gas":
		return readGas(folder)
	case "hepmass":
		return readHepmass(folder)
	case "miniboone":
		return readMiniboone(folder)
	default: // Check lets nothing else through
		return readBSDS300(folder)
	}
}

// uciTable reads the table stem of the folder dir, in whichever format it is
// there, and checks its number of columns. Shipped is the name to look for, and
// advice says how to make it; advice is empty for what the archive has.
func uciTable(dir, shipped string, columns int, advice string) (t Table, path string, err error) {
	stem := strings.TrimSuffix(shipped, filepath.Ext(shipped))
	for _, ext := range []string{".npy", ".csv", ".txt", ".tsv", ".parquet", ".npy.gz", ".csv.gz",
		".txt.gz", ".tsv.gz"} {
		path = filepath.Join(dir, stem+ext)
		if _, err = os.Stat(path); err == nil {
			break
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Table{}, "", missing(dir, shipped, advice)
	} else if err != nil {
		return Table{}, "", fmt.Errorf("data: %w", err)
	}
	if t, err = Read(path, Options{}); err != nil {
		return Table{}, "", err
	}
	if t.X.D != columns {
		return Table{}, "", files.Malformed(path,
			"%d columns; want the %d of the archive at zenodo.org/record/1161203", t.X.D, columns)
	}
	return t, path, nil
}

func missing(dir, shipped, advice string) error {
	if advice == "" {
		advice = "path is the folder of the set, from the archive at zenodo.org/record/1161203"
	}
	return fmt.Errorf("data: %s: %s: %w; %s", dir, shipped, fs.ErrNotExist, advice)
}

// tenth is how many of n rows are held out, as Python's int(0.1*n).
func tenth(n int) int { return int(0.1 * float64(n)) }

// lastTenths cuts x: the last tenth is test, the last tenth of the rest val.
func lastTenths(path string, x flow.Batch) (train, val, test flow.Batch, err error) {
	rest := x.N - tenth(x.N)
	fit := rest - tenth(rest)
	if rest == x.N || fit == rest {
		return train, val, test, files.Malformed(path,
			"%d rows are too few to hold out a tenth, and a tenth of the rest; want 11 or more", x.N)
	}
	return x.Slice(0, fit), x.Slice(fit, rest), x.Slice(rest, x.N), nil
}

// columnsOf returns the columns of x that are asked for, in that order.
func columnsOf(x flow.Batch, columns []int) flow.Batch {
	out := flow.NewBatch(x.N, len(columns))
	for i := range x.N {
		from, to := x.Row(i), out.Row(i)
		for k, c := range columns {
			to[k] = from[c]
		}
	}
	return out
}

// namesOf is columnsOf for the names of columns.
func namesOf(names []string, columns []int) []string {
	out := make([]string, len(columns))
	for k, c := range columns {
		out[k] = names[c]
	}
	return out
}

// The divisors of the deviation are N - numpyStd and N - pandasStd: the
// published code takes its deviations sometimes from one, sometimes the other.
const numpyStd, pandasStd = 0, 1

// normalizer returns the map to mean 0 and deviation 1 of each column of x.
func normalizer(path string, columns []string, x flow.Batch, less float64) (*data.Standardizer, error) {
	s := &data.Standardizer{Mean: make([]float64, x.D), Std: make([]float64, x.D)}
	n := float64(x.N)
	for d := range x.D {
		mean, std, constant := moments.Of(x.X[d:], x.D, x.N)
		if constant {
			where := fmt.Sprintf("column %q", columns[d])
			return nil, files.MalformedAt(path, where,
				"%g in all %d rows that normalise it; want the file of the archive, where it varies", mean, x.N)
		}
		s.Mean[d], s.Std[d] = mean, std*math.Sqrt(n/(n-less))
	}
	return s, s.Validate()
}

// others returns 0 to n-1 without those dropped.
func others(n int, dropped ...int) []int {
	var kept []int
	for i := range n {
		if !slices.Contains(dropped, i) {
			kept = append(kept, i)
		}
	}
	return kept
}
