package image

import (
	"fmt"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/internal/npy"
	"flowmatch/internal/choice"
)

// The values of a layout: whether the channels of a pixel, or those of an image, lie
// together.
const (
	LayoutHWC = "hwc" // [N, height, width, channels]
	LayoutCHW = "chw" // [N, channels, height, width]
)

// Layouts lists the layouts.
func Layouts() []string { return []string{LayoutHWC, LayoutCHW} }

// Read reads images, and their classes unless labels is empty, from IDX or from NPY of
// unsigned bytes, and [N] labels. Grey images are [N, height, width]; with channels, 1 or 3,
// there is an axis more, and layout, one of Layouts, says where. Empty, it is found where
// the shape allows one alone, and an error where it does not. The images come with their
// channels last. dequantize says whether they get noise when they are read ([Collection]).
func Read(path, labels, layout string, dequantize bool) (*Collection, error) {
	shape, pix, err := readPixels(path)
	if err != nil {
		return nil, err
	}
	if layout, err = layoutOf(shape, layout); err != nil {
		return nil, files.Malformed(path, "%v", err)
	}
	var notes []string
	if layout == LayoutCHW {
		was := fmt.Sprint(shape)
		shape, pix = channelsLast(shape, pix)
		if shape[3] == 3 { // of one channel it makes no difference
			notes = append(notes, fmt.Sprintf("the array of shape %s is taken as [N, channels, height, width]", was))
		}
	}
	var label []int32
	var names []string
	if labels != "" {
		if label, names, err = ReadLabels(labels, shape[0]); err != nil {
			return nil, err
		}
	}
	m, err := New(shape[1:], pix, label, dequantize, nil)
	if err != nil {
		return nil, err
	}
	m.ClassNames, m.Notes = names, notes
	return m, nil
}

// layoutOf returns where the channels of an array of images are: asked for, or by its shape;
// "" of grey ones without such an axis.
func layoutOf(shape []int, asked string) (string, error) {
	colours := func(n int) bool { return n == 1 || n == 3 }
	switch at := map[string]int{LayoutHWC: 3, LayoutCHW: 1}; {
	case len(shape) != 3 && len(shape) != 4 || slices.Contains(shape, 0):
		return "", fmt.Errorf("bytes of shape %s; want at least one image: [N, height, width], or [N, height, width, "+
			"channels]", choice.Cut(fmt.Sprint(shape)))
	case len(shape) == 3 && asked != "":
		return "", fmt.Errorf("layout %s is for images with an axis of channels; these are %v: leave it out",
			choice.Cut(asked), shape)
	case len(shape) == 3:
		return "", nil
	case asked != "" && !colours(shape[at[asked]]):
		return "", fmt.Errorf("images of %d channels, as layout %s has it of the shape %v; want 1 or 3",
			shape[at[asked]], asked, shape)
	case asked != "":
		return asked, nil
	case colours(shape[1]) && colours(shape[3]):
		return "", fmt.Errorf("bytes of shape %v, which may be [N, height, width, channels] or [N, channels, height, "+
			"width]; say layout: %s or layout: %s (data.layout)", shape, LayoutHWC, LayoutCHW)
	case colours(shape[3]):
		return LayoutHWC, nil
	case colours(shape[1]):
		return LayoutCHW, nil
	}
	return "", fmt.Errorf("bytes of shape %v; want 1 channel or 3, in the last axis or after the first", shape)
}

// channelsLast brings images [N, channels, height, width] to channels last.
func channelsLast(shape []int, pix []byte) ([]int, []byte) {
	n, c, area := shape[0], shape[1], shape[2]*shape[3]
	out := make([]byte, 0, len(pix))
	for i := range n {
		for p := range area {
			for k := range c {
				out = append(out, pix[(i*c+k)*area+p])
			}
		}
	}
	return []int{n, shape[2], shape[3], c}, out
}

// readPixels reads bytes from IDX, or from NPY of type u1.
func readPixels(path string) ([]int, []byte, error) {
	if files.Extension(path) != ".npy" {
		return ReadIDX(path)
	}
	a, err := npy.Read(path)
	if err != nil {
		return nil, nil, err
	}
	if a.DType[1:] != "u1" || a.Fortran {
		return nil, nil, files.Malformed(path,
			"NPY array of type %s, fortran_order %v; images must be unsigned bytes (u1) in C order", a.DType, a.Fortran)
	}
	return a.Shape, a.Raw, nil
}

// ReadLabels reads the classes of n points from IDX, or from NPY with one axis or one column,
// and their names: see [data.NumberClasses].
func ReadLabels(path string, n int) (label []int32, names []string, err error) {
	if label, err = readLabels(path, n); err != nil {
		return nil, nil, err
	}
	label, names = data.NumberClasses(label)
	return label, names, nil
}

// readLabels reads n classes from IDX, or from NPY with one axis or one column.
func readLabels(path string, n int) ([]int32, error) {
	if files.Extension(path) != ".npy" {
		return readIDXLabels(path, n)
	}
	a, err := npy.Read(path)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(a.Shape, []int{n}) && !slices.Equal(a.Shape, []int{n, 1}) {
		return nil, files.Malformed(path, "labels of shape %v for %d points; want one each", a.Shape, n)
	}
	label := make([]int32, n)
	for i := range label {
		if label[i], err = files.Label(a.At(i)); err != nil {
			return nil, files.MalformedAt(path, files.Row(i), "%s", err)
		}
	}
	return label, nil
}
