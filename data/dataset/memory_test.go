package dataset

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
	"flowmatch/internal/diskcache"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
)

// table is a text of n rows of three columns to learn, one of context and one of classes, of which some lack a
// number where gaps is set.
func tableOf(n int, stream uint64, gaps bool) []byte {
	var b bytes.Buffer
	b.WriteString("a,b,c,given,k\n")
	rng := seed.Rand(stream, "test", 0)
	for i := range n {
		x := fmt.Sprint(1e6 + rng.NormFloat64())
		if gaps && i%10 == int(stream) {
			x = "nan"
		}
		fmt.Fprintf(&b, "%s,%.4f,%d,%v,%d\n", x, rng.NormFloat64(), rng.IntN(50), rng.ExpFloat64(), 3*rng.IntN(3))
	}
	return b.Bytes()
}

// array is an NPY file of n rows of d floats of size bytes.
func arrayOf(n, d, size int) []byte {
	rng := seed.Rand(5, "test", 0)
	wide, small := make([]float64, n*d), make([]float32, n*d)
	for i := range wide {
		wide[i] = rng.NormFloat64()
		small[i] = float32(wide[i])
	}
	head := fmt.Sprintf("{'descr': '<f%d', 'fortran_order': False, 'shape': (%d, %d), }", size, n, d)
	if size == 4 {
		return datatest.NPY(1, head, small)
	}
	return datatest.NPY(1, head, wide)
}

