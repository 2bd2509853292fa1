package native

import (
	"fmt"

	"github.com/gomlx/compute"
)

// Operations that take functions, or that hide values inside of attributes.

func (f *function) Call(fn compute.Function, inputs ...compute.Value) ([]compute.Value, error) {
	g, ok := fn.(*function)
	if !ok {
		return nil, fmt.Errorf("Call: %w", errForeign)
	}
	f.b.whole = "it calls a named function"
	return f.record("Call", inputs, func(h compute.Function, v []compute.Value) ([]compute.Value, error) {
		return h.Call(g.shadow, v...)
	}, g)
}

func (f *function) Sort(comparator compute.Function, axis int, isStable bool,
	inputs ...compute.Value) ([]compute.Value, error) {
	return f.recordClosures("Sort", inputs,
		func(h compute.Function, fs []compute.Function, v []compute.Value) ([]compute.Value, error) {
			return h.Sort(fs[0], axis, isStable, v...)
		}, comparator)
}

func (f *function) While(cond, body compute.Function, initialState ...compute.Value) ([]compute.Value, error) {
	return f.recordClosures("While", initialState,
		func(h compute.Function, fs []compute.Function, v []compute.Value) ([]compute.Value, error) {
			return h.While(fs[0], fs[1], v...)
		}, cond, body)
}

func (f *function) If(pred compute.Value, trueBranch, falseBranch compute.Function) ([]compute.Value, error) {
	return f.recordClosures("If", []compute.Value{pred},
		func(h compute.Function, fs []compute.Function, v []compute.Value) ([]compute.Value, error) {
			return h.If(v[0], fs[0], fs[1])
		}, trueBranch, falseBranch)
}

// recordClosures records an operation with closures. What the closures capture
// becomes inputs of the node, behind its own, so that the operation can be
// repeated elsewhere: each closure is then recorded again.
func (f *function) recordClosures(op string, inputs []compute.Value,
	apply func(compute.Function, []compute.Function, []compute.Value) ([]compute.Value, error),
	closures ...compute.Function,
) ([]compute.Value, error) {
	var fs []*function
	var shadows []compute.Function
	for _, c := range closures {
		g, ok := c.(*function)
		if !ok || g.b != f.b {
			return nil, fmt.Errorf("%s: %w", op, errForeign)
		}
		fs, shadows = append(fs, g), append(shadows, g.shadow)
	}
	captured := captures(fs)
	n := len(inputs)
	all := append([]compute.Value{}, inputs...)
	for _, v := range captured {
		all = append(all, v)
	}
	return f.record(op, all, func(h compute.Function, v []compute.Value) ([]compute.Value, error) {
		if h == f.shadow { // the first time: the closures' shadows are there
			return apply(h, shadows, v[:n])
		}
		outer := map[*value]compute.Value{}
		for i, c := range captured {
			outer[c] = v[n+i]
		}
		again := make([]compute.Function, len(fs))
		for i, g := range fs {
			var err error
			if again[i], err = g.repeat(h, outer); err != nil {
				return nil, err
			}
		}
		return apply(h, again, v[:n])
	}, fs)
}

// captures returns the values of outer functions that closures use, directly or
// through closures of their own, which have them among their inputs.
func captures(fs []*function) []*value {
	var out []*value
	seen := map[*value]bool{}
	for _, g := range fs {
		visit := func(v *value) {
			if v != nil && v.node.fn != g && !seen[v] {
				seen[v] = true
				out = append(out, v)
			}
		}
		for _, n := range g.nodes {
			for _, v := range n.in {
				visit(v)
			}
		}
		for _, v := range g.outputs {
			visit(v)
		}
	}
	return out
}

// repeat records the closure again as a closure of h; outer maps what it captures.
func (f *function) repeat(h compute.Function, outer map[*value]compute.Value) (compute.Function, error) {
	g, err := h.Closure()
	if err != nil {
		return nil, err
	}
	env := map[*value]compute.Value{}
	get := func(vs []*value) []compute.Value {
		out := make([]compute.Value, len(vs))
		for i, v := range vs {
			if v == nil {
				continue
			}
			if out[i] = env[v]; out[i] == nil {
				out[i] = outer[v]
			}
		}
		return out
	}
	for _, n := range f.nodes {
		outs, err := n.apply(g, get(n.in))
		if err != nil {
			return nil, err
		}
		for i, v := range n.outs {
			env[v] = outs[i]
		}
	}
	return g, g.Return(get(f.outputs), nil)
}

func (f *function) DynamicReshape(x compute.Value, dimensions ...compute.DynamicDimensionSpec) (compute.Value, error) {
	f.b.whole = "it has dynamic shapes"
	for i, d := range dimensions {
		if v, ok := d.Value.(*value); ok {
			dimensions[i].Value = v.shadow
		}
	}
	return unpack1(f.record("DynamicReshape", []compute.Value{x},
		func(g compute.Function, v []compute.Value) ([]compute.Value, error) {
			return pack1(g.DynamicReshape(v[0], dimensions...))
		}))
}

// shadowed returns q with the shadows of its values.
func shadowed(q *compute.Quantization) *compute.Quantization {
	if q == nil {
		return nil
	}
	c := *q
	if v, ok := q.Scale.(*value); ok {
		c.Scale = v.shadow
	}
	if v, ok := q.ZeroPoint.(*value); ok {
		c.ZeroPoint = v.shadow
	}
	return &c
}

func (f *function) FusedQuantizedDense(x, weights, bias compute.Value, q *compute.Quantization,
	act compute.ActivationType) (compute.Value, error) {
	f.b.whole = "it has quantized weights"
	return unpack1(f.record("FusedQuantizedDense", []compute.Value{x, weights, bias},
		func(g compute.Function, v []compute.Value) ([]compute.Value, error) {
			return pack1(g.FusedQuantizedDense(v[0], v[1], v[2], shadowed(q), act))
		}))
}

func (f *function) QuantizedEmbeddingLookup(data, indices compute.Value,
	q *compute.Quantization) (compute.Value, error) {
	f.b.whole = "it has quantized weights"
	return unpack1(f.record("QuantizedEmbeddingLookup", []compute.Value{data, indices},
		func(g compute.Function, v []compute.Value) ([]compute.Value, error) {
			return pack1(g.QuantizedEmbeddingLookup(v[0], v[1], shadowed(q)))
		}))
}
