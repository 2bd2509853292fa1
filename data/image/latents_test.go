package image

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
	"flowmatch/internal/diskcache"
)

// quarters is an encoder of images of 4 by 2 grey pixels: its latents are the means of the two squares of 2 by 2,
// with the deviations 1/2 and 1/4. It counts the images that it gets.
func quarters(calls *int) Encoder {
	return Encoder{Image: []int{2, 4, 1}, Latents: []int{1, 2, 1}, Fingerprint: "quarters", Engine: "test",
		Encode: func(x flow.Batch) (mean, logVar flow.Batch, err error) {
			*calls += x.N
			mean, logVar = flow.NewBatch(x.N, 2), flow.NewBatch(x.N, 2)
			for i := range x.N {
				p := x.Row(i)
				mean.Row(i)[0], mean.Row(i)[1] = (p[0]+p[1]+p[4]+p[5])/4, (p[2]+p[3]+p[6]+p[7])/4
				logVar.Row(i)[0], logVar.Row(i)[1] = 2*math.Log(0.5), 2*math.Log(0.25)
			}
			return mean, logVar, nil
		}}
}

// steps are images of which the left half has the level 2i, and the right one 255 - i.
func steps(t *testing.T, n int) *Collection {
	t.Helper()
	var pix []byte
	label := make([]int32, n)
	for i := range n {
		l, r := byte(2*i), byte(255-i)
		pix = append(pix, l, l, r, r, l, l, r, r)
		label[i] = int32(i % 3)
	}
	m, err := New([]int{2, 4}, pix, label, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLatentsAreThoseOfTheEncoderAndMadeOnce(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	m, calls := steps(t, 50), 0
	var said []string
	watch := &data.Watch{Say: func(s string) { said = append(said, s) }}
	for _, o := range []LatentOptions{{Limit: 1 << 20}, {Limit: 1 << 20}, {Disk: true}, {Limit: 10}} {
		o.Name, o.Watch = "steps", watch
		l, err := Encode(m, quarters(&calls), o)
		if err != nil {
			t.Fatal(err)
		}
		if disk := o.Disk || o.Limit == 10; (l.Stored() != "") != disk {
			t.Errorf("%+v: stored in %q", o, l.Stored())
		}
		x := rows(t, l.Points(), nil)
		for i := range x.N {
			want := []float64{float64(float32(middle(byte(2 * i)))), float64(float32(middle(byte(255 - i))))}
			if !slices.Equal(x.Row(i), want) {
				t.Fatalf("latents of image %d are %v, want %v", i, x.Row(i), want)
			}
		}
	}
	if calls != 50 || len(said) != 1 || !strings.Contains(said[0], "50 images of steps are encoded once") {
		t.Errorf("%d images were encoded, and told was %q", calls, said)
	}
	given := flow.NewGiven(2, true, 0)
	l, err := Encode(m, quarters(&calls), LatentOptions{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Points().Read(flow.NewBatch(2, 2), given, []int{4, 5}, nil); err != nil ||
		!slices.Equal(given.Label, []int32{1, 2}) {
		t.Errorf("labels %v, %v", given.Label, err)
	}
}

// What is damaged, or cannot be kept, is made anew.
func TestLatentsThatAreNotKeptAreMadeAnew(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(diskcache.DirVar, dir)
	m, calls := steps(t, 5), 0
	open := func(o LatentOptions) (*Latents, error) { return Encode(m, quarters(&calls), o) }
	if _, err := open(LatentOptions{Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "copies", "*.latents"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept are %v, %v", files, err)
	}
	if err := os.Truncate(files[0], 70); err != nil {
		t.Fatal(err)
	}
	if _, err := open(LatentOptions{Limit: 1000}); err != nil || calls != 10 {
		t.Errorf("%d images were encoded, %v; want all once more", calls, err)
	}
	t.Setenv(diskcache.SizeVar, "0")
	l, err := open(LatentOptions{Limit: 1000})
	if err != nil || calls != 15 || l.held == nil {
		t.Errorf("without a cache: %d images were encoded, %v", calls, err)
	}
	if _, err := open(LatentOptions{Disk: true}); err == nil || !strings.Contains(err.Error(), diskcache.SizeVar) {
		t.Errorf("neither in memory nor on disk: %v", err)
	}
}

// Latents that are drawn have the mean and the deviation of the encoder, mirrored ones come half of the time, and a
// part of a batch is that of the whole.
func TestLatentsAreDrawnAndMirrored(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	m, calls := steps(t, 3), 0
	l, err := Encode(m, quarters(&calls), LatentOptions{Sample: true, Flip: true, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	mirrored, err := l.Mirrored()
	if err != nil {
		t.Fatal(err)
	}
	const n = 20000
	index := slices.Repeat([]int{2}, n)
	left, right := middle(4), middle(253)
	for _, c := range []struct {
		f    data.Finite
		mean float64 // of the first number
		vari float64
	}{
		{l.Points(), left, 0.25},
		{mirrored, (left + right) / 2, 0.25 + (right-left)*(right-left)/4},
	} {
		x := flow.NewBatch(n, 2)
		if err := c.f.Read(x, flow.Given{}, index, datatest.Rand()); err != nil {
			t.Fatal(err)
		}
		mean, square := 0.0, 0.0
		for i := range n {
			mean += x.Row(i)[0] / n
			square += (x.Row(i)[0] - c.mean) * (x.Row(i)[0] - c.mean) / n
		}
		if math.Abs(mean-c.mean) > 5*math.Sqrt(c.vari/n) || math.Abs(square/c.vari-1) > 0.06 {
			t.Errorf("mean %.4f and variance %.4f, want %.4f and %.4f", mean, square, c.mean, c.vari)
		}
		part, whole := flow.NewBatch(7, 2), datatest.Rand()
		if err := data.ReadPart(c.f, part, flow.Given{}, index[:40], 9, whole); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(part.X, x.Slice(9, 16).X) {
			t.Error("a part of a batch differs from the whole")
		}
		after := datatest.Rand()
		if err := c.f.Read(flow.NewBatch(40, 2), flow.Given{}, index[:40], after); err != nil {
			t.Fatal(err)
		}
		if whole.Uint64() != after.Uint64() {
			t.Error("a part leaves the random numbers elsewhere than the whole does")
		}
	}
	if _, err := new(Latents).Mirrored(); err == nil {
		t.Error("latents without mirrored images were mirrored")
	}
}

// The standardizer is that of all that may be drawn: by hand, of one image.
func TestLatentsAreStandardizedByWhatIsDrawn(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	m, calls := steps(t, 3), 0
	l, err := Encode(m, quarters(&calls), LatentOptions{Sample: true, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Fit([]int{1})
	if err != nil {
		t.Fatal(err)
	}
	a, b := middle(2), middle(254)
	mean := (a + b) / 2
	std := math.Sqrt((b-a)*(b-a)/4 + (0.25+0.0625)/2)
	if math.Abs(s.Mean[0]-mean) > 1e-7 || math.Abs(s.Std[0]-std) > 1e-7 {
		t.Errorf("mean %g and deviation %g, want %g and %g", s.Mean[0], s.Std[0], mean, std)
	}
}

func TestFingerprintsOfLatentsTellThemApart(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	calls, prints := 0, map[string]string{}
	other := quarters(&calls)
	other.Fingerprint = "others"
	for name, c := range map[string]struct {
		m *Collection
		e Encoder
		o LatentOptions
	}{
		"means":         {steps(t, 5), quarters(&calls), LatentOptions{}},
		"drawn":         {steps(t, 5), quarters(&calls), LatentOptions{Sample: true}},
		"other images":  {steps(t, 6), quarters(&calls), LatentOptions{}},
		"other weights": {steps(t, 5), other, LatentOptions{}},
	} {
		c.o.Limit = 1 << 20
		l, err := Encode(c.m, c.e, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if was, ok := prints[l.Fingerprint()]; ok {
			t.Errorf("%s and %s have one fingerprint", was, name)
		}
		prints[l.Fingerprint()] = name
	}
}

func TestImagesThatAnEncoderDoesNotTakeAreErrors(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	calls := 0
	wrong, broken, odd := quarters(&calls), quarters(&calls), quarters(&calls)
	wrong.Image = []int{2, 4, 3}
	broken.Encode = func(flow.Batch) (a, b flow.Batch, err error) { return a, b, fmt.Errorf("no memory left") }
	odd.Encode = func(x flow.Batch) (flow.Batch, flow.Batch, error) {
		mean := flow.NewBatch(x.N, 2)
		mean.Row(3)[1] = math.Inf(1)
		return mean, flow.NewBatch(x.N, 2), nil
	}
	for want, e := range map[string]Encoder{"an encoder without Encode": {}, "for images of shape [2 4 3]": wrong,
		"no memory left": broken, "+Inf of image 4": odd} {
		if _, err := Encode(steps(t, 5), e, LatentOptions{Limit: 1 << 20}); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	l, err := Encode(steps(t, 5), quarters(&calls), LatentOptions{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Points().Read(flow.NewBatch(3, 2), flow.Given{}, []int{1, 2}, nil); err == nil {
		t.Error("three latents were read of two images")
	}
}
