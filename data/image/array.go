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
	notes := layoutNotes(shape, layout)
	if layout == LayoutCHW {
		shape, pix = channelsLast(shape, pix)
	}
	m, err := New(shape[1:], pix, nil, dequantize, nil)
	if err != nil {
		return nil, err
	}
	m.Notes = notes
	return m, m.readLabels(labels, shape[0])
}

// readLabels takes the classes of n images from a file, if there is one.
func (m *Collection) readLabels(path string, n int) (err error) {
	if path != "" {
		m.Label, m.ClassNames, err = ReadLabels(path, n)
		m.classes = data.Classes(m.Label)
	}
	return err
}

// layoutNotes say that an array is taken to have its channels first, where that makes a difference.
func layoutNotes(shape []int, layout string) []string {
	if layout != LayoutCHW || shape[1] != 3 {
		return nil
	}
	return []string{fmt.Sprintf("the array of shape %v is taken as [N, channels, height, width]", shape)}
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
	out := make([]byte, len(pix))
	for at := 0; at < n*c*area; at += c * area {
		interleave(out[at:at+c*area], pix[at:at+c*area], c)
	}
	return []int{n, shape[2], shape[3], c}, out
}

// interleave brings one image of c channels to channels last.
func interleave(dst, src []byte, c int) {
	area := len(src) / c
	for k := range c {
		for p, v := range src[k*area : (k+1)*area] {
			dst[p*c+k] = v
		}
	}
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
	return a.Shape, a.Raw, checkBytes(a, path)
}

// checkBytes reports an array that is not one of bytes.
func checkBytes(a *npy.Array, path string) error {
	if a.DType[1:] != "u1" || a.Fortran {
		return files.Malformed(path,
			"NPY array of type %s, fortran_order %v; images must be unsigned bytes (u1) in C order", a.DType, a.Fortran)
	}
	return nil
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
