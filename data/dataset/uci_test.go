package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/flow"
)

// The expected numbers of this file are those of testdata/uci.py, which does the
// published steps with NumPy and pandas on the same made files.

// made is made() of testdata/uci.py.
func made(n, d, shift int) flow.Batch {
	x := flow.NewBatch(n, d)
	for i := range n {
		for j := range d {
			k := i + shift
			x.Row(i)[j] = float64((k*7919+j*104729+k*k*31*(j+1))%10007) / 100
		}
	}
	return x
}

// mark is one number that knows the order of rows and columns.
func mark(x flow.Batch) float64 {
	sum := 0.0
	for i := range x.N {
		for j, v := range x.Row(i) {
			sum += v * float64((i*13+j*7)%11+1)
		}
	}
	return sum
}

func gasTable() (flow.Batch, []string) {
	x := made(150, 19, 0)
	for i := range x.N {
		r := x.Row(i)
		r[5], r[6] = r[4]+0.15*r[3], r[4]+0.3*r[3]
		r[8], r[10] = -r[7], 2*r[12]+1
	}
	names := []string{"Time", "Meth", "Eth"}
	for k := range 16 {
		names = append(names, fmt.Sprintf("S%d", k))
	}
	return x, names
}

func collisions(n, columns, shift int) (flow.Batch, []string) {
	x, signal := made(n, columns, shift), 0
	for i := range n {
		r := x.Row(i)
		r[0], r[3], r[5] = 0, float64(i%4), 7
		if i%3 != 0 {
			r[0] = 1
			signal++
		}
		if i == 7 {
			r[5] = -1
		}
		if signal <= 5 {
			r[9] = -2
		}
		if signal <= 6 {
			r[10] = -2
		}
	}
	names := []string{"# label"}
	for k := range columns - 1 {
		names = append(names, fmt.Sprintf("f%d", k))
	}
	return x, names
}

