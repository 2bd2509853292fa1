//go:build amd64 || arm64

package kernel

// ifAny is a loop that leaves arguments out of its reach as they are, and says
// whether there were any. It is followed by f for these: the sine and the cosine
// are not larger than 1, the arguments are.
func ifAny(loop func(n int, dst, x *float32) uint32, f func(float64) float64) func(n int, dst, x *float32) {
	return func(n int, dst, x *float32) {
		if loop(n, dst, x) == 0 {
			return
		}
		d := slice(dst, n)
		for i, y := range d {
			if y > 1 || y < -1 {
				d[i] = float32(f(float64(y)))
			}
		}
	}
}

// swapped makes of a loop with a scalar on the right one with it on the left,
// for operations that commute.
func swapped(f func(n int, dst, a *float32, s float32)) func(n int, dst *float32, s float32, b *float32) {
	return func(n int, dst *float32, s float32, b *float32) { f(n, dst, b, s) }
}

// inSixteens does the bulk in assembly, which takes multiples of 16, and the rest in Go.
func inSixteens[To, From any](bulk, rest func(n int, dst *To, src *From)) func(n int, dst *To, src *From) {
	return func(n int, dst *To, src *From) {
		m := n &^ 15
		bulk(m, dst, src)
		if m < n {
			rest(n-m, at(dst, m), at(src, m))
		}
	}
}
