package dataset

import (
	"fmt"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
)

// array is an NPY file of bytes that count.
func array(shape ...int) []byte {
	size := 1
	text := ""
	for _, d := range shape {
		size *= d
		text += fmt.Sprintf("%d, ", d)
	}
	pix := make([]byte, size)
	for i := range pix {
		pix[i] = byte(i)
	}
	return datatest.NPY(1, "{'descr': '|u1', 'fortran_order': False, 'shape': ("+text+"), }", pix)
}

func TestTheLayoutOfImagesIsKnownOrAskedFor(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{
		"grey.npy": array(2, 4, 5), "last.npy": array(2, 4, 5, 3), "first.npy": array(2, 3, 4, 5),
		"both.npy": array(2, 3, 4, 3), "four.npy": array(2, 4, 5, 4), "flat.npy": array(2, 20),
		"deep.npy": array(2, 3, 4, 5, 1), "one.npy": array(2, 1, 4, 5),
	})
	for _, c := range []struct {
		file, layout, want string // the shape and some pixels, or the error
	}{
		{"grey.npy", "", "[4 5] [0 1 2]"},
		{"last.npy", "", "[4 5 3] [0 1 2]"},
		{"first.npy", "", "[4 5 3] [0 20 40]"},
		{"first.npy", "chw", "[4 5 3] [0 20 40]"},
		{"one.npy", "", "[4 5 1] [0 1 2]"},
		{"both.npy", "hwc", "[3 4 3] [0 1 2]"},
		{"both.npy", "chw", "[4 3 3] [0 12 24]"},
		{"both.npy", "", "may be [N, height, width, channels] or [N, channels, height, width]; say layout: hwc"},
		{"four.npy", "", "bytes of shape [2 4 5 4]; want 1 channel or 3"},
		{"first.npy", "hwc", "images of 5 channels, as layout hwc has it of the shape [2 3 4 5]; want 1 or 3"},
		{"flat.npy", "", "bytes of shape [2 20]; want at least one image: [N, height, width]"},
		{"deep.npy", "", "bytes of shape [2 3 4 5 1]; want at least one image: [N, height, width]"},
		{"grey.npy", "hwc", "layout hwc is for images with an axis of channels"},
		{"last.npy", "chwn", `unknown layout "chwn"; did you mean "chw"?`},
	} {
		cfg := Config{Kind: data.KindImages, Path: c.file, Layout: c.layout, Val: new(0.0), Test: new(0.0),
			Dequantize: new(false)}
		s, err := cfg.Open(dir, 1)
		if err != nil {
			datatest.WantError(t, c.file+" "+c.layout, err, c.want)
			continue
		}
		x, _ := rows(t, s.TrainSet, 0, 1, nil)
		var pix []int
		for _, v := range x.X[:3] {
			pix = append(pix, int((v+1)*128))
		}
		if got := fmt.Sprint(s.Shape, pix); got != c.want {
			t.Errorf("%s %s: got %s, want %s", c.file, c.layout, got, c.want)
		}
		if noted := len(s.Notes) == 1; noted != slices.Contains([]string{"[0 20 40]", "[0 12 24]"}, fmt.Sprint(pix)) {
			t.Errorf("%s %s: notes %q", c.file, c.layout, s.Notes)
		}
	}
}

func TestClassesOfArraysAreTheLabelsThatOccur(t *testing.T) {
	labels := func(l ...byte) []byte { return datatest.IDX([]uint32{uint32(len(l))}, l) }
	dir := datatest.WriteFiles(t, map[string][]byte{
		"x-idx": datatest.IDX([]uint32{4, 1, 1}, []byte{3, 7, 3, 9}), "k-idx": labels(3, 7, 3, 9),
		"y-idx": datatest.IDX([]uint32{2, 1, 1}, []byte{9, 3}), "l-idx": labels(9, 3), "m-idx": labels(9, 4),
	})
	c := Config{Path: "x-idx", LabelsPath: "k-idx", TestPath: "y-idx", TestLabelsPath: "l-idx", Val: new(0.0),
		Dequantize: new(false)}
	s := mustOpen(t, c, dir, 1)
	for name, part := range map[string]data.Finite{"train": s.TrainSet, "test": s.Test} {
		x, label := rows(t, part, 0, part.Len(), nil)
		for i, l := range label {
			if want := fmt.Sprint(int((x.X[i] + 1) * 128)); s.ClassNames[l] != want || s.Classes != 3 {
				t.Errorf("%s: an image of class %s has label %d of %q", name, want, l, s.ClassNames)
			}
		}
	}
	c.TestLabelsPath = "m-idx"
	_, err := c.Open(dir, 1)
	datatest.WantError(t, "another class", err, `class "4" is not one of "3", "7", "9"`)
}
