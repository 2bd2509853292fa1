package image

import (
	lru "container/list"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"flowmatch/data"
	"flowmatch/data/internal/files"
)

// MaxDecoded is how many bytes of decoded images of a folder or of shards are held
// in memory: sets up to this size whole; of larger sets the images read last, and
// the others are decoded again from their files whenever they are asked for.
const MaxDecoded = 1 << 30

// store is images in their files, decoded when they are asked for. It is safe for
// concurrent use.
type store struct {
	entries        []member
	size, channels int
	limit          int // of decoded images kept

	pixels *pixels // where they are decoded already; nil: in no file

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
func (s *store) dim() int { return s.size * s.size * s.channels }

// from takes decoded images from their file: into pix, which has room for all, or, for nil, when they are asked for.
func (s *store) from(p *pixels, pix []byte) error {
	if pix == nil {
		s.pixels, s.limit = p, 0 // the system keeps what it reads of a file
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
		pix := make([]byte, s.dim())
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
// images before the one that set it.
func each(entries []member, stop *atomic.Bool, use func(i int, raw []byte, err error)) error {
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
	var z unzipper
	defer z.close()
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

// all decodes every image once, on all cores, into pix, which holds them one after
// the other; nil: they are only checked. It returns one error (or nil) an image.
// With stop it ends soon after the first error, and errors of all images before
// that one are known.
func (s *store) all(pix []byte, stop bool, watch *data.Watch) ([]error, error) {
	errs := make([]error, len(s.entries))
	var failed atomic.Bool
	var telling sync.Mutex
	done := 0
	err := each(s.entries, &failed, func(i int, raw []byte, err error) {
		defer func() {
			telling.Lock()
			defer telling.Unlock()
			done++
			watch.At("decoding", "images", float64(done), float64(len(s.entries)))
		}()
		if err == nil {
			err = s.decode(i, raw, pix)
		}
		if errs[i] = err; err != nil && stop {
			failed.Store(true)
		}
	})
	return errs, err
}

func (s *store) decode(i int, raw, pix []byte) error {
	fit, err := fitPicture(raw, s.size, s.channels)
	if err != nil {
		return s.entries[i].broken(err)
	}
	if pix != nil {
		copy(pix[i*s.dim():], fit)
	}
	return nil
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
