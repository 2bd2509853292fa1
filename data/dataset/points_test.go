package dataset

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/data/synth"
)

func TestASetKnowsItsLabelsEntropyAndFingerprint(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{"readme": nil})
	tableFile(t, dir, "a.csv", 30)
	tableFile(t, dir, "b.csv", 30)
	tableFile(t, dir, "c.csv", 31)
	a := mustOpen(t, Config{Path: "a.csv", Label: "k"}, dir, 1)
	if a.LabelName != "k" || a.ClassNames != nil || a.Entropy != nil || a.Context != 0 {
		t.Errorf("label %q, classes %v, entropy %v, context %d", a.LabelName, a.ClassNames, a.Entropy, a.Context)
	}
	prints := map[string]string{}
	for name, c := range map[string]Config{
		"a": {Path: "a.csv"}, "c": {Path: "c.csv"}, "a, with labels": {Path: "a.csv", Label: "k"},
		"a and b": {Path: "a.csv", TestPath: "b.csv"}, "a and c": {Path: "a.csv", TestPath: "c.csv"},
		"moons": {Name: "moons"}, "moons of 50": {Name: "moons", N: 50},
		"wide moons": {Name: "moons", Params: synth.Params{Scale: new(3.0)}},
	} {
		got := mustOpen(t, c, dir, 1).Fingerprint
		if again := mustOpen(t, c, dir, 2).Fingerprint; again != got || len(got) != len("sha256:")+64 {
			t.Errorf("%s: fingerprints %s and %s", name, got, again)
		}
		for other, print := range prints {
			if print == got {
				t.Errorf("%s and %s have the same fingerprint", name, other)
			}
		}
		prints[name] = got
	}
	for _, c := range []Config{{Path: "b.csv"}, {Path: "a.csv", Standardize: StandardizeNone, Val: new(5.0)}} {
		if got := mustOpen(t, c, dir, 1).Fingerprint; got != prints["a"] {
			t.Errorf("%+v: %s, want that of the same numbers, %s", c, got, prints["a"])
		}
	}
	image, _ := imageFolder(t, 20)
	idx, npy := Config{Path: "a-idx3", LabelsPath: "k-idx1"},
		Config{Path: "a.npy", Kind: data.KindImages, LabelsPath: "k.npy"}
	if x, y := mustOpen(t, idx, image, 1).Fingerprint, mustOpen(t, npy, image, 1).Fingerprint; x != y {
		t.Errorf("IDX and NPY of the same images: %s and %s", x, y)
	}
}

func TestTheLawIsKnownWithoutOpeningFiles(t *testing.T) {
	d, err := Config{Name: "8gaussians", Params: synth.Params{Scale: new(3.0)}}.Law()
	if m, ok := d.(*synth.Mixture); err != nil || !ok || m.Mean.X[0] != 3 {
		t.Errorf("got %v (error %v), want 8gaussians of radius 3", d, err)
	}
	for want, c := range map[string]Config{
		"they are table, not synthetic": {Path: "gone.csv"}, "they are files": {Path: "gone"},
		`unknown synthetic set "moon"`: {Name: "moon"},
	} {
		_, err := c.Law()
		datatest.WantError(t, want, err, want)
	}
}

func TestImagesAreTheKindsOfImages(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want bool
	}{
		{Config{Name: "moons"}, false}, {Config{Path: "t.csv"}, false}, {Config{UCI: "gas", Path: "d"}, false},
		{Config{Path: "d"}, false},
		{Config{Path: "x-idx"}, true}, {Config{Path: "s.tar"}, true},
		{Config{Path: "d", Kind: data.KindCIFAR100}, true},
	} {
		if got := c.c.Images(); got != c.want {
			t.Errorf("%+v: %v, want %v", c.c, got, c.want)
		}
	}
}

