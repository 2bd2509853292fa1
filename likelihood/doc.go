// Package likelihood computes log p(x) under the flow of a velocity field, by the
// instantaneous change of variables (Chen et al. 2018; appendix C of the Flow
// Matching paper): along a trajectory of dx/dt = v_t(x),
//
//	d/dt log p_t(x_t) = −∇·v_t(x_t),   so   log p_hi(x_hi) = log p_lo(x_lo) − ∫_lo^hi ∇·v_t(x_t) dt.
//
// There are only a few types: [Problem] says which field, which source and how to
// solve, and has the three verbs LogProb, Sample and Gradient; [Divergence] is how
// ∇·v is found, and is one of [Exact] and [Hutchinson]; [Config] is one as a
// configuration file names it; [Gradient] is that of the log-likelihood of a
// [flow.Parametric] field, and [Regularizer] what keeps such a flow simple.
//
// # Caveats
//
//   - Log-densities are in nats; [BitsPerDim] converts.
//   - With [Hutchinson] the result is a random estimate, unbiased at the exact
//     solution. Its probes are drawn once per point and solve, never during it, so
//     the right-hand side is a function of (t, x), and equal seeds give equal bits.
//   - Stats.NFE counts evaluations of the right-hand side. One of them costs one pass
//     of the field if it is a [flow.Diverger], else D vector-Jacobian products with
//     [Exact] and Probes of them with [Hutchinson].
//   - The solver sees one system [x, Δ]: all N points, then their N integrals of the
//     divergence. Solver.Observe sees this state. Adaptive control keeps both parts
//     within the tolerance (see [Problem]).
package likelihood
