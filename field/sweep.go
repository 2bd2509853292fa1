package field

import (
	"math"

	"gonum.org/v1/gonum/blas/gonum"

	"flowmatch/engine/native/kernel"
	"flowmatch/flow"
	"flowmatch/path"
)

// How a sweep over M data points for N queries is cut up. The cuts depend on M
// and D alone, so the result for a query depends neither on N nor on processors.
const (
	queryBlock = 32      // queries that share a pass over the data
	dataBlock  = 64      // data points in one matrix product
	minShard   = 512     // data points that are worth a task of their own,
	maxShards  = 16      // and the most such tasks: they are merged in order
	waveFloats = 2 << 20 // partial results held at once: 16 MiB
	fewDims    = 4       // up to which calls to BLAS take longer than what they do
)

const (
	// Weights below e^-100 of the largest are dropped: 60,000 of them add up to
	// 1e-39, far below the last bit of a float64.
	cutoff = 100
	// vague is the rounding error in a logit above which it is computed again.
	vague = 1e-10
	eps   = 0x1p-52
)

// posterior writes x̂_1 of the queries x, [N, D], into mean and returns
// log Σ_i q_i exp(−|x − α x_i|²/2σ²) for each. It is one pass over the data with
// a running maximum, so that no exponential overflows and no N by M matrix exists.
func (m *Marginal) posterior(c coefs, x flow.Batch, mean []float64) (logz []float64) {
	d := m.Dim()
	logz = make([]float64, x.N)
	m.sweep(x.N, d+2, func(r rect, out []float64) {
		row := func(q int) []float64 { return out[(q-r.q0)*(d+2) : (q-r.q0+1)*(d+2)] }
		for q := r.q0; q < r.q1; q++ {
			row(q)[d] = math.Inf(-1)
		}
		m.logits(c, x, r, func(q int) float64 { return row(q)[d] - cutoff }, func(q, i0 int, l []float64) {
			m.absorb(row(q), i0, l)
		})
	}, func(q int, part func(s int) []float64) {
		logz[q] = merge(mean[q*d:(q+1)*d], part, m.shards())
	})
	return logz
}

// absorb adds the data points i0, i0+1, ... with logits l to the running softmax
// sum: Σ w_i x_i in sum[:D], the largest logit so far in sum[D], Σ w_i in sum[D+1],
// the weights w relative to that largest.
func (m *Marginal) absorb(sum []float64, i0 int, l []float64) {
	d := m.Dim()
	top := sum[d]
	for _, v := range l {
		top = max(top, v) // NaN if any is: a NaN in x must show in the answer
	}
	if top != sum[d] {
		shrink := math.Exp(sum[d] - top)
		for k := range d {
			sum[k] *= shrink
		}
		sum[d+1] *= shrink
		sum[d] = top
	}
	var weights [dataBlock]float64
	w := weights[:len(l)]
	kernels := kernel.BestDoubles()
	kernels.Exps(w, l, top)
	if d <= fewDims {
		m.addFew(sum, i0, w, l, top)
		return
	}
	var rows [dataBlock]*float64
	n := 0
	for j, v := range l {
		if v < top-cutoff {
			continue
		}
		w[n], rows[n] = w[j], &m.x1.X[(i0+j)*d]
		sum[d+1] += w[n]
		n++
	}
	kernels.AddRows(sum[:d], w[:n], rows[:n])
}

// addFew adds the data points i0, i0+1, ... of few dimensions with weights w to the running sum, which it keeps in
// registers where they have two.
func (m *Marginal) addFew(sum []float64, i0 int, w, l []float64, top float64) {
	d := m.Dim()
	x := m.x1.X[i0*d : (i0+len(l))*d]
	w = w[:len(l)]
	if d == 2 {
		a, b, total := sum[0], sum[1], sum[3]
		for j, v := range l {
			if v < top-cutoff {
				continue
			}
			a += w[j] * x[2*j]
			b += w[j] * x[2*j+1]
			total += w[j]
		}
		sum[0], sum[1], sum[3] = a, b, total
		return
	}
	for j, v := range l {
		if v < top-cutoff {
			continue
		}
		for k, xk := range x[j*d : (j+1)*d] {
			sum[k] += w[j] * xk
		}
		sum[d+1] += w[j]
	}
}

