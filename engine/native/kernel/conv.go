package kernel

import "unsafe"

// Conv2D is the geometry of a convolution of one image: x [H,W,Ci] with weights
// [Kh,Kw,Ci,Co] gives y [Ho,Wo,Co]. Row oh of y sums over kh the row of the
// dilated input with number oh*StrideH + kh*DilationH - PadTop; a row of x with
// number i has number i*InDilationH there, and all others are zeros. Columns
// are alike. Padding may be negative, which crops; strides and dilations are at
// least 1. The gradient of the input of a convolution is a convolution with
// flipped and transposed weights whose stride and input dilation change places.
type Conv2D struct {
	H, W, Ci, Kh, Kw, Co, Ho, Wo int
	StrideH, StrideW             int
	PadTop, PadLeft              int
	DilationH, DilationW         int // of weights
	InDilationH, InDilationW     int // of the input
}

// axis is a convolution along one axis.
type axis struct{ in, taps, out, stride, pad, dilation, inDilation int }

func (c *Conv2D) axes() (h, w axis) {
	return axis{c.H, c.Kh, c.Ho, c.StrideH, c.PadTop, c.DilationH, c.InDilationH},
		axis{c.W, c.Kw, c.Wo, c.StrideW, c.PadLeft, c.DilationW, c.InDilationW}
}

// padded is how many zeros go before the input, and its length with zeros on
// both sides, so that no output reads outside.
func (x axis) padded() (before, length int) {
	before = max(0, ceilDiv(x.pad, x.inDilation))
	last := floorDiv((x.out-1)*x.stride+(x.taps-1)*x.dilation-x.pad, x.inDilation)
	return before, before + max(x.in, last+1)
}

// classes is the number of classes of outputs: those of one class are classes()
// apart, use the same taps, and read inputs step() apart.
func (x axis) classes() int { return x.inDilation / gcd(x.stride, x.inDilation) }

func (x axis) step() int { return x.classes() * x.stride / x.inDilation }

