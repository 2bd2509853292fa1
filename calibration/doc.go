// Package calibration says whether posteriors deserve their name: whether the true value
// lies in what p(θ|x) calls likely as often as it should, over many observations x.
//
// There are only a few things. [SBC] ranks each parameter of the truth among posterior
// samples (simulation-based calibration), [HPD] finds by log-densities how large the region
// of highest density is that just holds the truth (expected coverage), and [TARP] does so with
// balls about reference points, without a density. Each leaves numbers in [0, 1] that are
// uniform where the posteriors are right; [Uniform] tests that, and [Uniformity] and
// [Coverage] say in which direction they are wrong:
//
//   - posteriors too narrow (overconfident): Spread above 1, Area and ATC below 0;
//   - too wide (underconfident): Spread below 1, Area and ATC above 0;
//   - off to one side (biased): SBC's Bias is not 0, and the Area of HPD below 0.
//
// [Predict] asks another question, of one observation: is it one that its posterior predicts?
//
// Truths and samples are the points of many simulations: θ_i is drawn from the prior, x_i
// from the simulator at θ_i, and L samples from the posterior at x_i. Samples are [N·L, D],
// those of x_1 first, which is the order of model.Sample with as many contexts.
//
// # Caveats
//
//   - All of them are averages over observations. A posterior that is the prior, whatever was
//     observed, passes SBC, and TARP with references that do not depend on x; HPD sees it only
//     by chance. A test of one observation is classify.NewLocalC2ST.
//   - A p-value that is large says that so few simulations show nothing, not that the
//     posteriors are right. Of D parameters the least of D p-values is looked at: compare it
//     with α/D.
//   - The truths must be of the prior that the posterior was trained with.
//   - Ranks of finitely many samples are whole numbers; a generator spreads each over its
//     interval, so that the numbers are uniform exactly, whatever L is. It breaks ties, too.
package calibration
