package plot

import (
	"image"
	"image/color"
	"math"
)

// layer collects dots and strokes over a data area of w x h pixels before they
// are blended into the picture in one go. Positions are in pixels from the top
// left corner of the area; the centre of pixel (i, j) is (i+0.5, j+0.5).
// Whatever falls outside is clipped.
type layer struct {
	w, h int
	// through is the share of light each pixel lets through, 1 where there is no ink.
	through []float64
}

func newLayer(w, h int) *layer {
	l := &layer{w: w, h: h, through: make([]float64, w*h)}
	for i := range l.through {
		l.through[i] = 1
	}
	return l
}

// box returns the pixels that touch [x0,x1] x [y0,y1], clipped to w x h.
func box(w, h int, x0, x1, y0, y1 float64) (i0, i1, j0, j1 int) {
	clip := func(v float64, n int) int { return int(min(max(math.Floor(v), -1), float64(n))) }
	return max(clip(x0, w), 0), min(clip(x1, w)+1, w), max(clip(y0, h), 0), min(clip(y1, h)+1, h)
}

// dot adds an anti-aliased disc of radius r and opacity alpha.
func (l *layer) dot(x, y, r, alpha float64) {
	i0, i1, j0, j1 := box(l.w, l.h, x-r-1, x+r+1, y-r-1, y+r+1)
	for j := j0; j < j1; j++ {
		for i := i0; i < i1; i++ {
			d := math.Hypot(float64(i)+0.5-x, float64(j)+0.5-y)
			l.through[j*l.w+i] *= 1 - alpha*min(max(r+0.5-d, 0), 1)
		}
	}
}

// blend paints layers, each in its colour, onto img at rectangle r. No layer lies
// on top: a pixel takes the mean of their colours, weighted by the optical depth
// -log(through) of each, so that overlaid sets can be compared.
func blend(img *image.RGBA, r image.Rectangle, layers []*layer, colors []color.RGBA) {
	const opaque = 1e-9 // log 0 is no weight
	for j := range r.Dy() {
		for i := range r.Dx() {
			through, depth, sum := 1.0, 0.0, [3]float64{}
			for k, l := range layers {
				t := l.through[j*l.w+i]
				if t == 1 {
					continue
				}
				d, c := -math.Log(max(t, opaque)), colors[k]
				through, depth = through*t, depth+d
				sum[0], sum[1], sum[2] = sum[0]+d*float64(c.R), sum[1]+d*float64(c.G), sum[2]+d*float64(c.B)
			}
			if depth > 0 {
				mean := func(v float64) uint8 { return uint8(v/depth + 0.5) }
				x, y := r.Min.X+i, r.Min.Y+j
				c := color.RGBA{R: mean(sum[0]), G: mean(sum[1]), B: mean(sum[2]), A: 255}
				img.SetRGBA(x, y, mix(img.RGBAAt(x, y), c, 1-through))
			}
		}
	}
}

// stroke rasterises one polyline at a time, with a value along it that becomes
// its colour. Overlapping segments of one line do not darken it.
type stroke struct {
	w, h           int
	cover, value   []float64
	x0, x1, y0, y1 int // the pixels touched
}

func newStroke(w, h int) *stroke {
	return &stroke{w: w, h: h, cover: make([]float64, w*h), value: make([]float64, w*h), x0: w, y0: h}
}

