package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/internal/digest"
	"flowmatch/internal/diskcache"
	"flowmatch/internal/memory"
)

// decodedFrom is from how many images on decoded ones are kept in the cache folder: decoding them takes seconds.
const decodedFrom = 1000

// A file of decoded images is a mark, and the numbers of images and of bytes of each; the pixels of those that
// could be decoded; and of each image whether it could not.
const (
	pixelMark   = "flowmatch pixels 1"
	pixelHead   = 64
	pixelEnding = ".pixels"
)

// pixels is the file of the decoded images of a set.
type pixels struct {
	cache diskcache.Cache
	key   string
	file  *os.File // nil: it is not there
	bad   []bool   // of each image: it could not be decoded
	dim   int
}

// decodedFile returns the file of the decoded images of s; nil where they are few, or nothing is to be kept. The file
// is that of these files as they are now.
func (o Options) decodedFile(path string, s *store) *pixels {
	from := o.decodedFrom
	if from == 0 {
		from = decodedFrom
	}
	if len(s.entries) < from {
		return nil
	}
	cache, err := diskcache.Open()
	if err != nil {
		o.Watch.Tell("decoded images are not kept: %v", err)
		return nil
	}
	if cache.Limit == 0 {
		return nil
	}
	key, err := keyOf(path, s)
	if err != nil { // which decoding tells
		return nil
	}
	p := &pixels{cache: cache, key: key, dim: s.dim()}
	if err := p.open(len(s.entries)); err == nil {
		cache.Used(key + pixelEnding)
	} else if !errors.Is(err, os.ErrNotExist) {
		o.Watch.Tell("%s: its decoded images in the cache, %s, are damaged (%v), and are made anew",
			filepath.Base(path), cache.Path(key+pixelEnding), err)
	}
	return p
}

// keyOf is the name of a file of decoded images: it has the names, sizes and times of change of all files.
func keyOf(path string, s *store) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	d := digest.New()
	d.Text(fmt.Sprint(pixelMark, abs, s.size, s.channels, len(s.entries)))
	file := ""
	for _, e := range s.entries {
		if e.file != file {
			info, err := os.Stat(e.file)
			if err != nil {
				return "", err
			}
			file = e.file
			d.Text(file)
			digest.Add(d, []int64{info.Size(), info.ModTime().UnixNano()})
		}
		d.Text(e.name)
		digest.Add(d, []int64{e.offset, e.size})
	}
	return digest.Short(d.String(), 32), nil
}

// open opens the file of n images, if it is there.
func (p *pixels) open(n int) error {
	f, err := os.Open(p.cache.Path(p.key + pixelEnding))
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	head, marks := make([]byte, pixelHead), make([]byte, n)
	_, err = f.ReadAt(head, 0)
	if _, failed := f.ReadAt(marks, max(0, info.Size()-int64(n))); err != nil || failed != nil {
		return errors.Join(errors.New("it is too short"), f.Close())
	}
	bad, kept := make([]bool, n), 0
	for i, mark := range marks {
		if bad[i] = mark != 0; !bad[i] {
			kept++
		}
	}
	if want := pixelHead + int64(kept)*int64(p.dim) + int64(n); !bytes.Equal(head, p.head(n)) || info.Size() != want {
		return errors.Join(fmt.Errorf("it is not the %d bytes of %d images", want, kept), f.Close())
	}
	p.file, p.bad = f, bad
	return nil
}

// head is what a file of n images begins with.
func (p *pixels) head(n int) []byte {
	head := append(make([]byte, 0, pixelHead), pixelMark...)
	head = binary.LittleEndian.AppendUint64(head, uint64(n))
	head = binary.LittleEndian.AppendUint64(head, uint64(p.dim))
	return append(head, make([]byte, pixelHead-len(head))...)
}

// read reads images from number from on, of those that could be decoded.
func (p *pixels) read(pix []byte, from int) error {
	_, err := p.file.ReadAt(pix, pixelHead+int64(from)*int64(p.dim))
	if err != nil {
		return files.Malformed(p.file.Name(), "decoded images cannot be read: %v; run the command again", err)
	}
	return nil
}

// errs is what decoding the images said.
func (p *pixels) errs(s *store) []error {
	out := make([]error, len(p.bad))
	for i, bad := range p.bad {
		if bad {
			out[i] = s.entries[i].broken(errors.New("it cannot be decoded"))
		}
	}
	return out
}

// anyBad says whether an image could not be decoded.
func (p *pixels) anyBad() bool { return slices.Contains(p.bad, true) }

// write makes the file of n images, which next hands out some at a time with their errors, until there are no more.
func (p *pixels) write(n int, next func() (pix []byte, errs []error, err error)) error {
	return p.cache.Write(p.key+pixelEnding, int64(pixelHead)+int64(n)*int64(p.dim+1), func(w io.Writer) error {
		marks := make([]byte, 0, n)
		_, err := w.Write(p.head(n))
		for err == nil && len(marks) < n {
			var pix []byte
			var errs []error
			if pix, errs, err = next(); err != nil {
				return err
			}
			for i, bad := range errs {
				if bad != nil {
					marks = append(marks, 1)
					continue
				}
				marks = append(marks, 0)
				if _, err = w.Write(pix[i*p.dim : (i+1)*p.dim]); err != nil {
					return err
				}
			}
		}
		if err == nil {
			_, err = w.Write(marks)
		}
		return err
	})
}

// decodedTogether is how many images are decoded together where they are not all held.
const decodedTogether = 512

// errBroken says that an image that may not be left out cannot be decoded.
var errBroken = errors.New("an image cannot be decoded")

// decodeParts decodes the images of s into their file, from where they are read when they are asked for.
func (o Options) decodeParts(s *store, p *pixels) ([]error, error) {
	errs, n := make([]error, 0, len(s.entries)), len(s.entries)
	block := make([]byte, decodedTogether*s.dim())
	err := p.write(n, func() ([]byte, []error, error) {
		some := s.entries[len(errs):min(len(errs)+decodedTogether, n)]
		of, err := newStore(some, s.size, s.channels, 0).all(block, !o.SkipCorrupt, nil)
		errs = append(errs, of...)
		if err == nil && slices.ContainsFunc(of, o.ends) {
			err = errBroken
		}
		o.Watch.At("decoding", "images", float64(len(errs)), float64(n))
		return block, of, err
	})
	switch {
	case errors.Is(err, errBroken):
		return errs, nil
	case err == nil:
		if err = p.open(n); err == nil {
			return errs, s.from(p, nil)
		}
	}
	o.Watch.Tell("decoded images are not kept, and are decoded whenever they are asked for: %v", err)
	return s.all(nil, !o.SkipCorrupt, o.Watch)
}

// ends says whether the error of an image is that of the set.
func (o Options) ends(err error) bool {
	_, broken := errors.AsType[*data.FileError](err)
	return err != nil && (!o.SkipCorrupt || !broken)
}

// tell says that images are decoded once.
func (o Options) tell(path string, p *pixels, n int) {
	o.Watch.Tell("%d images of %s are decoded once, and kept in the cache %s, %s", n, filepath.Base(path),
		p.cache.Folder(), memory.Size(float64(n)*float64(p.dim)))
}
