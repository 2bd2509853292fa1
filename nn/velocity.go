package nn

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"flowmatch/flow"
)

// blockRows is how many points go through the engine in one call. It bounds the
// memory of a call; blocks run side by side, so the pure-Go engine, which gains
// little from large matrices, gets smaller ones. A last partial block is padded,
// so that few shapes are ever compiled.
func (n *Net) blockRows() int {
	switch {
	case n.arch.cfg.OfImages():
		return imageRows
	case n.eng.name == "go":
		return 1024
	}
	return 8192
}

// imageRows is the block of a network of images, of which a thousand would hold
// gigabytes between the layers on an engine that keeps them whole.
const imageRows = 64

// sideBySide is how many blocks run at once: an engine that puts all cores to
// work on one has no use for a second.
func (e *Engine) sideBySide() int {
	if e.name == "go" {
		return runtime.GOMAXPROCS(0)
	}
	return 1
}

// tangentRows bounds N·K, the rows of the tangents of an exact divergence.
const tangentRows = 16384

// Field is a Net as a [flow.Field]: f_θ(x, t | label, condition). It offers every
// upgrade: vector-Jacobian products, exact divergence, and the gradients of
// both with respect to the weights. Safe for concurrent use.
type Field struct {
	net   *Net
	label []int32
	cond  flow.Batch
}

var (
	_ flow.Differentiable = (*Field)(nil)
	_ flow.Diverger       = (*Field)(nil)
)

// Bind returns the field of n. label is nil for an unconditional network; else
// it has one entry for all points, or one for each point. A network with a condition
// needs BindTo.
func (n *Net) Bind(label []int32) (*Field, error) { return n.BindTo(label, flow.Batch{}) }

// BindTo returns the field of n given labels, as in Bind, and the values of a
// condition: the zero Batch for a network without one, else [N, Dc] with one row for
// all points, or one for each. It keeps both. The error is ErrLabels or ErrCondition
// where they do not fit.
func (n *Net) BindTo(label []int32, cond flow.Batch) (*Field, error) {
	if (n.arch.cfg.Classes > 0) != (len(label) > 0) {
		return nil, fmt.Errorf("%w: %d labels for a network of %d classes", ErrLabels, len(label), n.arch.cfg.Classes)
	}
	switch c := n.arch.cfg.Condition; {
	case cond.N == 0 && c > 0:
		return nil, fmt.Errorf("%w: none given, it takes %d values of each point", ErrCondition, c)
	case cond.N > 0 && cond.D != c:
		return nil, fmt.Errorf("%w: %d values given, it takes %d", ErrCondition, cond.D, c)
	}
	return &Field{net: n, label: label, cond: cond}, nil
}

// Dim returns D.
func (f *Field) Dim() int { return f.net.arch.cfg.Dim }

// NumParams returns P, the number of weights.
func (f *Field) NumParams() int { return f.net.arch.size }

// Velocity writes f(x, t) into v; see [flow.Field].
func (f *Field) Velocity(v []float64, t float64, x []float64) error {
	d := f.Dim()
	return f.blocks(f.net.progs.velocity, 0, t, x, nil, func(i, j int, out *frame) {
		out.read(v[i*d:j*d], 0)
	})
}

// VJP writes f into v and eᵀ ∂f/∂x into g; see [flow.Differentiable].
func (f *Field) VJP(v, g []float64, t float64, x, e []float64) error {
	d := f.Dim()
	fill := func(i, j, at int, in *frame) { in.set(at, e[i*d:j*d]) }
	return f.blocks(f.net.progs.vjp, 0, t, x, fill, func(i, j int, out *frame) {
		out.read(v[i*d:j*d], 0)
		out.read(g[i*d:j*d], 1)
	})
}

// VelocityDiv writes f into v and the exact divergence into div; see
// [flow.Diverger]. The Jacobian's diagonal is carried forward through the layers of
// a perceptron, a block of basis vectors at a time, so any D fits in memory; of a
// network of images it takes D passes back.
func (f *Field) VelocityDiv(v, div []float64, t float64, x []float64) error {
	d := f.Dim()
	clear(div)
	if !f.net.arch.pushes() {
		return f.pulledDiv(v, div, t, x)
	}
	return eachBasis(d, len(x)/d, func(basis []float64, k int) error {
		fill := func(_, _, at int, in *frame) { in.set(at, basis) }
		return f.blocks(f.net.progs.div, k, t, x, fill, func(i, j int, out *frame) {
			out.read(v[i*d:j*d], 0)
			out.add(div[i:j], 1)
		})
	})
}

