package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/datatest"
	"flowmatch/data/internal/moments"
	"flowmatch/data/simulator"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/flow"
)

// rows returns points lo to hi of f, with their labels.
func rows(t testing.TB, f data.Finite, lo, hi int, rng *rand.Rand) (flow.Batch, []int32) {
	t.Helper()
	x, given, err := data.Rows(f, lo, hi, rng)
	if err != nil {
		t.Fatal(err)
	}
	return x, given.Label
}

func mustOpen(t *testing.T, c Config, dir string, seedValue uint64) *data.Set {
	t.Helper()
	s, err := c.Open(dir, seedValue)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEverySyntheticSetOpensByItsName(t *testing.T) {
	for _, name := range synth.Names() {
		s := mustOpen(t, Config{Name: name, Val: new(30.0), Test: new(40.0)}, "", 1)
		x := flow.NewBatch(8, s.Dim)
		if err := s.Train.Fill(x, flow.Given{}, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if s.Density == nil || s.TrainSet != nil || s.Val.Len() != 30 || s.Test.Len() != 40 ||
			!slices.Equal(s.Shape, []int{s.Dim}) || s.Kind != data.KindSynthetic || s.Name != name {
			t.Errorf("%s: opened as %+v", name, s)
		}
		if s.LogDet() != 0 {
			t.Errorf("%s: LogDet got %g, want 0", name, s.LogDet())
		}
		val, _ := rows(t, s.Val, 0, 8, nil)
		test, _ := rows(t, s.Test, 0, 8, nil)
		if slices.Equal(val.X, test.X) || slices.Equal(val.X, x.X) || slices.Equal(test.X, x.X) {
			t.Errorf("%s: train, val and test share points", name)
		}
	}
	if s := mustOpen(t, Config{Name: "moons"}, "", 1); s.Val.Len() != 1000 || s.Test.Len() != 10000 {
		t.Errorf("default sizes: got %d and %d, want 1000 and 10000", s.Val.Len(), s.Test.Len())
	}
}

func TestAFiniteSampleIsShuffledAndNothingElse(t *testing.T) {
	s := mustOpen(t, Config{Name: "8gaussians", N: 50}, "", 2)
	want, wantLabel := rows(t, s.TrainSet, 0, 50, nil)
	x, label := flow.NewBatch(50, 2), make([]int32, 50)
	if err := s.Train.Fill(x, flow.Given{Label: label}, 7); err != nil {
		t.Fatal(err)
	}
	type point struct {
		x, y  float64
		label int32
	}
	points := func(x flow.Batch, label []int32) map[point]bool {
		m := make(map[point]bool)
		for i := range x.N {
			m[point{x.X[2*i], x.X[2*i+1], label[i]}] = true
		}
		return m
	}
	if !reflect.DeepEqual(points(x, label), points(want, wantLabel)) {
		t.Error("an epoch of the stream is not the finite sample")
	}
}

func TestAStandardizedSyntheticSetKeepsItsDensityAndEntropy(t *testing.T) {
	for _, how := range []string{StandardizeColumns, StandardizeScalar} {
		for _, n := range []int{0, 500} {
			s := mustOpen(t, Config{Name: "checkerboard", Standardize: how, N: n}, "", 3)
			x := flow.NewBatch(500, 2)
			if err := s.Train.Fill(x, flow.Given{}, 0); err != nil {
				t.Fatal(err)
			}
			mean, std, _ := moments.Of(x.X, 1, len(x.X))
			// 5 deviations of the mean, and of the deviation, of 1000 numbers.
			if math.Abs(mean) > 5/math.Sqrt(1000) || math.Abs(std-1) > 5/math.Sqrt(2000) {
				t.Errorf("%s, n %d: mean %g, deviation %g of model units, want 0 and 1", how, n, mean, std)
			}
			// Uniform: log p in model units is one number, on all points, of val too.
			nll, known := s.OptimalNLL()
			if want := math.Log(32) - s.LogDet(); !known || math.Abs(nll-want) > 1e-12 {
				t.Errorf("%s, n %d: optimal NLL %g, want %g", how, n, nll, want)
			}
			val, _ := rows(t, s.Val, 0, s.Val.Len(), nil)
			logp := make([]float64, val.N)
			s.Density.LogProb(logp, val)
			for i, l := range logp {
				if math.Abs(l+nll) > 1e-12 {
					t.Fatalf("%s, n %d: log p of held-out point %d got %g, want %g", how, n, i, l, -nll)
				}
			}
			s.Original(val)
			synth.Checkerboard{Half: 4}.LogProb(logp, val)
			for i, l := range logp {
				if math.IsInf(l, -1) {
					t.Fatalf("%s, n %d: Original brings point %d to %v, off the board", how, n, i, val.Row(i))
				}
			}
		}
	}
	if _, known := mustOpen(t, Config{Name: "moons"}, "", 1).OptimalNLL(); known {
		t.Error("the entropy of moons is said to be known")
	}
}

// tableFile writes n rows a, b, k with a = row number, b = -a, k = row mod 3.
func tableFile(t *testing.T, dir, name string, n int) {
	t.Helper()
	text := "a,b,k\n"
	for i := range n {
		text += fmt.Sprintf("%d,%d,%d\n", i, -i, i%3)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestATableIsSplitAndStandardizedOnItsTrainingPart(t *testing.T) {
	dir := t.TempDir()
	tableFile(t, dir, "t.csv", 100)
	s := mustOpen(t, Config{Path: "t.csv", Label: "k"}, dir, 4)
	got := strings.TrimSpace(fmt.Sprintln(
		s.Columns, s.Dim, s.Shape, s.Classes, s.TrainSet.Len(), s.Val.Len(), s.Test.Len(), s.Kind, s.Name))
	if want := "[a b] 2 [2] 3 80 10 10 table t.csv"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	train, _ := rows(t, s.TrainSet, 0, 80, nil)
	for d := range 2 {
		if mean, std, _ := moments.Of(train.X[d:], 2, 80); math.Abs(mean) > 1e-12 || math.Abs(std-1) > 1e-12 {
			t.Errorf("training column %d: mean %g, deviation %g, want 0 and 1, tolerance 1e-12", d, mean, std)
		}
	}
	seen := make(map[float64]bool)
	for _, part := range []data.Finite{s.TrainSet, s.Val, s.Test} {
		x, label := rows(t, part, 0, part.Len(), nil)
		s.Original(x)
		for i := range x.N {
			a, b := math.Round(x.X[2*i]), math.Round(x.X[2*i+1])
			if math.Abs(a-x.X[2*i]) > 1e-10 || a != -b || label[i] != int32(a)%3 {
				t.Errorf("row %v with label %d is not of the file", x.Row(i), label[i])
			}
			seen[a] = true
		}
	}
	if len(seen) != 100 {
		t.Errorf("the parts hold %d of the 100 rows", len(seen))
	}
	plain := Config{Path: filepath.Join(dir, "t.csv"), Standardize: StandardizeNone}
	if s := mustOpen(t, plain, "elsewhere", 4); s.Standardizer != nil || s.Dim != 3 {
		t.Errorf("absolute path, standardize none: opened as %+v", s)
	}
}

// Runs of several seeds may hold out the same points; the order of training stays their own.
func TestPointsAreHeldOutByTheSeedOfTheSplit(t *testing.T) {
	dir, _ := imageFolder(t, 20)
	tableFile(t, dir, "t.csv", 40)
	for _, c := range []Config{{Path: "t.csv", Standardize: StandardizeNone}, {Path: "a-idx3", Val: new(4.0)}} {
		read := func(split *uint64, seed uint64) (test, train []float64) {
			c.SplitSeed = split
			s := mustOpen(t, c.In(dir), "elsewhere", seed)
			x, _ := rows(t, s.Test, 0, s.Test.Len(), rand.New(rand.NewPCG(1, 1)))
			y := flow.NewBatch(8, s.Dim)
			if err := s.Train.Fill(y, flow.Given{}, 0); err != nil {
				t.Fatal(err)
			}
			return x.X, y.X
		}
		one, first := read(new(uint64(7)), 1)
		two, second := read(new(uint64(7)), 2)
		if !slices.Equal(one, two) || slices.Equal(first, second) {
			t.Errorf("%s: seeds 1 and 2 of one split hold out %v and %v; the training batches differ: %v", c.Path,
				one, two, !slices.Equal(first, second))
		}
		own, batch := read(nil, 7)
		if !slices.Equal(own, one) || slices.Equal(batch, first) {
			t.Errorf("%s: the split of seed 7 is %v, want %v", c.Path, own, one)
		}
	}
}

func TestATestFileOfItsOwnIsUsedWhole(t *testing.T) {
	dir := t.TempDir()
	tableFile(t, dir, "train.csv", 50)
	tableFile(t, dir, "test.csv", 7)
	s := mustOpen(t, Config{Path: "train.csv", TestPath: "test.csv", Label: "k"}, dir, 5)
	if s.TrainSet.Len() != 45 || s.Val.Len() != 5 || s.Test.Len() != 7 {
		t.Errorf("got %d, %d and %d points, want 45, 5 and 7", s.TrainSet.Len(), s.Val.Len(), s.Test.Len())
	}
	x, _ := rows(t, s.Test, 0, 7, nil)
	s.Original(x)
	if math.Abs(x.X[2*6]-6) > 1e-10 {
		t.Errorf("row 6 of the test file: got %g, want 6", x.X[12])
	}
	if err := os.WriteFile(filepath.Join(dir, "other.csv"), []byte("a,c\n1,2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Config{Path: "train.csv", TestPath: "other.csv"}.Open(dir, 5)
	datatest.WantError(t, "other columns", err, `columns "a", "c"; want those of train.csv: "a", "b", "k"`)
}

// imageFolder holds n images of 2 x 3 bytes with labels 0 to 3, as IDX and as
// NPY, and files that do not fit them.
func imageFolder(t *testing.T, n int) (dir string, pix []byte) {
	t.Helper()
	dir = t.TempDir()
	pix = make([]byte, n*2*3)
	label := make([]byte, n)
	long := make([]int64, n)
	for i := range pix {
		pix[i] = byte(7 * i)
	}
	for i := range label {
		label[i], long[i] = byte(i%4), int64(i%4)
	}
	for name, b := range map[string][]byte{
		"a-idx3":   datatest.IDX([]uint32{uint32(n), 2, 3}, pix),
		"k-idx1":   datatest.IDX([]uint32{uint32(n)}, label),
		"bad-idx1": datatest.IDX([]uint32{uint32(n - 1)}, label[1:]),
		"odd-idx3": datatest.IDX([]uint32{uint32(n), 3, 2}, pix),
		"flat-idx": datatest.IDX([]uint32{uint32(n)}, label),
		"none-idx": datatest.IDX([]uint32{0, 2, 3}, nil),
		"a.npy":    datatest.NPY(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 2, 3), }", pix),
		"f.npy": datatest.NPY(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }",
			make([]float32, 6)),
		"k.npy": datatest.NPY(1, "{'descr': '<i8', 'fortran_order': False, 'shape': (20,), }", long),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, pix
}

func TestImagesOpenFromIDXAndFromNPY(t *testing.T) {
	const n = 20
	dir, pix := imageFolder(t, n)
	var batches []flow.Batch
	for _, c := range []Config{
		{Path: "a-idx3", LabelsPath: "k-idx1"},
		{Path: "a.npy", Kind: data.KindImages, LabelsPath: "k.npy"},
	} {
		s := mustOpen(t, c, dir, 6)
		got := fmt.Sprint(s.Shape, s.Dim, s.Classes, s.TrainSet.Len(), s.Val.Len(), s.Test.Len(), s.Dequantized)
		if want := "[2 3] 6 4 16 2 2 true"; got != want {
			t.Errorf("%s: got %s, want %s", c.Path, got, want)
		}
		x, y, k := flow.NewBatch(16, 6), flow.NewBatch(16, 6), make([]int32, 16)
		if err := s.Train.Fill(x, flow.Given{Label: k}, 0); err != nil {
			t.Fatal(err)
		}
		if err := s.Train.Fill(y, flow.Given{}, 1); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(x.X, y.X) {
			t.Errorf("%s: two epochs have the same noise", c.Path)
		}
		row := make([]byte, 6)
		for i := range x.N {
			image.Pixels(row, x.Row(i))
			if at := strings.Index(string(pix), string(row)); at < 0 || at%6 != 0 || k[i] != int32(at/6%4) {
				t.Errorf("%s: image %v with label %d is not of the file", c.Path, row, k[i])
			}
		}
		if got, want := s.LogDet(), 6*math.Log(128); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: LogDet got %g, want %g", c.Path, got, want)
		}
		batches = append(batches, x)
	}
	if !slices.Equal(batches[0].X, batches[1].X) {
		t.Error("IDX and NPY of the same images give other batches")
	}
	whole := mustOpen(t, Config{Path: "a-idx3", TestPath: "a-idx3", Val: new(0.0), Standardize: StandardizeScalar,
		Dequantize: new(false)}, dir, 6)
	x, _ := rows(t, whole.Test, 0, n, nil)
	if mean, std, _ := moments.Of(x.X, 1, len(x.X)); math.Abs(mean) > 1e-12 || math.Abs(std-1) > 1e-12 {
		t.Errorf("standardized images: mean %g, deviation %g, want 0 and 1, tolerance 1e-12", mean, std)
	}
}

func TestImageFilesThatDoNotFitAreReported(t *testing.T) {
	dir, _ := imageFolder(t, 20)
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Path: "a-idx3", LabelsPath: "bad-idx1"}, "labels of shape [19] for 20 images; want shape [20]"},
		{Config{Path: "a-idx3", TestPath: "odd-idx3"}, "images of shape [3 2]; want [2 3] as in a-idx3"},
		{Config{Path: "flat-idx"}, "bytes of shape [20]; want at least one image"},
		{Config{Path: "none-idx"}, "bytes of shape [0 2 3]; want at least one image"},
		{Config{Path: "f.npy", Kind: data.KindImages},
			"NPY array of type <f4, fortran_order false; images must be unsigned bytes"},
		{Config{Path: "missing-idx"}, "no such file"},
	} {
		_, err := c.c.Open(dir, 6)
		datatest.WantError(t, fmt.Sprint(c.c), err, c.want)
	}
}

func TestConfigsThatCannotBeOpenedSayWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{}, "nothing to learn from: set name to one of checkerboard, "},
		{Config{Name: "moons", Path: "t.csv"}, `both name "moons" and path "t.csv" are set`},
		{Config{Name: "moon"}, `unknown synthetic set "moon"; did you mean "moons"? it must be one of`},
		{Config{Name: "moons", Params: synth.Params{Dim: new(3)}}, "moons does not take dim"},
		{Config{Path: "t.ods"},
			`path "t.ods" does not say what the file is; set kind to one of table, images, cifar10, cifar100, ` +
				"folder, shards"},
		{Config{Path: "t.csv", Kind: "video"},
			`unknown kind "video"; it must be one of synthetic, table, uci, simulator, images, cifar10, ` +
				"cifar100, folder, shards"},
		{Config{Path: "t.csv", Kind: data.KindSynthetic}, "kind synthetic needs name, not path"},
		{Config{Name: "moons", Kind: data.KindTable}, "kind table needs path, not name"},
		{Config{Name: "moons", Columns: []string{"x"}}, "columns is set, but the data are synthetic; it is for table"},
		{Config{Name: "moons", TestPath: "x"},
			"test_path is set, but the data are synthetic; it is for table, images, folder and shards"},
		{Config{Path: "t.csv", N: 5}, "n is set, but the data are table; it is for synthetic"},
		{Config{Path: "t.csv", Params: synth.Params{Noise: new(0.1)}}, "noise is set, but the data are table"},
		{Config{Path: "t.csv", Dequantize: new(true)}, "dequantize is set, but the data are table; it is for images"},
		{Config{Name: "moons", SplitSeed: new(uint64(1))},
			"split_seed is set, but the data are synthetic; it is for table, images"},
		{Config{Path: "d", Kind: data.KindFolder}, "size = 0; want the side of the images in pixels, 1 to 4096"},
		{Config{Path: "d", Kind: data.KindShards, Size: 5000}, "size = 5000"},
		{Config{Path: "d.tar", Size: 8, Channels: 2}, "channels = 2; want 1 for grey or 3 for colour"},
		{Config{Path: "d.tgz", Size: 8, Corrupt: "ignore"}, `unknown corrupt "ignore"; it must be one of fail, skip`},
		{Config{Path: "d", Kind: data.KindCIFAR10, Size: 32},
			"size is set, but the data are cifar10; it is for folder and shards"},
		{Config{Path: "d", Kind: data.KindCIFAR10, Channels: 1}, "channels is set, but the data are cifar10"},
		{Config{Path: "d", Kind: data.KindCIFAR10, Corrupt: CorruptSkip}, "corrupt is set, but the data are cifar10"},
		{Config{Path: "d", Kind: data.KindCIFAR10, Coarse: true},
			"coarse is set, but the data are cifar10; it is for cifar100"},
		{Config{Path: "d", Kind: data.KindCIFAR100, TestPath: "e"}, "test_path is set, but the data are cifar100"},
		{Config{Path: "d", Kind: data.KindFolder, Size: 8, LabelsPath: "e"},
			"labels_path is set, but the data are folder; it is for images"},
		{Config{Path: "d", Kind: data.KindFolder, Size: 8, Standardize: StandardizeColumns},
			"columns does not suit images"},
		{Config{Path: "t.csv", Flip: true},
			"flip is set, but the data are table; it is for images, cifar10, cifar100, folder and shards"},
		{Config{Name: "moons", Kind: data.KindFolder}, "kind folder needs path, not name"},
		{Config{Path: "x-idx", Label: "k"}, "label is set, but the data are images; it is for table"},
		{Config{Path: "x-idx", TestPath: "y", LabelsPath: "z"}, "labels_path and test_labels_path go together"},
		{Config{Path: "x-idx", LabelsPath: "z", TestLabelsPath: "z"}, "test_labels_path is set without test_path"},
		{Config{Path: "x-idx", Standardize: StandardizeColumns}, "columns does not suit images"},
		{Config{Path: "t.csv", Standardize: "yes"},
			`unknown standardize "yes"; it must be one of none, columns, scalar`},
		{Config{Path: "t.csv", Delimiter: ";;"}, `delimiter ";;"; want one character`},
		{Config{Path: "t.npy", Delimiter: ";"},
			"delimiter is set, but t.npy is no table of text; it is for .csv, .tsv and .txt: leave it out"},
		{Config{Path: "t.parquet", Header: new(false)}, "header is set, but t.parquet is no table of text"},
		{Config{Path: "t.csv", Test: new(0.2), TestPath: "u.csv"}, "test and test_path are both set"},
		{Config{Path: "t.csv", Val: new(-0.2)}, "val = -0.2; want a fraction from 0 to below 1"},
		{Config{Path: "t.csv", Test: new(2.5)}, "test = 2.5; from 1 on it counts points and must be whole"},
		{Config{Name: "moons", Val: new(0.1)}, "val = 0.1 of an endless set; give a number of points"},
		{Config{Name: "moons", N: -1}, "n = -1; want a number of points, or 0"},
	} {
		datatest.WantError(t, fmt.Sprintf("%+v", c.c), c.c.Validate(), c.want)
		if _, err := c.c.Open("", 1); err == nil {
			t.Errorf("%+v opens all the same", c.c)
		}
	}
	dir := t.TempDir()
	tableFile(t, dir, "t.csv", 3)
	_, err := Config{Path: "t.csv", Val: new(2.0), Test: new(1.0)}.Open(dir, 1)
	datatest.WantError(t, "no training rows", err,
		"val takes 2 and test 1 of 3 points, which leaves none to train on; make val or test smaller (t.csv)")
	_, err = Config{Path: "t.csv", Val: new(2.0), Test: new(0.0)}.Open(dir, 1)
	datatest.WantError(t, "one training row", err,
		"there is one row to train on, which has no deviation; give more rows")
}

