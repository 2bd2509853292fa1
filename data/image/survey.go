package image

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"maps"
	"slices"
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
		img, err := decodeImage(raw)
		if err != nil {
			continue // which reading reports
		}
		sides[min(img.Bounds().Dx(), img.Bounds().Dy())]++
		grey = grey && isGrey(img)
	}
	if len(sides) == 0 {
		return 0, 0, fmt.Errorf("data: %s: none of %d images can be decoded", path, n)
	}
	size = slices.MaxFunc(slices.Sorted(maps.Keys(sides)), func(a, b int) int {
		return cmp.Or(cmp.Compare(sides[a], sides[b]), cmp.Compare(b, a))
	})
	if channels = 3; grey {
		channels = 1
	}
	return min(size, mostInferred), channels, nil
}

// isGrey says whether all pixels of an image are grey.
func isGrey(img image.Image) bool {
	switch img := img.(type) {
	case *image.Gray, *image.Gray16:
		return true
	case *image.YCbCr:
		neutral := []byte{128}
		return len(bytes.Trim(img.Cb, string(neutral)))+len(bytes.Trim(img.Cr, string(neutral))) == 0
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
