package native

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"

	"flowmatch/engine/native/kernel"
)

// attend describes attention, or its gradient, of each image and head: where rows of tokens lie in what is read for an
// image, and in what is written.
type attend struct {
	kernel.Attention
	heads int
	in    [4]headRows // q, k, v, and the gradient of the result
	out   [3]headRows // the result, or the gradients of q, k, v
}

// headRows says where token i of head h of an image is: at offset + i·token + h·head.
type headRows struct{ image, offset, token, head int }

// rows returns the rows of head h of image b.
func (s headRows) rows(p *float32, b, h int) kernel.Rows {
	return kernel.Rows{At: plus(p, b*s.image+s.offset+h*s.head), Stride: s.token}
}

// viewOf returns what u reads and how, if u is a move that may have got other axes of length 1.
func viewOf(u *tensor) (base *tensor, offset int, strides []int, ok bool) {
	m := u
	if m.kind == kindReshape {
		m = m.in[0]
	}
	if m.kind != kindMove {
		return nil, 0, nil, false
	}
	strides = make([]int, len(u.dims))
	a := 0
	for i, d := range u.dims {
		if d == 1 {
			continue
		}
		for a < len(m.dims) && m.dims[a] == 1 {
			a++
		}
		if a == len(m.dims) || m.dims[a] != d {
			return nil, 0, nil, false
		}
		strides[i] = m.move.strides[a]
		a++
	}
	for ; a < len(m.dims); a++ {
		if m.dims[a] != 1 {
			return nil, 0, nil, false
		}
	}
	return m.in[0], m.move.offset, strides, true
}

// headsOf returns the tensor that u [N, T, heads, d] is read from, and where its rows are in there: u is not made if
// it is part of the rows of another.
func headsOf(u *tensor) (*tensor, headRows) {
	s := contiguous(u.dims)
	dense := headRows{s[0], 0, s[1], s[2]}
	base, offset, at, ok := viewOf(u)
	if !ok || len(base.dims) == 0 || base.dims[0] != u.dims[0] || at[3] != 1 && u.dims[3] > 1 {
		return u, dense
	}
	view := &tensor{kind: kindMove, in: []*tensor{base}, dims: u.dims, move: move{offset, at}}
	if !view.movesWithinRows() {
		return u, dense
	}
	return base, headRows{base.size() / base.dims[0], offset, at[1], at[2]}
}

// attended makes attention, or nil for what has no numbers.
func (l *lowering) attended(n *node, in []*tensor) []*tensor {
	q, k, v := in[0].dims, in[1].dims, in[2].dims
	d := &attend{heads: q[2], Attention: kernel.Attention{Queries: q[1], Keys: k[1], Width: q[3], Values: v[3],
		Scale: n.attrs[0].(float32)}}
	dims := n.outs[0].shape.Dimensions
	if slices.Contains(slices.Concat(q, k, v), 0) {
		return nil
	}
	t := &tensor{kind: kindAttend, attend: d}
	for i, u := range in {
		var base *tensor
		base, d.in[i] = headsOf(u)
		t.in = append(t.in, base)
	}
	if len(in) == 3 {
		t.dims = dims
		s := contiguous(dims)
		d.out[0] = headRows{s[0], 0, s[1], s[2]}
		return []*tensor{l.add(t)}
	}
	// The three gradients lie side by side for each token if they can: as in what makes all three of x.
	t.dims = []int{q[0], size(q[1:]) + size(k[1:]) + size(v[1:])}
	at, all := 0, d.heads*(2*d.Width+d.Values)
	var outs []*tensor
	of := make([][]int, 3)
	for i, x := range [][]int{q, k, v} {
		row := size(x[2:])
		d.out[i] = headRows{t.dims[1], at, row, x[3]}
		if at += size(x[1:]); d.Queries == d.Keys {
			d.out[i].token, d.out[i].offset = all, i*d.heads*d.Width
		}
		of[i] = []int{t.dims[1], d.out[i].token, x[3], 1}
	}
	made := l.add(t)
	for i, x := range [][]int{q, k, v} {
		outs = append(outs, l.moved(made, x, d.out[i].offset, of[i]))
	}
	return outs
}

// attending is the instruction of attention and its gradient.
type attending struct {
	out    ref
	in     []ref
	images int // in a unit
	d      *attend
	room   ref
}