// merge joins the running sums of all shards, in order, into their mean and
// returns the logarithm of the total weight.
func merge(mean []float64, part func(s int) []float64, shards int) float64 {
	d := len(mean)
	top := math.Inf(-1)
	for s := range shards {
		top = max(top, part(s)[d])
	}
	total := 0.0
	clear(mean)
	for s := range shards {
		p := part(s)
		f := math.Exp(p[d] - top)
		total += f * p[d+1]
		axpy(f, p[:d], mean)
	}
	for k := range mean {
		mean[k] /= total
	}
	return top + math.Log(total)
}

// secondPass goes over the data once more, when the total weight exp(logz) of
// each query is known: add is called for query q and point i with the weight
// w_i of eq. 8, and adds width numbers to out; finish gets their sum.
func (m *Marginal) secondPass(c coefs, x flow.Batch, logz []float64, width int,
	add func(q, i int, w float64, out []float64), finish func(q int, out []float64)) {
	m.sweep(x.N, width, func(r rect, out []float64) {
		m.logits(c, x, r, func(q int) float64 { return logz[q] - cutoff }, func(q, i0 int, l []float64) {
			row := out[(q-r.q0)*width : (q-r.q0+1)*width]
			var weights [dataBlock]float64
			kernel.BestDoubles().Exps(weights[:len(l)], l, logz[q])
			for j, v := range l {
				if !(v < logz[q]-cutoff) {
					add(q, i0+j, weights[j], row)
				}
			}
		})
	}, func(q int, part func(s int) []float64) {
		sum := part(0)
		for s := 1; s < m.shards(); s++ {
			axpy(1, part(s), sum)
		}
		finish(q, sum)
	})
}

// rect is the work of one task: queries q0 to q1 against data points i0 to i1.
type rect struct{ q0, q1, i0, i1 int }

func (m *Marginal) shards() int { return min(maxShards, (m.x1.N+minShard-1)/minShard) }

// sweep calls task on rectangles that cover n queries and all data points, in
// parallel, each with zeroed memory for width numbers a query; and then join for
// each query, in order, with what each shard of the data left there.
func (m *Marginal) sweep(n, width int, task func(r rect, out []float64), join func(q int, part func(s int) []float64)) {
	shards, data := m.shards(), m.x1.N
	wave := min(n, max(queryBlock, waveFloats/(shards*width)))
	buf := make([]float64, shards*wave*width)
	for w0 := 0; w0 < n; w0 += wave {
		w1 := min(n, w0+wave)
		clear(buf)
		blocks := (w1 - w0 + queryBlock - 1) / queryBlock
		parallel(blocks*shards, func(i int) {
			s, q0 := i%shards, w0+i/shards*queryBlock
			q1 := min(w1, q0+queryBlock)
			at := (s*wave + q0 - w0) * width
			task(rect{q0, q1, s * data / shards, (s + 1) * data / shards}, buf[at:at+(q1-q0)*width])
		})
		for q := w0; q < w1; q++ {
			join(q, func(s int) []float64 {
				at := (s*wave + q - w0) * width
				return buf[at : at+width]
			})
		}
	}
}

