package rows

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/data/text"
)

func written(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func array(t *testing.T, d int, x ...int32) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.npy")
	if err := table.WriteIntNPY(file, len(x)/d, d, x); err != nil {
		t.Fatal(err)
	}
	return file
}

const cars = "size,colour,doors,kind\nbig,red,10,bus\nsmall,\"dark, blue\",2,car\nbig,red,4,car\n" +
	"small,green,4,car\n"

// all returns the rows of all parts as texts, in order.
func all(c *text.Corpus) []string {
	rows := strings.Split(c.Decode(slices.Concat(c.Train, c.Val, c.Test)), "\n")
	slices.Sort(rows)
	return rows
}

// Rows of categories come back as they were, with levels in the order of texts or numbers, and labels stay with them.
func TestRowsOfCategories(t *testing.T) {
	file := written(t, "cars.csv", cars)
	c, err := Read(file, Options{Kind: text.Categories, Label: "kind"})
	if err != nil || c.Length != 3 {
		t.Fatal(c, err)
	}
	want := []string{`big,red,10`, `big,red,4`, `small,"dark, blue",2`, `small,green,4`}
	if got := all(c); !slices.Equal(got, want) || len(c.Val) != 3 || len(c.Test) != 3 || len(c.Train) != 6 {
		t.Errorf("%q in parts of %d, %d and %d, want %q", got, len(c.Train), len(c.Val), len(c.Test), want)
	}
	got := c.Columns[2].Levels
	if !slices.Equal(got, []string{"2", "4", "10"}) || c.LevelsOf(0) != 2 || c.Levels() != 3 {
		t.Errorf("%v, %d levels of %d", got, c.LevelsOf(0), c.Levels())
	}
	if !slices.Equal(c.Labels.Classes, []string{"bus", "car"}) {
		t.Errorf("%v", c.Labels.Classes)
	}
	for _, part := range []struct {
		tokens, label []int32
	}{{c.Train, c.Labels.Train}, {c.Val, c.Labels.Val}, {c.Test, c.Labels.Test}} {
		for i, k := range part.label {
			if bus := c.Decode(part.tokens[3*i:3*i+3]) == want[0]; bus != (k == 0) {
				t.Errorf("row %q has the class %d", c.Decode(part.tokens[3*i:3*i+3]), k)
			}
		}
	}
	x, label := c.Batch(1, 2, 40)
	for i := range x.N {
		if c.Decode(x.Row(i)) == want[0] != (label[i] == 0) || !slices.Contains(want, c.Decode(x.Row(i))) {
			t.Errorf("a batch has %q of class %d", c.Decode(x.Row(i)), label[i])
		}
	}
	if got, err := c.Encode(c.Decode(c.Train)); err != nil || !slices.Equal(got, c.Train) {
		t.Errorf("%v (%v), want %v", got, err, c.Train)
	}
	some, err := Read(file, Options{Kind: text.Categories, Columns: []string{"doors", "size"}})
	if err != nil || some.Length != 2 || some.Labels.Classes != nil ||
		!slices.Equal(some.Names(), []string{"doors", "size"}) {
		t.Errorf("%v, %v", some, err)
	}
	var b, labelled bytes.Buffer
	y, of := c.Testing(0)
	bare := EncodeCSV(&b, c.Vocabulary, y, "", nil, nil)
	if bare != nil || b.String() != "size,colour,doors\n"+c.Decode(c.Test)+"\n" {
		t.Errorf("%q, %v", b.String(), bare)
	}
	err = EncodeCSV(&labelled, c.Vocabulary, y, "kind", c.Labels.Classes, of)
	if err != nil || !strings.Contains(cars, strings.TrimPrefix(labelled.String(), "size,colour,doors,kind")) {
		t.Errorf("%q, %v", labelled.String(), err)
	}
	r := Reader{Vocabulary: c.Vocabulary, Label: "kind", Classes: c.Labels.Classes}
	again, err := r.Read(written(t, "b.csv", b.String()))
	if err != nil || !slices.Equal(again.Tokens.X, c.Test) || again.Label != nil {
		t.Errorf("%v, %v", again, err)
	}
	r.Gaps, r.Mark = true, "?"
	gaps, err := r.Read(written(t, "g.csv", "more,kind,colour,doors,size\n1,car,red,?,\n2,bus,green,4,big\n"))
	if err != nil || !slices.Equal(gaps.Tokens.X, []int32{text.Gap, 2, text.Gap, 0, 1, 1}) ||
		!slices.Equal(gaps.Label, []int32{1, 0}) {
		t.Errorf("%v, %v", gaps, err)
	}
}

