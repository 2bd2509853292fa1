package data

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
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

func cifarOf(kind string) cifar {
	if kind == KindCIFAR100 {
		return cifar{"cifar-100-binary", []string{"train.bin"}, "test.bin", []int{20, 100}}
	}
	train := make([]string, 5)
	for i := range train {
		train[i] = fmt.Sprintf("data_batch_%d.bin", i+1)
	}
	return cifar{"cifar-10-batches-bin", train, "test_batch.bin", []int{10}}
}

// openCIFAR opens the published folder, whose test file is the test part (which
// test: 0 leaves out), or one of its files, which is then divided as others are.
func (c Config) openCIFAR(dir string, seed uint64) (*Set, error) {
	layout := cifarOf(c.Kind)
	path := within(dir, c.Path)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	which := len(layout.classes) - 1
	if c.Coarse {
		which = 0
	}
	if !info.IsDir() {
		m, err := layout.read([]string{path}, which, c.dequantize())
		if err != nil {
			return nil, err
		}
		return c.imageSet(gathered{images: m}, nil, seed)
	}
	if size(c.Test, 0) != 0 {
		return nil, fmt.Errorf("data: test = %g is set, but %s has a test file of its own, %s, which is used whole; leave test out", *c.Test, c.Path, layout.test)
	}
	if below := filepath.Join(path, layout.folder); exists(below) {
		path = below
	}
	files := make([]string, len(layout.train))
	for i, name := range layout.train {
		files[i] = filepath.Join(path, name)
	}
	m, err := layout.read(files, which, c.dequantize())
	if err != nil {
		return nil, err
	}
	if c.Test != nil {
		return c.imageSet(gathered{images: m}, nil, seed)
	}
	c.TestPath = filepath.Join(path, layout.test)
	apart, err := layout.read([]string{c.TestPath}, which, c.dequantize())
	if err != nil {
		return nil, err
	}
	return c.imageSet(gathered{images: m}, &gathered{images: apart}, seed)
}

// read reads files of records, with byte number which of the labels as the class.
func (l cifar) read(files []string, which int, dequantize bool) (*Images, error) {
	var pix []byte
	var label []int32
	for _, path := range files {
		f, err := open(path)
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return nil, malformed(path, "cannot be read: %v", err)
		}
		if pix, label, err = l.decode(pix, label, raw, which, path); err != nil {
			return nil, err
		}
	}
	m, err := NewImages([]int{cifarSide, cifarSide, 3}, pix, label, dequantize, nil)
	if err != nil {
		return nil, err
	}
	m.classes = l.classes[which] // whether or not each of them comes
	return m, nil
}

// decode appends the records of raw to pix, channels last, and to label.
func (l cifar) decode(pix []byte, label []int32, raw []byte, which int, path string) ([]byte, []int32, error) {
	const plane = cifarSide * cifarSide
	head := len(l.classes)
	record := head + 3*plane
	if len(raw) == 0 || len(raw)%record != 0 {
		return nil, nil, malformed(path, "%d bytes are no whole number of records of %d bytes, %d of label and %d of pixels (%s); is the file truncated, or of another set?",
			len(raw), record, head, 3*plane, l.folder)
	}
	pix = slices.Grow(pix, len(raw)/record*3*plane)
	for i := 0; len(raw) > 0; i, raw = i+1, raw[record:] {
		for b, classes := range l.classes {
			if int(raw[b]) >= classes {
				return nil, nil, &FileError{path, fmt.Sprintf("record %d", i), fmt.Sprintf("label byte %d is %d; want 0 to %d (%s)", b, raw[b], classes-1, l.folder)}
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