// logits visits the queries and data of r, a row of at most dataBlock points at a
// time, with l[j] = log q_i − |x − α x_i|²/2σ² for i = i0+j, with the α and σ of the query.
//
// The squares come from a matrix product, |x|² − 2α x·x_i + α²|x_i|², whose
// rounding error is about eps (|x| + α|x_i|)², divided by 2σ². For wide σ that is
// nothing. Where it would show (above 1e-10) the product only sorts out the
// points that cannot weigh anything, below floor(q) or far below others of the
// row, which are given −Inf; the rest, few because σ is small, are computed
// again from differences, whose error is that of moving x by its last bit.
func (m *Marginal) logits(c coefs, x flow.Batch, r rect, floor func(q int) float64,
	visit func(q, i0 int, l []float64)) {
	d, nq := m.Dim(), r.q1-r.q0
	if d <= fewDims {
		m.differences(c, x, r, visit)
		return
	}
	var buf [queryBlock * dataBlock]float64
	var sq [queryBlock]float64
	products := kernel.BestDoubles()
	for q := range nq {
		sq[q] = dot(x.Row(r.q0+q), x.Row(r.q0+q))
	}
	for i0 := r.i0; i0 < r.i1; i0 += dataBlock {
		nb := min(dataBlock, r.i1-i0)
		products.Products(buf[:], nb, x.X[r.q0*d:r.q1*d], m.x1.X[i0*d:(i0+nb)*d], d)
		for q := range nq {
			l, c := buf[q*nb:(q+1)*nb], c.of(r.q0+q)
			inv := 0.5 / (c.Sigma * c.Sigma)
			best := math.Inf(-1)
			for j, xy := range l {
				l[j] = m.logq[i0+j] - inv*(sq[q]-2*c.Alpha*xy+c.Alpha*c.Alpha*m.sq[i0+j])
				best = max(best, l[j])
			}
			span := math.Sqrt(sq[q]) + c.Alpha*m.far
			if miss := (8 + math.Sqrt(float64(d))) * eps * span * span * inv; miss > vague {
				m.sharpen(c, x.Row(r.q0+q), i0, l, max(floor(r.q0+q), best-cutoff)-2*miss)
			}
			visit(r.q0+q, i0, l)
		}
	}
}

// differences is logits in few dimensions, where all are computed from differences: a product would take longer.
func (m *Marginal) differences(c coefs, x flow.Batch, r rect, visit func(q, i0 int, l []float64)) {
	d := m.Dim()
	var buf [dataBlock]float64
	for i0 := r.i0; i0 < r.i1; i0 += dataBlock {
		l := buf[:min(dataBlock, r.i1-i0)]
		for q := r.q0; q < r.q1; q++ {
			at, c := x.Row(q), c.of(q)
			inv := 0.5 / (c.Sigma * c.Sigma)
			data := m.x1.X[i0*d : (i0+len(l))*d]
			if d == 2 {
				for j, logq := range m.logq[i0 : i0+len(l)] {
					a, b := at[0]-c.Alpha*data[2*j], at[1]-c.Alpha*data[2*j+1]
					l[j] = logq - inv*(a*a+b*b)
				}
				visit(q, i0, l)
				continue
			}
			for j, logq := range m.logq[i0 : i0+len(l)] {
				r := 0.0
				for k, xk := range data[j*d : (j+1)*d] {
					diff := at[k] - c.Alpha*xk
					r += diff * diff
				}
				l[j] = logq - inv*r
			}
			visit(q, i0, l)
		}
	}
}

// sharpen computes the logits above floor again from differences and gives the
// others −Inf.
func (m *Marginal) sharpen(c path.Coef, x []float64, i0 int, l []float64, floor float64) {
	inv := 0.5 / (c.Sigma * c.Sigma)
	for j, v := range l {
		if v < floor {
			l[j] = math.Inf(-1)
			continue
		}
		r := 0.0
		for k, xk := range m.x1.Row(i0 + j) {
			diff := x[k] - c.Alpha*xk
			r += diff * diff
		}
		l[j] = m.logq[i0+j] - inv*r
	}
}

// jacobian returns a and gain such that ∂u/∂x = a I + gain Cov.
func jacobian(c path.Coef) (a, gain float64) {
	a, b := c.Convert(path.Data, path.Velocity)
	return a, b * c.Alpha / (c.Sigma * c.Sigma)
}

// axpy adds w x to y.
func axpy(w float64, x, y []float64) {
	if len(y) > fewDims {
		gonum.Implementation{}.Daxpy(len(y), w, x, 1, y, 1)
		return
	}
	for k, xk := range x[:len(y)] {
		y[k] += w * xk
	}
}

func dot(x, y []float64) float64 { return gonum.Implementation{}.Ddot(len(x), x, 1, y, 1) }
