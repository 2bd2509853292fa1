package image

import (
	"errors"
	"fmt"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
)

// Options say how the images of a folder or of shards become a [Collection].
type Options struct {
	// Size is the side in pixels that images are brought to: the short side by
	// scaling, the long one by cutting off both ends.
	Size int
	// Channels is 3 for colour (0 means 3) or 1 for grey.
	Channels int
	// SkipCorrupt leaves out images that cannot be decoded, and counts them in
	// [Collection.Skipped]; else they are errors.
	SkipCorrupt bool
	// Dequantize says whether pixels get noise when they are read.
	Dequantize bool
	// Limit is how many bytes of decoded images are held in memory; 0 means [MaxDecoded].
	Limit int64
	// Watch is told how many are decoded, and where they are kept; nil: nobody is.
	Watch *data.Watch

	decodedFrom int // images; 0: decodedFrom
}

// maxSide bounds Options.Size.
const maxSide = 4096

// Validate reports the first field that cannot be used, and what would be right.
func (o Options) Validate() error {
	switch {
	case o.Size < 1 || o.Size > maxSide:
		return fmt.Errorf("data: size = %d; want the side of the images in pixels, 1 to %d", o.Size, maxSide)
	case !slices.Contains([]int{0, 1, 3}, o.Channels):
		return fmt.Errorf("data: channels = %d; want 1 for grey or 3 for colour", o.Channels)
	case o.Limit < 0:
		return fmt.Errorf("data: limit = %d bytes of decoded images; want 0 or more", o.Limit)
	}
	return nil
}

// ReadFolder reads the PNG and JPEG images of a folder, in the order of their names,
// with the folders that they are in as classes.
func ReadFolder(path string, o Options) (*Collection, error) { return o.gather(path, indexFolder) }

// ReadShards reads the PNG and JPEG images of tar files, in the order in which they
// lie: path is one shard, a folder of them or a pattern.
func ReadShards(path string, o Options) (*Collection, error) { return o.gather(path, indexShards) }

// gather lists the images of a folder or of shards, decodes each once, and keeps
// them in memory where they fit the limit.
func (o Options) gather(path string, find func(string) (index, error)) (*Collection, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	x, err := find(path)
	if err != nil {
		return nil, err
	}
	channels, limit := o.Channels, o.Limit
	if channels == 0 {
		channels = 3
	}
	if limit == 0 {
		limit = MaxDecoded
	}
	s := newStore(x.entries, o.Size, channels, limit)
	var pix []byte
	if int64(len(x.entries)) <= limit/int64(s.dim()) {
		pix = make([]byte, len(x.entries)*s.dim())
	} else if at := slices.IndexFunc(x.entries, func(e member) bool { return e.zipped }); at >= 0 {
		return nil, files.Malformed(x.entries[at].file, "%d images of %d bytes do not fit the %d bytes of memory that "+
			"they may have, and a compressed shard cannot be read in any order; gunzip the shards, or lower size",
			len(x.entries), s.dim(), limit)
	}
	errs, err := o.decode(path, s, pix)
	if err != nil {
		return nil, err
	}
	kept, err := x.keep(errs, pix, s.dim(), o.SkipCorrupt)
	if err != nil {
		return nil, err
	}
	if kept == 0 {
		return nil, files.Malformed(path, "none of the %d images can be decoded", len(errs))
	}
	s.entries = x.entries
	x.nameClasses()
	m := &Collection{
		Shape: []int{o.Size, o.Size, 3}[:2+channels/3], Label: x.label, Dequantize: o.Dequantize,
		ClassNames: x.names, Skipped: len(errs) - kept, Notes: x.notes(),
		dim: s.dim(), classes: data.Classes(x.label),
	}
	if pix != nil {
		m.Pix = pix[:kept*s.dim()]
	} else {
		m.store = s
	}
	return m, nil
}

// decode decodes all images into pix, or takes them from the cache folder, where it keeps them. Without pix they
// are only looked at, and read from there when they are asked for. It returns an error (or nil) for each.
func (o Options) decode(path string, s *store, pix []byte) ([]error, error) {
	p := o.decodedFile(path, s)
	if p != nil && p.file != nil && (o.SkipCorrupt || !p.anyBad()) {
		return p.errs(s), s.from(p, pix)
	}
	if p == nil {
		return s.all(pix, !o.SkipCorrupt, o.Watch)
	}
	o.tell(path, p, len(s.entries))
	if pix == nil {
		return o.decodeParts(s, p)
	}
	errs, err := s.all(pix, !o.SkipCorrupt, o.Watch)
	if err != nil || slices.ContainsFunc(errs, o.ends) {
		return errs, err
	}
	whole := func() ([]byte, []error, error) { return pix, errs, nil }
	if err := p.write(len(errs), whole); err != nil {
		o.Watch.Tell("decoded images are not kept: %v", err)
	}
	return errs, nil
}

// keep takes the images with errors out of x and pix, or returns the first error.
func (x *index) keep(errs []error, pix []byte, dim int, skip bool) (kept int, err error) {
	for i, err := range errs {
		var broken *data.FileError
		if err != nil && (!skip || !errors.As(err, &broken)) {
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

// Renumber numbers the classes of m by their places in names, of so many classes, those of
// the images that m is compared with (nil: numbers without names). It fails, and changes
// nothing, where m has images of another class.
func (m *Collection) Renumber(names []string, classes int) error {
	label, err := data.Renumber(m.Label, m.ClassNames, names, classes)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	m.Label, m.ClassNames, m.classes = label, names, classes
	return nil
}
