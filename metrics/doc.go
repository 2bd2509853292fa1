// Package metrics measures how far samples are from data and how straight the
// trajectories to them are.
//
// There are only a few types, and mostly functions. [W1], [W2] and [SlicedW2] are
// optimal transport between two sets of points; [MMD] and [EnergyDistance] compare
// them by kernels; [Trajectories] follows a velocity field from t=0 to t=1, [NPE]
// compares its energy with the least possible.
//
// Of images there are two kinds. [FID] (between [FeatureStats], which can be kept in
// a file), [KID] (with [KIDOptions]) and [PrecisionRecall] compare two sets by the
// features of an extractor, a network that is not of this package; [InceptionScore]
// takes its class probabilities. [PSNR] and [SSIM] (with an [ImageShape]) compare
// image with image by their pixels.
//
// Of a [Table], whose columns are numbers or levels, [Marginals] and [Patterns] compare
// columns and missing values, [Associations] says which columns have to do with each
// other, and [Closest] and [Nearer] tell whether rows were copied.
//
// # Caveats
//
//   - Points are the empirical distributions of their batches, every point of the
//     same weight. W1, W2 and EnergyDistance of two samples of one law are above
//     zero and go to zero with N: compare at equal N, beside the value between two
//     batches of data.
//   - Everything is a function of its arguments to the bit, whatever GOMAXPROCS is.
//   - [W1] and [W2] take time that grows as N² to N³, the kernel metrics and
//     [PrecisionRecall] as N² D, [KID] as Subsets Size² D, [FID] as D³. On two busy
//     cores FID at D = 2048 took 10 s, PrecisionRecall of 10,000 points with 64
//     features 15 s, KID with 64 features and the usual subsets 10 s.
//   - Figures on features depend on the extractor, the resizing before it, the
//     split and, but for KID, on N: say all of them beside the figure.
package metrics