// pulledDiv is VelocityDiv of a network that cannot carry tangents forward: D
// vector-Jacobian products, one for each coordinate.
func (f *Field) pulledDiv(v, div []float64, t float64, x []float64) error {
	d := f.Dim()
	e, g := make([]float64, len(x)), make([]float64, len(x))
	for k := range d {
		clear(e)
		for i := range div {
			e[i*d+k] = 1
		}
		if err := f.VJP(v, g, t, x, e); err != nil {
			return err
		}
		for i := range div {
			div[i] += g[i*d+k]
		}
	}
	return nil
}

// VJPParams writes f into v [N, D], unless v is nil, and adds to gx [N, D] and gtheta
// [P] the gradient of Σ_i a_i·f(x_i) with respect to x and the weights, all from one
// forward pass: aᵀ ∂f/∂x and aᵀ ∂f/∂θ, what a gradient through a solve needs.
func (f *Field) VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error {
	d := f.Dim()
	fill := func(i, j, at int, in *frame) { in.set(at, a[i*d:j*d]) }
	return f.blocks(f.net.progs.vjpTheta, 0, t, x, fill, func(i, j int, out *frame) {
		if v != nil {
			out.read(v[i*d:j*d], 0)
		}
		out.add(gx[i*d:j*d], 1)
		out.add(gtheta, 2)
	})
}

// VJPAug adds to gx [N, D] and gtheta [P] the gradient, with respect to x and
// the weights, of
//
//	Σ_i a_i·f(x_i) + l_i δ_i + k_i |f(x_i)|² + j_i φ_i.
//
// With the probes e [N, D], δ is eᵀ J e and φ is |eᵀ J|²; when e is nil, they are
// the exact divergence and |J|², the squared Frobenius norm. k and j are [N], or
// nil for zeros, and cost something only where one is given. It is what the
// gradient of a log-likelihood through the solver needs.
func (f *Field) VJPAug(gx, gtheta []float64, t float64, x, a, l, e, k, j []float64) error {
	d, n := f.Dim(), len(l)
	add := func(from, to int, out *frame) {
		out.add(gx[from*d:to*d], 0)
		out.add(gtheta, 1)
	}
	probe, exact := f.net.progs.augProbe, f.net.progs.augExact
	regularised := k != nil || j != nil
	if regularised {
		probe, exact = f.net.progs.regProbe, f.net.progs.regExact
	}
	fill := func(a, k, basis []float64) func(from, to, at int, in *frame) {
		return func(from, to, at int, in *frame) {
			in.set(at, a[from*d:to*d])
			in.set(at+1, l[from:to])
			if e != nil {
				in.set(at+2, e[from*d:to*d])
			} else {
				in.set(at+2, basis)
			}
			if regularised {
				in.set(at+3, k[min(from, len(k)):min(to, len(k))])
				in.set(at+4, j[min(from, len(j)):min(to, len(j))])
			}
		}
	}
	if e != nil {
		return f.blocks(probe, 0, t, x, fill(a, k, nil), add)
	}
	if !f.net.arch.pushes() {
		return errors.New("nn: this network has no exact divergence to go back through; use hutchinson's")
	}
	first := true
	return eachBasis(d, n, func(basis []float64, tangents int) error {
		ai, ki := a, k
		if !first { // the terms of f alone are counted once
			ai, ki = make([]float64, len(a)), nil
		}
		first = false
		return f.blocks(exact, tangents, t, x, fill(ai, ki, basis), add)
	})
}

// eachBasis calls fn with the standard basis of R^d, cut into blocks of k
// vectors [k, d] such that n·k stays within tangentRows.
func eachBasis(d, n int, fn func(basis []float64, k int) error) error {
	most := min(d, max(1, tangentRows/max(1, min(n, 1024))))
	for from := 0; from < d; from += most {
		k := min(most, d-from)
		basis := make([]float64, k*d)
		for i := range k {
			basis[i*d+from+i] = 1
		}
		if err := fn(basis, k); err != nil {
			return err
		}
	}
	return nil
}

