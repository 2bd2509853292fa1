package image

import (
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/internal/npy"
)

// Read reads images, and their classes unless labels is empty, from IDX or from NPY of
// unsigned bytes: [N, height, width] or more axes, and [N] labels. dequantize says
// whether they get noise when they are read ([Collection]).
func Read(path, labels string, dequantize bool) (*Collection, error) {
	shape, pix, err := readPixels(path)
	if err != nil {
		return nil, err
	}
	if len(shape) < 2 || slices.Contains(shape, 0) {
		return nil, files.Malformed(path,
			"bytes of shape %v; want at least one image: [N, height, width] or more axes", shape)
	}
	var label []int32
	var names []string
	if labels != "" {
		if label, err = readLabels(labels, shape[0]); err != nil {
			return nil, err
		}
		label, names = data.NumberClasses(label)
	}
	m, err := New(shape[1:], pix, label, dequantize, nil)
	if err != nil {
		return nil, err
	}
	m.ClassNames = names
	return m, nil
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
		return nil, files.Malformed(path, "labels of shape %v for %d images; want one each", a.Shape, n)
	}
	label := make([]int32, n)
	for i := range label {
		if label[i], err = files.Label(a.At(i)); err != nil {
			return nil, files.MalformedAt(path, files.Row(i), "%s", err)
		}
	}
	return label, nil
}
