package dataset

import (
	"fmt"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

// cifarRecord is a record whose pixel p of channel k is base + p/32 + 100 k.
func cifarRecord(base byte, labels ...byte) []byte {
	b := slices.Clone(labels)
	for k := range 3 {
		for p := range 32 * 32 {
			b = append(b, base+byte(p/32)+byte(100*k))
		}
	}
	return b
}

func cifar10Files() map[string][]byte {
	files := map[string][]byte{"test_batch.bin": cifarRecord(50, 9)}
	for i := range 5 {
		even, odd := byte(2*i), byte(2*i+1)
		files[fmt.Sprintf("data_batch_%d.bin", i+1)] = slices.Concat(cifarRecord(even, even), cifarRecord(odd, odd))
	}
	return files
}

func TestCIFAR10OpensWithChannelsLast(t *testing.T) {
	dir := datatest.WriteFiles(t, cifar10Files())
	s := mustOpen(t, Config{Kind: data.KindCIFAR10, Path: ".", Val: new(2.0), Flip: true}, dir, 1)
	got := fmt.Sprint(s.Kind, s.Shape, s.Dim, s.Classes, s.TrainSet.Len(), s.Val.Len(), s.Test.Len(), s.Levels,
		s.Dequantized)
	if want := "images[32 32 3] 3072 10 8 2 1 256 true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	x, label := flow.NewBatch(8, 3072), make([]int32, 8)
	if err := s.Train.Fill(x, flow.Given{Label: label}, 0); err != nil {
		t.Fatal(err)
	}
	row := make([]byte, 3072)
	for i := range x.N {
		image.Pixels(row, x.Row(i))
		for p, v := range row { // rows are constant along x: flips change nothing
			if want := byte(label[i]) + byte(p/96) + byte(100*(p%3)); v != want {
				t.Fatalf("class %d, number %d: got %d, want %d", label[i], p, v, want)
			}
		}
	}
	if _, label := rows(t, s.Test, 0, 1, datatest.Rand()); label[0] != 9 {
		t.Errorf("label of the test image: got %d, want 9", label[0])
	}
	one := mustOpen(t, Config{Kind: data.KindCIFAR10, Path: "data_batch_2.bin", Val: new(0.0), Test: new(1.0)}, dir, 1)
	if one.TrainSet.Len() != 1 || one.Test.Len() != 1 || one.Classes != 10 {
		t.Errorf("one file: %d and %d images of %d classes, want 1, 1 and 10", one.TrainSet.Len(), one.Test.Len(),
			one.Classes)
	}
	none := Config{Kind: data.KindCIFAR10, Path: ".", Val: new(0.0), Test: new(0.0)}
	if s := mustOpen(t, none, dir, 1); s.TrainSet.Len() != 10 || s.Test.Len() != 0 {
		t.Errorf("test 0: %d and %d images, want 10 and 0", s.TrainSet.Len(), s.Test.Len())
	}
	parent := map[string][]byte{}
	for name, b := range cifar10Files() {
		parent["cifar-10-batches-bin/"+name] = b
	}
	c := Config{Kind: data.KindCIFAR10, Path: datatest.WriteFiles(t, parent)}
	if s := mustOpen(t, c, "", 1); s.Test.Len() != 1 {
		t.Errorf("from the folder above: %d test images, want 1", s.Test.Len())
	}
}

func TestCIFAR100TakesFineOrCoarseLabels(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{
		"train.bin": slices.Concat(cifarRecord(1, 19, 99), cifarRecord(2, 3, 42)),
		"test.bin":  cifarRecord(3, 4, 5),
	})
	for coarse, want := range map[bool]string{false: "100 [99 42] [5]", true: "20 [19 3] [4]"} {
		s := mustOpen(t, Config{Kind: data.KindCIFAR100, Path: dir, Coarse: coarse, Val: new(0.0)}, "", 1)
		_, train := rows(t, s.TrainSet, 0, 2, datatest.Rand())
		_, test := rows(t, s.Test, 0, 1, datatest.Rand())
		if got := fmt.Sprint(s.Classes, train, test); got != want {
			t.Errorf("coarse %v: got %s, want %s", coarse, got, want)
		}
	}
}

func TestCIFARFilesThatDoNotFitAreReported(t *testing.T) {
	ten := Config{Kind: data.KindCIFAR10}
	for _, c := range []struct {
		name   string
		c      Config
		change func(files map[string][]byte)
		want   string
	}{
		{"truncated", ten, func(f map[string][]byte) { f["data_batch_3.bin"] = f["data_batch_3.bin"][:5000] },
			"data_batch_3.bin: 5000 bytes are no whole number of records of 3073 bytes"},
		{"empty", ten, func(f map[string][]byte) { f["data_batch_3.bin"] = nil },
			"0 bytes are no whole number of records"},
		{"a class too many", ten, func(f map[string][]byte) { f["data_batch_4.bin"][3073] = 10 },
			"data_batch_4.bin: record 1: label byte 0 is 10; want 0 to 9"},
		{"missing", ten, func(f map[string][]byte) { delete(f, "data_batch_5.bin") }, "data_batch_5.bin: no such file"},
		{"no test", ten, func(f map[string][]byte) { delete(f, "test_batch.bin") }, "test_batch.bin: no such file"},
		{"another set", Config{Kind: data.KindCIFAR100}, func(map[string][]byte) {}, "train.bin: no such file"},
		{"test twice", Config{Kind: data.KindCIFAR10, Test: new(0.1)}, func(map[string][]byte) {},
			"test_batch.bin, which is used whole; leave test out"},
		{"no folder", Config{Kind: data.KindCIFAR10, Path: "nowhere"}, func(map[string][]byte) {},
			"nowhere: no such file"},
	} {
		files := cifar10Files()
		c.change(files)
		if c.c.Path == "" {
			c.c.Path = "."
		}
		_, err := c.c.Open(datatest.WriteFiles(t, files), 1)
		datatest.WantError(t, c.name, err, c.want)
	}
}