// segment adds a piece of half-width r from (ax, ay) to (bx, by), along which
// the value goes from va to vb.
func (s *stroke) segment(ax, ay, bx, by, r, va, vb float64) {
	i0, i1, j0, j1 := box(s.w, s.h, min(ax, bx)-r-1, max(ax, bx)+r+1, min(ay, by)-r-1, max(ay, by)+r+1)
	dx, dy := bx-ax, by-ay
	norm := dx*dx + dy*dy
	for j := j0; j < j1; j++ {
		for i := i0; i < i1; i++ {
			px, py := float64(i)+0.5-ax, float64(j)+0.5-ay
			u := 0.0
			if norm > 0 {
				u = min(max((px*dx+py*dy)/norm, 0), 1)
			}
			// A line thinner than a pixel is drawn a pixel wide, but paler.
			c := min(max(max(r, 0.5)+0.5-math.Hypot(px-u*dx, py-u*dy), 0), 1) * min(2*r, 1)
			if k := j*s.w + i; c > s.cover[k] {
				s.cover[k], s.value[k] = c, va+u*(vb-va)
			}
		}
	}
	s.x0, s.x1, s.y0, s.y1 = min(s.x0, i0), max(s.x1, i1), min(s.y0, j0), max(s.y1, j1)
}

// blend paints the line with opacity alpha onto img at rectangle r, coloured by
// its value, and forgets it.
func (s *stroke) blend(img *image.RGBA, r image.Rectangle, alpha float64, c func(value float64) color.RGBA) {
	for j := s.y0; j < s.y1; j++ {
		for i := s.x0; i < s.x1; i++ {
			k := j*s.w + i
			if s.cover[k] > 0 {
				x, y := r.Min.X+i, r.Min.Y+j
				img.SetRGBA(x, y, mix(img.RGBAAt(x, y), c(s.value[k]), alpha*s.cover[k]))
				s.cover[k] = 0
			}
		}
	}
	s.x0, s.x1, s.y0, s.y1 = s.w, 0, s.h, 0
}

// heatmap is a density on the pixels of a data area, row 0 at the top.
type heatmap struct {
	w, h int
	p    []float64
}

// add spreads one point at (x, y) over its four nearest pixels.
func (m *heatmap) add(x, y, weight float64) {
	x, y = x-0.5, y-0.5
	if !(x > -1 && y > -1 && x < float64(m.w) && y < float64(m.h)) {
		return
	}
	i, j := int(math.Floor(x)), int(math.Floor(y))
	fx, fy := x-float64(i), y-float64(j)
	for dj, wy := range [2]float64{1 - fy, fy} {
		for di, wx := range [2]float64{1 - fx, fx} {
			if a, b := i+di, j+dj; a >= 0 && b >= 0 && a < m.w && b < m.h {
				m.p[b*m.w+a] += weight * wx * wy
			}
		}
	}
}

// blur convolves with a Gaussian of the given standard deviation in pixels.
func (m *heatmap) blur(sd float64) {
	kernel := bell(sd)
	tmp := make([]float64, len(m.p))
	convolve(tmp, m.p, m.h, m.w, m.w, 1, kernel)
	convolve(m.p, tmp, m.w, m.h, 1, m.w, kernel)
}

// bell is a Gaussian of the given standard deviation, from its middle outwards to three of
// them, of sum 1 over both sides.
func bell(sd float64) []float64 {
	n := int(math.Ceil(3 * sd))
	kernel := make([]float64, n+1)
	sum := 0.0
	for k := range kernel {
		kernel[k] = math.Exp(-0.5 * float64(k*k) / (sd * sd))
		sum += kernel[k]
		if k > 0 {
			sum += kernel[k]
		}
	}
	for k := range kernel {
		kernel[k] /= sum
	}
	return kernel
}

// convolve filters `lines` lines of n values that lie `step` apart, the lines
// `stride` apart, with a symmetric kernel given from its middle outwards.
// Beyond the ends the values count as zero. dst must not alias src.
func convolve(dst, src []float64, lines, n, stride, step int, kernel []float64) {
	for l := range lines {
		for i := range n {
			sum := kernel[0] * src[l*stride+i*step]
			for k := 1; k < len(kernel); k++ {
				if i-k >= 0 {
					sum += kernel[k] * src[l*stride+(i-k)*step]
				}
				if i+k < n {
					sum += kernel[k] * src[l*stride+(i+k)*step]
				}
			}
			dst[l*stride+i*step] = sum
		}
	}
}