// put writes a table into the folder: CSV with names, or NPY without.
func put(t *testing.T, dir, name string, x flow.Batch, names []string) {
	t.Helper()
	path := filepath.Join(dir, name)
	err := table.WriteNPY(path, x)
	if names != nil {
		err = table.WriteCSV(path, names, x)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// uciFiles makes a folder that holds one of the sets, and returns it.
func uciFiles(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	switch name {
	case "power":
		put(t, dir, "data.npy", made(203, 8, 0), nil)
	case "gas":
		x, names := gasTable()
		put(t, dir, "ethylene_CO.csv", x, names)
	case "hepmass":
		x, names := collisions(180, 28, 0)
		put(t, dir, "1000_train.csv", x, names)
		x, names = collisions(60, 29, 1000)
		put(t, dir, "1000_test.csv", x, names)
	case "miniboone":
		put(t, dir, "data.npy", made(120, 43, 0), nil)
	case "bsds300":
		put(t, dir, "train.npy", made(7, 63, 0), nil)
		put(t, dir, "validation.npy", made(4, 63, 100), nil)
		put(t, dir, "test.npy", made(3, 63, 200), nil)
	}
	return dir
}

func TestTheUCISetsAreThoseOfThePublishedCode(t *testing.T) {
	type part struct {
		n    int
		mark float64
	}
	tests := []struct {
		name  string
		dim   int
		parts []part // train, val, test
		first []float64
	}{
		{"power", 6, []part{{165, 2.221852328015956}, {18, 51.67136888217343}, {20, -33.2566919800852}},
			[]float64{1.1011775004209141, 0.6597407876832087, 0.6354649251724702}},
		{"gas", 13, []part{{122, -238.732914409699}, {13, 88.40735312248555}, {15, -54.81294551980798}},
			[]float64{-1.463739517379136, 1.1909764287597586, 0.8911540594069929}},
		{"hepmass", 25, []part{{108, -420.0192234546179}, {12, 235.92069186564623}, {40, -33.298640474679665}},
			[]float64{0.5134174964835694, -1.2403750713599007, -1.0974222989566593}},
		{"miniboone", 43, []part{{98, -135.61261440981843}, {10, -4.661649239611677}, {12, -159.54063496431664}},
			[]float64{0.3160907457253011, -1.2900636157235232, 0.8461678021854433}},
		{"bsds300", 63, []part{{7, 128373.2}, {4, 77008.19}, {3, 57932.58}}, []float64{18.26, 56.17, 94.08}},
	}
	var names []string
	for _, test := range tests {
		names = append(names, test.name)
		dir := uciFiles(t, test.name)
		s := mustOpen(t, Config{UCI: test.name, Path: filepath.Base(dir)}, filepath.Dir(dir), 1)
		if s.Kind != data.KindUCI || s.Name != test.name || s.Dim != test.dim || len(s.Columns) != test.dim ||
			s.Standardizer != nil || s.LogDet() != 0 {
			t.Errorf("%s: opened as %s, %q, of dimension %d with columns %v, standardizer %v", test.name, s.Kind,
				s.Name, s.Dim, s.Columns, s.Standardizer)
			continue
		}
		for k, got := range []data.Finite{s.TrainSet, s.Val, s.Test} {
			x, label := rows(t, got, 0, got.Len(), nil)
			want := test.parts[k]
			if x.N != want.n || math.Abs(mark(x)-want.mark) > 1e-9*math.Max(1, math.Abs(want.mark)) || label != nil {
				t.Errorf("%s: part %d: got %d rows marked %.12g, want %d marked %.12g", test.name, k, x.N,
					mark(x), want.n, want.mark)
			}
			for d, want := range test.first {
				if k == 2 && math.Abs(x.X[d]-want) > 1e-12*math.Abs(want) {
					t.Errorf("%s: the first test row begins with %v, want %v", test.name, x.X[:3], test.first)
				}
			}
		}
		again := mustOpen(t, Config{UCI: test.name, Kind: data.KindUCI, Path: dir}, "", 2)
		if a, b := again.TrainSet.(data.Points).X, s.TrainSet.(data.Points).X; !slices.Equal(a.X, b.X) {
			t.Errorf("%s: the parts depend on the seed of the run", test.name)
		}
	}
	if !slices.Equal(names, table.UCINames()) {
		t.Errorf("tested %v, but the names are %v", names, table.UCINames())
	}
}

func TestColumnsOfTheUCISets(t *testing.T) {
	for name, want := range map[string]string{
		"power":   "global_active_power voltage sub_metering_1 sub_metering_2 sub_metering_3 time",
		"gas":     "S0 S3 S4 S5 S6 S8 S9 S10 S11 S12 S13 S14 S15",
		"hepmass": "f0 f1 f3 f4 f5 f6 f7 f8 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25 f26",
	} {
		s := mustOpen(t, Config{UCI: name, Path: uciFiles(t, name)}, "", 1)
		if got := strings.Join(s.Columns, " "); got != want {
			t.Errorf("%s: columns %s, want %s", name, got, want)
		}
	}
}

func TestAGasTableWithoutNamesHasTimeAndConcentrationsFirst(t *testing.T) {
	dir := t.TempDir()
	x, _ := gasTable()
	put(t, dir, "ethylene_CO.npy", x, nil)
	a := mustOpen(t, Config{UCI: "gas", Path: dir}, "", 1)
	b := mustOpen(t, Config{UCI: "gas", Path: uciFiles(t, "gas")}, "", 1)
	if got, want := mark(a.Test.(data.Points).X), mark(b.Test.(data.Points).X); got != want || a.Columns[0] != "c3" {
		t.Errorf("got %g with columns %v, want %g with columns from c3 on", got, a.Columns, want)
	}
}

func TestUCIConfigsThatContradictSaySo(t *testing.T) {
	for _, test := range []struct {
		c    Config
		want string
	}{
		{Config{Kind: data.KindUCI}, "kind uci without uci; set it to one of power, gas, hepmass, miniboone, bsds300"},
		{Config{UCI: "adult", Path: "x"}, `unknown uci "adult"; it must be one of power, gas`},
		{Config{UCI: "power"}, "uci: power needs path, the folder"},
		{Config{UCI: "power", Path: "x", Name: "moons"}, "leave one out"},
		{Config{UCI: "power", Name: "moons"}, "kind uci needs path, not name"},
		{Config{UCI: "power", Path: "x.npy", Kind: data.KindTable},
			"uci is set, but the data are table; it is for uci"},
		{Config{UCI: "power", Path: "x", Columns: []string{"a"}}, "columns is set, but the data are uci"},
		{Config{UCI: "power", Path: "x", Label: "a"}, "label is set, but the data are uci"},
		{Config{UCI: "power", Path: "x", N: 3}, "n is set, but the data are uci"},
		{Config{UCI: "power", Path: "x", Params: synth.Params{Noise: new(0.1)}}, "noise is set, but the data are uci"},
		{Config{UCI: "power", Path: "x", TestPath: "y"}, "test_path is set, but the data are uci"},
		{Config{UCI: "gas", Path: "x", Standardize: "none"},
			"standardize is set, but uci: gas comes with its own parts and units"},
		{Config{UCI: "gas", Path: "x", Val: new(0.1)}, "val is set, but uci: gas"},
		{Config{UCI: "gas", Path: "x", Test: new(0.0)}, "test is set, but uci: gas"},
	} {
		datatest.WantError(t, fmt.Sprintf("%+v", test.c), test.c.Validate(), test.want)
	}
	if err := (Config{UCI: "gas", Path: "x"}).Validate(); err != nil {
		t.Error(err)
	}
}

// hepmassNames is the first line of a file of 27 features, and hepmassRow another one.
var hepmassNames = "y" + strings.Repeat(",f", 27)

func hepmassRow(class, feature string) string { return "\n" + class + strings.Repeat(feature, 27) }

// badUCI are folders that cannot be used: what is done to a good one, and what
// the error must say.
var badUCI = []struct {
	set, file string
	x         flow.Batch // written in place of file, unless text is not empty
	names     []string
	text      string
	want      string
}{
	{"power", "data.npy", made(203, 9, 0), nil, "", "data.npy: 9 columns; want the 8 of the archive"},
	{"power", "data.npy", made(10, 8, 0), nil, "",
		"10 rows are too few to hold out a tenth, and a tenth of the rest; want 11 or more"},
	{"power", "data.npy", flow.Batch{}, nil, "x", "data.npy: not an NPY file"},
	{"miniboone", "data.npy", made(120, 50, 0), nil, "", "50 columns; want the 43"},
	{"miniboone", "data.npy", flow.NewBatch(20, 43), nil, "", `column "c0": 0 in all 18 rows that normalise it`},
	{"bsds300", "validation.npy", made(9, 64, 0), nil, "", "validation.npy: 64 columns; want the 63"},
	{"gas", "ethylene_CO.csv", made(20, 19, 0), strings.Fields("Time Meth S a b c d e f g h i j k l m n o p"), "",
		`no column "Eth"; want Time, Meth, Eth and 16 sensors`},
	{"gas", "ethylene_CO.csv", made(20, 20, 0), nil, ",Time\n1,2\n", "header, column 1: the name is empty"},
	{"hepmass", "1000_train.csv", made(20, 12, 0), strings.Fields("a b c d e f g h i j k l"), "",
		"1000_train.csv: the first line is not one of names; want 28 or more"},
	{"hepmass", "1000_test.csv", flow.Batch{}, nil, strings.Repeat("1,", 28) + "1\n",
		"1000_test.csv: the first line is not one of names"},
	{"hepmass", "1000_test.csv", flow.Batch{}, nil, hepmassNames + "\n1,2\n",
		"line 2: 2 fields; want 28 as in the first line"},
	{"hepmass", "1000_test.csv", flow.Batch{}, nil, hepmassNames + hepmassRow("0", ",1") + "\n",
		`column "y": no row is of class 1`},
	{"hepmass", "1000_train.csv", flow.Batch{}, nil, hepmassNames + "\n1" + strings.Repeat(",1", 26) + ",x\n",
		`line 2, column "f": "x" is not a number`},
	{"hepmass", "1000_train.csv", flow.Batch{}, nil, hepmassNames + hepmassRow("1", ",1") + "\n",
		"1 rows of class 1 are too few"},
	{"hepmass", "1000_train.csv", flow.Batch{}, nil, hepmassNames + strings.Repeat(hepmassRow("1", ",1"), 20),
		"the smallest value of every column comes more than 5 times"},
}

func TestBadUCIFilesSayWhatWouldBeRight(t *testing.T) {
	for _, test := range badUCI {
		dir := uciFiles(t, test.set)
		if test.text == "" {
			put(t, dir, test.file, test.x, test.names)
		} else if err := os.WriteFile(filepath.Join(dir, test.file), []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := Config{UCI: test.set, Path: dir}.Open("", 1)
		datatest.WantError(t, test.set+", "+test.file, err, test.want)
	}
}

func TestAFileInPlaceOfTheFolderOfAUCISetIsSaidSo(t *testing.T) {
	_, err := Config{UCI: "power", Path: filepath.Join(uciFiles(t, "power"), "data.npy")}.Open("", 1)
	datatest.WantError(t, "a file", err, "data.npy is a file; power wants the folder")
}

func TestMissingUCIFilesAreNamedWithTheWayToMakeThem(t *testing.T) {
	for name, want := range map[string][]string{
		"power": {"data.npy", "path is the folder of the set, from the archive at zenodo.org/record/1161203"},
		"gas": {"ethylene_CO.csv",
			"pandas.read_pickle('ethylene_CO.pickle').to_csv('ethylene_CO.csv', index=False)"},
		"hepmass":   {"1000_train.csv", "from the archive"},
		"miniboone": {"data.npy", "from the archive"},
		"bsds300":   {"train.npy", "h5py.File('BSDS300.hdf5')"},
	} {
		dir := t.TempDir()
		_, err := Config{UCI: name, Path: dir}.Open("", 1)
		datatest.WantError(t, name, err, dir+": "+want[0])
		datatest.WantError(t, name, err, want[1])
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not fs.ErrNotExist", name, err)
		}
	}
}

func TestHepmassPassesOverWhatIsBehindTheFeatures(t *testing.T) {
	dir := uciFiles(t, "hepmass")
	want := mustOpen(t, Config{UCI: "hepmass", Path: dir}, "", 1)
	path := filepath.Join(dir, "1000_train.csv")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfterN(text, []byte("\n"), 2)
	trailing := append(lines[0], bytes.ReplaceAll(lines[1], []byte("\n"), []byte(",\n"))...)
	if err := os.WriteFile(path, trailing, 0o644); err != nil {
		t.Fatal(err)
	}
	got := mustOpen(t, Config{UCI: "hepmass", Path: dir}, "", 1)
	if a, b := got.TrainSet.(data.Points).X, want.TrainSet.(data.Points).X; !slices.Equal(a.X, b.X) {
		t.Error("a comma at the end of each line changes the data")
	}
}