func (i *attending) run(x *exec) {
	d, out, room := i.d, x.float(i.out), x.float(i.room)
	var in [4]*float32
	for k, r := range i.in {
		in[k] = x.float(r)
	}
	for b := range x.n * i.images {
		for h := range d.heads {
			var rows [4]kernel.Rows
			for k := range i.in {
				rows[k] = d.in[k].rows(in[k], b, h)
			}
			if len(i.in) == 3 {
				x.mat.Attend(x.vec, &d.Attention, rows[0], rows[1], rows[2], d.out[0].rows(out, b, h), room, x.work)
				continue
			}
			x.mat.AttendGradient(x.vec, &d.Attention, rows[0], rows[1], rows[2], rows[3], d.out[0].rows(out, b, h),
				d.out[1].rows(out, b, h), d.out[2].rows(out, b, h), room, x.work)
		}
	}
}

// work is the arithmetic of all images.
func (t *tensor) attendWork() float64 {
	d := t.attend
	one := 2 * float64(d.Queries) * float64(d.Keys) * float64(d.Width+d.Values)
	if len(t.in) > 3 {
		one *= 2.5
	}
	return one * float64(t.dims[0]*d.heads)
}

// errApart is for what the graph is to take apart: its parts are compiled.
func errApart(what string) error {
	return fmt.Errorf("native: attention with %s: %w", what, compute.ErrNotImplemented)
}

// attentionScale checks that attention is one that is compiled, and returns what scores are multiplied by.
func (f *function) attentionScale(q, k, v compute.Value, layout compute.AttentionAxesLayout,
	o *compute.ScaledDotProductAttentionConfig) (float32, error) {
	ours, _, err := f.values([]compute.Value{q, k, v})
	if err != nil {
		return 0, err
	}
	d := ours[0].shape.Dimensions
	switch {
	case layout != compute.AttentionAxesLayoutBSHD:
		return 0, errApart("heads before tokens")
	case o != nil && (o.QuerySeqLen != nil || o.KeyValueSeqLen != nil || o.Bias != nil || o.Causal || o.Mask != nil):
		return 0, errApart("a mask, a bias or lengths")
	case len(d) != 4 || ours[1].shape.Dimensions[2] != d[2]:
		return 0, errApart("fewer heads of keys")
	case ours[0].shape.IsDynamic() || ours[1].shape.IsDynamic():
		return 0, errApart("dynamic shapes")
	}
	scale := 1 / math.Sqrt(float64(d[3]))
	if o != nil && o.Scale != 0 {
		scale = o.Scale
	}
	if scale <= 0 {
		return 0, errApart("a negative scale")
	}
	return float32(scale), nil
}

// FusedScaledDotProductAttention is attention of float32 and of what falls back to GoMLX's Go backend; masks, biases
// and grouped heads are left to be taken apart by the caller. Its gradient needs no states: scores are worked out
// again.
func (f *function) FusedScaledDotProductAttention(q, k, v compute.Value, layout compute.AttentionAxesLayout,
	o *compute.ScaledDotProductAttentionConfig) (compute.Value, []compute.Value, error) {
	scale, err := f.attentionScale(q, k, v, layout, o)
	if err != nil {
		return nil, nil, err
	}
	out, err := unpack1(f.record("FusedScaledDotProductAttention", []compute.Value{q, k, v},
		func(g compute.Function, v []compute.Value) ([]compute.Value, error) {
			a := &apart{g: g}
			return []compute.Value{a.attention(v[0], v[1], v[2], scale)}, a.err
		}, scale))
	// The result stands for the states as well: of an operation without any, GoMLX's checkpoints clone another node.
	return out, []compute.Value{out}, err
}

// FusedScaledDotProductAttentionVJP is the gradient of attention with respect to q, k and v.
func (f *function) FusedScaledDotProductAttentionVJP(q, k, v compute.Value, layout compute.AttentionAxesLayout,
	o *compute.ScaledDotProductAttentionConfig, _ compute.Value, _ []compute.Value,
	grad compute.Value) (dq, dk, dv compute.Value, err error) {
	scale, err := f.attentionScale(q, k, v, layout, o)
	if err != nil {
		return nil, nil, nil, err
	}
	return unpack3(f.record("FusedScaledDotProductAttentionVJP", []compute.Value{q, k, v, grad},
		func(g compute.Function, v []compute.Value) ([]compute.Value, error) {
			a := &apart{g: g}
			return a.gradient(v[0], v[1], v[2], v[3], scale), a.err
		}, scale))
}
