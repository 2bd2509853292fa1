// Package data is where x_1 comes from: synthetic sets with their exact
// densities, tables, images, and the endless streams of batches that training
// asks for.
//
// There are only a few types: [Distribution] is a synthetic set to draw from,
// and [LogProber], [Entropier] and [EntropyEstimator] are what it may know beyond
// that. [Finite] is a set of points that can be counted: [Points] holds float64
// rows, [Images] holds bytes and turns them into points batch by batch. [Stream]
// hands out training batches; batch number step is a pure function of (seed, step).
// [Standardizer] is the affine map between the units of the file and the units
// of the network. [Config] is the `data:` section of a run file, and
// [Config.Open] turns it into a [Set], which holds all of the above.
//
// Every unit that the network sees is "model units"; "original units" are those
// of the file or of the synthetic set. They are tied by one number, the
// logarithm of the volume ratio ([Set.LogDet], nats):
//
//	NLL in original units = NLL in model units + LogDet
//
// The sets of [UCINames] are ready in the units of the published tables, and so
// have no standardizer: their NLL in model units is the figure to compare.
//
// # Caveats
//
// A [Stream] over a finite set counts points, not batches: batch number step of
// size B is points step*B to (step+1)*B of the endless shuffled sequence, so a
// run must keep B fixed for every point to be seen once an epoch.
//
// Densities of curves blurred by noise (moons, circles, spirals, swissroll,
// scurve) are integrals over the curve, done by Gauss-Legendre quadrature: see
// [Curve]. Everything else is closed form.
//
// Files are read whole into memory: tables as float64, images as bytes.
package data
