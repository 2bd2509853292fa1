package run

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/model"
)

// classTable writes a table of rows whose x tells their label, and returns its file.
func classTable(t *testing.T, dir string, labels ...int) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("x,y,k\n")
	for i := range 60 {
		l := labels[i%len(labels)]
		fmt.Fprintf(&text, "%d.5,%d.25,%d\n", l, i%7, l)
	}
	file := filepath.Join(dir, "t.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestClassesStayThoseOfTheModel(t *testing.T) {
	dir := t.TempDir()
	file := classTable(t, dir, 1, 2, 3)
	text := "data: {path: " + file + ", label: k, standardize: none}\nconditional: true\nnet: {hidden: [4]}\n" +
		"train: {steps: 2, batch: 8}"
	r := trained(t, text)
	spec := r.Model.Spec()
	if spec.Net.Classes != 3 || !slices.Equal(spec.ClassNames, []string{"1", "2", "3"}) {
		t.Fatalf("%d classes %q; want 3, of the labels 1, 2 and 3", spec.Net.Classes, spec.ClassNames)
	}
	for name, want := range map[string]int32{"1": 0, "3": 2} {
		if k, err := r.Model.Spec().Class(name); err != nil || k != want {
			t.Errorf("class %s is %d (error %v), want %d", name, k, err, want)
		}
	}
	if _, err := r.Model.Spec().Class("0"); err == nil {
		t.Error("class 0, which was never seen, is one")
	}

	// Data with other labels of the same names number them as the model does.
	classTable(t, dir, 3, 2)
	again, err := Open(r.Dir, "")
	if err != nil {
		t.Fatal(err)
	}
	set, err := again.Data()
	if err != nil {
		t.Fatal(err)
	}
	x, given, err := data.Rows(set.Test, 0, set.Test.Len(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range given.Label {
		if want := int32(x.Row(i)[0] - 1.5); l != want {
			t.Errorf("label %d of a point of class %d", l, want)
		}
	}

	// Other classes are errors: of the data, and of a training that goes on.
	classTable(t, dir, 1, 2, 4)
	if again, err = Open(r.Dir, ""); err != nil {
		t.Fatal(err)
	}
	if _, err = again.Data(); err == nil || !strings.Contains(err.Error(), `class "4" is not one of "1", "2", "3"`) {
		t.Errorf("data of another class: %v", err)
	}
	c, err := ParseConfig([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Train(t.Context(), c, r.Dir, TrainOptions{Resume: true})
	if want := `were "1", "2", "3", and are "1", "2", "4"`; !errors.Is(err, ErrChanged) ||
		!strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("resumed with other classes: %v; want %s", err, want)
	}
}

// A checkpoint of an earlier version has a class 0 for labels 1 to 3, and no names.
func TestAModelWithoutNamesTakesLabelsByTheirNumbers(t *testing.T) {
	dir := t.TempDir()
	r := trained(t, "data: {name: moons}\nconditional: true\nnet: {hidden: [4]}\ntrain: {steps: 2, batch: 8}")
	spec := r.Model.Spec()
	spec.Net.Classes = 4
	cfg := Config{Data: dataset.Config{Path: classTable(t, dir, 1, 2, 3), Label: "k", Standardize: "none"}}
	set, err := openOrdered(cfg, spec)
	if err != nil {
		t.Fatal(err)
	}
	x, given, err := data.Rows(set.Val, 0, set.Val.Len(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range given.Label {
		if want := int32(x.Row(i)[0] - 0.5); l != want {
			t.Errorf("label %d of a point of class %d", l, want)
		}
	}
}

// One of folders numbered them in the order of their text.
func TestAModelWithoutNamesHasItsFoldersInTheOrderOfTheirText(t *testing.T) {
	r := trained(t, "data: {name: moons}\nconditional: true\nnet: {hidden: [4]}\ntrain: {steps: 2, batch: 8}")
	spec := r.Model.Spec()
	spec.Net.Classes = 3
	for _, names := range [][]string{{"a", "2", "10"}, {"1", "2", "10"}} {
		dir := t.TempDir()
		for i, name := range names {
			for k := range 4 {
				img := image.NewGray(image.Rect(0, 0, 2, 2))
				img.Set(0, 0, color.Gray{uint8(100*i + k)})
				var b bytes.Buffer
				if err := png.Encode(&b, img); err != nil {
					t.Fatal(err)
				}
				if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(dir, name, fmt.Sprintf("%d.png", k))
				if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		none := 0.0
		set, err := openOrdered(Config{Data: dataset.Config{Path: dir, Kind: data.KindFolder, Size: 2, Channels: 1,
			Dequantize: new(false), Val: &none, Test: &none}}, spec)
		if err != nil {
			t.Fatal(err)
		}
		x, given, err := data.Rows(set.TrainSet, 0, set.TrainSet.Len(), nil)
		if err != nil {
			t.Fatal(err)
		}
		text := slices.Sorted(slices.Values(names))
		for i, l := range given.Label {
			if want := names[int(x.Row(i)[0]*128+128)/100]; text[l] != want || set.ClassNames != nil {
				t.Errorf("class %d of folder %s, the names %q; want its place in %q", l, want, set.ClassNames, text)
			}
		}
	}
}

// A run of a version that counted labels 1 to 3 as four classes, or that had no names for
// those of folders, cannot go on, and says why.
func TestARunWithOtherNumbersOfClassesIsNotResumed(t *testing.T) {
	r := trained(t, "data: {path: "+classTable(t, t.TempDir(), 1, 2, 3)+", label: k}\nconditional: true\n"+
		"net: {hidden: [4]}\ntrain: {steps: 2, batch: 8}")
	own := filepath.Join(r.Dir, ConfigFile)
	resume := func() error {
		c, err := ReadResumed(r.Dir, []string{"data.path=" + r.Config.Data.Path})
		if err != nil {
			return err
		}
		_, err = Train(t.Context(), c, r.Dir, TrainOptions{Resume: true})
		return err
	}
	s := session{set: &data.Set{Name: "t"}, model: r.Model}
	spec := r.Model.Spec()
	spec.ClassNames = nil
	err := s.sameData(&model.Checkpoint{Spec: spec})
	if want := `numbers without names, and they are "1", "2", "3" now`; !errors.Is(err, ErrChanged) ||
		!strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("without names: %v, want %s", err, want)
	}
	rewrite(t, own, "classes: 3", "classes: 4")
	err = resume()
	if want := `have 3, "1", "2", "3"`; !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), "trained with 4 classes") || strings.Contains(err.Error(), "leave it out") {
		t.Errorf("four classes: %v, want %s", err, want)
	}
}

func TestSnapshotsOfAFolderWithAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lr[1]*?")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"snapshot-20.safetensors", "snapshot-5.safetensors", "snapshot-7.safetensors.tmp",
		"snapshot-x.safetensors"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if steps, err := Snapshots(dir); err != nil || !slices.Equal(steps, []int{5, 20}) {
		t.Errorf("snapshots %v (error %v), want 5 and 20", steps, err)
	}
}

func TestARunFileLeavesTheKindOfDataToTheFiles(t *testing.T) {
	dir := t.TempDir()
	pix := make([]byte, 20*4*4*3)
	npy := append([]byte("\x93NUMPY\x01\x00\x76\x00"),
		fmt.Appendf(nil, "%-117s\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 4, 4, 3), }")...)
	file := filepath.Join(dir, "run.yaml")
	for name, b := range map[string][]byte{"x.npy": append(npy, pix...),
		"run.yaml": []byte("data: {path: x.npy}\nnet: {hidden: [4]}\ntrain: {steps: 1, batch: 4}")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ReadConfig(file, nil)
	if err != nil || c.Data.Kind != data.KindImages {
		t.Fatalf("kind %q (error %v), want images", c.Data.Kind, err)
	}
	r, err := Train(t.Context(), c, filepath.Join(dir, "out"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if image := r.Model.Spec().Image(); !slices.Equal(image, []int{4, 4, 3}) {
		t.Errorf("images of %v, want 4x4x3", image)
	}
	if c, err = ReadConfig(file, []string{"data.kind=table"}); err != nil || c.Data.Kind != data.KindTable {
		t.Errorf("a kind that is given: %q (error %v)", c.Data.Kind, err)
	}
}

func TestAColumnOfNumbersIsNoneOfLabels(t *testing.T) {
	var text strings.Builder
	text.WriteString("x,price\n")
	for i := range 600 {
		fmt.Fprintf(&text, "%d.5,%d\n", i%7, 100+i*37%211)
	}
	file := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	yaml := "data: {path: " + file + ", label: price}\nnet: {hidden: [4]}\ntrain: {steps: 1, batch: 4}\nconditional: "
	_, err := Train(t.Context(), parseText(t, yaml+"true"), t.TempDir(), TrainOptions{})
	if want := `data.label "price" has 211 values in 480 rows`; !errors.Is(err, ErrSettings) ||
		!strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	warnings := parseText(t, yaml+"false").Defaults().Warnings()
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], `data.label is "price", but conditional is not true`) {
		t.Errorf("warnings %q", warnings)
	}
}

func TestNamesOfColumnsComeBackFromTheRunsFile(t *testing.T) {
	for _, name := range []string{".nan", ".inf", "-.inf", "a\tb", "\tx", "\r", "a\r\nb", "~", "null", "on", "1e3",
		"0x1F", "#x", "\x1b[31mred", "a: b", "- x", "é\u2028", "", " a ", "'\"\\", "%", "{[",
		"2001-01-01", "1_000", "<<", "\x00"} {
		var c Config
		c.Data.Path, c.Data.Columns, c.Data.Label = "x.csv", []string{"a", name}, name+"l"
		text, err := marshal(c.Defaults())
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseWritten(text, nil)
		if err != nil || !slices.Equal(got.Data.Columns, c.Data.Columns) || got.Data.Label != c.Data.Label {
			t.Errorf("%q came back as %q and %q (error %v)", name, got.Data.Columns, got.Data.Label, err)
		}
	}
}

// Samples beside held-out points have the classes of these, or the picture compares classes.
func TestAPictureOfSamplesHasTheClassesOfTheData(t *testing.T) {
	file := classTable(t, t.TempDir(), 1, 1, 1, 1, 2)
	r := trained(t, "data: {path: "+file+", label: k, test: 20}\nconditional: true\nnet: {hidden: [4]}\n"+
		"train: {steps: 2, batch: 8}")
	a, err := r.artist(PictureOptions{N: 200}, "samples")
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.prompt(200)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.inProportion(&p); err != nil {
		t.Fatal(err)
	}
	set, err := r.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, given, err := data.Rows(set.Test, 0, 20, nil)
	if err != nil {
		t.Fatal(err)
	}
	share := func(label []int32) float64 {
		n := 0
		for _, l := range label {
			n += int(l)
		}
		return float64(n) / float64(len(label))
	}
	if got, want := share(p.Given.Label), share(given.Label); got != want || want > 0.45 {
		t.Errorf("a share of %g of the samples is of class 2, of the held-out points %g", got, want)
	}
}