// sameSet reports sets of data that differ in a point of their parts, in a batch, or in what is said of them.
func sameSet(t *testing.T, what string, disk, held *data.Set) {
	t.Helper()
	if disk.Stored == "" || held.Stored != "" {
		t.Errorf("%s: stored in %q, and the one in memory in %q", what, disk.Stored, held.Stored)
	}
	for name, parts := range map[string][2]data.Finite{"train": {disk.TrainSet, held.TrainSet},
		"val": {disk.Val, held.Val}, "test": {disk.Test, held.Test}} {
		x, given, err := data.Rows(parts[0], 0, parts[0].Len(), datatest.Rand())
		y, of, failed := data.Rows(parts[1], 0, parts[1].Len(), datatest.Rand())
		if err != nil || failed != nil || !reflect.DeepEqual(x, y) || !reflect.DeepEqual(given, of) {
			t.Errorf("%s: other points in %s (%v, %v)", what, name, err, failed)
		}
	}
	for _, step := range []uint64{0, 3, 1000} {
		var x [2]flow.Batch
		var given [2]flow.Given
		for i, s := range []*data.Set{disk, held} {
			x[i], given[i] = flow.NewBatch(64, s.Dim), flow.NewGiven(64, s.Classes > 0, s.Context)
			if err := s.Train.Fill(x[i], given[i], step); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if !reflect.DeepEqual(x[0], x[1]) || !reflect.DeepEqual(given[0], given[1]) {
			t.Errorf("%s: another batch %d", what, step)
		}
	}
	a, b := *disk, *held
	for _, s := range []*data.Set{&a, &b} {
		s.Train, s.TrainSet, s.Val, s.Test, s.Stored = nil, nil, nil, nil, ""
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s:\n%+v, want\n%+v", what, a, b)
	}
}

func TestDataOnDiskAreThoseInMemory(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	dir := datatest.WriteFiles(t, map[string][]byte{
		"t.csv": tableOf(5000, 1, false), "test.csv": tableOf(300, 2, false), "gaps.csv": tableOf(5000, 1, true),
		"c.csv": tableOf(5000, 2, true), "x.npy": arrayOf(5000, 4, 8), "c.npy": arrayOf(5000, 3, 4),
		"people.csv": []byte(people(3000)), "others.csv": []byte(people(200)),
	})
	for name, c := range map[string]Config{
		"a table":           {Path: "t.csv"},
		"scalar":            {Path: "t.csv", Standardize: StandardizeScalar, Columns: []string{"b", "a"}},
		"as it is":          {Path: "x.npy", Standardize: StandardizeNone},
		"an array":          {Path: "x.npy", Val: new(0.25), Test: new(100.)},
		"labels, a context": {Path: "t.csv", Label: "k", Context: []string{"given"}, SquashContext: true},
		"a target":          {Path: "t.csv", Target: []string{"a"}, Bounds: map[string]data.Bound{"a": {0, 1e7}}},
		"a test file":       {Path: "t.csv", TestPath: "test.csv", Label: "k"},
		"gaps":              {Path: "gaps.csv", Missing: MissingDrop, Label: "k"},
		"contexts apart":    {Path: "x.npy", ContextPath: "c.npy"},
		"contexts with gaps": {Path: "gaps.csv", ContextPath: "c.csv", Missing: MissingDrop, Label: "k",
			Columns: []string{"a", "b"}, Context: []string{"c", "given"}},
		"contexts of an array": {Path: "gaps.csv", ContextPath: "c.npy", Missing: MissingDrop, Columns: []string{"a"}},
		"columns of all kinds": {Path: "people.csv", Schema: SchemaAuto},
		"kinds, a test file": {Path: "people.csv", Schema: SchemaAuto, TestPath: "others.csv",
			Kinds: map[string]string{"age": "real"}, Transforms: map[string]string{"income": "robust"}},
		"an array of kinds":  {Path: "x.npy", Schema: SchemaAuto, Columns: []string{"c3", "c1"}},
		"an array with gaps": {Path: "x.npy", ContextPath: "c.csv", Missing: MissingDrop, Context: []string{"a"}},
	} {
		c.Memory = MemoryHeld
		held, err := c.Open(dir, 7)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for range 2 { // made, and found
			c.Memory = MemoryDisk
			disk, err := c.Open(dir, 7)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			sameSet(t, name, disk, held)
		}
	}
}

// What memory cannot be, or has no effect on, is an error.
func TestMemoryThatHasNoEffectIsAnError(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	path := datatest.WriteTemp(t, "t.csv", tableOf(50, 1, false))
	torus := manifold.Config{Name: "torus"}
	for want, c := range map[string]Config{
		`memory "ram"`:                {Path: path, Memory: "ram"},
		"memory is set, but the data": {Name: "moons", Memory: MemoryDisk},
		"points of a space":           {Path: path, Memory: MemoryDisk, Space: torus},
		"as a grid": {Path: path, Memory: MemoryDisk, Context: []string{"given"},
			Grid: Grid{Axes: 2}},
	} {
		_, err := c.Open("", 1)
		datatest.WantError(t, want, err, want)
	}
	for _, c := range []Config{{Path: path}, {Path: path, Memory: MemoryAuto}} {
		if set, err := c.Open(filepath.Dir(path), 1); err != nil || set.Stored != "" {
			t.Errorf("%+v: stored in %q (%v), want in memory", c, set.Stored, err)
		}
	}
}

// Images that are read from disk are those that are held, with all that is said of them: of folders, of shards, also
// compressed ones, and of arrays in either layout; with a cache folder and without.
func TestImagesOnDiskAreThoseInMemory(t *testing.T) {
	noise := datatest.Noise(t, 40)
	shard, err := os.ReadFile(filepath.Join(noise, "s.tar"))
	if err != nil {
		t.Fatal(err)
	}
	rng := seed.Rand(3, "test", 0)
	pix := make([]byte, 40*4*5*3)
	for i := range pix {
		pix[i] = byte(rng.Uint32())
	}
	head := func(shape string) string { return "{'descr': '|u1', 'fortran_order': False, 'shape': " + shape + ", }" }
	label := make([]byte, 40)
	for i := range label {
		label[i] = byte(2 * rng.IntN(3))
	}
	for name, content := range map[string][]byte{"s.tar.gz": datatest.Gzipped(t, shard),
		"hwc.npy": datatest.NPY(1, head("(40, 4, 5, 3)"), pix), "chw.npy": datatest.NPY(2, head("(40, 3, 4, 5)"), pix),
		"grey-idx": datatest.IDX([]uint32{40, 4, 15}, pix), "label-idx": datatest.IDX([]uint32{40}, label),
		"cut.npy":    datatest.NPY(1, head("(41, 4, 5, 3)"), pix),
		"zip-idx.gz": datatest.Gzipped(t, datatest.IDX([]uint32{40, 4, 15}, pix))} {
		if err := os.WriteFile(filepath.Join(noise, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]Config{
		"a folder":          {Kind: data.KindFolder, Path: "f", Size: 5, Flip: true, Standardize: StandardizeScalar},
		"shards":            {Path: "s.tar", Size: 6, Channels: 1},
		"compressed shards": {Path: "s.tar.gz", Size: 6, Dequantize: new(false)},
		"a test folder":     {Kind: data.KindFolder, Path: "f", Size: 5, TestPath: "f"},
		"an array": {Kind: data.KindImages, Path: "hwc.npy", LabelsPath: "label-idx",
			Standardize: StandardizeScalar},
		"planes": {Kind: data.KindImages, Path: "chw.npy", Flip: true},
		"grey":   {Kind: data.KindImages, Path: "grey-idx", TestPath: "grey-idx"},
	} {
		for _, cache := range []string{"", "0"} {
			t.Setenv(diskcache.DirVar, t.TempDir())
			t.Setenv(diskcache.SizeVar, cache)
			c.Memory = MemoryHeld
			held, err := c.Open(noise, 7)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for range 2 { // made, and found
				c.Memory = MemoryDisk
				disk, err := c.Open(noise, 7)
				if name == "compressed shards" && cache == "0" {
					datatest.WantError(t, name, err, "its decoded images are not kept on disk")
					break
				}
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				sameSet(t, name+", cache "+cache, disk, held)
			}
		}
	}
	for path, want := range map[string]string{"cut.npy": "2400 bytes after the header, which has shape [41 4 5 3]",
		"zip-idx.gz": "a compressed file cannot be read from disk"} {
		_, err := Config{Kind: data.KindImages, Path: path, Memory: MemoryDisk}.Open(noise, 1)
		datatest.WantError(t, path, err, want)
	}
}
