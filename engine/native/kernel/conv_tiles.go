package kernel

// Convolutions by tiles take pairs of channels, and all taps of a sum as chunks of one product, so that a sum is
// stored once. The gradients of weights take pairs of pixels that are neighbours in a row.

// leastPairs is the fewest pairs of a chunk for which tiles are worth their loads.
const leastPairs = 8

// chunkOf is the number of pairs that chunks of n, which are whole, have: 0 if they would be too short for tiles.
func chunkOf(n int) int {
	for q := min(n, tilePairs); q >= leastPairs; q-- {
		if n%q == 0 {
			return q
		}
	}
	return 0
}

// tapTiles lists the chunks of taps that a class of outputs reads, c.Ci being pairs of channels.
func (c *Conv2D) tapTiles(o *tiledRows, h, w axis, rh, rw, wide, panel int) {
	o.at, o.pairs = o.packing[:0], chunkOf(c.Ci)
	for kh := range c.Kh {
		ih, ok := h.tap(rh, kh)
		for kw := 0; ok && kw < c.Kw; kw++ {
			iw, ok := w.tap(rw, kw)
			for l := 0; ok && l < c.Ci; l += o.pairs {
				o.at = append(o.at, 2*((ih*wide+iw)*c.Ci+l), ((kh*c.Kw+kw)*c.Ci+l)*panel)
			}
		}
	}
	o.packing = o.at
}

// classTiles is [Matrix.convClass] by tiles; x is where the first output reads first.
func (m *Matrix) classTiles(g *convClass, h, w axis, rh, rw int, y, x, wp, bias *float32, work *Work) {
	c := g.c
	o := tiledRows{ars: 2 * g.stepW, next: 2 * tileRows * g.stepW, packing: work.at, config: &work.config}
	c.tapTiles(&o, h, w, rh, rw, g.wide, m.panel)
	work.at = o.packing
	mode, k := modeOf(false, bias), c.Kh*c.Kw*c.Ci
	if len(o.at) == 0 { // nothing but zeros is read here
		o.at, o.pairs = nil, tilePairs
	}
	if g.stepH == g.nw*g.stepW && g.yH == g.nw*g.yW {
		g.nh, g.nw = 1, g.nh*g.nw
	}
	// So many rows that they and their sums stay in the second cache.
	rows := max(1, m.blocks.Pixels/(g.stepH+g.nw*c.Co))
	for r := 0; r < g.nh; r += rows {
		n := min(rows, g.nh-r)
		for j := 0; j < c.Co; j += m.panel {
			from, to := bias, elem(y, r*g.yH+j)
			if bias != nil {
				from = elem(bias, j)
			}
			cols := min(m.panel, c.Co-j)
			o.a = as[uint16](elem(x, r*g.stepH))
			if g.nw <= 2*tileRows { // rows of outputs are blocks
				m.tiled.blocks(n, g.nw, cols, &o, o.a, 2*g.stepH, elem(wp, j*k), to, g.yW, g.yH, mode, from)
				continue
			}
			for range n {
				m.tiled.multiply(g.nw, cols, &o, elem(wp, j*k), to, g.yW, mode, from)
				o.a, to = at(o.a, 2*g.stepH), elem(to, g.yH)
			}
		}
	}
}

// gatheredTiles multiplies n rows of k pairs with packed weights.
func (m *Matrix) gatheredTiles(n, co, k int, a, wp, y, bias *float32, work *Work) {
	o := tiledRows{a: as[uint16](a), ars: 2 * k, next: 2 * tileRows * k, pairs: chunkOf(k), packing: work.at,
		config: &work.config}
	o.at = o.packing[:0]
	for l := 0; l < k; l += o.pairs {
		o.at = append(o.at, 2*l, l*m.panel)
	}
	work.at = o.at
	for j := 0; j < co; j += m.panel {
		from := bias
		if bias != nil {
			from = elem(bias, j)
		}
		m.tiled.multiply(n, min(m.panel, co-j), &o, elem(wp, j*k), elem(y, j), co, modeOf(false, bias), from)
	}
}

