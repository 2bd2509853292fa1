package kernel

import "unsafe"

// ConvWeightGrad adds to dw [Kh,Kw,Ci,Co] the gradient of the weights, given the
// image x and the gradient dy of the output.
func (m *Matrix) ConvWeightGrad(c *Conv2D, dw, x, dy *float32, work *Work) {
	if c.Ho <= 0 || c.Wo <= 0 || c.Co <= 0 || c.Ci <= 0 || c.H <= 0 || c.W <= 0 {
		return
	}
	if same := c.H == c.Ho && c.W == c.Wo && c.PadTop == 0 && c.PadLeft == 0; same && c.Kh*c.Kw == 1 &&
		c.StrideH*c.StrideW*c.InDilationH*c.InDilationW == 1 {
		m.Mul(c.Ci, c.Co, c.H*c.W, x, 1, c.Ci, dy, c.Co, dw, c.Co, nil, true, work)
		return
	}
	if c.InDilationH != 1 || c.InDilationW != 1 {
		m.convGradRows(c, dw, x, dy, work)
		return
	}
	m.convGradPhases(c, dw, x, dy, work)
}

// convGradRows takes a product for every tap and every row of outputs: slow for
// short rows, but right for every geometry.
func (m *Matrix) convGradRows(c *Conv2D, dw, x, dy *float32, work *Work) {
	h, w := c.axes()
	apart, step := w.classes(), w.step()
	for t := range c.Kh * c.Kw {
		// The first output that reads an input through this tap, and how many do.
		ow, iw := 0, 0
		for ok := false; ow < c.Wo; ow++ {
			if iw, ok = w.tap(ow, t%c.Kw); ok && iw >= 0 {
				break
			}
		}
		if ow >= c.Wo || iw >= c.W {
			continue
		}
		n := min(ceilDiv(c.Wo-ow, apart), ceilDiv(c.W-iw, step))
		for oh := range c.Ho {
			ih, ok := h.tap(oh, t/c.Kw)
			if !ok || ih < 0 || ih >= c.H {
				continue
			}
			o := operands{elem(x, (ih*c.W+iw)*c.Ci), 1, step * c.Ci, elem(dy, (oh*c.Wo+ow)*c.Co), m.panel, apart * c.Co,
				elem(dw, t*c.Ci*c.Co), c.Co, nil}
			m.mul(c.Ci, c.Co, n, &o, modeAdd, work)
		}
	}
}

// phase is the plan of an axis cut into its strides: phase p has every
// stride-th input from p on, shifted so that a tap reads a run of it that is as
// long as the output.
type phase struct {
	axis
	lowest int // number of the first element, in strides
	length int
}

func phaseOf(x axis) phase {
	lowest := floorDiv(-x.pad, x.stride)
	highest := floorDiv((x.taps-1)*x.dilation-x.pad, x.stride)
	return phase{x, lowest, x.out + highest - lowest}
}

// of is the phase of a tap and the offset of its run.
func (p phase) of(k int) (number, offset int) {
	t := k*p.dilation - p.pad
	q := floorDiv(t, p.stride)
	return t - q*p.stride, q - p.lowest
}

// shared is how many zeros every row of every phase has on both sides. A row
// may use those of the next as its own.
func (p phase) shared() int {
	trail := p.length - (ceilDiv(p.in, p.stride) - p.lowest)
	return max(0, min(-p.lowest, trail, p.length-p.out))
}

// convGradPhases packs the phases of x in tiles of channels and dy in panels,
// both with all pixels one after the other, so that every tap is a product over
// all pixels at another offset in the same packed x.
func (m *Matrix) convGradPhases(c *Conv2D, dw, x, dy *float32, work *Work) {
	ah, aw := c.axes()
	h, w := phaseOf(ah), phaseOf(aw)
	row := w.length - w.shared()
	size := h.length*row + w.shared() // pixels of a phase
	most := len(m.wide) - 1
	t := tilesOf(c.Ci, most)
	k := (c.Ho-1)*row + c.Wo
	a := grow(&work.a, size*c.Ci*c.StrideH*c.StrideW+16)
	flat := grow(&work.x, size*c.Ci)
	for p := range c.StrideH * c.StrideW {
		c.phaseImage(flat, x, h, w, p/c.StrideW, p%c.StrideW, row, size)
		m.packA(elem(a, p*size*c.Ci), t, size, flat, 1, c.Ci)
	}
	b := grow(&work.b, m.PackedLen(k, c.Co))
	for j := 0; j < c.Co; j += m.panel {
		for r := range c.Ho {
			d := elem(b, j*k+r*row*m.panel)
			m.copyWide(c.Wo, elem(dy, r*c.Wo*c.Co+j), c.Co, d, m.panel, maskOf(min(m.panel, c.Co-j)))
			if r < c.Ho-1 {
				clear(unsafe.Slice(elem(d, c.Wo*m.panel), (row-c.Wo)*m.panel))
			}
		}
	}
	for l, step := 0, even(k, blockK*3/4); l < k; l += step {
		for j := 0; j < c.Co; j += m.panel {
			n := min(m.panel, c.Co-j)
			product := m.wide
			if n <= m.lanes {
				product = m.slim
			}
			for q := range t.count {
				i, rows := t.at(q)
				for tap := range c.Kh * c.Kw {
					ph, oh := h.of(tap / c.Kw)
					pw, ow := w.of(tap % c.Kw)
					from := (ph*c.StrideW+pw)*size*c.Ci + i*size + (oh*row+ow+l)*rows
					product[rows](min(step, k-l), elem(a, from), 1, rows, elem(b, j*k+l*m.panel), m.panel,
						elem(dw, (tap*c.Ci+i)*c.Co+j), c.Co, maskOf(n), modeAdd, nil)
				}
			}
		}
	}
}

// phaseImage writes the pixels of one phase of x, with zeros where x has none.
func (c *Conv2D) phaseImage(dst, x *float32, h, w phase, ph, pw, row, size int) {
	out := unsafe.Slice(dst, size*c.Ci)
	clear(out)
	j0 := max(0, -w.lowest) // the first column that is not before x
	for r := range h.length {
		ih := (r+h.lowest)*h.stride + ph
		if ih < 0 || ih >= c.H {
			continue
		}
		iw := (j0+w.lowest)*w.stride + pw
		n := min(w.length-j0, ceilDiv(c.W-iw, w.stride))
		if n <= 0 {
			continue
		}
		to, from := out[(r*row+j0)*c.Ci:], elem(x, (ih*c.W+iw)*c.Ci)
		if w.stride == 1 {
			copy(to, unsafe.Slice(from, n*c.Ci))
			continue
		}
		for q := range n {
			copy(to[q*c.Ci:], unsafe.Slice(elem(from, q*w.stride*c.Ci), c.Ci))
		}
	}
}
