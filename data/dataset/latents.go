package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/internal/choice"
)

// checkLatents reports what does not go with latents, and settings of latents without any.
func (c Config) checkLatents() error {
	if c.Posterior != "" {
		if err := choice.Check("posterior", c.Posterior, []string{PosteriorSample, PosteriorMean}); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	switch {
	case c.Encoder == "" && c.Posterior != "":
		return errors.New("data: posterior is set, but without an encoder there are no latents; leave it out")
	case c.Encoder != "" && c.Dequantize != nil:
		return errors.New("data: dequantize is set, but images get no noise before the encoder; leave it out")
	}
	return nil
}

// latentSet is imageSet of the latents of the images.
func (c Config) latentSet(m, apart *image.Collection, seed uint64) (*data.Set, error) {
	train, val, test, err := c.parts(m.Len(), apart != nil, seed)
	if err != nil {
		return nil, err
	}
	if c.OpenEncoder == nil {
		return nil, errors.New("data: encoder is set, and OpenEncoder, which opens it, is not: package run has one")
	}
	e, err := c.OpenEncoder(c.Encoder, m.Sides())
	if err != nil {
		return nil, fmt.Errorf("data.encoder: %w", err)
	}
	l, err := c.encode(m, e, c.Path, c.Flip)
	if err != nil {
		return nil, err
	}
	points := l.Points()
	s := &data.Set{
		Name: filepath.Base(c.Path), Kind: data.KindImages, Dim: l.Dim(), Shape: e.Latents, Encoded: e.Image,
		Classes: m.Classes(), ClassNames: m.ClassNames, Fingerprint: l.Fingerprint(),
		TrainSet: data.Subset(points, train), Val: data.Subset(points, val), Test: data.Subset(points, test),
		Skipped: m.Skipped, Stored: l.Stored(), Notes: slices.Concat(m.Notes, unseen(m.Label, train, m.ClassNames)),
	}
	held := l
	if apart != nil {
		if err := c.renumber(apart, m); err != nil {
			return nil, err
		}
		if held, err = c.encode(apart, e, cmp.Or(c.TestPath, c.Path), false); err != nil {
			return nil, err
		}
		c.holdImages(s, apart, held.Points(), held.Fingerprint())
	}
	if c.Standardize == StandardizeScalar {
		if s.Standardizer, err = l.Fit(ints(train)); err != nil {
			return nil, err
		}
		l.Standardizer, held.Standardizer = s.Standardizer, s.Standardizer
	}
	shuffled := s.TrainSet
	if c.Flip {
		mirrored, err := l.Mirrored()
		if err != nil {
			return nil, err
		}
		shuffled = data.Subset(mirrored, train)
	}
	s.Train = data.Shuffle(shuffled, seed)
	return s, nil
}

// encode makes the latents of images from a path, or takes them from the cache.
func (c Config) encode(m *image.Collection, e image.Encoder, path string, flip bool) (*image.Latents, error) {
	o := image.LatentOptions{Sample: c.Posterior != PosteriorMean, Flip: flip, Name: filepath.Base(path),
		Watch: c.Watch}
	o.Limit, o.Disk = c.imageLimit()
	return image.Encode(m, e, o)
}
