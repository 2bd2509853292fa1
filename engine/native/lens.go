package native

// lens is how an element-wise operation sees an input that is a broadcast: it
// reads the source and repeats on the fly, so that the broadcast is never made.
type lens struct {
	src    *tensor
	form   lensForm
	n      int // period, or number of repeats
	offset int // into src, of lensSplat and lensPeriod
}

type lensForm uint8

const (
	lensWhole  lensForm = iota // src itself
	lensSplat                  // one element, everywhere
	lensPeriod                 // n elements, over and over
	lensRepeat                 // each element n times
)

// lensPeriodMax bounds the elements that are repeated on the fly. It is a property of the graph, and
// does not follow the length of strips, so that every machine compiles the same operations.
const lensPeriodMax = 1024

// lensMax bounds what periods and repeats may have in common, which a strip must
// be a multiple of.
const lensMax = 4 * lensPeriodMax

// lensOf looks at u.
func lensOf(u *tensor) lens {
	if u.kind != kindMove || u.isAlias() {
		return lens{src: u}
	}
	from, offset := u.in[0], u.move.offset
	if base, begin := from.root(); base.isWidened() { // it is read as it lies, and need not be made floats before
		from, offset = base.in[0], offset+begin
	}
	if u.isSplat() {
		return lens{from, lensSplat, 1, offset}
	}
	if n, ok := u.period(); ok && n <= lensPeriodMax && !u.bool {
		return lens{from, lensPeriod, n, offset}
	}
	src := u.in[0]
	if n, ok := u.repeat(); ok && n <= lensPeriodMax && !u.bool && len(src.dims) > 0 && src.dims[0] == u.dims[0] {
		return lens{src, lensRepeat, n, 0}
	}
	return lens{src: u}
}

// lenses returns how t sees its inputs.
func (t *tensor) lenses() []lens {
	out := make([]lens, len(t.in))
	common := 1
	for i, u := range t.in {
		out[i] = lens{src: u}
		if t.elementwise() && t.kind != kindTotal {
			out[i] = lensOf(u)
			common = lcm(common, max(out[i].n, 1))
		}
	}
	if common > lensMax {
		for i, u := range t.in {
			if out[i].form != lensSplat {
				out[i] = lens{src: u}
			}
		}
	}
	return out
}

// sources returns what must be there before t is made.
func (t *tensor) sources() []*tensor {
	out := make([]*tensor, len(t.in))
	for i, l := range t.lenses() {
		out[i] = l.src
	}
	return out
}

func lcm(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}
