// Package data is where x_1 comes from: synthetic sets with their exact
// densities, tables, images, and the endless streams of batches that training
// asks for.
//
// There are only a few types: [Distribution] is a synthetic set to draw from,
// and [LogProber], [Entropier] and [EntropyEstimator] are what it may know beyond
// that. [Finite] is a set of points that can be counted: [Points] holds float64
// rows, [Images] holds bytes and turns them into points batch by batch, and [Subset]
// and [Flip] make others of one. [Stream] hands out training batches; batch number
// step is a pure function of (seed, step).
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
// Files are read whole into memory: tables as float64, images as bytes. The
// exception is a folder or a set of shards of more than [MaxDecoded] bytes of
// decoded images: these stay in their files, which must stay as they are, and are
// decoded when they are asked for, on all cores. Val and Test should then be
// counts of points, for who evaluates on a part has all of it as float64.
//
// # Images
//
// The kinds of [Config]: images (IDX, NPY), cifar10 and cifar100 (the binary
// versions), folder and shards. Grey images have Shape [height, width], others
// [height, width, channels], channels running fastest.
//
// A folder holds PNG and JPEG images, in a folder for each class (numbered in the
// order of their names) or in none. Shards are tar files of images, plain or
// gzipped: one, a folder of them or a pattern. There an entry 7.cls, or 7.txt if it
// holds a number, is the class of 7.png; where no image has one, folders within the
// shards are classes. The middle square of each image is brought to size x size.
// Orientation in EXIF is not heeded, and what is transparent is black.
//
// Each image is decoded once when the set is opened, since the number of images must
// be known and an image that cannot be decoded is better found then than after a
// night of training: some 4 ms of a core for a JPEG of 256 x 256 pixels, so an
// hour of one core for a million. Opening a run does so anew. A shard that is truncated is an error with corrupt: skip too.
//
// There is no shuffle buffer: the place of each image in its shard is known, so
// any can be read at any time, and every epoch is a true permutation of all images
// across shards. Random access costs a seek an image; a compressed shard has none,
// and so must fit in memory decoded.
//
// [Downscale] and [Upscale] make pairs of small and large images. A [Condition] makes
// of images what a flow is told of them: the image at low resolution, or its known part.
package data
