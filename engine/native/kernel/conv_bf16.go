package kernel

// A convolution in bfloat16 is one of images whose elements are pairs of channels
// that are neighbours; the gradient of its weights, a sum over images too, takes
// pairs of the same pixel of two images, so that every tap finds its pairs whole.
// Where this CPU has no such products, operands are rounded, and multiplied as floats.

// inPairs is the table that convolves, and the geometry in its elements. Where
// there are pairs, channels must be even.
func (m *Matrix) inPairs(c *Conv2D) (*Matrix, *Conv2D) {
	t, channels := m.inBF16(c.Ci)
	g := *c
	g.Ci = channels
	return t, &g
}

// ConvPackedLenBF16 is the length, in floats, of the packed form of the weights.
func (m *Matrix) ConvPackedLenBF16(c *Conv2D) int {
	t, g := m.inPairs(c)
	return t.ConvPackedLen(g)
}

// ConvPackBF16 is [Matrix.ConvPack] for [Matrix.ConvBF16].
func (m *Matrix) ConvPackBF16(c *Conv2D, dst *float32, w BF16, ws [4]int, work *Work) {
	t, g := m.inPairs(c)
	k := g.Kh * g.Kw * g.Ci
	for j := 0; j < c.Co; j += t.panel {
		n := min(t.panel, c.Co-j)
		temp := grow(&work.h, n*g.Ci)
		for tap := range c.Kh * c.Kw {
			from := w.at(tap/c.Kw*ws[0] + tap%c.Kw*ws[1] + j*ws[3])
			rs, cs := m.convert(temp, n, c.Ci, from, ws[3], ws[2], work)
			t.packPanel(elem(dst, j*k+tap*g.Ci*t.panel), g.Ci, n, temp, cs, rs)
		}
	}
}

// ConvBF16 is [Matrix.Conv] with x and the weights rounded to bfloat16; sums are
// floats.
func (m *Matrix) ConvBF16(c *Conv2D, y, x, wp, bias *float32, work *Work) {
	t, g := m.inPairs(c)
	n := c.H * c.W * c.Ci
	temp := grow(&work.h, n)
	m.convertRow(n, temp, BF16{Float: x})
	t.Conv(g, y, temp, wp, bias, work)
}

// ConvWeightGradBF16 adds to dw [Kh,Kw,Ci,Co] the gradients of the weights for one
// image, or for two that follow each other, with x and dy rounded to bfloat16.
func (m *Matrix) ConvWeightGradBF16(c *Conv2D, images int, dw, x, dy *float32, work *Work) {
	nx, ny := c.H*c.W*c.Ci, c.Ho*c.Wo*c.Co
	if m.gradByTiles(c) {
		for k := range images {
			m.gradTiles(c, dw, elem(x, k*nx), elem(dy, k*ny), work)
		}
		return
	}
	temp := grow(&work.h, nx+ny)
	if m.pairs == nil {
		for k := range images {
			m.round(nx, temp, elem(x, k*nx))
			m.round(ny, elem(temp, nx), elem(dy, k*ny))
			m.ConvWeightGrad(c, dw, temp, elem(temp, nx), work)
		}
		return
	}
	m.pairs.rows(nx, temp, x, elem(x, (images-1)*nx), images-1)
	m.pairs.rows(ny, elem(temp, nx), dy, elem(dy, (images-1)*ny), images-1)
	m.pairs.ConvWeightGrad(c, dw, temp, elem(temp, nx), work)
}

// gradByTiles says whether tiles make the gradient of the weights, an image at a time.
func (m *Matrix) gradByTiles(c *Conv2D) bool {
	return m.pairs != nil && m.pairs.tiled != nil && c.InDilationH == 1 && c.InDilationW == 1 &&
		min(c.Ho, c.Wo, c.Co, c.Ci, c.H, c.W) > 0
}

// ImagesBF16 is the number of images that [Matrix.ConvWeightGradBF16] takes at a time.
func (m *Matrix) ImagesBF16(c *Conv2D) int {
	if m.pairs == nil || m.gradByTiles(c) {
		return 1
	}
	return 2
}