func TestPointsOfATableHaveTheColumnsOfTheModel(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{
		"named.csv": []byte("k,b,a\n1,2,3\n0,5,6\n"), "nameless.csv": []byte("3,2\n6,5\n"),
		"wide.csv": []byte("1,2,3\n"), "samples.csv": []byte("c0,c1,logp\n1,2,-3\n"),
		"other.csv": []byte("c,d\n3,2\n"), "bad.csv": []byte("a,b\n1,x\n"), "two.csv": []byte("b,a,z\n2,3,4\n"),
		"half.csv": []byte("c0,c1,label\n1,2,1.5\n"), "halves.csv": []byte("u,v,label\n1,2,0\n1,2,1.5\n"),
		"labels.csv": []byte("u,v,label\n1,2,1\n3,4,0\n"), "none.csv": []byte("u,v\n1,2\n"),
	})
	like := Like{Shape: []int{2}, Columns: []string{"a", "b"}, LabelName: "k", Classes: 2}
	noLabels := Like{Shape: []int{2}, Columns: []string{"a", "b"}, LabelName: "k"}
	nameless, law := Like{Shape: []int{2}}, Like{Shape: []int{2}, Classes: 2}
	trained := Config{Path: "gone.csv", Label: "k"}
	for _, c := range []struct {
		config Config
		file   string
		like   Like
		want   string // the error, or points and labels
	}{
		{trained, "named.csv", like, "[3 2 6 5] [1 0]"},
		{trained, "named.csv", noLabels, "[3 2 6 5] []"},
		{trained, "nameless.csv", noLabels, "[3 2 6 5] []"},
		{trained, "two.csv", noLabels, "[3 2] []"},
		{trained, "two.csv", like, `no column "k"`},
		{trained, "other.csv", noLabels, `no column "a"; the columns are "c", "d"`},
		{trained, "wide.csv", noLabels,
			`wide.csv: 3 columns ("c0", "c1", "c2"); the model was trained on 2 ("a", "b")`},
		{trained, "bad.csv", noLabels, `line 2, column "b": "x" is not a number`},
		{trained, "gone.csv", noLabels, "no such file"},
		{Config{Name: "moons"}, "other.csv", nameless, "[3 2] []"},
		{Config{Name: "moons"}, "half.csv", law, "1.5 is not a class label"},
		{Config{Name: "moons"}, "halves.csv", law, "1.5 is not a class label"},
		{Config{Name: "moons"}, "labels.csv", law, "[1 2 3 4] [1 0]"},
		{Config{Name: "moons"}, "none.csv", law, "[1 2] []"},
		{Config{Name: "moons"}, "nameless.csv", nameless, "[3 2 6 5] []"},
		{Config{Name: "moons"}, "wide.csv", nameless,
			`wide.csv: 3 columns ("c0", "c1", "c2"); the model was trained on 2`},
		{Config{Name: "moons"}, "samples.csv", nameless, "[1 2] []"}, // c0 and c1, as they are called
		{Config{Name: "moons"}, "two.csv", nameless,
			`3 columns ("b", "a", "z"); the model was trained on 2 ("c0", "c1")`},
	} {
		got, err := c.config.Points(filepath.Join(dir, c.file), "", c.like, nil)
		if err != nil {
			datatest.WantError(t, c.file, err, c.want)
		} else if got := fmt.Sprint(got.X.X, got.Given.Label); got != c.want {
			t.Errorf("%s: got %s, want %s", c.file, got, c.want)
		}
	}
	_, err := trained.Points(filepath.Join(dir, "named.csv"), "labels-idx", like, nil)
	datatest.WantError(t, "labels", err, "labels-idx: a file of labels is for images")
}

func TestPointsOfImagesHaveTheClassesOfTheModel(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{
		"f/dog/1.png": datatest.Shade(t, 10), "f/cat/1.png": datatest.Shade(t, 20),
		"g/dog/1.png": datatest.Shade(t, 30), "g/dog/2.png": datatest.Shade(t, 31),
		"g/eel/1.png": datatest.Shade(t, 40), "flat/1.png": datatest.PNG(t, datatest.Plain(4, 4, color.Black)),
	})
	c := Config{Kind: data.KindFolder, Path: "gone", Size: 4, Dequantize: new(false)}
	like := Like{Shape: []int{4, 4, 3}, ClassNames: []string{"ant", "cat", "dog", "eel"}, Classes: 4}
	for _, test := range []struct {
		folder string
		change func(*Like)
		want   string
	}{
		{"f", func(*Like) {}, "[20 10] [1 2]"},
		{"g", func(*Like) {}, "[30 31 40] [2 2 3]"},
		{"g", func(l *Like) { l.Classes = 0 }, "[30 31 40] []"},
		{"g", func(l *Like) { l.ClassNames = l.ClassNames[:3] },
			`g: class "eel" is not one of "ant", "cat", "dog", the classes of the model`},
		{"g", func(l *Like) { l.ClassNames = nil }, `g: class "dog" is not one of "0", "1", "2", "3", the classes`},
		{"g", func(l *Like) { l.Shape = []int{5, 5, 3} },
			"g: points of shape [4 4 3]; the model was trained on points of [5 5 3]"},
		{"flat", func(*Like) {}, "[0] []"},
	} {
		l := like
		test.change(&l)
		got, err := c.Points(filepath.Join(dir, test.folder), "", l, datatest.Rand())
		if err != nil {
			datatest.WantError(t, test.folder, err, test.want)
			continue
		}
		var red []int
		for i := range got.X.N {
			red = append(red, int((got.X.Row(i)[0]+1)*128))
		}
		if got := fmt.Sprint(red, got.Given.Label); got != test.want {
			t.Errorf("%s: got %s, want %s", test.folder, got, test.want)
		}
	}
	files, _ := imageFolder(t, 20)
	idx := Config{Path: "a-idx3", LabelsPath: "k-idx1"}
	got, err := idx.Points(filepath.Join(files, "a-idx3"), filepath.Join(files, "k-idx1"),
		Like{Shape: []int{2, 3}, Classes: 4}, datatest.Rand())
	if err != nil || got.X.N != 20 || !slices.Equal(got.Given.Label[:5], []int32{0, 1, 2, 3, 0}) {
		t.Errorf("IDX: %d points with labels %v (error %v)", got.X.N, got.Given.Label, err)
	}
	if err := os.Remove(filepath.Join(files, "k-idx1")); err != nil {
		t.Fatal(err)
	}
	like = Like{Shape: []int{2, 3}, Classes: 4}
	got, err = idx.Points(filepath.Join(files, "a-idx3"), "", like, datatest.Rand())
	if err != nil || got.Given.Label != nil {
		t.Errorf("IDX without labels: %v (error %v)", got.Given.Label, err)
	}
}
