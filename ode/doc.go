// Package ode integrates x' = f(t, x) with explicit Runge-Kutta methods. It
// knows nothing of flows: a state is a []float64 and a right-hand side a [Func].
//
// There are only a few types: [Tableau] is a method, as data; [Control] says how
// long the steps are, and is one of [Fixed], [Grid], [Spaced] and [Adaptive]; [Solver]
// joins the two and solves; [Config] is a solver as a configuration file names it; [Stats] is
// what a solve cost; [Tape] remembers a solve so that a gradient can be taken back
// through it; [Sensitivity] is a right-hand side with its derivatives, for the gradient
// without a memory.
//
// There are two gradients of a loss. [Tape.Backprop] differentiates the steps taken:
// exact for the numbers that were computed, with a memory that grows with the steps.
// [Solver.Adjoint] solves the adjoint system back in time: of constant memory, right
// to the tolerance, and in trouble where the flow contracts. Both take a loss of the
// states at several times: [Solver.SolveVia], [Solver.RecordVia].
//
// Any method works with any control, except that [Adaptive] needs a method with an
// error estimate. Time may run forward (t1 > t0) or backward (t1 < t0).
//
// # Caveats
//
//   - The methods are explicit. A stiff system makes [Adaptive] take very many
//     steps: set Solver.MaxNFE, so that it ends in [ErrMaxNFE] and not in a wait.
//   - The whole state is one system. Under [Adaptive] all points of a batch share
//     their steps, and the default error norm is the root mean square over all of
//     them: one difficult point among many is resolved less well than if it were
//     solved alone. Adaptive.Norm changes that.
//   - There is no default tolerance; it is the caller's decision.
//   - Solver is a value without hidden state. Concurrent solves need only an f
//     and an Observe that are safe for it.
//
// References: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I,
// 2nd ed. 1993 ("HNW" below), for everything not cited otherwise.
package ode
