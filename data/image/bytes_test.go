package image

import (
	"bytes"
	"image"
	"image/color"
	"testing"

	"flowmatch/data/internal/datatest"
)

// What a picture takes to decode follows from its header, before anything is decoded.
func TestTheBytesOfAPictureAreKnownBeforeItIsDecoded(t *testing.T) {
	r := image.Rect(0, 0, 20, 10)
	plain := datatest.PNG(t, image.NewNRGBA(r))
	interlaced := bytes.Clone(plain)
	interlaced[28] = 1
	jpg := datatest.JPEG(t, datatest.Plain(20, 10, color.White))
	frame := bytes.Index(jpg, []byte{0xff, 0xc0})
	passes := bytes.Clone(jpg)
	passes[frame+1] = 0xc2
	for _, c := range []struct {
		name, format string
		raw          []byte
		model        color.Model
		want         int64
	}{
		{"grey", "PNG", plain, color.GrayModel, 200}, {"16 bits", "PNG", plain, color.NRGBA64Model, 1600},
		{"colour", "PNG", plain, color.NRGBAModel, 800}, {"interlaced", "PNG", interlaced, color.NRGBAModel, 1600},
		{"JPEG", "JPEG", jpg, color.YCbCrModel, 800}, {"in passes", "JPEG", passes, color.YCbCrModel, 3200},
	} {
		size := image.Config{ColorModel: c.model, Width: 20, Height: 10}
		if got := decodingBytes(c.format, c.raw, size); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
	for n := range len(passes) { // damaged ones do no harm
		progressive(passes[:n])
	}
}
