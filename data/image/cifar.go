package image

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"flowmatch/data/internal/files"
)

// cifar says how the binary version of a CIFAR set is laid out (Krizhevsky 2009,
// https://www.cs.toronto.edu/~kriz/cifar.html): records of one byte a label and
// then 3 planes of 32 x 32 bytes, red, green and blue.
type cifar struct {
	folder  string // that the published archive unpacks to
	train   []string
	test    string
	classes []int // one a byte of label
}

const cifarSide = 32

// cifarOf returns the layout of the set with so many classes, and the byte of a label
// that counts.
func cifarOf(classes int) (layout cifar, which int, err error) {
	switch classes {
	case 10:
		train := make([]string, 5)
		for i := range train {
			train[i] = fmt.Sprintf("data_batch_%d.bin", i+1)
		}
		return cifar{"cifar-10-batches-bin", train, "test_batch.bin", []int{10}}, 0, nil
	case 20, 100:
		return cifar{"cifar-100-binary", []string{"train.bin"}, "test.bin", []int{20, 100}}, classes / 100, nil
	}
	return cifar{}, 0, fmt.Errorf("data: a CIFAR set of %d classes; want 10, 100, or 20, the coarse ones of 100",
		classes)
}

// CIFARFiles returns the files of a CIFAR set of 10 or 100 classes, or of the 20 coarse
// classes of the 100, in its binary version. path is the published folder, or the folder
// above it; or one of its files, which then has no test file beside it (test is empty).
func CIFARFiles(path string, classes int) (train []string, test string, err error) {
	layout, _, err := cifarOf(classes)
	if err != nil {
		return nil, "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", fmt.Errorf("data: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, "", nil
	}
	if below := filepath.Join(path, layout.folder); exists(below) {
		path = below
	}
	for _, name := range layout.train {
		train = append(train, filepath.Join(path, name))
	}
	return train, filepath.Join(path, layout.test), nil
}

// ReadCIFAR reads files of a CIFAR set as [CIFARFiles] names them, as one collection of
// shape [32, 32, 3].
func ReadCIFAR(paths []string, classes int, dequantize bool) (*Collection, error) {
	layout, which, err := cifarOf(classes)
	if err != nil {
		return nil, err
	}
	var pix []byte
	var label []int32
	for _, path := range paths {
		f, err := files.Open(path)
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, files.Unreadable(path, err)
		}
		if pix, label, err = layout.decode(pix, label, raw, which, path); err != nil {
			return nil, err
		}
	}
	m, err := New([]int{cifarSide, cifarSide, 3}, pix, label, dequantize, nil)
	if err != nil {
		return nil, err
	}
	m.classes = classes // whether or not each of them comes
	return m, nil
}

// decode appends the records of raw to pix, channels last, and to label.
func (l cifar) decode(pix []byte, label []int32, raw []byte, which int, path string) ([]byte, []int32, error) {
	const plane = cifarSide * cifarSide
	head := len(l.classes)
	record := head + 3*plane
	if len(raw) == 0 || len(raw)%record != 0 {
		return nil, nil, files.Malformed(path, "%d bytes are no whole number of records of %d bytes, "+
			"%d of label and %d of pixels (%s); is the file truncated, or of another set?",
			len(raw), record, head, 3*plane, l.folder)
	}
	pix = slices.Grow(pix, len(raw)/record*3*plane)
	for i := 0; len(raw) > 0; i, raw = i+1, raw[record:] {
		for b, classes := range l.classes {
			if int(raw[b]) >= classes {
				return nil, nil, files.MalformedAt(path, fmt.Sprintf("record %d", i),
					"label byte %d is %d; want 0 to %d (%s)", b, raw[b], classes-1, l.folder)
			}
		}
		label = append(label, int32(raw[which]))
		planes := raw[head:record]
		for p := range plane {
			pix = append(pix, planes[p], planes[plane+p], planes[2*plane+p])
		}
	}
	return pix, label, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
