package data

import (
	"errors"
	"fmt"
	"slices"
)

// The ways of [Config.Corrupt].
const (
	CorruptFail = "fail" // an image that cannot be decoded is an error
	CorruptSkip = "skip" // it is left out, and counted in Set.Skipped
)

// maxSide bounds Config.Size.
const maxSide = 4096

// gathered is images with the names of their classes, and how many were left out.
type gathered struct {
	images  *Images
	index   index
	skipped int
}

// checkPictures checks the fields of folders and shards.
func (c Config) checkPictures(kind string) error {
	if kind != KindFolder && kind != KindShards {
		return nil
	}
	switch {
	case c.Size < 1 || c.Size > maxSide:
		return fmt.Errorf("data: size = %d; want the side of the images in pixels, 1 to %d", c.Size, maxSide)
	case !slices.Contains([]int{0, 1, 3}, c.Channels):
		return fmt.Errorf("data: channels = %d; want 1 for grey or 3 for colour", c.Channels)
	case !slices.Contains([]string{"", CorruptFail, CorruptSkip}, c.Corrupt):
		return fmt.Errorf("data: corrupt: %q; want %s or %s", c.Corrupt, CorruptFail, CorruptSkip)
	}
	return nil
}

// openPictures opens a folder of images or shards.
func (c Config) openPictures(dir string, seed uint64, limit int64) (*Set, error) {
	m, err := c.gather(within(dir, c.Path), nil, limit)
	if err != nil {
		return nil, err
	}
	if c.TestPath == "" {
		return c.imageSet(m, nil, seed)
	}
	apart, err := c.gather(within(dir, c.TestPath), &m.index, limit)
	if err != nil {
		return nil, err
	}
	return c.imageSet(m, &apart, seed)
}

// gather lists the images of a folder or of shards, decodes each once, and keeps
// them in memory where they fit limit. Of a test part train is the training part.
func (c Config) gather(path string, train *index, limit int64) (gathered, error) {
	find := indexFolder
	if c.ResolvedKind() == KindShards {
		find = indexShards
	}
	x, err := find(path)
	if err == nil && train != nil {
		err = x.renumber(*train, path)
	}
	if err != nil {
		return gathered{}, err
	}
	channels := c.Channels
	if channels == 0 {
		channels = 3
	}
	s := newStore(x.entries, c.Size, channels, limit)
	var pix []byte
	if int64(len(x.entries)) <= limit/int64(s.dim()) {
		pix = make([]byte, len(x.entries)*s.dim())
	} else if at := slices.IndexFunc(x.entries, func(e member) bool { return e.zipped }); at >= 0 {
		return gathered{}, malformed(x.entries[at].file, "%d images of %d bytes do not fit the %d bytes of memory that they may have, and a compressed shard cannot be read in any order; gunzip the shards, or make size smaller",
			len(x.entries), s.dim(), limit)
	}
	errs, err := s.all(pix, c.Corrupt != CorruptSkip)
	if err != nil {
		return gathered{}, err
	}
	kept, err := c.keep(&x, errs, pix, s.dim())
	if err != nil {
		return gathered{}, err
	}
	if kept == 0 {
		return gathered{}, malformed(path, "none of the %d images can be decoded", len(errs))
	}
	s.entries = x.entries
	m := &Images{
		Shape: []int{c.Size, c.Size, 3}[:2+channels/3], Label: x.label, Dequantize: c.dequantize(),
		dim: s.dim(), classes: max(classes(x.label), len(x.names)),
	}
	if pix != nil {
		m.Pix = pix[:kept*s.dim()]
	} else {
		m.store = s
	}
	return gathered{m, x, len(errs) - kept}, nil
}

// keep takes the images with errors out of x and pix, or returns the first error.
func (c Config) keep(x *index, errs []error, pix []byte, dim int) (kept int, err error) {
	for i, err := range errs {
		var broken *FileError
		if err != nil && (c.Corrupt != CorruptSkip || !errors.As(err, &broken)) {
			if errors.As(err, &broken) {
				broken.Problem += " (corrupt: skip leaves such images out)"
			}
			return 0, err
		}
		if err != nil {
			continue
		}
		x.entries[kept] = x.entries[i]
		if x.label != nil {
			x.label[kept] = x.label[i]
		}
		if pix != nil {
			copy(pix[kept*dim:(kept+1)*dim], pix[i*dim:(i+1)*dim])
		}
		kept++
	}
	x.entries = x.entries[:kept]
	if x.label != nil {
		x.label = x.label[:kept]
	}
	return kept, nil
}
