package image

import (
	"cmp"
	"image"
	"image/color"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	// surveyed is how many images of a set are asked for their size, spread over it.
	surveyed = 200
	// mostInferred is the largest side that a survey suggests: images of more pixels take
	// long to train on, which is then a choice.
	mostInferred = 64
)

// Survey looks at the images of a folder, or of shards, and returns known with the fields Size
// and Channels that are 0 filled in: the side that is the short one of most of 200 images, but
// at most known.MostSize pixels (0: 64), and 1 channel where all images of the set are grey, else 3. Images that
// cannot be decoded are passed over; the error is that of a set without any.
func Survey(path string, shards bool, known Options) (Options, error) {
	find := indexFolder
	if shards {
		find = indexShards
	}
	x, err := find(path)
	if err != nil {
		return known, err
	}
	size, err := usualSide(x.entries)
	size = min(size, cmp.Or(known.MostSize, mostInferred))
	if err != nil {
		return known, err
	}
	known.Size = cmp.Or(known.Size, size)
	if known.Channels == 0 {
		var colour bool
		if colour, err = anyColour(x.entries); colour {
			known.Channels = 3
		} else {
			known.Channels = 1
		}
	}
	return known, err
}

// usualSide returns the short side of most of the images that are asked.
func usualSide(entries []member) (int, error) {
	sides := map[int]int{}
	var broken error // of the first image that cannot be decoded
	var z unzipper
	defer z.close()
	n := min(surveyed, len(entries))
	for k := range n {
		e := entries[k*len(entries)/n]
		read := e.read
		if e.zipped {
			read = func() ([]byte, error) { return z.read(e) }
		}
		raw, err := read()
		if err != nil {
			return 0, err
		}
		if _, of, err := formatOf(raw); err == nil {
			sides[min(of.Width, of.Height)]++
		} else if broken == nil {
			broken = e.broken(err)
		}
	}
	if len(sides) == 0 {
		return 0, broken
	}
	size := slices.MaxFunc(slices.Sorted(maps.Keys(sides)), func(a, b int) int {
		return cmp.Or(cmp.Compare(sides[a], sides[b]), cmp.Compare(b, a))
	})
	return size, nil
}

// anyColour says whether an image has a pixel that is not grey. It asks all of them until one
// has, for a sample would pass over colour that comes rarely, or in step with it. What says at
// its beginning that it is grey is not decoded. Images that cannot be read count for nothing
// here: the reader of the set reports them, or skips them.
func anyColour(entries []member) (bool, error) {
	var found atomic.Bool
	var z unzipper
	defer z.close()
	err := each(entries, &z, &found, func(i int, raw []byte, err error) {
		if err != nil {
			return
		}
		_, of, err := formatOf(raw)
		if err != nil || of.ColorModel == color.GrayModel || of.ColorModel == color.Gray16Model {
			return
		}
		_ = usePicture(raw, func(img image.Image) { // without an image nothing is found
			if !isGrey(img) {
				found.Store(true)
			}
		})
	})
	return found.Load(), err
}

// greyPixels says whether the first three of four numbers of so many bytes are always alike.
func greyPixels(pix []byte, size int) bool {
	for at := 0; at < len(pix); at += 4 * size {
		for b := range size {
			if r, g, b := pix[at+b], pix[at+size+b], pix[at+2*size+b]; r != g || g != b {
				return false
			}
		}
	}
	return true
}

// isGrey says whether all pixels of an image are grey.
func isGrey(img image.Image) bool {
	switch img := img.(type) {
	case *image.Gray, *image.Gray16:
		return true
	case *image.YCbCr:
		neutral := string([]byte{128})
		return strings.Trim(string(img.Cb), neutral) == "" && strings.Trim(string(img.Cr), neutral) == ""
	case *image.RGBA:
		return greyPixels(img.Pix, 1)
	case *image.NRGBA:
		return greyPixels(img.Pix, 1)
	case *image.RGBA64:
		return greyPixels(img.Pix, 2)
	case *image.NRGBA64:
		return greyPixels(img.Pix, 2)
	}
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.RGBA64Model.Convert(img.At(x, y)).(color.RGBA64)
			if c.R != c.G || c.G != c.B {
				return false
			}
		}
	}
	return true
}