func TestAConfigSurvivesYAMLAndJSON(t *testing.T) {
	full := Config{
		Name: "mixture", N: 100, Path: "p", Kind: data.KindTable, Columns: []string{"a", "b"}, Label: "k",
		Delimiter: ";",
		Header:    new(false), LabelsPath: "l", TestPath: "t", TestLabelsPath: "u", Size: 8, Channels: 1, Flip: true,
		Corrupt: CorruptSkip,
		Coarse:  true, Dequantize: new(false), Standardize: StandardizeScalar, Val: new(0.0), Test: new(0.25),
		SplitSeed: new(uint64(0)),
		Params: synth.Params{Noise: new(0.0), Scale: new(2.0), Components: new(3), Dim: new(4), LayoutSeed: 1 << 60,
			Means: [][]float64{{1, 2}, {3, 4}}, Stds: []float64{1, 2}, Weights: []float64{3, 4}},
	}
	for _, c := range []Config{full, {Name: "moons"}} {
		y, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var got Config
		if err := yaml.UnmarshalWithOptions(y, &got, yaml.DisallowUnknownField()); err != nil ||
			!reflect.DeepEqual(got, c) {
			t.Errorf("YAML: got %+v (error %v), want %+v, text:\n%s", got, err, c, y)
		}
		j, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got = Config{}
		if err := json.Unmarshal(j, &got); err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("JSON: got %+v (error %v), want %+v, text: %s", got, err, c, j)
		}
	}
	var c Config
	text := "name: moons\nnoise: 0.05\nval: 500\n"
	if err := yaml.UnmarshalWithOptions([]byte(text), &c, yaml.DisallowUnknownField()); err != nil ||
		*c.Noise != 0.05 ||
		*c.Val != 500 || c.Validate() != nil {
		t.Errorf("%q: read as %+v (error %v)", text, c, err)
	}
}

func TestTheCatalogListsEveryNameWithItsParameters(t *testing.T) {
	var names []string
	for _, info := range Catalog() {
		names = append(names, info.Name)
		if info.Doc == "" || strings.Contains(info.Doc, "\n") || len(info.Params) == 0 {
			t.Errorf("%s: description %q, parameters %v", info.Name, info.Doc, info.Params)
		}
	}
	want := slices.Concat(synth.Names(), []string{synth.WrappedName}, table.UCINames(), simulator.Names())
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
