package assign

import "math"

// leafMax is the largest number of points in a leaf of an [index].
const leafMax = 32

// An index finds, among points x_j with prices v_j, those of least |q - x_j|^p - v_j
// for any q, without looking at most of them. It is a complete binary tree over
// points in [treeOrder]; node k has the children 2k and 2k+1, and the root is 1.
//
// A node bounds what its points offer by their box and by a bound of their
// prices. For p = 2 that is v_j <= top + 2 shift·x_j, so
//
//	|q - x|² - v >= |q + shift - x|² - shift·(2q + shift) - top
//
// and the query is moved by shift, the mean displacement of a point of the node from its
// likely partner. Without it prices, whose gradient is twice that, would vary
// more within a box than the choices of a query differ.
type index struct {
	n, d, depth int
	p           Power
	margin      float64   // above the rounding of a bound
	x           []float64 // coordinate after coordinate
	v           []float64 // prices, which belong to the caller
	node        []float64 // of each node: top, then low, high, shift of each coordinate
}

// build makes the index of the points x, row-major, with the prices v. partner has
// for each a point near to which it is likely to be matched: this decides the speed only.
// scale bounds |q - x_j|^p.
func (t *index) build(x, partner, v []float64, d int, p Power, scale float64) {
	n := len(v)
	t.n, t.d, t.p, t.v, t.depth = n, d, p, v, 0
	t.margin = float64(d+8) * 0x1p-50 * scale
	for (n-1)>>t.depth+1 > leafMax {
		t.depth++
	}
	t.x = grow(t.x, n*d)
	for j := range n {
		for c, y := range x[j*d : (j+1)*d] {
			t.x[c*n+j] = y
		}
	}
	t.node = grow(t.node, (1+3*d)<<(t.depth+1))
	for k := 2<<t.depth - 1; k >= 1; k-- {
		if k >= 1<<t.depth {
			t.box(k, partner)
			continue
		}
		at, l, r := t.at(k), t.at(2*k), t.at(2*k+1)
		for c := 1; c < len(at); c += 3 {
			at[c], at[c+1], at[c+2] = min(l[c], r[c]), max(l[c+1], r[c+1]), (l[c+2]+r[c+2])/2
		}
	}
	t.fit()
}

// at returns the figures of node k.
func (t *index) at(k int) []float64 {
	size := 1 + 3*t.d
	return t.node[k*size : (k+1)*size]
}

// leaf returns the range of the points of node k, a leaf.
func (t *index) leaf(k int) (lo, hi int) {
	q := k - 1<<t.depth
	return q * t.n >> t.depth, (q + 1) * t.n >> t.depth
}

// box sets the box and the shift of leaf k.
func (t *index) box(k int, partner []float64) {
	at := t.at(k)
	lo, hi := t.leaf(k)
	for c := range t.d {
		low, high, move := math.Inf(1), math.Inf(-1), 0.0
		for j, y := range t.x[c*t.n+lo : c*t.n+hi] {
			low, high = min(low, y), max(high, y)
			move += y - partner[(lo+j)*t.d+c]
		}
		if t.p != Squared {
			move = 0
		}
		at[1+3*c], at[2+3*c], at[3+3*c] = low, high, move/float64(hi-lo)
	}
}

// fit makes the bounds of the prices as low as the prices now allow. Until the
// next fit prices may fall, not rise.
func (t *index) fit() {
	for k := 2<<t.depth - 1; k >= 1; k-- {
		at, top := t.at(k), math.Inf(-1)
		if k >= 1<<t.depth {
			lo, hi := t.leaf(k)
			for j := lo; j < hi; j++ {
				h := t.v[j]
				for c := range t.d {
					h -= 2 * at[3+3*c] * t.x[c*t.n+j]
				}
				top = max(top, h)
			}
		} else {
			for child := 2 * k; child <= 2*k+1; child++ {
				below := t.at(child)
				h := below[0]
				for c := 1; c < len(at); c += 3 { // the slopes differ: by how much in its box?
					e := 2 * (below[c+2] - at[c+2])
					h += max(e*below[c], e*below[c+1])
				}
				top = max(top, h)
			}
		}
		at[0] = top
	}
}

