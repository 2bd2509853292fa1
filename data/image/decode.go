package image

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"sync"

	"golang.org/x/image/draw"

	"flowmatch/data/internal/files"
)

// A small file that claims to be a huge image is an error and not the end of memory:
// maxImage bounds the pixels of a picture, maxDecoding the bytes that it takes to decode it,
// and maxEncoded those of its file. Pictures that take more than largeDecoding are decoded
// one at a time, whatever the number of cores.
const (
	maxImage      = 1 << 26
	maxDecoding   = 768 << 20
	largeDecoding = 64 << 20
	maxEncoded    = 256 << 20
)

var decodingLarge sync.Mutex

// readEncoded reads the file of an image.
func readEncoded(path string) ([]byte, error) {
	f, err := files.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxEncoded+1))
	if err != nil {
		return nil, files.Unreadable(path, err)
	}
	if err := checkEncoded(int64(len(raw))); err != nil {
		return nil, files.Malformed(path, "%v", err)
	}
	return raw, nil
}

// checkEncoded reports a file that is too large for one image.
func checkEncoded(size int64) error {
	if size > maxEncoded {
		return fmt.Errorf("more than %d MiB, which no image that can be read is", maxEncoded>>20)
	}
	return nil
}

// decodingBytes is how many bytes it takes to decode a picture, at most: a JPEG that comes in
// passes keeps 4 bytes for each of up to 3 numbers of a pixel, and its pixels; a PNG that
// does, its pixels twice.
func decodingBytes(format string, c image.Config) int64 {
	pixel := int64(16)
	if format == "PNG" {
		switch c.ColorModel {
		case color.GrayModel:
			pixel = 2
		case color.Gray16Model:
			pixel = 4
		case color.RGBA64Model, color.NRGBA64Model:
			pixel = 16
		default: // a palette has less
			pixel = 8
		}
	}
	return pixel * int64(c.Width) * int64(c.Height)
}

// decodeImage decodes a PNG or a JPEG, by its first bytes and not by the
// name of the file.
func decodeImage(raw []byte) (image.Image, error) {
	format, config, decode := "PNG", png.DecodeConfig, png.Decode
	switch {
	case bytes.HasPrefix(raw, []byte(pngMagic)):
	case bytes.HasPrefix(raw, []byte("\xff\xd8")):
		format, config, decode = "JPEG", jpeg.DecodeConfig, jpeg.Decode
	case len(raw) == 0:
		return nil, errors.New("empty; want a PNG or a JPEG")
	default:
		return nil, fmt.Errorf("begins with % x, which is neither PNG nor JPEG", raw[:min(8, len(raw))])
	}
	size, err := config(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("not a %s that can be decoded: %w", format, err)
	}
	if size.Width < 1 || size.Height < 1 || size.Width > maxImage/size.Height {
		return nil, fmt.Errorf("%s of %d x %d pixels; want at least one and at most 2^26 in all",
			format, size.Width, size.Height)
	}
	need := decodingBytes(format, size)
	if need > maxDecoding {
		return nil, fmt.Errorf("%s of %d x %d pixels, which take %d MiB to decode; want at most %d MiB",
			format, size.Width, size.Height, need>>20, maxDecoding>>20)
	}
	if need > largeDecoding {
		decodingLarge.Lock()
		defer decodingLarge.Unlock()
	}
	img, err := decode(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("not a %s that can be decoded: %w", format, err)
	}
	return img, nil
}

// fitImage returns the middle square of img as size x size pixels of 1 or 3
// channels: the short side becomes size, and what is too long is cut off at both
// ends. Smaller and larger images alike go through the Catmull-Rom kernel, which
// is as wide as the pixels that it makes, so that shrinking averages; an image of
// the right size keeps its bytes. Transparent parts are seen on black, and 16 bits
// become 8. Grey is 0.299 R + 0.587 G + 0.114 B, and leaves grey pixels as they are.
func fitImage(img image.Image, size, channels int) []byte {
	b := img.Bounds()
	side := min(b.Dx(), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	square := image.Rectangle{Min: corner, Max: corner.Add(image.Pt(side, side))}
	fit := image.NewRGBA(image.Rect(0, 0, size, size))
	if side == size {
		draw.Draw(fit, fit.Rect, img, corner, draw.Src)
	} else {
		draw.CatmullRom.Scale(fit, fit.Rect, img, square, draw.Src, nil)
	}
	pix := make([]byte, 0, size*size*channels)
	for p := fit.Pix; len(p) > 0; p = p[4:] {
		if channels == 3 {
			pix = append(pix, p[:3]...)
			continue
		}
		// The weights of color.GrayModel; they sum to 2^16.
		grey := 19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2])
		pix = append(pix, byte((grey+1<<15)>>16))
	}
	return pix
}
