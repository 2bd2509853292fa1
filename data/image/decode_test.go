package image

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"testing"

	"flowmatch/data/internal/datatest"
)

func TestAnImageIsCroppedToItsMiddleSquareAndKeepsItsBytes(t *testing.T) {
	for _, size := range [][2]int{{4, 4}, {7, 4}, {4, 9}} {
		w, h := size[0], size[1]
		img := image.NewNRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				img.SetNRGBA(x, y, color.NRGBA{byte(20 * x), byte(20 * y), 7, 255})
			}
		}
		got, err := decodeImage(datatest.PNG(t, img))
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for y := range 4 {
			for x := range 4 {
				want = append(want, byte(20*(x+(w-4)/2)), byte(20*(y+(h-4)/2)), 7)
			}
		}
		if pix := fitImage(got, 4, 3); !bytes.Equal(pix, want) {
			t.Errorf("%d x %d: got %v, want %v", w, h, pix, want)
		}
	}
}

func TestAllKindsOfPixelsBecomeBytes(t *testing.T) {
	grey, deep := image.NewGray(image.Rect(0, 0, 4, 4)), image.NewGray16(image.Rect(0, 0, 4, 4))
	table := image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.NRGBA{200, 100, 50, 255}})
	for p := range 16 {
		grey.SetGray(p%4, p/4, color.Gray{201})
		deep.SetGray16(p%4, p/4, color.Gray16{201<<8 + 17})
	}
	brown := color.NRGBA{200, 100, 50, 255}
	for _, c := range []struct {
		name      string
		raw       []byte
		rgb       [3]int
		grey, tol int
	}{
		{"grey", datatest.PNG(t, grey), [3]int{201, 201, 201}, 201, 0},
		{"grey of 16 bits", datatest.PNG(t, deep), [3]int{201, 201, 201}, 201, 0},
		{"palette", datatest.PNG(t, table), [3]int{200, 100, 50}, 124, 0}, // 59.8 + 58.7 + 5.7
		{"colour", datatest.PNG(t, datatest.Plain(4, 4, brown)), [3]int{200, 100, 50}, 124, 0},
		{"half transparent", datatest.PNG(t, datatest.Plain(4, 4, color.NRGBA{200, 100, 50, 128})),
			[3]int{100, 50, 25}, 62, 1},
		{"JPEG", datatest.JPEG(t, datatest.Plain(16, 16, brown)), [3]int{200, 100, 50}, 124, 2}, // YCbCr of bytes
		{"grey JPEG", datatest.JPEG(t, grey), [3]int{201, 201, 201}, 201, 1},
	} {
		img, err := decodeImage(c.raw)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for _, size := range []int{2, 4, 9} { // shrunk, as it is, enlarged: a constant stays one
			far := func(a byte, b int) bool { return max(int(a)-b, b-int(a)) > c.tol }
			rgb, one := fitImage(img, size, 3), fitImage(img, size, 1)
			if len(rgb) != 3*size*size || len(one) != size*size {
				t.Fatalf("%s: %d and %d bytes at size %d", c.name, len(rgb), len(one), size)
			}
			for i, v := range rgb {
				if far(v, c.rgb[i%3]) {
					t.Fatalf("%s, size %d: channel %d got %d, want %d, tolerance %d", c.name, size, i%3, v,
						c.rgb[i%3], c.tol)
				}
			}
			for _, v := range one {
				if far(v, c.grey) {
					t.Fatalf("%s, size %d: grey got %d, want %d, tolerance %d", c.name, size, v, c.grey, c.tol)
				}
			}
		}
	}
}

func TestShrinkingAverages(t *testing.T) {
	// Stripes of one pixel: at an eighth of the size a point sample would be black
	// or white, a mean is neither.
	img := image.NewGray(image.Rect(0, 0, 64, 64))
	for p := range img.Pix {
		img.Pix[p] = byte(p % 2 * 255)
	}
	for i, v := range fitImage(img, 8, 1) {
		if v < 115 || v > 140 {
			t.Errorf("pixel %d: got %d, want about 127", i, v)
		}
	}
}

// claimed is the beginning of a PNG that says it is w x h.
func claimed(w, h uint32) []byte {
	chunk := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	chunk = append(binary.BigEndian.AppendUint32(chunk, h), 8, 0, 0, 0, 0)
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(chunk))
}

func TestBadImagesAreReported(t *testing.T) {
	good := datatest.PNG(t, datatest.Plain(8, 8, color.White))
	photo := datatest.JPEG(t, datatest.Plain(64, 64, color.White))
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "empty; want a PNG or a JPEG"},
		{"a GIF", []byte("GIF89a\x01\x00\x01\x00"),
			"begins with 47 49 46 38 39 61 01 00, which is neither PNG nor JPEG"},
		{"short", []byte{1}, "begins with 01, which"},
		{"half a PNG", good[:len(good)/2], "not a PNG that can be decoded: "},
		{"half a JPEG", photo[:len(photo)-200], "not a JPEG that can be decoded: "},
		{"a JPEG's first bytes", photo[:3], "not a JPEG that can be decoded: "},
		{"a bomb", claimed(1<<20, 1<<20), "PNG of 1048576 x 1048576 pixels; want at least one and at most 2^26"},
	} {
		_, err := decodeImage(c.raw)
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.want)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(datatest.PNG(f, datatest.Plain(3, 2, color.White)))
	f.Add(datatest.JPEG(f, datatest.Plain(3, 2, color.White)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if img, err := decodeImage(raw); err == nil && img.Bounds().Dx()*img.Bounds().Dy() < 1<<12 {
			if n := len(fitImage(img, 3, 3)); n != 27 {
				t.Errorf("%d bytes, want 27", n)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	raw := datatest.JPEG(b, datatest.Plain(256, 256, color.White))
	for b.Loop() {
		img, err := decodeImage(raw)
		if err != nil {
			b.Fatal(err)
		}
		fitImage(img, 64, 3)
	}
}

// decodeImage returns a picture.
func decodeImage(raw []byte) (img image.Image, err error) {
	err = usePicture(raw, func(decoded image.Image) { img = decoded })
	return img, err
}
