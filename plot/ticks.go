package plot

import (
	"math"
	"strconv"
	"strings"
)

// tick is a mark on an axis; an empty label is a minor mark.
type tick struct {
	at    float64
	label string
}

// ticks returns at most n+1 marks on [lo, hi] at multiples of 1, 2 or 5 times a
// power of ten. The step depends on hi-lo only, so that axes of equal length in
// data units are marked alike.
func ticks(lo, hi float64, n int) []tick {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(m*step) <= float64(n) {
			step *= m
			break
		}
	}
	// 1e-9 keeps an end that is a multiple but for rounding.
	first, last := math.Ceil(lo/step-1e-9), math.Floor(hi/step+1e-9)
	var out []tick
	for k := first; k <= last; k++ {
		v := k * step
		out = append(out, tick{v, number(v, step)})
	}
	return out
}

// number formats v with the digits that a multiple of step needs, and with a
// true minus sign.
func number(v, step float64) string {
	var s string
	switch a := max(math.Abs(v), step); {
	case math.Abs(v) < step/2:
		return "0"
	case a >= 1e6 || step < 1e-4:
		s = strconv.FormatFloat(v, 'g', 6, 64)
		if mant, exp, ok := strings.Cut(s, "e"); ok {
			exp = strings.TrimPrefix(exp, "+")
			neg := strings.HasPrefix(exp, "-")
			exp = strings.TrimLeft(strings.TrimPrefix(exp, "-"), "0")
			if neg {
				exp = "-" + exp
			}
			s = mant + "e" + exp
		}
	default:
		s = strconv.FormatFloat(v, 'f', max(0, int(-math.Floor(math.Log10(step)+1e-9))), 64)
	}
	return strings.ReplaceAll(s, "-", "−")
}

// logTicks returns marks for a logarithmic axis over [lo, hi], both positive:
// the powers of ten, and where there are few of them their multiples by 2 and 5.
// All other multiples become minor marks.
func logTicks(lo, hi float64) []tick {
	first, last := math.Floor(math.Log10(lo)), math.Ceil(math.Log10(hi))
	decades := math.Log10(hi / lo)
	every := max(1, math.Ceil(decades/6))
	var out []tick
	for e := first; e <= last; e++ {
		p := math.Pow(10, e)
		for m := 1.0; m < 10; m++ {
			v := m * p
			if v < lo*(1-1e-9) || v > hi*(1+1e-9) {
				continue
			}
			label := ""
			switch {
			case m == 1 && math.Mod(e, every) == 0,
				decades < 2.2 && (m == 2 || m == 5),
				decades < 0.5:
				label = number(v, p)
			}
			out = append(out, tick{v, label})
		}
	}
	if decades < 0.15 { // within less than half a unit a linear axis reads better
		return ticks(lo, hi, 5)
	}
	return out
}