// bound returns a lower bound of |q - x_j|^p - v_j over the points of node k.
func (t *index) bound(q []float64, k int) float64 {
	if t.d == 2 && t.p == Squared {
		at := t.node[k*7 : k*7+7]
		z0, z1 := q[0]+at[3], q[1]+at[6]
		e0, e1 := max(at[1]-z0, z0-at[2], 0), max(at[4]-z1, z1-at[5], 0)
		return e0*e0 + e1*e1 - (at[3]*(q[0]+z0) + at[6]*(q[1]+z1) + at[0] + t.margin)
	}
	at := t.at(k)
	square, below := 0.0, at[0]+t.margin
	for c, y := range q {
		low, high, shift := at[1+3*c], at[2+3*c], at[3+3*c]
		z := y + shift
		e := max(low-z, z-high, 0)
		square += e * e
		below += shift * (y + z)
	}
	if t.p == Distance {
		square = math.Sqrt(square)
	}
	return square - below
}

// cost returns |q - x_j|^p.
func (t *index) cost(q []float64, j int) float64 {
	s := 0.0
	for c, y := range q {
		e := y - t.x[c*t.n+j]
		s += e * e
	}
	if t.p == Distance {
		s = math.Sqrt(s)
	}
	return s
}

// costs fills buf with the costs of the points lo to hi, of one leaf.
func (t *index) costs(buf *[leafMax]float64, q []float64, lo, hi int) []float64 {
	s := buf[:hi-lo]
	if t.d == 2 {
		x0, x1 := t.x[lo:hi][:len(s)], t.x[t.n+lo : t.n+hi][:len(s)]
		q0, q1 := q[0], q[1]
		for j := range s {
			e0, e1 := q0-x0[j], q1-x1[j]
			s[j] = e0*e0 + e1*e1
		}
	} else {
		clear(s)
		for c, y := range q {
			x := t.x[c*t.n+lo : c*t.n+hi][:len(s)]
			for j := range s {
				e := y - x[j]
				s[j] += e * e
			}
		}
	}
	power(s, t.p)
	return s
}

// within appends to list the edges from q with |q - x_j|^p - v_j < limit to points of
// node k.
func (t *index) within(list []edge, q []float64, limit float64, k int) []edge {
	if k < 1<<t.depth {
		for child := 2 * k; child <= 2*k+1; child++ {
			if t.bound(q, child) < limit {
				list = t.within(list, q, limit, child)
			}
		}
		return list
	}
	lo, hi := t.leaf(k)
	var buf [leafMax]float64
	v := t.v[lo:hi]
	for j, c := range t.costs(&buf, q, lo, hi)[:len(v)] {
		if c-v[j] < limit {
			list = append(list, edge{lo + j, c})
		}
	}
	return list
}

// nearest improves list, edges from q in increasing order, cost holding
// |q - x_j|^p - v_j, by the points of node k below limit. It returns the limit
// for others: that given, or less when the list is full.
func (t *index) nearest(list []edge, q []float64, limit float64, k int) float64 {
	if k < 1<<t.depth {
		near, far := 2*k, 2*k+1
		l, r := t.bound(q, near), t.bound(q, far)
		if r < l {
			near, far, l, r = far, near, r, l
		}
		if l < limit {
			limit = t.nearest(list, q, limit, near)
		}
		if r < limit {
			limit = t.nearest(list, q, limit, far)
		}
		return limit
	}
	lo, hi := t.leaf(k)
	var buf [leafMax]float64
	return insertBelow(list, t.costs(&buf, q, lo, hi), t.v[lo:hi], lo, limit)
}
