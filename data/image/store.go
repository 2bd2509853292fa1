package image

import (
	lru "container/list"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/internal/digest"
)

// MaxDecoded is how many bytes of decoded images of a folder or of shards are held
// in memory: sets up to this size whole; of larger sets the images read last, and
// the others are decoded again from their files whenever they are asked for.
const MaxDecoded = 1 << 30

// store is images that are not held: decoded when they are asked for, from their files, or read where they
// are decoded already. It is safe for concurrent use.
type store struct {
	entries        []member
	path           string // what they are read from
	size, channels int
	limit          int // of decoded images kept

	pixels *pixels // where they are decoded already; nil: in no file

	// begin starts the fingerprint of so many of the images, and print is that of their pixels; nil: not known yet.
	begin func(n int) *digest.Digest
	print *digest.Digest

	mu   sync.Mutex
	at   map[int]*lru.Element
	last lru.List // of decoded, the one used last in front
}

type decoded struct {
	i   int
	pix []byte
}

func newStore(entries []member, size, channels int, limit int64) *store {
	s := &store{entries: entries, size: size, channels: channels, at: map[int]*lru.Element{}}
	s.limit = int(limit / int64(s.dim()))
	return s
}

// dim is the number of bytes of a decoded image.
func (s *store) dim() int {
	if s.pixels != nil {
		return s.pixels.dim
	}
	return s.size * s.size * s.channels
}

// from takes decoded images from their file: into pix, which has room for all, or, for nil, when they are asked for.
func (s *store) from(p *pixels, pix []byte) error {
	if pix == nil {
		s.pixels, s.limit, s.print = p, 0, p.print // the system keeps what it reads of a file
		return nil
	}
	dim, at := s.dim(), 0
	for i, bad := range p.bad {
		if bad {
			continue
		}
		if err := p.read(pix[i*dim:(i+1)*dim], at); err != nil {
			return err
		}
		at++
	}
	return p.file.Close()
}

// load reads and decodes image i.
func (s *store) load(i int) ([]byte, error) {
	if s.pixels != nil {
		pix := make([]byte, s.pixels.dim)
		return pix, s.pixels.read(pix, i)
	}
	e := s.entries[i]
	raw, err := e.read()
	if err != nil {
		return nil, err
	}
	pix, err := fitPicture(raw, s.size, s.channels)
	if err != nil {
		return nil, e.broken(err)
	}
	return pix, nil
}

// read reads the encoded bytes of an image that is not compressed once more.
func (e member) read() ([]byte, error) {
	if e.offset < 0 {
		return readEncoded(e.file)
	}
	f, err := files.OpenFile(e.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return e.from(io.NewSectionReader(f, e.offset, e.size))
}

// from reads the encoded bytes of an image from r, which stands at it. Memory
// grows with what the shard holds, not with what it claims.
func (e member) from(r io.Reader) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r, e.size))
	if err == nil && int64(len(raw)) < e.size {
		err = errors.New("the shard ends within the image; is it truncated?")
	}
	if err != nil {
		return nil, e.broken(err)
	}
	return raw, nil
}

// cached returns image i when it is kept.
func (s *store) cached(i int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	el, ok := s.at[i]
	if !ok {
		return nil
	}
	s.last.MoveToFront(el)
	return el.Value.(decoded).pix
}

// keep keeps image i, and lets go of the one not used for longest.
func (s *store) keep(i int, pix []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.at[i]; ok || s.limit < 1 {
		return // another goroutine was faster
	}
	if s.last.Len() >= s.limit {
		old := s.last.Back()
		delete(s.at, s.last.Remove(old).(decoded).i)
	}
	s.at[i] = s.last.PushFront(decoded{i, pix})
}

// get returns the bytes of the images index, which are shared and read-only,
// decoding those that are not kept on all cores.
func (s *store) get(index []int) ([][]byte, error) {
	pix, errs := make([][]byte, len(index)), make([]error, len(index))
	var next atomic.Int64
	var team sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(index)) {
		team.Go(func() {
			for k := int(next.Add(1)) - 1; k < len(index); k = int(next.Add(1)) - 1 {
				i := index[k]
				if pix[k] = s.cached(i); pix[k] != nil {
					continue
				}
				if pix[k], errs[k] = s.load(i); errs[k] == nil {
					s.keep(i, pix[k])
				}
			}
		})
	}
	team.Wait()
	for _, err := range errs { // the first in order, whoever came first
		if err != nil {
			return nil, err
		}
	}
	return pix, nil
}

// each calls use with the number and the bytes of every image, or with why they cannot be
// read, on all cores. It begins no more once stop is set; then use has been called for all
// images before the one that set it. z reads those of compressed shards, and is left at the last.
func each(entries []member, z *unzipper, stop *atomic.Bool, use func(i int, raw []byte, err error)) error {
	type job struct {
		i   int
		raw []byte // nil: to be read on the core that uses it
	}
	jobs := make(chan job)
	var team sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		team.Go(func() {
			for j := range jobs {
				var err error
				if e := entries[j.i]; !e.zipped {
					j.raw, err = e.read()
				}
				use(j.i, j.raw, err)
			}
		})
	}
	var err error
	for i, e := range entries {
		j := job{i: i}
		if e.zipped {
			if j.raw, err = z.read(e); err != nil {
				break
			}
		}
		if stop.Load() {
			break
		}
		jobs <- j
	}
	close(jobs)
	team.Wait()
	return err
}

