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
	"runtime"
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
	maxDecoding   = 384 << 20
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

// decodingBytes is how many bytes it takes to decode a picture: those of its pixels, of a PNG
// that comes in passes twice, and of a JPEG that does 4 for each of its 3 numbers besides.
func decodingBytes(format string, raw []byte, c image.Config) int64 {
	pixel := int64(4)
	switch c.ColorModel {
	case color.GrayModel:
		pixel = 1
	case color.Gray16Model:
		pixel = 2
	case color.RGBA64Model, color.NRGBA64Model:
		pixel = 8
	}
	const interlace = 28 // the byte of a PNG
	switch {
	case format == "JPEG" && progressive(raw):
		pixel += 12
	case format == "PNG" && len(raw) > interlace && raw[interlace] != 0:
		pixel *= 2
	}
	return pixel * int64(c.Width) * int64(c.Height)
}

// progressive says whether a JPEG comes in passes: by the marker of its frame, which stands
// before the first scan.
func progressive(raw []byte) bool {
	for at := 2; at+4 <= len(raw) && raw[at] == 0xff; {
		switch marker := raw[at+1]; {
		case marker == 0xff: // filling
			at++
			continue
		case marker == 0xc2:
			return true
		case marker == 0xda:
			return false
		}
		at += 2 + int(raw[at+2])<<8 + int(raw[at+3])
	}
	return false
}

// usePicture decodes a picture and calls use with it. Large pictures are used one at a time,
// each after what the last one took is free.
func usePicture(raw []byte, use func(image.Image)) error {
	format, size, err := formatOf(raw)
	if err != nil {
		return err
	}
	if need := decodingBytes(format, raw, size); need > maxDecoding {
		return fmt.Errorf("%s of %d x %d pixels, which take %d MiB to decode; want at most %d MiB",
			format, size.Width, size.Height, need>>20, maxDecoding>>20)
	} else if need > largeDecoding {
		decodingLarge.Lock()
		defer decodingLarge.Unlock()
		runtime.GC()
	}
	decode := png.Decode
	if format == "JPEG" {
		decode = jpeg.Decode
	}
	img, err := decode(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("not a %s that can be decoded: %w", format, err)
	}
	use(img)
	return nil
}

// fitPicture decodes a picture and returns it as [fitImage] does.
func fitPicture(raw []byte, size, channels int) (pix []byte, err error) {
	err = usePicture(raw, func(img image.Image) { pix = fitImage(img, size, channels) })
	return pix, err
}

// formatOf tells a PNG or a JPEG, by its first bytes and not by the name of the file, and its
// size.
func formatOf(raw []byte) (format string, size image.Config, err error) {
	format, config := "PNG", png.DecodeConfig
	switch {
	case bytes.HasPrefix(raw, []byte(pngMagic)):
	case bytes.HasPrefix(raw, []byte("\xff\xd8")):
		format, config = "JPEG", jpeg.DecodeConfig
	case len(raw) == 0:
		return "", size, errors.New("empty; want a PNG or a JPEG")
	default:
		return "", size, fmt.Errorf("begins with % x, which is neither PNG nor JPEG", raw[:min(8, len(raw))])
	}
	if size, err = config(bytes.NewReader(raw)); err != nil {
		return "", size, fmt.Errorf("not a %s that can be decoded: %w", format, err)
	}
	if size.Width < 1 || size.Height < 1 || size.Width > maxImage/size.Height {
		return "", size, fmt.Errorf("%s of %d x %d pixels; want at least one and at most 2^26 in all",
			format, size.Width, size.Height)
	}
	return format, size, nil
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
