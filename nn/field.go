package nn

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"flowmatch/flow"
)

// blockRows is how many points go through the engine in one call. It bounds the
// memory of a call; blocks run side by side, so the pure-Go engine, which gains
// little from large matrices, gets smaller ones. A last partial block is padded,
// so that few shapes are ever compiled.
func (e *Engine) blockRows() int {
	if e.name == "go" {
		return 1024
	}
	return 8192
}

// tangentRows bounds N·K, the rows of the tangents of an exact divergence.
const tangentRows = 16384

// Field is a Net as a [flow.Field]: f_θ(x, t | label). It offers every
// upgrade: vector-Jacobian products, exact divergence, and the gradients of
// both with respect to the weights. Safe for concurrent use.
type Field struct {
	net   *Net
	label []int32
}

var (
	_ flow.Differentiable = (*Field)(nil)
	_ flow.Diverger       = (*Field)(nil)
)

// Bind returns the field of n. label is nil for an unconditional network; else
// it has one entry for all points, or one for each point.
func (n *Net) Bind(label []int32) (*Field, error) {
	if (n.arch.cfg.Classes > 0) != (len(label) > 0) {
		return nil, fmt.Errorf("%w: %d labels for a network of %d classes", ErrLabels, len(label), n.arch.cfg.Classes)
	}
	return &Field{net: n, label: label}, nil
}

// Dim returns D.
func (f *Field) Dim() int { return f.net.arch.cfg.Dim }

// NumParams returns P, the number of weights.
func (f *Field) NumParams() int { return f.net.arch.size }

// Velocity writes f(x, t) into v; see [flow.Field].
func (f *Field) Velocity(v []float64, t float64, x []float64) error {
	return f.blocks(f.net.progs.velocity, t, x, nil, func(i, j int, out []*tensors.Tensor) error {
		d := f.Dim()
		return fromDevice(v[i*d:j*d], out[0])
	})
}

// VJP writes f into v and eᵀ ∂f/∂x into g; see [flow.Differentiable].
func (f *Field) VJP(v, g []float64, t float64, x, e []float64) error {
	d := f.Dim()
	rest := func(i, j, rows int) []any { return []any{toDevice(e[i*d:j*d], rows, d)} }
	return f.blocks(f.net.progs.vjp, t, x, rest, func(i, j int, out []*tensors.Tensor) error {
		if err := fromDevice(v[i*d:j*d], out[0]); err != nil {
			return err
		}
		return fromDevice(g[i*d:j*d], out[1])
	})
}

// VelocityDiv writes f into v and the exact divergence into div; see
// [flow.Diverger]. The Jacobian's diagonal is carried forward through the
// layers, a block of basis vectors at a time, so any D fits in memory.
func (f *Field) VelocityDiv(v, div []float64, t float64, x []float64) error {
	d := f.Dim()
	clear(div)
	return eachBasis(d, len(x)/d, func(basis []float64, k int) error {
		rest := func(_, _, _ int) []any { return []any{toDevice(basis, k, d)} }
		return f.blocks(f.net.progs.div, t, x, rest, func(i, j int, out []*tensors.Tensor) error {
			part := make([]float64, j-i)
			if err := fromDevice(part, out[1]); err != nil {
				return err
			}
			for r, p := range part {
				div[i+r] += p
			}
			return fromDevice(v[i*d:j*d], out[0])
		})
	})
}