// An array of whole numbers is one of tokens, with labels in a second file, of any numbers or names.
func TestRowsOfIntegers(t *testing.T) {
	file := array(t, 2, 0, 5, 1, 4, 2, 3, 3, 2)
	for name, labels := range map[string]string{
		"npy": array(t, 1, 9, 2, 9, 2), "csv": written(t, "l.csv", "class\nold\nnew\nold\nnew\n"),
	} {
		c, err := Read(file, Options{Kind: text.Integers, LabelsPath: labels})
		if err != nil || c.Length != 2 || c.Levels() != 6 || len(c.Labels.Classes) != 2 {
			t.Fatalf("%s: %v, %v", name, c, err)
		}
		x, label := c.Validation(0)
		if even := x.X[0]%2 == 0; even != (label[0] == 1) { // 9 and old are the second class
			t.Errorf("%s: the row %v has the class %d", name, x.X, label[0])
		}
		if got, err := c.Encode(c.Decode(x.X)); err != nil || !slices.Equal(got, x.X) {
			t.Errorf("%v, %v", got, err)
		}
		known, err := Reader{Vocabulary: c.Vocabulary, Length: 2, Gaps: true}.Read(array(t, 2, -1, 5))
		if err != nil || !slices.Equal(known.Tokens.X, []int32{text.Gap, 5}) {
			t.Errorf("%v, %v", known, err)
		}
	}
}

func TestTablesThatCannotBeRead(t *testing.T) {
	file, numbers := written(t, "cars.csv", cars), array(t, 2, 0, 5, 1, 4, 2, 3, 3, 2)
	c, err := Read(file, Options{Kind: text.Categories})
	if err != nil {
		t.Fatal(err)
	}
	n, err := Read(numbers, Options{Kind: text.Integers})
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string, o Options) error { _, err := Read(path, o); return err }
	table := func(content string, change func(*Options)) error {
		o := Options{Kind: text.Categories}
		change(&o)
		return read(written(t, "a.csv", content), o)
	}
	plain := func(*Options) {}
	again := func(v text.Vocabulary, path string) error {
		_, err := Reader{Vocabulary: v, Length: 2, Label: "kind", Classes: []string{"car"}}.Read(path)
		return err
	}
	column := func(levels ...string) error {
		return text.Vocabulary{Kind: text.Categories, Columns: []text.Column{{Name: "a", Levels: levels}}}.Validate()
	}
	ints := Options{Kind: text.Integers}
	_, encode := c.Encode("big,red,4,van")
	_, short := c.Encode("big,red")
	_, number := n.Encode("1 6")
	for want, err := range map[string]error{
		`did you mean "size"?`:          table(cars, func(o *Options) { o.Columns = []string{"sise"} }),
		`"size" is named twice`:         table(cars, func(o *Options) { o.Exclude = []string{"size", "size"} }),
		"no column is left":             table("a\n1\n2\n3\n", func(o *Options) { o.Label = "a" }),
		`line 3: column "b" is em`:      table("a,b\n1,x\n2,\n3,y\n", plain),
		"3 rows at least":               table("a\n1\n2\n", plain),
		"have 1 levels at most":         table("a\n1\n1\n1\n", plain),
		"number 2 is -5":                read(array(t, 2, 0, -5, 1, 1, 1, 1), ints),
		"2 labels for 4 rows":           read(numbers, Options{Kind: text.Integers, LabelsPath: array(t, 1, 0, 1)}),
		"of labels there is one":        read(numbers, Options{Kind: text.Integers, LabelsPath: numbers}),
		`"van" is none of its 2`:        encode,
		"a row of 4 cells":              short,
		"number 2 is \"6\"":             number,
		`it has no column "doors"`:      again(c.Vocabulary, written(t, "a.csv", "size,colour\nbig,red\n")),
		`2 levels; did you mean "big"`:  again(c.Vocabulary, written(t, "a.csv", "size\nbigg\n")),
		"there are 3 numbers in a row":  again(n.Vocabulary, array(t, 3, 1, 1, 1)),
		`line 2: unknown label "bus"`:   again(c.Vocabulary, file),
		"number 1 is 7; it must be bel": again(n.Vocabulary, array(t, 2, 7, 1)),
		"of chars has columns":          text.Vocabulary{Kind: text.Chars, Chars: "ab", Size: 2}.Validate(),
		"of 1 whole numbers":            text.Vocabulary{Kind: text.Integers, Size: 1}.Validate(),
		`has the level "x" twice`:       column("x", "x"),
		"has no levels":                 column(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
