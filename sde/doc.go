// Package sde samples a Gaussian path by stochastic differential equations and
// by the ancestral steps of diffusion models, from a network of any prediction:
// the samplers of the diffusion baselines.
//
// There are only a few types: [Sampler] is a [Method] with its number of steps,
// and samples; [Diffusion] is the noise g of an SDE, one of [Own], [Constant] and
// [Sigma] or a type of your own. What sampling cost is an [ode.Stats].
//
// Time runs from t=0 (noise) to t=1 (data), so what the diffusion literature calls
// the reverse process runs forward here. With the score s_t = ∇ log p_t, every
// choice of g_t >= 0 in
//
//	dx = [v_t(x) + ½ g_t² s_t(x)] dt + g_t dW
//
// has the marginals p_t of the path: the Fokker-Planck equation adds ½g²Δp, which
// −∇·(½g² p ∇log p) takes away again. g = 0 is the probability flow ODE (Song et
// al., arXiv 2011.13456, section 4.3; Albergo, Boffi and Vanden-Eijnden, arXiv
// 2303.08797; SiT, arXiv 2401.08740).
//
// # Caveats
//
//   - The score follows from the prediction only where x_0 is Gaussian and drawn
//     independently of x_1. A model trained with an optimal transport coupling has
//     a velocity but no score: solve its ODE (here: [DDIM] with Eta 0).
//   - The marginals are those of the path in the limit of short steps, and of an
//     exact prediction. A few dozen steps give a bias; see [Method] for its order.
//   - Sampling runs on [Sampler.Span], which begins a share of 1e-3 after a start
//     where the SDE is singular.
//   - Noise has no density: there is no log p of a sample. Use ode and likelihood.
package sde
