package image

import (
	"cmp"
	"image"
	"image/color"
	"maps"
	"slices"
	"strings"
)

const (
	// surveyed is how many images of a set are looked at, spread over it.
	surveyed = 200
	// mostInferred is the largest side that a survey suggests: images of more pixels take
	// long to train on, which is then a choice.
	mostInferred = 64
)

// Survey looks at the images of a folder, or of shards, and suggests Options: the side that is
// the short one of most images, but at most 64 pixels, and 1 channel where all are grey, else
// 3. Of a large set it looks at 200 images. Images that cannot be decoded are passed over; the
// error is that of a set without any.
func Survey(path string, shards bool) (size, channels int, err error) {
	find := indexFolder
	if shards {
		find = indexShards
	}
	x, err := find(path)
	if err != nil {
		return 0, 0, err
	}
	sides, grey := map[int]int{}, true
	var broken error // of the first image that cannot be decoded
	var z unzipper
	defer z.close()
	n := min(surveyed, len(x.entries))
	for k := range n {
		e := x.entries[k*len(x.entries)/n]
		read := e.read
		if e.zipped {
			read = func() ([]byte, error) { return z.read(e) }
		}
		raw, err := read()
		if err != nil {
			return 0, 0, err
		}
		_, of, err := formatOf(raw)
		stored := of.ColorModel == color.GrayModel || of.ColorModel == color.Gray16Model
		if err == nil && grey && !stored {
			err = usePicture(raw, func(img image.Image) { grey = isGrey(img) }) // until one is not
		}
		if err == nil {
			sides[min(of.Width, of.Height)]++
		} else if broken == nil {
			broken = e.broken(err)
		}
	}
	if len(sides) == 0 {
		return 0, 0, broken
	}
	size = slices.MaxFunc(slices.Sorted(maps.Keys(sides)), func(a, b int) int {
		return cmp.Or(cmp.Compare(sides[a], sides[b]), cmp.Compare(b, a))
	})
	if channels = 3; grey {
		channels = 1
	}
	return min(size, mostInferred), channels, nil
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