// blocks runs a program over the points of x, a block at a time. fill sets the
// inputs from number at on, after the common ones, for points i to j; take reads
// the results, whose first rows are those of points i to j.
func (f *Field) blocks(prog *program, tangents int, t float64, x []float64, fill func(i, j, at int, in *frame), take func(i, j int, out *frame)) (err error) {
	defer rescue(&err, "evaluating the network")
	d := f.Dim()
	n := len(x) / d
	if len(x) != n*d {
		return fmt.Errorf("nn: %d coordinates are no whole number of points of dimension %d", len(x), d)
	}
	if len(f.label) > 1 && len(f.label) != n {
		return fmt.Errorf("%w: %d labels for %d points", ErrLabels, len(f.label), n)
	}
	if f.cond.N > 1 && f.cond.N != n {
		return fmt.Errorf("%w: %d conditions for %d points", ErrCondition, f.cond.N, n)
	}
	rows := f.net.blockRows()
	if n <= rows {
		out, err := f.block(prog, tangents, t, x, 0, n, fill)
		if err == nil {
			take(0, n, out)
			prog.back(out)
		}
		return err
	}
	count := (n + rows - 1) / rows
	outs, errs := make([]*frame, count), make([]error, count)
	var wg sync.WaitGroup
	slots := make(chan struct{}, f.net.eng.sideBySide())
	for k := range count {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			outs[k], errs[k] = f.block(prog, tangents, t, x, k*rows, min((k+1)*rows, n), fill)
		})
	}
	wg.Wait()
	// Taken in order: a sum over blocks must not depend on the scheduling.
	for k, out := range outs {
		if errs[k] != nil {
			return errs[k]
		}
		take(k*rows, min((k+1)*rows, n), out)
		prog.back(out)
	}
	return nil
}

// block runs a program over points i to j.
func (f *Field) block(prog *program, tangents int, t float64, x []float64, i, j int, fill func(i, j, at int, in *frame)) (fr *frame, err error) {
	defer rescue(&err, "evaluating the network")
	d, rows := f.Dim(), padded(j-i)
	if fr, err = prog.frame(rows, tangents); err != nil {
		return nil, err
	}
	fr.give(0, f.net.theta)
	fr.set(1, x[i*d:j*d])
	ts := fr.floats(2)
	for k := range ts {
		ts[k] = float32(t)
	}
	at := 3
	if f.net.arch.cfg.Classes > 0 {
		if err := f.net.setLabels(fr.ints(at), f.label, i); err != nil {
			return nil, err
		}
		at++
	}
	if f.cond.N > 0 {
		f.setCondition(fr, at, i, j)
		at++
	}
	if fill != nil {
		fill(i, j, at, fr)
	}
	if err := fr.run(); err != nil {
		return nil, fmt.Errorf("nn: evaluating the network: %w", err)
	}
	return fr, nil
}

// setCondition makes the conditions of points i to j the input number at.
func (f *Field) setCondition(fr *frame, at, i, j int) {
	if f.cond.N > 1 {
		fr.set(at, f.cond.Slice(i, j).X)
		return
	}
	dst := fr.floats(at)
	for k := range dst {
		dst[k] = float32(f.cond.X[k%f.cond.D])
	}
}

// padded returns the number of rows that n points are computed with: exact for
// small and whole blocks that recur, else the next multiple of an eighth of
// the power of two above, which wastes at most an eighth.
func padded(n int) int {
	p := 16
	for p < n {
		p *= 2
	}
	step := max(1, p/16)
	return (n + step - 1) / step * step
}

// setLabels fills dst with the labels from i on, and checks them.
func (n *Net) setLabels(dst, label []int32, i int) error {
	classes := n.arch.cfg.Classes
	if len(label) == 0 {
		return fmt.Errorf("%w: none given, the network has %d classes", ErrLabels, classes)
	}
	clear(dst)
	for k := range dst {
		switch {
		case len(label) == 1:
			dst[k] = label[0]
		case i+k < len(label):
			dst[k] = label[i+k]
		}
		if dst[k] < -1 || int(dst[k]) >= classes {
			return fmt.Errorf("%w: label %d; it must be in 0..%d, or -1 for none", ErrLabels, dst[k], classes-1)
		}
	}
	return nil
}
