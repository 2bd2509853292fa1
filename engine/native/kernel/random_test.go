package kernel

import (
	"math"
	"slices"
	"testing"
)

// TestPhiloxKnownAnswers has the vectors that come with Random123 by the authors.
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, k := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := philox4x32(k.counter, k.key[0], k.key[1]); got != k.want {
			t.Errorf("philox(%x, %x) = %x, want %x", k.counter, k.key, got, k.want)
		}
	}
}

// TestPhiloxWords compares with the cipher, element by element.
func TestPhiloxWords(t *testing.T) {
	const key, stream = 0x123456789abcdef0, 0xfedcba9876543210
	eachLevel(t, func(t *testing.T, v *Vector) {
		for _, offset := range []uint64{0, 1, 63, 64, 100, 1<<34 - 70, 1<<40 + 5} {
			for _, n := range sizes() {
				dst := make([]uint32, n+1)
				v.PhiloxUint32(dst[:n], key, stream, offset)
				if dst[n] != 0 {
					t.Fatalf("write beyond %d", n)
				}
				for i, got := range dst[:n] {
					e := offset + uint64(i)
					c := e/64*16 + e%16
					want := philox4x32([4]uint32{uint32(c), uint32(c >> 32), stream & 0xffffffff, stream >> 32},
						key&0xffffffff, key>>32)[e/16%4]
					if got != want {
						t.Fatalf("word %d: %x, want %x", e, got, want)
					}
				}
			}
		}
	})
}

func TestRandomIsTheSameInParts(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for name, f := range map[string]func([]float32, uint64, uint64, uint64){"Uniform": v.Uniform,
			"Normal": v.Normal} {
			whole := make([]float32, 5000)
			f(whole, 5, 6, 1000)
			parts := make([]float32, len(whole))
			for i := 0; i < len(parts); {
				n := min(r.IntN(300), len(parts)-i)
				f(parts[i:i+n], 5, 6, uint64(1000+i))
				i += n
			}
			if !slices.Equal(whole, parts) {
				t.Errorf("%s depends on how the range is split", name)
			}
		}
	})
}

func TestLevelsAgreeOnRandomNumbers(t *testing.T) {
	const n = 10000
	want, wantNormal := make([]float32, n), make([]float32, n)
	VectorAt(Portable).Uniform(want, 1, 2, 3)
	VectorAt(Portable).Normal(wantNormal, 1, 2, 3)
	eachLevel(t, func(t *testing.T, v *Vector) {
		got := make([]float32, n)
		v.Uniform(got, 1, 2, 3)
		if !slices.Equal(got, want) {
			t.Error("Uniform differs")
		}
		v.Normal(got, 1, 2, 3)
		for i, x := range got {
			// The radius comes of a logarithm near zero, whose argument has 24 bits here and 31 there.
			if math.Abs(f64(x)-f64(wantNormal[i])) > 1e-3 {
				t.Fatalf("Normal: %g, want %g", x, wantNormal[i])
			}
		}
	})
}

// TestDistribution compares moments, and the greatest distance between the
// distribution functions (Kolmogorov and Smirnov).
func TestDistribution(t *testing.T) {
	const n = 1 << 20
	eachLevel(t, func(t *testing.T, v *Vector) {
		x := make([]float32, n)
		v.Uniform(x, 11, 0, 0)
		checkMoments(t, x, 0.5, 1.0/12, 0, 1.0/80)
		checkKS(t, x, func(x float64) float64 { return x })
		v.Normal(x, 12, 0, 0)
		checkMoments(t, x, 0, 1, 0, 3)
		var product float64
		for i := 0; i < n; i += 64 {
			for j := range 32 {
				product += f64(x[i+j]) * f64(x[i+j+32])
			}
		}
		if c := product / (n / 2); math.Abs(c) > 5*math.Sqrt2/math.Sqrt(n) {
			t.Errorf("the numbers of a pair have correlation %g", c)
		}
		checkKS(t, x, func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 })
	})
}

func checkMoments(t *testing.T, x []float32, want ...float64) {
	t.Helper()
	var got [4]float64
	for _, y := range x {
		got[0] += f64(y) / float64(len(x))
	}
	for _, y := range x {
		d := f64(y) - got[0]
		got[1] += d * d / float64(len(x))
		got[2] += d * d * d / float64(len(x))
		got[3] += d * d * d * d / float64(len(x))
	}
	for i, w := range want {
		if math.Abs(got[i]-w) > 0.03*max(want[1], want[3])*float64(i+1)/2 {
			t.Errorf("moment %d: %g, want %g", i+1, got[i], w)
		}
	}
}

// checkKS sorts x.
func checkKS(t *testing.T, x []float32, cdf func(float64) float64) {
	t.Helper()
	slices.Sort(x)
	worst := 0.0
	for i, y := range x {
		p := cdf(f64(y))
		worst = max(worst, math.Abs(p-float64(i)/float64(len(x))), math.Abs(p-float64(i+1)/float64(len(x))))
	}
	// The chance of more than 1.95 is one in a thousand.
	if d := worst * math.Sqrt(float64(len(x))); d > 1.95 {
		t.Errorf("Kolmogorov-Smirnov distance %g", d)
	}
}

func BenchmarkRandom(b *testing.B) {
	x, w := make([]float32, strip), make([]uint32, strip)
	for _, l := range Levels() {
		v := VectorAt(l)
		b.Run(l.String()+"/PhiloxUint32",
			func(b *testing.B) { nsPerElement(b, strip, func() { v.PhiloxUint32(w, 1, 2, 64) }) })
		b.Run(l.String()+"/Uniform", func(b *testing.B) { nsPerElement(b, strip, func() { v.Uniform(x, 1, 2, 64) }) })
		b.Run(l.String()+"/Normal", func(b *testing.B) { nsPerElement(b, strip, func() { v.Normal(x, 1, 2, 64) }) })
	}
}
