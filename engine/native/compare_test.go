package native

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/compute/shapes"
)

// goBackend returns the backend that ours is compared with.
func goBackend(t testing.TB) compute.Backend {
	t.Helper()
	b, err := gobackend.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Finalize)
	return b
}

// zeros returns flat data for a shape.
func zeros(shape shapes.Shape) any {
	return reflect.MakeSlice(reflect.SliceOf(shape.DType.GoType()), shape.Size(), shape.Size()).Interface()
}

// sameBits compares flat data; a NaN is as good as another.
func sameBits(a, b any) bool {
	x, ok := a.([]float32)
	if !ok {
		return reflect.DeepEqual(a, b)
	}
	return slices.EqualFunc(x, b.([]float32), func(p, q float32) bool {
		return math.Float32bits(p) == math.Float32bits(q) || p != p && q != q
	})
}

// near compares results with the clean ones; noisy ones show how far they may be.
func near(got, clean any, noisy []any) error {
	if reflect.TypeOf(got) != reflect.TypeOf(clean) {
		return fmt.Errorf("%T; want %T", got, clean)
	}
	x, ok := got.([]float32)
	if !ok {
		return nearWhole(reflect.ValueOf(got), reflect.ValueOf(clean), noisy)
	}
	want := clean.([]float32)
	dev := make([]float64, len(x))
	odd := make([]bool, len(x)) // not a number, or infinite, in some runs only
	for _, n := range noisy {
		for i, v := range n.([]float32) {
			d := math.Abs(float64(v) - float64(want[i]))
			if math.IsNaN(d) || math.IsInf(d, 0) {
				odd[i] = odd[i] || v != want[i] && !(v != v && want[i] != want[i])
				continue
			}
			dev[i] = max(dev[i], d)
		}
	}
	common := 0.0
	if len(dev) > 0 {
		common = slices.Sorted(slices.Values(dev))[len(dev)*9/10]
	}
	worst, at := 0.0, -1
	for i, v := range x {
		w := want[i]
		if odd[i] || v == w || v != v && w != w {
			continue
		}
		d := math.Abs(float64(v) - float64(w))
		tol := 4*dev[i] + 2*common + 1e-5*math.Abs(float64(w)) + 1e-37
		if excess := d / tol; !(excess <= 1) && !(worst > excess) {
			worst, at = excess, i
		}
	}
	if at >= 0 {
		return fmt.Errorf("at %d of %d: %v; want %v (%.3g times the tolerance)", at, len(x), x[at], want[at], worst)
	}
	return nil
}

// nearWhole compares integers and truth values, which differ only where they do
// with noise.
func nearWhole(x, want reflect.Value, noisy []any) error {
	for i := range x.Len() {
		if x.Index(i).Equal(want.Index(i)) {
			continue
		}
		if !slices.ContainsFunc(noisy, func(n any) bool { return !reflect.ValueOf(n).Index(i).Equal(want.Index(i)) }) {
			return fmt.Errorf("at %d of %d: %v; want %v", i, x.Len(), x.Index(i), want.Index(i))
		}
	}
	return nil
}
