// Package flow is the shared vocabulary: the few types in which every other
// room speaks of points, velocity fields and source distributions.
//
// There are only a few types: [Batch] is N points of R^D; [Field] is a
// velocity field v_t(x); [Differentiable], [Diverger], [Prober] and [Parametric] are what a
// field may offer beyond that; [Source] is the distribution p_0 that a flow starts
// from; [Given] is what a flow is conditioned on.
//
// Time runs from t=0 (noise, the source) to t=1 (data, the target), everywhere.
// Mathematics on the host is float64.
package flow

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Batch is N points of R^D, row-major: point i is X[i*D : (i+1)*D].
// D is the product of all data axes: an image of 28 x 28 is a point with D=784.
type Batch struct {
	N, D int
	X    []float64
}

// NewBatch returns n points of R^d, all zero.
func NewBatch(n, d int) Batch { return Batch{N: n, D: d, X: make([]float64, n*d)} }

// Row returns point i, sharing memory with the batch.
func (b Batch) Row(i int) []float64 { return b.X[i*b.D : (i+1)*b.D : (i+1)*b.D] }

// Slice returns points i (included) to j (excluded), sharing memory with the batch.
func (b Batch) Slice(i, j int) Batch {
	return Batch{N: j - i, D: b.D, X: b.X[i*b.D : j*b.D : j*b.D]}
}

// Rows returns a copy of the points of these numbers, in their order.
func (b Batch) Rows(numbers []int) Batch {
	rows := NewBatch(len(numbers), b.D)
	for k, i := range numbers {
		copy(rows.Row(k), b.Row(i))
	}
	return rows
}

// Clone returns a copy that shares no memory with b.
func (b Batch) Clone() Batch {
	return Batch{N: b.N, D: b.D, X: append([]float64(nil), b.X...)}
}

// Field is a time-dependent velocity field on R^D, evaluated on N points at once.
type Field interface {
	// Dim returns D, the dimension of the points.
	Dim() int
	// Velocity writes v_t(x) into v. len(v) == len(x) == N*D for any N;
	// t is in [0,1]. v must not alias x. Safe for concurrent use.
	Velocity(v []float64, t float64, x []float64) error
}

// Differentiable is the optional upgrade of a Field that knows its Jacobian.
type Differentiable interface {
	Field
	// VJP writes v_t(x) into v and, point by point, eᵀ ∂v/∂x into g, from one
	// forward pass. All slices have length N*D; v and g must alias nothing.
	VJP(v, g []float64, t float64, x, e []float64) error
}

// Diverger is the optional upgrade of a Field that has its exact divergence
// ∇·v = tr ∂v/∂x at hand, cheaper than D vector-Jacobian products.
type Diverger interface {
	Field
	// VelocityDiv writes v_t(x) into v (length N*D) and ∇·v_t(x) into div (length N).
	VelocityDiv(v, div []float64, t float64, x []float64) error
}

// Prober is the optional upgrade of a Field on a curved space, whose divergence is not the trace of
// a Jacobian: it has its own estimate of it by a probe.
type Prober interface {
	Field
	// VelocityProbe writes v_t(x) into v (length N*D) and into div (length N) an estimate of the
	// divergence that is unbiased for probes e, [N, D], with E[e eᵀ] = I.
	VelocityProbe(v, div []float64, t float64, x, e []float64) error
}

// Timed is a Field that can be evaluated at points with a time each: what step control
// for each point needs.
type Timed interface {
	Field
	// AtTimes returns the field of the points of these numbers, row k of which is at time
	// ts[k], whatever t its methods are told. It has the upgrades of the field. It reads ts
	// in every evaluation, so that the times may change in between; it is for one solve at
	// a time.
	AtTimes(rows []int, ts []float64) (Field, error)
}

// AtTimes returns f.AtTimes, or [ErrNotTimed] of a field that is not [Timed].
func AtTimes(f Field, rows []int, ts []float64) (Field, error) {
	timed, ok := f.(Timed)
	if !ok {
		return nil, fmt.Errorf("flow: %w: %T has no method AtTimes", ErrNotTimed, f)
	}
	return timed.AtTimes(rows, ts)
}

// ErrNotTimed is returned, wrapped with the type of the field, where each point has steps
// of its own, and the field cannot be evaluated at times of their own.
var ErrNotTimed = errors.New("the field has one time for all points")

// Parametric is the optional upgrade of a Field with parameters θ, which can be
// trained through a solve: by maximum likelihood, or as a neural ODE.
type Parametric interface {
	Field
	// NumParams returns the number of parameters.
	NumParams() int
	// VJPParams writes v_t(x) into v, [N, D], unless v is nil, and adds aᵀ ∂v/∂x to gx,
	// [N, D], and aᵀ ∂v/∂θ, summed over the points, to gtheta, [NumParams], from one
	// forward pass. a is [N, D].
	VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error
	// VJPAug adds to gx, [N, D], and gtheta, [NumParams], the gradient with respect
	// to x and θ of
	//
	//	Σ_i [ a_i · v_t(x_i) + l_i · div_i + k_i · |v_t(x_i)|² + j_i · jac_i ]
	//
	// with the weights of [Adjoint]. With J = (∂v_t/∂x)(x_i), div_i is the divergence
	// tr J and jac_i is |J|², the squared Frobenius norm, if Probe is nil; else they
	// are e_iᵀ J e_i and |e_iᵀ J|².
	VJPAug(gx, gtheta []float64, t float64, x []float64, a Adjoint) error
}

// Adjoint holds the weights of the terms that [Parametric].VJPAug differentiates: the
// adjoint of a solve that carries points, their log-density and two integrals. All of
// it is read only.
type Adjoint struct {
	Velocity []float64 // a, [N, D]
	Div      []float64 // l, [N]
	Probe    []float64 // e, [N, D]; nil: the exact divergence
	// Kinetic and Jacobian are k and j, [N]; nil: zeros.
	Kinetic, Jacobian []float64
}

// Source is the distribution p_0 that the flow starts from at t=0.
type Source interface {
	// Sample fills x with independent draws.
	Sample(x Batch, rng *rand.Rand)
	// LogProb writes log p_0 of each point, in nats, into logp (length x.N).
	LogProb(logp []float64, x Batch)
}
