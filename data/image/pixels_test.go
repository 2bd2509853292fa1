package image

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/internal/diskcache"
)

// Images that were decoded before are those that are decoded now, whether they are held or read when they are asked
// for, and no image is decoded again.
func TestDecodedImagesAreKept(t *testing.T) {
	const n = 1100 // more than are decoded together
	dir := datatest.Noise(t, n)
	for _, limit := range []int64{0, 600} { // held, and not
		t.Setenv(diskcache.DirVar, t.TempDir())
		for _, path := range []string{filepath.Join(dir, "f"), filepath.Join(dir, "s.tar")} {
			read := ReadFolder
			if strings.HasSuffix(path, ".tar") {
				read = ReadShards
			}
			t.Setenv(diskcache.SizeVar, "0")
			want, err := read(path, Options{Size: 5, Dequantize: true, Limit: limit, decodedFrom: 10})
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(diskcache.SizeVar, "")
			for _, time := range []string{"first", "second"} {
				said, last := []string{}, 0.
				o := Options{Size: 5, Dequantize: true, Limit: limit, decodedFrom: 10, Watch: &data.Watch{
					Say:      func(text string) { said = append(said, text) },
					Progress: func(_, _ string, done, total float64) { last = done / total }}}
				got, err := read(path, o)
				if err != nil {
					t.Fatalf("%s, %s time: %v", path, time, err)
				}
				if first := time == "first"; first != (len(said) == 1) || first != (last == 1) {
					t.Errorf("%s, %s time: %q, progress %g", path, time, said, last)
				}
				if !slices.Equal(rows(t, got, datatest.Rand()).X, rows(t, want, datatest.Rand()).X) ||
					got.Fingerprint() != want.Fingerprint() || !reflect.DeepEqual(got.Label, want.Label) {
					t.Errorf("%s, %s time: other images", path, time)
				}
				if lazy := limit > 0; lazy != (got.store != nil) || lazy && got.store.pixels == nil {
					t.Errorf("%s, limit %d, %s time: %+v", path, limit, time, got.store)
				}
			}
		}
	}
}

// Images that cannot be decoded are left out of what is kept, and are errors where they are not to be left out;
// files that have changed, and files of decoded images that are damaged, are decoded again.
func TestDecodedImagesThatAreBrokenOrOld(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(diskcache.DirVar, cache)
	dir := filepath.Join(datatest.Noise(t, 12), "f")
	broken := filepath.Join(dir, "1", "003.png")
	content, err := os.ReadFile(broken)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, content[:len(content)/2], 0o666); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{0, 100} {
		var said []string
		o := Options{Size: 5, Limit: limit, decodedFrom: 2, SkipCorrupt: true,
			Watch: &data.Watch{Say: func(text string) { said = append(said, text) }}}
		fail := o
		fail.SkipCorrupt = false
		_, err := ReadFolder(dir, fail)
		datatest.WantError(t, "before", err, broken)
		want, err := ReadFolder(dir, o)
		if err != nil || want.Skipped != 1 || want.Len() != 11 {
			t.Fatalf("%d images, %v", want.Len(), err)
		}
		pixels := rows(t, want, nil).X
		said = nil
		got, err := ReadFolder(dir, o)
		if err != nil || got.Skipped != 1 || len(said) > 0 ||
			!slices.Equal(rows(t, got, nil).X, pixels) || !slices.Equal(got.Label, want.Label) {
			t.Errorf("limit %d: again %d images, %v, %q", limit, got.Len(), err, said)
		}
		_, err = ReadFolder(dir, fail)
		datatest.WantError(t, "behind", err, broken)
		kept, err := filepath.Glob(diskcache.Cache{Dir: cache}.Path("*" + pixelEnding))
		if err != nil || len(kept) != 1 {
			t.Fatalf("%q, %v", kept, err)
		}
		said = nil
		if err := os.Truncate(kept[0], 100); err != nil {
			t.Fatal(err)
		}
		if again, err := ReadFolder(dir, o); err != nil || len(said) != 2 || !strings.Contains(said[0], "damaged") ||
			!slices.Equal(rows(t, again, nil).X, pixels) {
			t.Errorf("limit %d: damaged: %v, %q", limit, err, said)
		}
		os.Remove(kept[0])
	}
	if err := os.WriteFile(broken, content, 0o666); err != nil {
		t.Fatal(err)
	}
	o := Options{Size: 5, decodedFrom: 2}
	first, err := ReadFolder(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, datatest.Shade(t, 3), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(broken, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if second, err := ReadFolder(dir, o); err != nil || slices.Equal(second.Pix, first.Pix) {
		t.Errorf("an image that has changed is not decoded again (%v)", err)
	}
}
