package dataset

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
)

// openImages opens IDX or NPY.
func (c Config) openImages(dir string, seed uint64) (*data.Set, error) {
	m, err := c.readArray(within(dir, c.Path), within(dir, c.LabelsPath))
	if err != nil {
		return nil, err
	}
	if c.TestPath == "" {
		return c.imageSet(m, nil, seed)
	}
	path := within(dir, c.TestPath)
	apart, err := c.readArray(path, within(dir, c.TestLabelsPath))
	if err != nil {
		return nil, err
	}
	if !slices.Equal(apart.Shape, m.Shape) {
		return nil, files.Malformed(path, "images of shape %v; want %v as in %s", apart.Shape, m.Shape, c.Path)
	}
	return c.imageSet(m, apart, seed)
}

// readArray reads IDX or NPY, or leaves its images on disk, as c.Memory says.
func (c Config) readArray(path, labels string) (*image.Collection, error) {
	limit, disk := c.imageLimit()
	if bytes, storable := image.Storable(path); disk || storable && bytes > limit {
		return image.Store(path, labels, c.Layout, c.dequantize(), c.Watch)
	}
	return image.Read(path, labels, c.Layout, c.dequantize())
}

// openCIFAR opens the published folder, whose test file is the test part (which
// test: 0 leaves out), or one of its files, which is then divided as others are.
func (c Config) openCIFAR(dir string, seed uint64) (*data.Set, error) {
	classes := 10
	switch {
	case c.Coarse:
		classes = 20
	case c.Kind == data.KindCIFAR100:
		classes = 100
	}
	train, test, err := image.CIFARFiles(within(dir, c.Path), classes)
	if err != nil {
		return nil, err
	}
	if test != "" && size(c.Test, 0) != 0 {
		return nil, fmt.Errorf(
			"data: test = %g is set, but %s has a test file of its own, %s, which is used whole; leave test out",
			*c.Test, c.Path, filepath.Base(test))
	}
	m, err := image.ReadCIFAR(train, classes, c.dequantize())
	if err != nil {
		return nil, err
	}
	if test == "" || c.Test != nil {
		return c.imageSet(m, nil, seed)
	}
	apart, err := image.ReadCIFAR([]string{test}, classes, c.dequantize())
	if err != nil {
		return nil, err
	}
	return c.imageSet(m, apart, seed)
}

// openPictures opens a folder of images or shards, of which so many bytes are held in
// memory decoded; 0: as many as c.Memory says.
func (c Config) openPictures(dir string, seed uint64, limit int64) (*data.Set, error) {
	read, o := image.ReadFolder, c.imageOptions()
	if c.ResolvedKind() == data.KindShards {
		read = image.ReadShards
	}
	if o.Limit = limit; limit == 0 {
		o.Limit, o.Disk = c.imageLimit()
	}
	m, err := read(within(dir, c.Path), o)
	if err != nil {
		return nil, err
	}
	if c.TestPath == "" {
		return c.imageSet(m, nil, seed)
	}
	path := within(dir, c.TestPath)
	apart, err := read(path, o)
	if err != nil {
		return nil, err
	}
	return c.imageSet(m, apart, seed)
}

// imageSet makes a Set of images and, unless apart is nil, a test part of its own.
func (c Config) imageSet(m, apart *image.Collection, seed uint64) (*data.Set, error) {
	if c.Encoder != "" {
		return c.latentSet(m, apart, seed)
	}
	train, val, test, err := c.parts(m.Len(), apart != nil, seed)
	if err != nil {
		return nil, err
	}
	s := &data.Set{
		Name: filepath.Base(c.Path), Kind: data.KindImages, Dim: m.Dim(), Shape: m.Shape,
		Classes: m.Classes(), ClassNames: m.ClassNames, Fingerprint: m.Fingerprint(),
		TrainSet: data.Subset(m.InParts(), train), Val: data.Subset(m, val), Test: data.Subset(m, test),
		Levels: image.Levels, Dequantized: m.Dequantize, Skipped: m.Skipped, Stored: m.Stored(),
		Notes: slices.Concat(m.Notes, unseen(m.Label, train, m.ClassNames)),
	}
	if apart != nil {
		if err := c.renumber(apart, m); err != nil {
			return nil, err
		}
		c.holdImages(s, apart, apart, apart.Fingerprint())
	}
	if c.Standardize == StandardizeScalar {
		if s.Standardizer, err = m.Fit(ints(train)); err != nil {
			return nil, err
		}
		m.Standardizer = s.Standardizer
		if apart != nil {
			apart.Standardizer = s.Standardizer
		}
	}
	shuffled := s.TrainSet
	if c.Flip {
		if shuffled, err = image.Flip(s.TrainSet, s.Shape); err != nil {
			return nil, err
		}
	}
	s.Train = data.Shuffle(shuffled, seed)
	return s, nil
}

// renumber gives the images of a test part the classes of m, those to train on.
func (c Config) renumber(apart, m *image.Collection) error {
	path := cmp.Or(c.TestPath, c.Path)
	if (apart.Label == nil) != (m.Label == nil) {
		return files.Malformed(path, "its classes are not given as those of the training images are")
	}
	if err := apart.Renumber(m.ClassNames, m.Classes()); err != nil {
		return fmt.Errorf("%w, the classes of the training images (%s)", err, choice.Cut(path))
	}
	return nil
}

// holdImages makes points of images from files of their own the test part of a set.
func (c Config) holdImages(s *data.Set, apart *image.Collection, points data.Finite, fingerprint string) {
	holdApart(s, points, fingerprint)
	s.Skipped += apart.Skipped
	s.Notes = slices.Concat(s.Notes, notesOf(cmp.Or(c.TestPath, c.Path), apart.Notes))
}