// VJPAug adds to gx [N, D] and gtheta [P] the gradient, with respect to x and
// the weights, of Σ_i a_i·f(x_i) + l_i δ_i. δ is eᵀ J e for the probes e
// [N, D], or the exact divergence when e is nil. It is what the gradient of a
// log-likelihood through the solver needs.
func (f *Field) VJPAug(gx, gtheta []float64, t float64, x, a, l, e []float64) error {
	d := f.Dim()
	add := func(i, j int, out []*tensors.Tensor) error {
		if err := accumulate(gx[i*d:j*d], out[0]); err != nil {
			return err
		}
		return accumulate(gtheta, out[1])
	}
	if e != nil {
		rest := func(i, j, rows int) []any {
			return []any{toDevice(a[i*d:j*d], rows, d), toDevice(l[i:j], rows), toDevice(e[i*d:j*d], rows, d)}
		}
		return f.blocks(f.net.progs.augProbe, t, x, rest, add)
	}
	first := true
	return eachBasis(d, len(x)/d, func(basis []float64, k int) error {
		ai := a
		if !first { // the term a·f is counted once
			ai = make([]float64, len(a))
		}
		first = false
		rest := func(i, j, rows int) []any {
			return []any{toDevice(ai[i*d:j*d], rows, d), toDevice(l[i:j], rows), toDevice(basis, k, d)}
		}
		return f.blocks(f.net.progs.augExact, t, x, rest, add)
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

// blocks runs a program over the points of x, a block at a time. rest gives the
// inputs after the common ones for points i to j padded to rows; take receives
// the outputs, whose first rows are those of points i to j.
func (f *Field) blocks(prog *graph.Exec, t float64, x []float64, rest func(i, j, rows int) []any, take func(i, j int, out []*tensors.Tensor) error) (err error) {
	defer rescue(&err, "evaluating the network")
	d := f.Dim()
	n := len(x) / d
	if len(x) != n*d {
		return fmt.Errorf("nn: %d coordinates are no whole number of points of dimension %d", len(x), d)
	}
	if len(f.label) > 1 && len(f.label) != n {
		return fmt.Errorf("%w: %d labels for %d points", ErrLabels, len(f.label), n)
	}
	size := f.net.eng.blockRows()
	count := (n + size - 1) / size
	outs, errs := make([][]*tensors.Tensor, count), make([]error, count)
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for k := range count {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			outs[k], errs[k] = f.block(prog, t, x, k*size, min((k+1)*size, n), rest)
		})
	}
	wg.Wait()
	// Taken in order: a sum over blocks must not depend on the scheduling.
	for k, out := range outs {
		if errs[k] != nil {
			return errs[k]
		}
		if err := take(k*size, min((k+1)*size, n), out); err != nil {
			return err
		}
		release(out...)
	}
	return nil
}

// block runs a program over points i to j.
func (f *Field) block(prog *graph.Exec, t float64, x []float64, i, j int, rest func(i, j, rows int) []any) (out []*tensors.Tensor, err error) {
	defer rescue(&err, "evaluating the network")
	d, rows := f.Dim(), padded(j-i)
	ts := make([]float64, rows)
	for k := range ts {
		ts[k] = t
	}
	args := []any{f.net.theta, toDevice(x[i*d:j*d], rows, d), toDevice(ts, rows)}
	label, err := f.net.labelArgs(f.label, i, rows)
	if err != nil {
		return nil, err
	}
	args = append(args, label...)
	if rest != nil {
		args = append(args, rest(i, j, rows)...)
	}
	if out, err = prog.Call(args...); err != nil {
		return nil, fmt.Errorf("nn: evaluating the network: %w", err)
	}
	return out, nil
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

// labelArgs returns the labels from i on, padded to rows, as the input of a
// conditional network; nothing for an unconditional one.
func (n *Net) labelArgs(label []int32, i, rows int) ([]any, error) {
	classes := n.arch.cfg.Classes
	if classes == 0 {
		if len(label) > 0 {
			return nil, fmt.Errorf("%w: labels given, but the network has no classes", ErrLabels)
		}
		return nil, nil
	}
	if len(label) == 0 {
		return nil, fmt.Errorf("%w: none given, the network has %d classes", ErrLabels, classes)
	}
	padded := make([]int32, rows)
	for k := range padded {
		switch {
		case len(label) == 1:
			padded[k] = label[0]
		case i+k < len(label):
			padded[k] = label[i+k]
		}
		if padded[k] < -1 || int(padded[k]) >= classes {
			return nil, fmt.Errorf("%w: label %d; it must be in 0..%d, or -1 for none", ErrLabels, padded[k], classes-1)
		}
	}
	return []any{tensors.FromFlatDataAndDimensions(padded, rows)}, nil
}

func accumulate(dst []float64, t *tensors.Tensor) error {
	return tensors.ConstFlatData(t, func(flat []float32) {
		for i := range dst {
			dst[i] += float64(flat[i])
		}
	})
}