// gradTiles is [Matrix.ConvWeightGrad] by tiles, with x and dy rounded: rows are channels of x, with all pixels of a
// phase side by side. A pair is of neighbours, wherever it begins: a tap finds its own at any pixel.
func (m *Matrix) gradTiles(c *Conv2D, dw, x, dy *float32, work *Work) {
	t := m.pairs.tiled
	ah, aw := c.axes()
	h, w := phaseOf(ah), phaseOf(aw)
	row := w.length - w.shared()
	row += row % 2                                // pairs do not go over the end of a row
	size := (h.length-1)*row + max(row, w.length) // pixels of a phase
	k := (c.Ho-1)*row + c.Wo
	depth := tilesOfK(k)
	stride := size&^31 + 4*tilePairs + 2 // the last chunk reads past the end; rows must not meet in the cache
	panel := 2 * tileRows
	a := as[uint16](grow(&work.a, (stride*(c.Ci+tileRows)*c.StrideH*c.StrideW+1)/2))
	b := grow(&work.b, depth*(c.Co+panel)+tilePairs*panel)
	flat := grow(&work.x, size*c.Ci)
	for p := range c.StrideH * c.StrideW {
		c.phaseImage(flat, x, h, w, p/c.StrideW, p%c.StrideW, row, size)
		for i := 0; i < c.Ci; i += tileRows {
			to := at(a, (p*c.Ci+i)*stride)
			t.turned(size, elem(flat, i), c.Ci, to, stride, 2*tilePairs, maskOf(min(tileRows, c.Ci-i)))
			past := (size + 31) &^ 31
			for q := range tileRows {
				clear(slice(at(to, q*stride+past), stride-past))
			}
		}
	}
	for j := 0; j < c.Co; j += panel {
		for r := range c.Ho {
			d, pairs := elem(b, j*depth+r*row/2*panel), (c.Wo+1)/2
			t.panel(c.Wo, elem(dy, r*c.Wo*c.Co+j), c.Co, d, maskOf(min(panel, c.Co-j)))
			if r < c.Ho-1 {
				clear(slice(elem(d, pairs*panel), (row/2-pairs)*panel))
			} else {
				clear(slice(elem(d, pairs*panel), (depth-r*row/2-pairs)*panel))
			}
		}
	}
	o := tiledRows{ars: stride, next: tileRows * stride, pairs: tilePairs, config: &work.config}
	chunks := depth / tilePairs
	for l, step := 0, even(chunks, gradChunks); l < chunks; l += step {
		o.at = work.at[:0]
		for q := l; q < min(chunks, l+step); q++ {
			o.at = append(o.at, q*2*tilePairs, q*tilePairs*panel)
		}
		work.at = o.at
		for j := 0; j < c.Co; j += panel {
			for i := 0; i < c.Ci; i += 2 * tileRows {
				t.gradTaps(c, &o, h, w, row, stride, i, min(panel, c.Co-j), at(a, i*stride), elem(b, j*depth),
					elem(dw, i*c.Co+j))
			}
		}
	}
}

// gradChunks is how many chunks of pixels of a panel, and of 32 channels, stay in the first cache.
const gradChunks = 12

// gradTaps adds to the gradients of all taps, for at most 32 channels from i on. Taps beside each other are blocks.
func (t *tileTable) gradTaps(c *Conv2D, o *tiledRows, h, w phase, row, stride, i, cols int, a *uint16,
	b, dw *float32) {
	from := func(tap int) int {
		ph, oh := h.of(tap / c.Kw)
		pw, ow := w.of(tap % c.Kw)
		return (ph*c.StrideW+pw)*stride*c.Ci + oh*row + ow
	}
	rows := min(2*tileRows, c.Ci-i)
	for kh := range c.Kh {
		for kw := 0; kw < c.Kw; {
			first, n, apart := kh*c.Kw+kw, 1, 0
			for ; kw+n < c.Kw; n++ {
				d := from(first+n) - from(first+n-1)
				if n > 1 && d != apart {
					break
				}
				apart = d
			}
			t.blocks(n, rows, cols, o, at(a, from(first)), apart, b, elem(dw, first*c.Ci*c.Co), c.Co, c.Ci*c.Co,
				modeAdd, nil)
			kw += n
		}
	}
}
