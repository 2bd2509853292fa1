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
// could be decoded; of each image whether it could not; and the length and the state
// of their fingerprint, or zeros.
const (
	pixelMark   = "flowmatch pixels 2"
	pixelHead   = 64
	pixelEnding = ".pixels"
)

// pixels is a file of images of dim bytes: the decoded ones of a set, in the cache folder, or an array of them.
type pixels struct {
	cache  diskcache.Cache
	key    string
	file   *os.File       // nil: it is not there
	bad    []bool         // of each image: it could not be decoded
	n, dim int            // images in it, and bytes of each
	at     int64          // where the first of them is
	planes int            // channels that lie one behind the other; 0: those of a pixel lie together
	print  *digest.Digest // of the pixels; nil: it is not known
}

// decodedFile returns the file of the decoded images of s; nil where they are few, or nothing is to be kept. The file
// is that of these files as they are now.
func (o Options) decodedFile(path string, s *store) *pixels {
	from := o.decodedFrom
	if from == 0 {
		from = decodedFrom
	}
	if len(s.entries) < from && !o.Disk {
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
	p := &pixels{cache: cache, key: key, dim: s.dim(), at: pixelHead}
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
	head, tail := make([]byte, pixelHead), make([]byte, n+digest.StateSize)
	_, err = f.ReadAt(head, 0)
	if _, failed := f.ReadAt(tail, max(0, info.Size()-int64(len(tail)))); err != nil || failed != nil {
		return errors.Join(errors.New("it is too short"), f.Close())
	}
	bad, kept := make([]bool, n), 0
	for i, mark := range tail[:n] {
		if bad[i] = mark != 0; !bad[i] {
			kept++
		}
	}
	want := pixelHead + int64(kept)*int64(p.dim) + int64(len(tail))
	if !bytes.Equal(head, p.head(n)) || info.Size() != want {
		return errors.Join(fmt.Errorf("it is not the %d bytes of %d images", want, kept), f.Close())
	}
	if state := tail[n:]; state[0] < digest.StateSize { // as many bytes as the first says
		p.print, _ = digest.Restore(state[1 : 1+state[0]])
	}
	p.file, p.bad, p.n = f, bad, kept
	return nil
}

// head is what a file of n images begins with.
func (p *pixels) head(n int) []byte {
	head := append(make([]byte, 0, pixelHead), pixelMark...)
	head = binary.LittleEndian.AppendUint64(head, uint64(n))
	head = binary.LittleEndian.AppendUint64(head, uint64(p.dim))
	return append(head, make([]byte, pixelHead-len(head))...)
}

// read reads image i, of those that could be decoded.
func (p *pixels) read(pix []byte, i int) error {
	to := pix
	if p.planes > 1 {
		to = make([]byte, p.dim)
	}
	if _, err := p.file.ReadAt(to, p.at+int64(i)*int64(p.dim)); err != nil {
		return files.Malformed(p.file.Name(), "image %d cannot be read: %v; run the command again", i+1, err)
	}
	if p.planes > 1 {
		interleave(pix, to, p.planes)
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

// write makes the file of the images of s, which from hands to use in their order, with their errors.
func (p *pixels) write(s *store, from func(use func(pix []byte, errs []error) error) error) error {
	n := len(s.entries)
	size := int64(pixelHead) + int64(n)*int64(p.dim+1) + digest.StateSize
	return p.cache.Write(p.key+pixelEnding, size, func(w io.Writer) error {
		marks, print := make([]byte, 0, n), s.begin(n)
		if _, err := w.Write(p.head(n)); err != nil {
			return err
		}
		err := from(func(pix []byte, errs []error) error {
			print = addPixels(print, pix, errs)
			for i, bad := range errs {
				if bad != nil {
					marks = append(marks, 1)
					continue
				}
				marks = append(marks, 0)
				if _, err := w.Write(pix[i*p.dim : (i+1)*p.dim]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		state := []byte{0}
		if print != nil {
			known := print.State()
			state = append([]byte{byte(len(known))}, known...)
		}
		_, err = w.Write(slices.Concat(marks, state, make([]byte, digest.StateSize-len(state))))
		return err
	})
}

// errBroken says that an image that may not be left out cannot be decoded.
var errBroken = errors.New("an image cannot be decoded")

// decodeParts decodes the images of s into their file, from where they are read when they are asked for.
func (o Options) decodeParts(s *store, p *pixels, limit int64) ([]error, error) {
	var errs []error
	err := p.write(s, func(use func([]byte, []error) error) (err error) {
		errs, err = s.all(nil, !o.SkipCorrupt, o.Watch, use)
		if err == nil && slices.ContainsFunc(errs, o.ends) {
			err = errBroken
		}
		return err
	})
	switch {
	case errors.Is(err, errBroken):
		return errs, nil
	case err == nil:
		if err = p.open(len(s.entries)); err == nil {
			return errs, s.from(p, nil)
		}
	}
	o.Watch.Tell("decoded images are not kept, and are decoded whenever they are asked for: %v", err)
	return o.unheld(s, limit)
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
