package image

import (
	"fmt"
	"io"
	"os"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/internal/npy"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
)

// Store is [Read] of images that stay in their file, which must stay as it is: they are read when they are asked for.
// watch is told of the pass over the file that the fingerprint takes. A compressed file is an error.
func Store(path, labels, layout string, dequantize bool, watch *data.Watch) (*Collection, error) {
	f, shape, err := openPixels(path)
	if err != nil {
		return nil, err
	}
	m, err := stored(f, shape, path, layout, dequantize)
	if err == nil {
		err = m.readLabels(labels, shape[0])
	}
	if err == nil {
		m.store.begin = func(n int) *digest.Digest { return beginPrint(m.Shape, n, m.Label != nil) }
		err = m.store.fingerprint(watch)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

// stored returns images whose bytes are in f from where it stands to its end.
func stored(f *os.File, shape []int, path, layout string, dequantize bool) (*Collection, error) {
	layout, err := layoutOf(shape, layout)
	if err != nil {
		return nil, files.Malformed(path, "%v", err)
	}
	notes, p := layoutNotes(shape, layout), &pixels{file: f, n: shape[0], dim: 1}
	if p.at, err = f.Seek(0, io.SeekCurrent); err != nil {
		return nil, files.Unreadable(path, err)
	}
	if of := shape[1:]; layout == LayoutCHW {
		p.planes = of[0]
		shape = []int{shape[0], of[1], of[2], of[0]}
	}
	m, err := New(shape[1:], nil, nil, dequantize, nil)
	if err != nil {
		return nil, err
	}
	p.dim = m.dim
	m.Notes, m.store = notes, &store{path: path, pixels: p}
	return m, nil
}

// openPixels opens the bytes of an IDX or NPY file, of which it returns the shape. The file stands at the first.
func openPixels(path string) (f *os.File, shape []int, err error) {
	f, size, err := files.OpenSized(path)
	if err != nil {
		return nil, nil, err
	}
	if zipped(f) {
		err = files.Malformed(path, "a compressed file cannot be read from disk: uncompress it, or say memory: held "+
			"(data.memory)")
	} else if files.Extension(path) == ".npy" {
		var a *npy.Array
		if a, err = npy.Header(f, path); err == nil {
			shape, err = a.Shape, checkBytes(a, path)
		}
	} else {
		shape, _, err = headIDX(f, path)
	}
	var at int64
	if err == nil {
		at, err = f.Seek(0, io.SeekCurrent)
	}
	if want, ok := files.Volume(shape, 1); err == nil && (!ok || size-at != want) {
		err = files.Malformed(path, "%d bytes after the header, which has shape %s; is it truncated?", size-at,
			choice.Cut(fmt.Sprint(shape)))
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, shape, nil
}

// zipped says whether a file begins as a compressed one.
func zipped(f *os.File) bool {
	magic := make([]byte, 2)
	_, err := f.ReadAt(magic, 0)
	return err == nil && magic[0] == 0x1f && magic[1] == 0x8b
}

// Storable says whether the images of an IDX or NPY file can stay there for [Store], and how many bytes they have.
func Storable(path string) (bytes int64, storable bool) {
	f, shape, err := openPixels(path)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	bytes, _ = files.Volume(shape, 1)
	return bytes, true
}
