package kernel

// Rows says where the rows of one head of an image's queries, keys or values are: token i at At[i*Stride].
type Rows struct {
	At     *float32
	Stride int
}

func (r Rows) from(i int) *float32 { return elem(r.At, i*r.Stride) }

// Attention is what one head attends to: softmax(Scale q kᵀ) v, of Queries rows q and Keys rows k of Width numbers,
// and rows v of Values numbers.
type Attention struct {
	Queries, Keys, Width, Values int
	Scale                        float32 // positive
}

// scoresAtOnce is up to how many scores are there at a time, and rowsAtOnce up to how many queries. They decide where
// the sums of gradients are rounded, and so are no sizes of a machine.
const (
	scoresAtOnce = 1 << 17
	rowsAtOnce   = 256
	rowsLeast    = 16
)

// together is the number of queries whose scores are there at a time.
func (a *Attention) together() int {
	return min(a.Queries, max(rowsLeast, min(rowsAtOnce, scoresAtOnce/max(a.Keys, 1)&^15)))
}

// place cuts room into pieces.
type place struct {
	room *float32
	used int
}

func (p *place) take(n int) *float32 {
	at := elem(p.room, p.used)
	p.used += (n + 15) &^ 15
	return at
}

// Room is the number of floats that [Matrix.Attend] needs, or with its gradient [Matrix.AttendGradient]: it grows
// in proportion to the keys.
func (m *Matrix) Room(a *Attention, gradient bool) int {
	var p place
	if gradient {
		m.gradientRoom(a, &p)
	} else {
		m.attendRoom(a, &p)
	}
	return p.used
}

type attendRoom struct{ keys, values, scores, sums *float32 }

func (m *Matrix) attendRoom(a *Attention, p *place) (r attendRoom) {
	r.keys = p.take(m.PackedLen(a.Width, a.Keys))
	r.values = p.take(m.PackedLen(a.Keys, a.Values))
	r.scores = p.take(a.together() * a.Keys)
	r.sums = p.take(a.together())
	return r
}

// Attend writes softmax(Scale q kᵀ) v into out, for some queries at a time: no more of the scores is ever there.
// A row of the result has the same bits whatever rows are beside it.
func (m *Matrix) Attend(vec *Vector, a *Attention, q, k, v, out Rows, room *float32, work *Work) {
	r := m.attendRoom(a, &place{room: room})
	m.packAll(r.keys, a.Width, a.Keys, k.At, 1, k.Stride)
	m.packAll(r.values, a.Keys, a.Values, v.At, v.Stride, 1)
	for i, step := 0, a.together(); i < a.Queries; i += step {
		n := min(step, a.Queries-i)
		m.weights(vec, a, n, q.from(i), q.Stride, r.keys, r.scores, r.sums, work)
		m.MulPacked(n, a.Values, a.Keys, r.scores, a.Keys, 1, r.values, out.from(i), out.Stride, nil, false, work)
		for j := range n {
			o := out.from(i + j)
			vec.BinaryVS[Mul](a.Values, o, o, 1 / *elem(r.sums, j))
		}
	}
}

// packAll packs all panels of a matrix.
func (m *Matrix) packAll(dst *float32, k, n int, b *float32, rs, cs int) {
	m.Pack(dst, k, n, b, rs, cs, 0, m.panels(n))
}

// weights makes exp(Scale (s - max s)) of the scores s of n queries, and the sums of these rows.
func (m *Matrix) weights(vec *Vector, a *Attention, n int, q *float32, stride int, keys, scores, sums *float32,
	work *Work) {
	m.MulPacked(n, a.Keys, a.Width, q, stride, 1, keys, scores, a.Keys, nil, false, work)
	for j := range n {
		row := elem(scores, j*a.Keys)
		vec.Affine(a.Keys, row, row, a.Scale, -a.Scale*vec.MaxOf(a.Keys, row))
		vec.Unary[Exp](a.Keys, row, row)
		*elem(sums, j) = vec.Sum(a.Keys, row)
	}
}

type gradientRoom struct{ keys, values, keysBack, scores, back, sums *float32 }

func (m *Matrix) gradientRoom(a *Attention, p *place) (r gradientRoom) {
	r.keys = p.take(m.PackedLen(a.Width, a.Keys))
	r.values = p.take(m.PackedLen(a.Values, a.Keys))
	r.keysBack = p.take(m.PackedLen(a.Keys, a.Width))
	r.scores = p.take(a.together() * a.Keys)
	r.back = p.take(a.together() * a.Keys)
	r.sums = p.take(a.together())
	return r
}

// AttendGradient writes the gradients with respect to q, k and v, given that with respect to the result. Scores are
// worked out again, for some queries at a time. With P = softmax(Scale q kᵀ) and G = g vᵀ,
//
//	dv = Pᵀ g,  dS = Scale P (G - rows of sums of P G),  dq = dS k,  dk = dSᵀ q.
func (m *Matrix) AttendGradient(vec *Vector, a *Attention, q, k, v, g, dq, dk, dv Rows, room *float32, work *Work) {
	r := m.gradientRoom(a, &place{room: room})
	m.packAll(r.keys, a.Width, a.Keys, k.At, 1, k.Stride)
	m.packAll(r.values, a.Values, a.Keys, v.At, 1, v.Stride)
	m.packAll(r.keysBack, a.Keys, a.Width, k.At, k.Stride, 1)
	for i, step := 0, a.together(); i < a.Queries; i += step {
		n := min(step, a.Queries-i)
		m.weights(vec, a, n, q.from(i), q.Stride, r.keys, r.scores, r.sums, work)
		m.MulPacked(n, a.Keys, a.Values, g.from(i), g.Stride, 1, r.values, r.back, a.Keys, nil, false, work)
		for j := range n {
			p, d := elem(r.scores, j*a.Keys), elem(r.back, j*a.Keys)
			vec.BinaryVS[Mul](a.Keys, p, p, 1 / *elem(r.sums, j))
			vec.Affine(a.Keys, d, d, a.Scale, -a.Scale*vec.Dot(a.Keys, p, d))
			vec.Binary[Mul](a.Keys, d, d, p)
		}
		m.MulPacked(n, a.Width, a.Keys, r.back, a.Keys, 1, r.keysBack, dq.from(i), dq.Stride, nil, false, work)
		m.Mul(a.Keys, a.Width, n, r.back, 1, a.Keys, q.from(i), q.Stride, dk.At, dk.Stride, nil, i > 0, work)
		m.Mul(a.Keys, a.Values, n, r.scores, 1, a.Keys, g.from(i), g.Stride, dv.At, dv.Stride, nil, i > 0, work)
	}
}
