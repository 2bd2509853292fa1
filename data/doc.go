// Package data is the vocabulary of data: where x_1 comes from, and the endless
// streams of batches that training asks for.
//
// [Finite] is a set of points that can be counted; [Points] holds them as float64,
// and [Subset] picks some of another set. [Stream] hands out training batches; batch
// number step is a pure function of (seed, step). [Distribution] is a law to draw
// from, and [LogProber], [Entropier], [EntropyEstimator] and [Labelled] are what it
// may offer beyond that. [Standardizer] is the affine map between the units of a file
// and those of the network. A [Set] holds all of the above for one set of data.
//
// What each point is given (a label, a context) comes with it as a
// [flow.Given]: [Stream.Fill] and [Finite.Read] fill the parts that have room for
// their points, and [Rows] and [RandomRows] return all that a set has of some. A [Contexter] makes contexts
// of the points themselves ([Set.WithContext]).
//
// The rooms below make sets: flowmatch/data/synth has laws, flowmatch/data/table
// reads tables, flowmatch/data/image reads images, and flowmatch/data/dataset opens
// whatever the `data:` section of a run file describes.
//
// # Units
//
// What the network sees is in model units; original units are those of the file or
// of the law. They are tied by one number, the logarithm of the volume ratio
// ([Set.LogDet], nats):
//
//	NLL in original units = NLL in model units + LogDet
//
// # Caveats
//
// A [Stream] over a finite set counts points, not batches: batch number step of
// size B is points step*B to (step+1)*B of the endless shuffled sequence, so a
// run must keep B fixed for every point to be seen once an epoch.
package data
