package image

import (
	"bytes"
	"image/color"
	"testing"

	"flowmatch/data/internal/datatest"
)

// A reader handed any bytes must return either an error of this room or images
// that keep their promises; it must not panic, nor allocate what a header claims.

func FuzzIDX(f *testing.F) {
	f.Add(datatest.IDX([]uint32{2, 2}, []byte{1, 2, 3, 4}))
	f.Add(datatest.IDX([]uint32{1, 2, 3}, []byte{1}))
	f.Add([]byte{0, 0, 8, 255})
	f.Add([]byte{0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		shape, pix, err := decodeIDX(bytes.NewReader(b), "f")
		if err != nil {
			if len(pix) > 0 {
				t.Errorf("%d bytes come with error %v", len(pix), err)
			}
			return
		}
		n := 1
		dims := make([]uint32, len(shape))
		for i, d := range shape {
			n *= d
			dims[i] = uint32(d)
		}
		if n != len(pix) {
			t.Errorf("shape %v with %d bytes", shape, len(pix))
		}
		if again := datatest.IDX(dims, pix); !bytes.Equal(again, b) {
			t.Errorf("written again % x, want % x", again, b)
		}
	})
}

func FuzzShard(f *testing.F) {
	p := datatest.PNG(f, datatest.Plain(3, 2, color.White))
	f.Add(datatest.Tar(f, "a/1.png", p, "a/1.cls", "1", "b/2.jpg", p, "b/2.txt", "x"))
	f.Add(datatest.Gzipped(f, datatest.Tar(f, "1.png", p)))
	f.Add(datatest.Tar(f, "1.png", p)[:900])
	f.Fuzz(func(t *testing.T, b []byte) {
		path := datatest.WriteTemp(t, "f.tar", b)
		x, err := indexShards(path)
		if err != nil {
			return
		}
		if len(x.entries) == 0 || x.label != nil && len(x.label) != len(x.entries) {
			t.Fatalf("%d images with %d labels", len(x.entries), len(x.label))
		}
		if _, err := newStore(x.entries, 2, 3, 100).all(make([]byte, 12*len(x.entries)), false, nil, nil); err != nil &&
			!x.entries[0].zipped {
			t.Errorf("a plain shard fails as a whole: %v", err)
		}
	})
}
