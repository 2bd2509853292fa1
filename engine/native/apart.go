package native

import "github.com/gomlx/compute"

// apart writes attention in operations of the shadow backend, which infer its shapes, and compute it where a program
// falls back. The first error stays.
type apart struct {
	g   compute.Function
	err error
}

func (a *apart) do(f func() (compute.Value, error)) (v compute.Value) {
	if a.err == nil {
		v, a.err = f()
	}
	return v
}

func (a *apart) dot(x compute.Value, sum, batch []int, y compute.Value, sumY, batchY []int) compute.Value {
	return a.do(func() (compute.Value, error) {
		return a.g.DotGeneral(x, sum, batch, y, sumY, batchY, compute.DotGeneralConfig{})
	})
}

func (a *apart) mul(x, y compute.Value) compute.Value {
	return a.do(func() (compute.Value, error) { return a.g.Mul(x, y) })
}

// tokensFirst turns [N, heads, T, d] into [N, T, heads, d].
func (a *apart) tokensFirst(x compute.Value) compute.Value {
	return a.do(func() (compute.Value, error) { return a.g.Transpose(x, 0, 2, 1, 3) })
}

// times multiplies by a number.
func (a *apart) times(x compute.Value, by float32) compute.Value {
	return a.do(func() (compute.Value, error) {
		shape, err := a.g.Shape(x)
		if err != nil {
			return nil, err
		}
		c, err := a.g.Constant([]float32{by})
		if err != nil {
			return nil, err
		}
		if c, err = a.g.ConvertDType(c, shape.DType); err != nil {
			return nil, err
		}
		return a.g.Mul(x, c)
	})
}

// sumLast sums over the last of four axes, which stays with length 1.
func (a *apart) sumLast(x compute.Value) compute.Value {
	return a.do(func() (compute.Value, error) {
		shape, err := a.g.Shape(x)
		if err != nil {
			return nil, err
		}
		s, err := a.g.ReduceSum(x, 3)
		if err != nil {
			return nil, err
		}
		d := shape.Dimensions
		return a.g.Reshape(s, d[0], d[1], d[2], 1)
	})
}

// weights are softmax(scale q kᵀ), [N, heads, queries, keys].
func (a *apart) weights(q, k compute.Value, scale float32) compute.Value {
	s := a.times(a.dot(q, []int{3}, []int{0, 2}, k, []int{3}, []int{0, 2}), scale)
	return a.do(func() (compute.Value, error) { return a.g.FusedSoftmax(s, 3) })
}

func (a *apart) attention(q, k, v compute.Value, scale float32) compute.Value {
	return a.tokensFirst(a.dot(a.weights(q, k, scale), []int{3}, []int{0, 1}, v, []int{1}, []int{0, 2}))
}

func (a *apart) gradient(q, k, v, g compute.Value, scale float32) []compute.Value {
	p := a.weights(q, k, scale)
	dp := a.dot(g, []int{3}, []int{0, 2}, v, []int{3}, []int{0, 2})
	mean := a.sumLast(a.mul(p, dp))
	ds := a.times(a.mul(p, a.do(func() (compute.Value, error) { return a.g.Sub(dp, mean) })), scale)
	return []compute.Value{
		a.tokensFirst(a.dot(ds, []int{3}, []int{0, 1}, k, []int{1}, []int{0, 2})),
		a.tokensFirst(a.dot(ds, []int{2}, []int{0, 1}, q, []int{1}, []int{0, 2})),
		a.tokensFirst(a.dot(p, []int{2}, []int{0, 1}, g, []int{1}, []int{0, 2})),
	}
}
