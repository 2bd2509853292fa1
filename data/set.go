package data

import (
	"math"
	"slices"

	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/manifold"
)

// The kinds of data. [Set.Kind] is one of the first five; the others are ways to store
// images, which the configuration of a data set names.
const (
	KindSynthetic = "synthetic" // drawn from a law
	KindTable     = "table"     // CSV, NPY or Parquet
	KindUCI       = "uci"       // one of the five UCI sets as published
	KindSimulator = "simulator" // parameters of a prior, given what is simulated of them
	KindImages    = "images"    // IDX, or NPY of unsigned bytes
	KindCIFAR10   = "cifar10"   // the binary version
	KindCIFAR100  = "cifar100"  // the binary version
	KindFolder    = "folder"    // PNG and JPEG images, in a folder for each class or in none
	KindShards    = "shards"    // tar files of PNG and JPEG images
	KindNone      = "none"      // no data: of a model that was trained elsewhere
)

// Set is data ready to train on and to evaluate with. All points it hands out are
// in model units.
type Set struct {
	Name string
	// Kind is KindSynthetic, KindTable, KindUCI, KindSimulator, or KindImages whatever files they came from, also of
	// latents of images.
	Kind  string
	Dim   int   // D
	Shape []int // of one point: [2], [28, 28]; its product is D

	// Encoded is the height, width and channels of the images whose latents the points are; nil where they are none.
	Encoded []int

	Columns []string // names of the coordinates of a table; nil otherwise
	Header  bool     // whether these are the first line of a text
	Classes int      // number of class labels; 0 means none
	// ClassNames are the names of the classes, by label; nil where labels are numbers. Of
	// labels that are not all numbers from 0 to the last they are those that occur.
	ClassNames []string
	// LabelName is the column of a table that holds the labels; empty otherwise.
	LabelName string
	// Context is how many numbers of context each point is given; 0 means none.
	// ContextColumns are their names in a table; nil otherwise.
	Context        int
	ContextColumns []string
	// ContextShape is the shape of a context that the network takes as a grid, or that comes as an array of
	// several axes; nil otherwise.
	ContextShape []int
	// ContextStandardizer maps contexts from original to model units; nil means they are the
	// same.
	ContextStandardizer *Standardizer
	// Skipped is how many images were left out because they could not be decoded, or how many rows
	// because a number was missing in them.
	Skipped int
	// Notes say what was done to the files that their owner should know, each a sentence:
	// what was passed over, what cannot be told apart.
	Notes []string

	// Stored is the file or folder that rows or images stay in, to be read when they are asked for; empty: all
	// points are held in memory, or drawn.
	Stored string

	// Train is the endless sequence of batches, a function of the seed that the set
	// was opened with. TrainSet is what it shuffles, nil when every batch is drawn
	// fresh.
	Train    Stream
	TrainSet Finite
	// Val and Test are held out from training; they may be empty, never nil.
	// [Rows] turns them into batches; a dequantised image gets new noise at each
	// call, as the average over K dequantisations needs.
	Val, Test Finite

	// Schema is that of a table whose columns are learnt as what they hold; nil otherwise. Columns
	// are then its Coordinates, and it maps original to model units in the place of Standardizer.
	Schema *schema.Schema
	// Standardizer maps original to model units; nil means they are the same
	// (for images: the same as [-1, 1]; for a UCI set: those of the published
	// tables, not of the file).
	Standardizer *Standardizer
	// Space is the manifold that the points are on, and how they stand in the columns of a file; nil:
	// R^D. Columns are then its Coordinates.
	Space *manifold.Space
	// Bounds is the box that all points are in, in original units; nil: none is known.
	Bounds Bounds
	// Density is the exact log p_1 in model units; nil when unknown.
	Density LogProber
	// Entropy is -E log p_1 in model units, in nats; nil when unknown.
	Entropy *float64
	// Levels is 256 for images of bytes, 0 otherwise; Dequantized says whether
	// their pixels carry uniform noise.
	Levels      int
	Dequantized bool

	// Fingerprint is "sha256:" and the hash of what the set was made from, before it
	// was split: the numbers and labels of a table, the pixels and labels of images, the
	// configuration of a law. Files that hold the same data have the same one, whether they
	// are held or not.
	Fingerprint string
}

// LogDet returns log |det d(original)/d(model)| in nats, the constant of
//
//	NLL in original units = NLL in model units + LogDet.
//
// Original units are those of the file, or of the law; of images, the levels 0 to 256
// of a pixel with its noise, so that BPD is the NLL in original units over D ln 2 (a
// level is 2/Levels of [-1, 1]).
//
// With a Schema it differs from row to row, and is not in it: see [schema.Schema.LogDet].
func (s *Set) LogDet() float64 {
	sum := 0.0
	if s.Standardizer != nil {
		sum = s.Standardizer.LogDet(s.Dim)
	}
	if s.Levels > 0 {
		sum += float64(s.Dim) * math.Log(float64(s.Levels)/2)
	}
	return sum
}

// Original maps points from model units to original units in place; images come
// to [-1, 1]. It panics when x.D is neither Dim nor fits the standardizer or the schema.
func (s *Set) Original(x flow.Batch) {
	switch {
	case s.Schema != nil:
		s.Schema.Invert(x)
	case s.Standardizer != nil:
		s.Standardizer.Invert(x)
	}
}

// Image returns the height, width and number of channels of an image, or of latents of one; nil for data
// that are neither.
func (s *Set) Image() []int {
	switch {
	case s.Kind != KindImages:
		return nil
	case len(s.Shape) == 2: // grey
		return []int{s.Shape[0], s.Shape[1], 1}
	}
	return slices.Clone(s.Shape)
}

// OptimalNLL returns the entropy of p_1 in model units, in nats: the NLL that no
// model can beat on average. It is known for few sets; for others with a Density
// the mean of -log p over Test estimates it.
func (s *Set) OptimalNLL() (nll float64, known bool) {
	if s.Entropy == nil {
		return 0, false
	}
	return *s.Entropy, true
}
