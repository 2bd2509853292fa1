package image

import (
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

func newCondition(t testing.TB, c ConditionConfig, shape []int, std *data.Standardizer) *Condition {
	t.Helper()
	made, err := c.New(shape, std)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// someImages returns n images of bytes, read with their noise.
func someImages(t testing.TB, n int, shape []int, std *data.Standardizer) (*Collection, flow.Batch) {
	t.Helper()
	dim := 1
	for _, d := range shape {
		dim *= d
	}
	rng := rand.New(rand.NewPCG(3, 4))
	pix := make([]byte, n*dim)
	for i := range pix {
		pix[i] = byte(rng.IntN(256))
	}
	m, err := New(shape, pix, nil, true, std)
	if err != nil {
		t.Fatal(err)
	}
	return m, rows(t, m, rng)
}

func fill(c *Condition, x flow.Batch, seed uint64) flow.Batch {
	cond := flow.NewBatch(x.N, c.Dim())
	if err := c.Fill(cond, x, rand.New(rand.NewPCG(seed, 1))); err != nil {
		panic(err)
	}
	return cond
}

// must returns what fits.
func must(x flow.Batch, err error) flow.Batch {
	if err != nil {
		panic(err)
	}
	return x
}

func TestSuperResIsTheEnlargedImageOfWholeLevels(t *testing.T) {
	shape := []int{6, 4, 2}
	for name, std := range map[string]*data.Standardizer{
		"plain": nil, "standardized": {Mean: []float64{-0.3}, Std: []float64{0.7}},
	} {
		m, x := someImages(t, 3, shape, std)
		c := newCondition(t, ConditionConfig{Kind: SuperRes, Factor: 2}, shape, std)
		cond := fill(c, x, 0)
		low, want := make([]float64, 12), make([]float64, 48)
		for i := range x.N {
			for p := range 6 {
				for k := range 2 {
					sum := 0
					for _, at := range [][2]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
						sum += int(m.Pix[i*48+((p/2*2+at[0])*4+p%2*2+at[1])*2+k])
					}
					level := math.Floor(float64(sum)/4 + 0.5)
					low[p*2+k] = (level+0.5)/128 - 1
				}
			}
			Upscale(want, low, 3, 2, 2, 2)
			for d, w := range want {
				if std != nil {
					w = (w - std.Mean[0]) / std.Std[0]
				}
				if got := cond.Row(i)[d]; math.Abs(got-w) > 1e-12 {
					t.Fatalf("%s: value %d of image %d is %g, want %g", name, d, i, got, w)
				}
			}
		}
		// The noise of dequantisation is not shown.
		again := rows(t, m, rand.New(rand.NewPCG(9, 9)))
		if slices.Equal(again.X, x.X) || !slices.Equal(fill(c, again, 1).X, cond.X) {
			t.Errorf("%s: the condition depends on noise", name)
		}
		// An image at low resolution makes the condition that its original makes.
		original := x.Clone()
		if std != nil {
			std.Invert(original)
		}
		level(original.X)
		other := flow.NewBatch(3, c.Dim())
		if err := c.Enlarge(other, must(c.Shrink(original))); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(other.X, cond.X) || !slices.Equal(c.LowShape(), []int{3, 2, 2}) {
			t.Errorf("%s: the condition of the small image differs", name)
		}
		for i, v := range must(c.Shown(cond)).X[:48] {
			if Upscale(want, must(c.Shrink(original)).Row(0), 3, 2, 2, 2); math.Abs(v-want[i]) > 1e-12 {
				t.Fatalf("%s: shown %g, want %g", name, v, want[i])
			}
		}
	}
}

func TestInpaintingShowsWhatIsKnown(t *testing.T) {
	shape, std := []int{8, 6, 3}, &data.Standardizer{Mean: []float64{0.1}, Std: []float64{2}}
	_, x := someImages(t, 40, shape, std)
	for mask, share := range map[string]float64{"center": 0.25, "left": 0.5, "right": 0.5, "top": 0.5, "bottom": 0.5,
		"random": 0.25, "pixels": 0.75} {
		c := newCondition(t, ConditionConfig{Kind: Inpaint, Mask: mask}, shape, std)
		cond := fill(c, x, 5)
		gone := 0
		for i := range x.N {
			known := c.Known(cond.Row(i))
			for p := range 48 {
				shown := cond.Row(i)[p*4 : p*4+4]
				for k := range 3 {
					v := x.Row(i)[p*3+k]
					switch {
					case known[p*3+k] != (shown[3] == 1) || shown[3] != 0 && shown[3] != 1:
						t.Fatalf("%s: pixel %d: the mask is %g", mask, p, shown[3])
					case !known[p*3+k] && shown[k] != 0:
						t.Fatalf("%s: pixel %d is missing and shown as %g", mask, p, shown[k])
					case known[p*3+k] && math.Abs(shown[k]-v) > 0.5/128/2+1e-12: // within half a level
						t.Fatalf("%s: pixel %d is %g and shown as %g", mask, p, v, shown[k])
					}
				}
				if !known[p*3] {
					gone++
				}
			}
		}
		if got := float64(gone) / 48 / 40; math.Abs(got-share) > 0.03 {
			t.Errorf("%s: %g of the pixels are missing, want %g", mask, got, share)
		}
		// The mask of an image is a function of the seed and its number.
		if part := fill(c, x.Slice(0, 7), 5); !slices.Equal(part.X, cond.X[:len(part.X)]) {
			t.Errorf("%s: the masks depend on how many images there are", mask)
		}
		if random := mask == "random" || mask == "pixels"; random == slices.Equal(fill(c, x, 6).X, cond.X) {
			t.Errorf("%s: another seed, the same masks: %v", mask, !random)
		}
		// Keep puts the known pixels into a sample and leaves the rest alone.
		sample := flow.NewBatch(x.N, x.D)
		for i := range sample.X {
			sample.X[i] = 7
		}
		if err := c.Keep(sample, cond); err != nil {
			t.Fatal(err)
		}
		for i, shown := range must(c.Shown(cond)).X {
			if want := []float64{7, shown}[b2i(c.Known(cond.Row(i / x.D))[i%x.D])]; sample.X[i] != want {
				t.Fatalf("%s: value %d of a sample is %g, want %g", mask, i, sample.X[i], want)
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestConditionsThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		cfg   ConditionConfig
		shape []int
		want  string
	}{
		{ConditionConfig{Kind: "sharpen"}, []int{4, 4},
			`condition.kind: unknown kind "sharpen"; it must be one of superres, inpaint`},
		{ConditionConfig{Factor: 2}, []int{4, 4}, "without condition.kind"},
		{ConditionConfig{Kind: SuperRes}, []int{4, 4}, "condition.factor is 0"},
		{ConditionConfig{Kind: SuperRes, Factor: 3}, []int{4, 6}, "does not divide images of 4 by 6"},
		{ConditionConfig{Kind: SuperRes, Factor: 2, Mask: "left"}, []int{4, 4}, "condition.mask is for inpaint"},
		{ConditionConfig{Kind: SuperRes, Factor: 2}, []int{4}, "points of shape [4] are none"},
		{ConditionConfig{Kind: Inpaint}, []int{4, 4},
			`condition.mask: unknown mask ""; it must be one of center, left`},
		{ConditionConfig{Kind: Inpaint, Mask: "left", Factor: 2}, []int{4, 4}, "condition.factor is for superres"},
		{ConditionConfig{Kind: Inpaint, Mask: "left"}, []int{1, 4}, "no part of an image"},
	} {
		if _, err := c.cfg.New(c.shape, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v of %v: %v, want %q", c.cfg, c.shape, err, c.want)
		}
	}
	if c, err := (ConditionConfig{}).New([]int{2}, nil); c != nil || err != nil {
		t.Errorf("no condition is %v, %v", c, err)
	}
}

// What does not fit an image is an error, and never a panic.
func TestShapesThatDoNotFitAConditionAreErrors(t *testing.T) {
	shape := []int{4, 4}
	enlarging := newCondition(t, ConditionConfig{Kind: SuperRes, Factor: 2}, shape, nil)
	masked := newCondition(t, ConditionConfig{Kind: Inpaint, Mask: "left"}, shape, nil)
	drawn := newCondition(t, ConditionConfig{Kind: Inpaint, Mask: "pixels"}, shape, nil)
	three := &data.Standardizer{Mean: make([]float64, 3), Std: []float64{1, 1, 1}}
	odd := newCondition(t, ConditionConfig{Kind: SuperRes, Factor: 2}, shape, three)
	x, wide, rng := flow.NewBatch(2, 16), flow.NewBatch(2, 32), rand.New(rand.NewPCG(1, 1))
	short := flow.Batch{N: 2, D: 16, X: make([]float64, 5)}
	second := func(_ flow.Batch, err error) error { return err }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"contexts of nothing":      {(*Condition)(nil).Fill(x, x, rng), "nil or empty"},
		"contexts of the zero":     {(&Condition{}).Fill(x, x, rng), "nil or empty"},
		"images of another size":   {enlarging.Fill(x, flow.NewBatch(2, 17), rng), "images are [2, 17]"},
		"images too short":         {enlarging.Fill(x, short, rng), "with 5 numbers"},
		"contexts of another size": {masked.Fill(x, x, rng), "contexts are [2, 16]"},
		"other numbers of them":    {enlarging.Fill(flow.NewBatch(3, 16), x, rng), "want [2, 16]"},
		"no generator":             {drawn.Fill(wide, x, nil), "rng is nil"},
		"a standardizer":           {odd.Fill(x, x, rng), "a standardizer of 3 coordinates"},
		"a mask shrunk":            {second(masked.Shrink(x)), "condition.kind is inpaint"},
		"shrinking by nothing":     {second((&Condition{}).Shrink(x)), "nil or empty"},
		"shrinking another size":   {second(enlarging.Shrink(wide)), "images are [2, 32]"},
		"a mask enlarged":          {masked.Enlarge(wide, x), "condition.kind is inpaint"},
		"enlarging another size":   {enlarging.Enlarge(x, x), "images at low resolution are [2, 16]"},
		"showing another size":     {second(masked.Shown(x)), "contexts are [2, 16]"},
		"showing by nothing":       {second((*Condition)(nil).Shown(x)), "nil or empty"},
		"keeping another size":     {masked.Keep(wide, wide), "images are [2, 32]"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, c.err, c.want)
		}
	}
	var none *Condition
	if none.Dim() != 0 || none.LowShape() != nil || none.Known(nil) != nil || none.Config().Kind != "" ||
		slices.Contains(masked.Known(x.X), true) {
		t.Error("nothing makes contexts")
	}
	if err := masked.Fill(wide, x, nil); err != nil {
		t.Errorf("a mask that is not drawn needs no generator: %v", err)
	}
}

// plainPNG encodes a square grey picture whose pixels are all of level 0x60.
func plainPNG(t *testing.T, side int) string {
	img := image.NewGray(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = 0x60
	}
	return string(datatest.PNG(t, img))
}

func TestImagesAreReadInOneOfTheShapes(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	idx := func(n, side byte) string {
		header := string([]byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, side, 0, 0, 0, side})
		return header + strings.Repeat("\x60", int(n)*int(side)*int(side))
	}
	small, large := []int{2, 2, 1}, []int{4, 4, 1}
	file("folder/a.png", plainPNG(t, 4))
	file("folder/b.png", plainPNG(t, 8))
	for _, c := range []struct {
		path     string
		n, which int
	}{
		{file("small-idx", idx(3, 2)), 3, 0},
		{file("large-idx", idx(1, 4)), 1, 1},
		{file("small.png", plainPNG(t, 2)), 1, 0},
		{file("large.png", plainPNG(t, 4)), 1, 1},
		{file("any.png", plainPNG(t, 9)), 1, 0},
		{filepath.Join(dir, "folder"), 2, 1},
	} {
		x, which, err := ReadFiles(c.path, 10, small, large)
		if err != nil || which != c.which || x.N != c.n || x.D != []int{4, 16}[c.which] {
			t.Errorf("%s: [%d, %d] of shape %d (%v), want %d of shape %d", c.path, x.N, x.D, which, err, c.n, c.which)
			continue
		}
		for _, v := range x.X {
			if v != (0x60+0.5)/128-1 {
				t.Fatalf("%s: a pixel is %g", c.path, v)
			}
		}
	}
	for want, path := range map[string]string{
		"want images of [[2 2 1] [4 4 1]]": file("odd-idx", idx(1, 3)),
		"no images":                        file("none-idx", idx(0, 2)),
		"no image; want .png":              file("notes.txt", "hello"),
		"not a PNG that can be decoded":    file("broken.png", plainPNG(t, 4)[:30]),
		"only PNG and JPEG":                file("x.gif", "GIF89a"),
		"no such file":                     filepath.Join(dir, "gone.png"),
	} {
		if _, _, err := ReadFiles(path, 1, small, large); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, _, err := ReadFiles(filepath.Join(dir, "large.png"), 1, []int{4, 5, 1}); err == nil ||
		!strings.Contains(err.Error(), "square") {
		t.Errorf("a picture for wide images: %v", err)
	}
}

// TestWhatIsRevealedIsWhatAMaskWouldLeave: the context of a mask is that of the pixels which it leaves.
func TestWhatIsRevealedIsWhatAMaskWouldLeave(t *testing.T) {
	std := &data.Standardizer{Mean: []float64{0.1}, Std: []float64{0.4}}
	shape := []int{4, 6, 3}
	_, x := someImages(t, 2, shape, std)
	for _, mask := range []string{"center", "pixels"} {
		c := newCondition(t, ConditionConfig{Kind: Inpaint, Mask: mask}, shape, std)
		want := fill(c, x, 5)
		var known []bool
		for i := range x.N {
			for p := range 4 * 6 {
				known = append(known, c.Known(want.Row(i))[3*p])
			}
		}
		got := flow.NewBatch(x.N, c.Dim())
		if err := c.Reveal(got, x, known); err != nil || !slices.Equal(got.X, want.X) {
			t.Errorf("%s: another context (%v)", mask, err)
		}
		if err := c.Reveal(got, x, known[1:]); err == nil {
			t.Error("pixels of which one is neither known nor not")
		}
		if err := c.Reveal(flow.NewBatch(2, 3), x, known); err == nil {
			t.Error("contexts of another size")
		}
	}
	small := newCondition(t, ConditionConfig{Kind: SuperRes, Factor: 2}, shape, std)
	if err := small.Reveal(flow.NewBatch(2, small.Dim()), x, make([]bool, 48)); err == nil {
		t.Error("an image at low resolution has pixels that are known")
	}
	if err := (*Condition)(nil).Reveal(flow.Batch{}, flow.Batch{}, nil); err == nil {
		t.Error("no condition")
	}
}
