package plot

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// tick is a mark on an axis; an empty label is a minor mark.
type tick struct {
	at    float64
	label string
}

// leastTicks is the number of labels that an axis needs to be read: two say where it is, and
// a third whether it is logarithmic.
const leastTicks = 3

// ticks returns marks on [lo, hi] at multiples of 1, 2 or 5 times a power of ten: at most
// n+1, but for the sake of leastTicks.
func ticks(lo, hi float64, n int) []tick {
	power := math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(n))))
	steps := []float64{0.1, 0.2, 0.4, 0.5, 1, 2, 4, 5, 10} // 4 only where 5 is too coarse
	// 1e-9 keeps an end that is a multiple but for rounding.
	marks := func(step float64) (first, last float64) {
		return math.Ceil(lo/step - 1e-9), math.Floor(hi/step + 1e-9)
	}
	k := slices.Index(steps, 1)
	for k < len(steps)-1 && (steps[k] == 4 || (hi-lo)/(steps[k]*power) > float64(n)) {
		k++
	}
	for ; k > 0; k-- {
		if first, last := marks(steps[k] * power); last-first+1 >= leastTicks {
			break
		}
	}
	step := steps[k] * power
	var out []tick
	for first, last := marks(step); first <= last; first++ {
		v := first * step
		out = append(out, tick{v, number(v, step)})
	}
	return out
}

// number formats v with the digits that a multiple of step needs, and with a
// true minus sign; very large and very small numbers as multiples of powers of ten.
func number(v, step float64) string {
	switch a := max(math.Abs(v), step); {
	case math.Abs(v) < step/2:
		return "0"
	case a >= 1e6 || step < 1e-4:
		mant, exp, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, 64), "e")
		e, _ := strconv.Atoi(exp) // of FormatFloat, which is right
		if f, err := strconv.ParseFloat(mant, 64); err == nil {
			mant = strconv.FormatFloat(f, 'g', 6, 64) // without what rounding left
		}
		switch mant {
		case "1":
			return power(e)
		case "-1":
			return "−" + power(e)
		}
		return strings.ReplaceAll(mant, "-", "−") + "·" + power(e)
	}
	s := strconv.FormatFloat(v, 'f', max(0, int(-math.Floor(math.Log10(step)+1e-9))), 64)
	return strings.ReplaceAll(s, "-", "−")
}

// power is 10 to the e.
func power(e int) string {
	digits := []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")
	var b strings.Builder
	b.WriteString("10")
	for _, r := range strconv.Itoa(e) {
		if r == '-' {
			b.WriteRune('⁻')
		} else {
			b.WriteRune(digits[r-'0'])
		}
	}
	return b.String()
}

// mostLogTicks is how many labels a logarithmic axis has at most, if it can have leastTicks.
const mostLogTicks = 8

// logTicks returns marks for a logarithmic axis over [lo, hi], both positive: labels at
// powers of ten or, where these are few, at their multiples by 2 and 5, or by all. All
// other multiples become minor marks.
func logTicks(lo, hi float64) []tick {
	decades := math.Log10(hi / lo)
	labelled := []func(m, e float64) bool{
		func(m, e float64) bool { return m == 1 && math.Mod(e, max(1, math.Ceil(decades/6))) == 0 },
		func(m, _ float64) bool { return m == 1 },
		func(m, _ float64) bool { return m == 1 || m == 2 || m == 5 },
		func(float64, float64) bool { return true },
	}
	for k, label := range labelled {
		out, n := logMarks(lo, hi, label)
		if n >= leastTicks && (n <= mostLogTicks || k < 2) {
			return out
		}
	}
	return ticks(lo, hi, 5) // within less than half a decade a linear axis reads better
}

// logMarks returns the multiples of powers of ten in [lo, hi], and how many have labels.
func logMarks(lo, hi float64, label func(m, e float64) bool) (out []tick, labels int) {
	powers := lo < 0.9e-3 || hi > 1.1e5 // then all labels are powers: 0.001 beside 10⁻⁶ is not read at once
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		p := math.Pow(10, e)
		for m := 1.0; m < 10; m++ {
			v := m * p
			if v < lo*(1-1e-9) || v > hi*(1+1e-9) {
				continue
			}
			text := ""
			if label(m, e) {
				text = number(v, p)
				if e := int(e); powers && (e < 0 || e > 1) {
					if text = power(e); m > 1 {
						text = strconv.Itoa(int(m)) + "·" + text
					}
				}
				labels++
			}
			out = append(out, tick{v, text})
		}
	}
	return out, labels
}
