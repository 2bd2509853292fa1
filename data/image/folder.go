package image

import (
	"errors"
	"fmt"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
	"flowmatch/internal/memory"
)

// Options say how the images of a folder or of shards become a [Collection].
type Options struct {
	// Size is the side in pixels that images are brought to: the short side by
	// scaling, the long one by cutting off both ends.
	Size int
	// MostSize is the largest side that [Survey] suggests; 0: 64.
	MostSize int
	// Channels is 3 for colour (0 means 3) or 1 for grey.
	Channels int
	// SkipCorrupt leaves out images that cannot be decoded, and counts them in
	// [Collection.Skipped]; else they are errors.
	SkipCorrupt bool
	// Dequantize says whether pixels get noise when they are read.
	Dequantize bool
	// Limit is how many bytes of decoded images are held in memory; 0 means [MaxDecoded].
	Limit int64
	// Disk says that images are never all held: they are read from their decoded copy in the cache folder or, where
	// there is none, decoded when they are asked for.
	Disk bool
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
	shape := []int{o.Size, o.Size, 3}[:2+channels/3]
	s := newStore(x.entries, o.Size, channels, limit)
	s.begin = func(n int) *digest.Digest { return beginPrint(shape, n, x.label != nil) }
	pix, err := o.room(s, limit)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w, or say memory: disk (data.memory)", choice.Cut(path), err)
	}
	errs, err := o.decode(path, s, pix, limit)
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
		Shape: shape, Label: x.label, Dequantize: o.Dequantize,
		ClassNames: x.names, Skipped: len(errs) - kept, Notes: x.notes(),
		dim: s.dim(), classes: data.Classes(x.label),
	}
	if pix != nil {
		m.Pix = pix[:kept*s.dim()]
		return m, nil
	}
	if m.store, s.path = s, path; s.pixels != nil {
		s.path = s.pixels.file.Name()
	}
	return m, s.fingerprint(o.Watch)
}

// room is that of all decoded images; nil: they are not held.
func (o Options) room(s *store, limit int64) ([]byte, error) {
	n := len(s.entries)
	if o.Disk || int64(n) > limit/int64(s.dim()) {
		return nil, nil
	}
	if err := memory.Check(fmt.Sprintf("%d decoded images", n), float64(n)*float64(s.dim())); err != nil {
		return nil, err
	}
	return make([]byte, n*s.dim()), nil
}

// decode decodes all images into pix, or takes them from the cache folder, where it keeps them. Without pix they
// are only looked at, and read from there when they are asked for. It returns an error (or nil) for each.
func (o Options) decode(path string, s *store, pix []byte, limit int64) ([]error, error) {
	p := o.decodedFile(path, s)
	if p != nil && p.file != nil && (o.SkipCorrupt || !p.anyBad()) {
		return p.errs(s), s.from(p, pix)
	}
	if p == nil && pix == nil {
		return o.unheld(s, limit)
	}
	if p == nil {
		return s.all(pix, !o.SkipCorrupt, o.Watch, nil)
	}
	o.tell(path, p, len(s.entries))
	if pix == nil {
		return o.decodeParts(s, p, limit)
	}
	errs, err := s.all(pix, !o.SkipCorrupt, o.Watch, nil)
	if err != nil || slices.ContainsFunc(errs, o.ends) {
		return errs, err
	}
	err = p.write(s, func(use func([]byte, []error) error) error { return use(pix, errs) })
	if err != nil {
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