// togetherBytes bounds the pixels of images that are decoded together, and decodedTogether their number, where they
// are not all held: they are then used in their order, by one core.
const togetherBytes, decodedTogether = 32 << 20, 512

// all decodes every image once, on all cores, into pix, which holds them one after the other; nil: into room for
// some. use, if there is one, gets them and their errors in order, some at a time. all returns one error (or nil) an
// image. With stop it ends soon after the first error, and errors of all images before that one are known.
func (s *store) all(pix []byte, stop bool, watch *data.Watch,
	use func(pix []byte, errs []error) error) ([]error, error) {
	n, together := len(s.entries), len(s.entries)
	errs, room := make([]error, n), pix
	if pix == nil {
		together = max(1, min(decodedTogether, n, togetherBytes/s.dim()))
		room = make([]byte, together*s.dim())
	}
	var failed atomic.Bool
	var telling sync.Mutex
	var z unzipper
	defer z.close()
	done := 0
	for lo := 0; lo < n; lo += together {
		hi := min(lo+together, n)
		err := each(s.entries[lo:hi], &z, &failed, func(i int, raw []byte, err error) {
			if err == nil {
				err = s.decode(room[i*s.dim():(i+1)*s.dim()], s.entries[lo+i], raw)
			}
			if errs[lo+i] = err; err != nil && stop {
				failed.Store(true)
			}
			telling.Lock()
			defer telling.Unlock()
			done++
			watch.At("decoding", "images", float64(done), float64(n))
		})
		if err == nil && use != nil && !failed.Load() {
			err = use(room[:(hi-lo)*s.dim()], errs[lo:hi])
		}
		if err != nil || failed.Load() {
			return errs, err
		}
	}
	return errs, nil
}

// decode decodes an image into pix.
func (s *store) decode(pix []byte, e member, raw []byte) error {
	fit, err := fitPicture(raw, s.size, s.channels)
	if err != nil {
		return e.broken(err)
	}
	copy(pix, fit)
	return nil
}

// unheld decodes the images once to see that all can be, and takes their fingerprint. They are decoded again when
// they are asked for, which those of a compressed shard cannot be.
func (o Options) unheld(s *store, limit int64) ([]error, error) {
	if at := slices.IndexFunc(s.entries, func(e member) bool { return e.zipped }); at >= 0 {
		why := fmt.Sprintf("%d images of %d bytes do not fit the %d bytes of memory that they may have", len(s.entries),
			s.dim(), limit)
		if o.Disk {
			why = "its decoded images are not kept on disk"
		}
		return nil, files.Malformed(s.entries[at].file, "%s, and a compressed shard cannot be read in any order; "+
			"gunzip the shards, or lower size", why)
	}
	d := s.begin(len(s.entries))
	errs, err := s.all(nil, !o.SkipCorrupt, o.Watch, func(pix []byte, errs []error) error {
		d = addPixels(d, pix, errs)
		return nil
	})
	s.print = d
	return errs, err
}

// addPixels adds whole images to a fingerprint: nil once one of them is left out, for it begins with their number.
func addPixels(d *digest.Digest, pix []byte, errs []error) *digest.Digest {
	if d == nil || slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return nil
	}
	_, _ = d.Write(pix) // it never fails
	return d
}

// fingerprint takes that of the pixels where it is not known, by reading all images.
func (s *store) fingerprint(watch *data.Watch) error {
	if s.print != nil {
		return nil
	}
	d, n := s.begin(s.len()), max(1, min(decodedTogether, togetherBytes/s.dim()))
	for lo := 0; lo < s.len(); lo += n {
		var index []int
		for i := lo; i < min(lo+n, s.len()); i++ {
			index = append(index, i)
		}
		pix, err := s.get(index)
		if err != nil {
			return err
		}
		for _, p := range pix {
			_, _ = d.Write(p)
		}
		watch.At("fingerprint of the pixels", "images", float64(lo+len(index)), float64(s.len()))
	}
	s.print = d
	return nil
}

// len is the number of images.
func (s *store) len() int {
	if s.pixels != nil {
		return s.pixels.n
	}
	return len(s.entries)
}

// unzipper reads images of compressed shards, in the order in which they lie.
type unzipper struct {
	file string
	r    io.ReadCloser
	at   int64
}

func (z *unzipper) close() {
	if z.r != nil {
		z.r.Close()
	}
}

func (z *unzipper) read(e member) ([]byte, error) {
	if z.file != e.file {
		z.close()
		var err error
		if z.r, err = files.Open(e.file); err != nil {
			return nil, err
		}
		z.file, z.at = e.file, 0
	}
	if _, err := io.CopyN(io.Discard, z.r, e.offset-z.at); err != nil {
		return nil, files.Unreadable(e.file, err)
	}
	z.at = e.offset + e.size
	return e.from(z.r)
}

// levels counts how often each level comes in the images index.
func (s *store) levels(index []int) (count [Levels]float64, err error) {
	const batch = 256
	for len(index) > 0 {
		n := min(batch, len(index))
		pix, err := s.get(index[:n])
		if err != nil {
			return count, err
		}
		for _, p := range pix {
			for _, v := range p {
				count[v]++
			}
		}
		index = index[n:]
	}
	return count, nil
}
