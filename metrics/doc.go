// Package metrics measures how far samples are from data and how straight the way
// there is.
//
// There are only a few functions and no types: [W1], [W2] and [SlicedW2] are
// optimal transport between two sets of points; [MMD] and [EnergyDistance] compare
// them by kernels; [PathEnergy], [NPE] and [Straightness] follow a velocity field
// from t=0 to t=1.
//
// # Caveats
//
//   - Points are the empirical distributions of their batches, every point of the
//     same weight. W1, W2 and EnergyDistance of two samples of one law are above
//     zero and go to zero with N: compare at equal N, beside the value between two
//     batches of data.
//   - Everything is a function of its arguments to the bit, whatever GOMAXPROCS is.
//   - [W1] and [W2] take time that grows as N² to N³, the kernel metrics as N².
package metrics