// tap is the input that output out reads for tap k, if it is one.
func (x axis) tap(out, k int) (in int, ok bool) {
	t := out*x.stride + k*x.dilation - x.pad
	in = floorDiv(t, x.inDilation)
	return in, in*x.inDilation == t
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func ceilDiv(a, b int) int { return -floorDiv(-a, b) }

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// ConvPackedLen is the length of the packed form of the weights.
func (m *Matrix) ConvPackedLen(c *Conv2D) int { return m.PackedLen(c.Kh*c.Kw*c.Ci, c.Co) }

// ConvPack packs weights for [Matrix.Conv]: element (kh,kw,ci,co) is at w plus
// the sum of the indices times ws, so that strides may flip and transpose.
func (m *Matrix) ConvPack(c *Conv2D, dst, w *float32, ws [4]int) {
	k, taps := c.Kh*c.Kw*c.Ci, c.Kh*c.Kw
	beside := taps > 1 && (ws[1] == 1 || ws[1] == -1) && ws[0] == ws[1]*c.Kw // as PyTorch lays them
	for j := 0; j < c.Co; j += m.panel {
		from, to, wide := elem(w, j*ws[3]), elem(dst, j*k), min(m.panel, c.Co-j)
		if beside && ws[3] == taps {
			m.packColumns(c, to, from, wide, ws)
			continue
		}
		for t := range taps {
			at := elem(from, t/c.Kw*ws[0]+t%c.Kw*ws[1])
			m.packPanel(elem(to, t*c.Ci*m.panel), c.Ci, wide, at, ws[2], ws[3])
		}
	}
}

// packColumns packs a panel of weights whose columns lie side by side, each with its taps: those of
// the way back. Each row of them is read while it is in the first cache.
func (m *Matrix) packColumns(c *Conv2D, dst, w *float32, wide int, ws [4]int) {
	taps := c.Kh * c.Kw
	low := w
	if ws[1] < 0 {
		low = elem(w, 1-taps)
	}
	for l := range c.Ci {
		in := unsafe.Slice(elem(low, l*ws[2]), wide*taps)
		for t := range taps {
			row := unsafe.Slice(elem(dst, (t*c.Ci+l)*m.panel), m.panel)
			from := t
			if ws[1] < 0 {
				from = taps - 1 - t
			}
			for x := range row[:wide] {
				row[x] = in[from]
				from += taps
			}
			clear(row[wide:])
		}
	}
}

// Conv computes y from x and packed weights. bias, if not nil, is a vector of Co
// that is added to every pixel.
func (m *Matrix) Conv(c *Conv2D, y, x, wp, bias *float32, work *Work) {
	if c.Ho <= 0 || c.Wo <= 0 || c.Co <= 0 {
		return
	}
	h, w := c.axes()
	top, hp := h.padded()
	left, wide := w.padded()
	if hp != c.H || wide != c.W {
		p := grow(&work.x, hp*wide*c.Ci)
		padImage(p, x, c.H, c.W*c.Ci, top, left*c.Ci, hp, wide*c.Ci)
		x = p
	}
	if h.classes() == 1 && w.classes() == 1 && c.gathers() {
		m.convGather(c, y, elem(x,
			((top*h.inDilation-c.PadTop)/h.inDilation*wide+(left*w.inDilation-c.PadLeft)/w.inDilation)*c.Ci),
			wide, wp, bias, work)
		return
	}
	for rh := 0; rh < min(c.Ho, h.classes()); rh++ {
		for rw := 0; rw < min(c.Wo, w.classes()); rw++ {
			g := convClass{c: c, wide: wide, stepH: h.step() * wide * c.Ci, stepW: w.step() * c.Ci,
				yH: h.classes() * c.Wo * c.Co, yW: w.classes() * c.Co,
				nh: ceilDiv(c.Ho-rh, h.classes()), nw: ceilDiv(c.Wo-rw, w.classes())}
			if m.tiled != nil && chunkOf(c.Ci) > 0 {
				m.classTiles(&g, h, w, rh, rw, elem(y, (rh*c.Wo+rw)*c.Co), elem(x, (top*wide+left)*c.Ci), wp, bias,
					work)
				continue
			}
			g.parts = c.parts(h, w, rh, rw, elem(x, (top*wide+left)*c.Ci), wide)
			m.convClass(&g, elem(y, (rh*c.Wo+rw)*c.Co), wp, bias, work)
		}
	}
}

// padImage copies rows of x into the middle of zeros.
func padImage(dst, x *float32, rows, n, top, left, outRows, outN int) {
	out := unsafe.Slice(dst, outRows*outN)
	in := unsafe.Slice(x, rows*n)
	clear(out[:top*outN])
	for i := range rows {
		row := out[(top+i)*outN : (top+i+1)*outN]
		clear(row[:left])
		copy(row[left:], in[i*n:(i+1)*n])
		clear(row[left+n:])
	}
	clear(out[(top+rows)*outN:])
}

// part is a piece of the sum of a pixel: k neighbours in a row of x, from a on
// for the first pixel of the class, with weights from row on.
type part struct {
	a      *float32
	row, k int
}

// parts lists the sums of a class of outputs; taps next to each other in x and
// in the weights are one part, unless that is too long for the first cache.
func (c *Conv2D) parts(h, w axis, rh, rw int, origin *float32, wide int) []part {
	var out []part
	for kh := range c.Kh {
		ih, ok := h.tap(rh, kh)
		if !ok {
			continue
		}
		for kw := 0; kw < c.Kw; {
			iw, ok := w.tap(rw, kw)
			if !ok {
				kw++
				continue
			}
			first := kw
			for kw++; kw < c.Kw; kw++ {
				if next, ok := w.tap(rw, kw); !ok || next != iw+kw-first {
					break
				}
			}
			k := (kw - first) * c.Ci
			for l, step := 0, even(k, blockK); l < k; l += step {
				a := elem(origin, (ih*wide+iw)*c.Ci+l)
				out = append(out, part{a, (kh*c.Kw+first)*c.Ci + l, min(step, k-l)})
			}
		}
	}
	return out
}

// convClass is a set of outputs that use the same taps, at equal distances.
type convClass struct {
	c            *Conv2D
	wide         int // width of the padded image
	nh, nw       int // rows and columns of outputs
	stepH, stepW int // distances of what they read
	yH, yW       int // distances of outputs
	parts        []part
}

func (m *Matrix) convClass(g *convClass, y, wp, bias *float32, work *Work) {
	c := g.c
	k := c.Kh * c.Kw * c.Ci
	if len(g.parts) == 0 { // nothing but zeros is read here
		g.parts = []part{{wp, 0, 0}}
	}
	if g.stepH == g.nw*g.stepW && g.yH == g.nw*g.yW {
		g.nh, g.nw = 1, g.nh*g.nw
	}
	if g.nh == 1 { // plain products
		for n, p := range g.parts {
			o := operands{p.a, g.stepW, 1, elem(wp, p.row*m.panel), k * m.panel, m.panel, y, g.yW, bias}
			m.mul(g.nw, c.Co, p.k, &o, modeOf(n > 0, bias), work)
		}
		return
	}
	most := len(m.wide) - 1
	if c.Co <= m.lanes {
		most = len(m.slim) - 1
	}
	t := tilesOf(g.nw, most)
	// So many rows that they and their sums stay in the second cache.
	rows := max(1, m.blocks.Pixels/(g.stepH+g.nw*c.Co))
	for r := 0; r < g.nh; r += rows {
		for j := 0; j < c.Co; j += m.panel {
			for n, p := range g.parts {
				o := operands{elem(p.a, r*g.stepH), g.stepW, 1, elem(wp, j*k+p.row*m.panel), 0, m.panel,
					elem(y, r*g.yH+j), g.yW, bias}
				if bias != nil {
					o.bias = elem(bias, j)
				}
				for range min(rows, g.nh-r) {
					m.tiles(t, min(m.panel, c.Co-j), p.k, &o, false, modeOf(n > 0, bias))
					o.a, o.c = elem(o.a, g.stepH), elem(o.c, g.yH)
				}
			}
		}
	}
}

// gathers says whether rows of outputs are so short, or sums along a row of x
// so small, that copying what each pixel reads into a matrix pays.
func (c *Conv2D) gathers() bool {
	if c.Kh*c.Kw == 1 && c.StrideH == 1 && c.StrideW == 1 || c.InDilationH != 1 || c.InDilationW != 1 {
		return false
	}
	return c.Wo < 8 || c.Kw*c.Ci < 16 && c.Kh > 1
}

// convGather multiplies a matrix of what pixels read, block by block. x is what
// the first output reads first.
func (m *Matrix) convGather(c *Conv2D, y, x *float32, wide int, wp, bias *float32, work *Work) {
	k := c.Kh * c.Kw * c.Ci
	block := max(28, min(m.blocks.Rows, m.blocks.Pixels/max(1, k)))
	pixels := c.Ho * c.Wo
	for i := 0; i < pixels; i += block {
		n := min(block, pixels-i)
		a := grow(&work.y, n*k)
		out := unsafe.Slice(a, n*k)
		for q := range n {
			oh, ow := (i+q)/c.Wo, (i+q)%c.Wo
			for kh := range c.Kh {
				at := elem(x, ((oh*c.StrideH+kh*c.DilationH)*wide+ow*c.StrideW)*c.Ci)
				if c.DilationW == 1 {
					out = out[copy(out, unsafe.Slice(at, c.Kw*c.Ci)):]
					continue
				}
				for kw := range c.Kw {
					out = out[copy(out, unsafe.Slice(elem(at, kw*c.DilationW*c.Ci), c.Ci)):]
				}
			}
		}
		if m.tiled != nil && chunkOf(k) > 0 {
			m.gatheredTiles(n, c.Co, k, a, wp, elem(y, i*c.Co), bias, work)
			continue
		}
		m.MulPacked(n, c.Co, k, a, k, 1, wp, elem(y, i*c.Co), c.Co, bias, false, work)
	}
}
