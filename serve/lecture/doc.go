// Package lecture computes the pictures of the lecture on flow matching: eight panes in the order of the
// lecture, each a request with a few numbers in its query and an answer in JSON.
//
//	/lecture/api/ode        dx/dt = v(x): Euler beside a solver with step control      (equations 1, 2)
//	/lecture/api/density    the density that a flow carries, its mass and its flux      (3, 4)
//	/lecture/api/marginal   p_t(x) of a few data points, or p_t(x|x_1) of one           (5, 6)
//	/lecture/api/fields     u_t(x|x_1) of each data point, and their mean u_t(x)        (7, 8)
//	/lecture/api/objective  the losses of FM and CFM, and their gradients               (9)
//	/lecture/api/gaussian   one Gaussian path: μ_t, σ_t, ψ_t and its field              (10 to 13)
//	/lecture/api/diffusion  the same points along VE, VP and OT                         (section 4.1)
//	/lecture/api/pairs      noise and data, paired and joined by straight lines         (14)
//	/lecture/api/cost       evaluations against error along VE, VP and OT               (section 4.2)
//
// Numbers of equations and sections are the lecture's, here and in all comments; docs/guide/paper.md has them in
// brackets beside those of the paper.
//
// Everything comes from the library itself: schedules of path, exact fields of field, solvers of ode,
// densities of likelihood, pairs of coupling, laws of data/synth. An answer is a function of its query.
// Queries are bounded so that each takes a few hundredths of a second on one core.
package lecture
