// Package flowmatch is Flow Matching for Generative Modeling (Lipman et al.,
// arXiv 2210.02747) in Go: train a continuous normalizing flow by regressing a
// velocity field, sample by solving an ODE, evaluate exact likelihoods.
//
// The package itself is empty; its example is the whole road, from data to
// samples and log-densities. The rooms are the packages below: flow (the
// vocabulary), path, coupling, train, nn, model, ode, likelihood, field, data,
// metrics, plot and run; ARCHITECTURE.md is the tour.
package flowmatch
