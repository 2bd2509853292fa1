package image

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
)

// maxImage bounds the pixels of a picture that is decoded, so that a small file
// that claims to be a huge image is an error and not the end of memory.
const maxImage = 1 << 26

// decodeImage decodes a PNG or a JPEG, by its first bytes and not by the
// name of the file.
func decodeImage(raw []byte) (image.Image, error) {
	format, config, decode := "PNG", png.DecodeConfig, png.Decode
	switch {
	case bytes.HasPrefix(raw, []byte("\x89PNG\r\n\x1a\n")):
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
