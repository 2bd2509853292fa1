package image

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

func TestTheImageUsedLastIsKept(t *testing.T) {
	s := newStore(nil, 1, 1, 2)
	for _, i := range []int{1, 2, 1, 3} { // 2 has not been used for longest
		if s.cached(i) == nil {
			s.keep(i, []byte{byte(i)})
		}
	}
	if s.cached(1) == nil || s.cached(2) != nil || s.cached(3) == nil {
		t.Errorf("kept are %v, want 1 and 3", slices.Sorted(maps.Keys(s.at)))
	}
}

func TestAsManyImagesAreHeldAsFitTheLimit(t *testing.T) {
	const n = 40
	dir := datatest.Noise(t, n)
	for _, limit := range []int64{0, 10, 600, MaxDecoded} { // all, none, 8, all
		o := Options{Size: 5, Dequantize: true, Limit: limit}
		folder, err := ReadFolder(filepath.Join(dir, "f"), o)
		if err != nil {
			t.Fatal(err)
		}
		shard, err := ReadShards(filepath.Join(dir, "s.tar"), o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(rows(t, folder, datatest.Rand()).X, rows(t, shard, datatest.Rand()).X) {
			t.Errorf("limit %d: the images of a folder and of a shard differ", limit)
		}
		for name, m := range map[string]*Collection{"folder": folder, "shard": shard} {
			lazy := limit == 10 || limit == 600
			if (m.store != nil) != lazy || m.Len() != n {
				t.Errorf("%s, limit %d: %d images, left in files: %v", name, limit, m.Len(), m.store != nil)
			}
			if s := m.store; lazy && (s.last.Len() > int(limit)/75 || len(s.at) != s.last.Len()) {
				t.Errorf("%s: %d and %d images are kept, more than %d bytes", name, s.last.Len(), len(s.at), limit)
			}
		}
	}
}

func TestAnImageThatVanishesIsAnErrorThatNamesIt(t *testing.T) {
	dir := datatest.Noise(t, 6)
	m, err := ReadFolder(filepath.Join(dir, "f"), Options{Size: 5, Dequantize: true, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(dir, "f", "1", "003.png")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(m.store.entries, func(e member) bool { return e.name == "1/003.png" })
	x := flow.NewBatch(1, m.Dim())
	err = m.Read(x, flow.Given{}, []int{at}, datatest.Rand())
	datatest.WantError(t, "gone", err, gone)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if err := os.WriteFile(gone, []byte("no image"), 0o666); err != nil {
		t.Fatal(err)
	}
	err = m.Read(x, flow.Given{}, []int{at}, datatest.Rand())
	datatest.WantError(t, "another file", err, gone+": begins with 6e 6f 20")
	if err := m.Read(x, flow.Given{}, []int{1 - min(at, 1)}, datatest.Rand()); err != nil {
		t.Errorf("the images that are there: %v", err)
	}
	if _, err := m.Fit([]int{at}); err == nil {
		t.Error("a standardizer is fitted to an image that is not there")
	}
}

func TestReadingWhatASetOfImagesHasNotIsAnError(t *testing.T) {
	m, err := New([]int{2, 2}, make([]byte, 12), nil, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := flow.NewBatch(1, 4)
	for name, c := range map[string]struct {
		x     flow.Batch
		given flow.Given
		index []int
		want  error
	}{
		"labels":     {x, flow.NewGiven(1, true, 0), []int{0}, data.ErrNoLabels},
		"contexts":   {x, flow.NewGiven(1, false, 3), []int{0}, data.ErrNoContext},
		"a number":   {x, flow.Given{}, []int{3}, nil},
		"a negative": {x, flow.Given{}, []int{-1}, nil},
		"a shape":    {flow.NewBatch(1, 5), flow.Given{}, []int{0}, nil},
		"two":        {x, flow.Given{}, []int{0, 1}, nil},
	} {
		if err := m.Read(c.x, c.given, c.index, nil); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want an error (%v)", name, err, c.want)
		}
	}
}

func TestFingerprintsOfImagesFollowTheirPixels(t *testing.T) {
	pix, label := []byte{1, 2, 3, 4, 5, 6, 7, 8}, []int32{0, 1}
	of := func(shape []int, pix []byte, label []int32) string {
		m, err := New(shape, pix, label, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m.Fingerprint()
	}
	first := of([]int{2, 2}, pix, label)
	if again := of([]int{2, 2}, slices.Clone(pix), slices.Clone(label)); again != first ||
		len(first) != len("sha256:")+64 {
		t.Errorf("the same images have %s and %s", first, again)
	}
	changed := slices.Clone(pix)
	changed[7]++
	for name, other := range map[string]string{
		"a pixel": of([]int{2, 2}, changed, label), "a label": of([]int{2, 2}, pix, []int32{1, 1}),
		"no labels": of([]int{2, 2}, pix, nil), "the shape": of([]int{4, 1}, pix, label),
	} {
		if other == first {
			t.Errorf("%s: the fingerprint is the same", name)
		}
	}
	// Images that stay in their files: by name and size, wherever the folder lies.
	lazy := func(dir string) string {
		m, err := ReadFolder(filepath.Join(dir, "f"), Options{Size: 5, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return m.Fingerprint()
	}
	a, b := datatest.Noise(t, 6), datatest.Noise(t, 6)
	same := lazy(a)
	if lazy(b) != same {
		t.Error("two folders of the same images have two fingerprints")
	}
	if err := os.WriteFile(filepath.Join(b, "f", "1", "003.png"), datatest.Shade(t, 3), 0o666); err != nil {
		t.Fatal(err)
	}
	if lazy(b) == same {
		t.Error("another image, the same fingerprint")
	}
}

func TestRenumberGivesClassesTheNumbersOfAnotherSet(t *testing.T) {
	m, err := New([]int{1}, []byte{1, 2, 3}, []int32{0, 1, 1}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	datatest.WantError(t, "numbers", m.Renumber([]string{"cat"}, 1), `class "0" is not one of "cat"`)
	m.ClassNames = []string{"cat", "dog"}
	datatest.WantError(t, "unknown", m.Renumber([]string{"ant", "cat"}, 2), `class "dog" is not one of "ant", "cat"`)
	if err := m.Renumber([]string{"ant", "cat", "dog"}, 3); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Label, []int32{1, 2, 2}) || m.Classes() != 3 || m.ClassNames[0] != "ant" {
		t.Errorf("labels %v of %d classes %v", m.Label, m.Classes(), m.ClassNames)
	}
}
