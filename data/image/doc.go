// Package image reads images as points: IDX, NPY, CIFAR, folders of PNG and JPEG, tar
// shards of them. It also makes what a flow of images is conditioned on.
//
// A [Collection] holds images of bytes and turns them into points batch by batch. Grey
// images have Shape [height, width], others [height, width, channels], channels running
// fastest. Images are held in memory as bytes, or are read when they are asked for:
// those of an array from its file ([Store]), those of a folder or of shards from a copy of
// their pixels in the cache folder or, without one, by decoding their files on all cores
// ([Options.Disk], and sets of more than [MaxDecoded] bytes of decoded images). Files must
// then stay as they are.
//
// A folder holds PNG and JPEG images, in a folder for each class (numbered in the
// order of their names) or in none. Shards are tar files of images, plain or
// gzipped: one, a folder of them or a pattern. There an entry 7.cls, or 7.txt if it
// holds a number, is the class of 7.png; where no image has one, folders within the
// shards are classes. The middle square of each image is brought to size x size.
// Orientation in EXIF is ignored, and what is transparent is black.
//
// Each image is decoded once when the set is opened, since the number of images must
// be known and an image that cannot be decoded is better found then than after a
// night of training: some 4 ms of a core for a JPEG of 256 x 256 pixels, so an
// hour of one core for a million. A shard that is truncated is an error also where
// corrupt images are to be skipped.
//
// There is no shuffle buffer: where each image lies in its shard is known, so
// any can be read at any time, and every epoch is a true permutation of all images
// across shards. Random access costs a seek an image; a compressed shard has none,
// and so needs the copy of its pixels, or must fit in memory decoded.
//
// [Downscale] and [Upscale] make pairs of small and large images. A [Condition] makes
// the context of an image from the image: itself at low resolution, or its known part.
package image
