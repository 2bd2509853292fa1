// Package dataset opens whatever the `data:` section of a run file describes: a law, a
// table, a UCI set, images. [Config] is that section, and [Config.Open] turns it into a
// [data.Set].
//
// The sets of [table.UCINames] are ready in the units of the published tables, and so
// have no standardizer: their NLL in model units is the figure to compare.
package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/files"
	"flowmatch/data/simulator"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/internal/choice"
	"flowmatch/manifold"
)

// kinds lists the kinds that [Config.Kind] can name, and imageKinds those of images.
func kinds() []string {
	return append([]string{data.KindSynthetic, data.KindTable, data.KindUCI, data.KindSimulator}, imageKinds()...)
}

func imageKinds() []string {
	return []string{data.KindImages, data.KindCIFAR10, data.KindCIFAR100, data.KindFolder, data.KindShards}
}

// The values of [Config.Standardize].
const (
	StandardizeNone    = "none"
	StandardizeColumns = "columns" // one mean and deviation a column
	StandardizeScalar  = "scalar"  // one of each for all numbers
)

// The values of [Config.Posterior].
const (
	PosteriorSample = "sample"
	PosteriorMean   = "mean"
)

// The values of [Config.Corrupt].
const (
	CorruptFail = "fail" // an image that cannot be decoded is an error
	CorruptSkip = "skip" // it is left out, and counted in data.Set.Skipped
)

// Sizes of the held-out parts where a Config says nothing: counts for synthetic
// sets, which cost nothing to draw; fractions for files.
const (
	defaultSyntheticVal, defaultSyntheticTest = 1000, 10000
	defaultFileVal, defaultFileTest           = 0.1, 0.1
)

// Config is the `data:` section of a run file. Name, Simulator or Path must be set;
// everything else has a default. Paths are relative to the folder given to
// [Config.Open].
type Config struct {
	// Name is a synthetic set, whose density is known. Its parameters are keys of the same
	// section; flowmatch data list shows which ones a set has, and their defaults.
	Name         string `json:"name,omitempty" yaml:"name,omitempty"`
	synth.Params `yaml:",inline"`
	// Simulator is a simulator of the benchmark of simulation-based inference: parameters of its
	// prior are learnt, given the data that it makes of them. flowmatch data list has the names.
	Simulator string `json:"simulator,omitempty" yaml:"simulator,omitempty"`
	// N is the number of training points of a synthetic set, drawn once and shuffled each
	// epoch; 0 (default): fresh points for every batch. Of a simulator it is the number of
	// simulations, of which val and test are parts, and has no default.
	N int `json:"n,omitempty" yaml:"n,omitempty"`

	// UCI is the name of a published set; Path is then the folder of its files. Its parts and
	// units are those of the published tables, so Standardize, Val and Test cannot be set.
	UCI string `json:"uci,omitempty" yaml:"uci,omitempty"`

	// Path is a file, a folder (uci, cifar10, cifar100, folder, shards) or a
	// pattern of files (shards: DIR/*.tar).
	Path string `json:"path,omitempty" yaml:"path,omitempty"`
	// Kind is what the data are. Left out, it is synthetic with a name, uci with a uci,
	// simulator with a simulator, a table for .csv, .tsv, .txt, .npy, .parquet and .xlsx, shards
	// for .tar, .tar.gz and .tgz, and images for file names with idx in them; a run file also takes
	// it from a folder, from NPY images of bytes and from IDX files of other names. An imported
	// model has none.
	Kind string `json:"kind,omitempty" yaml:"kind,omitempty"`

	// Columns are the names of the columns of a table to learn; default all but the label and
	// the context. A run file has at most 20,000 values: to learn more columns, leave Columns
	// out.
	Columns []string `json:"columns,omitempty" yaml:"columns,omitempty"`
	// Exclude are the names of the columns of a table to leave out; default none.
	Exclude []string `json:"exclude,omitempty" yaml:"exclude,omitempty"`
	// Schema is how the columns of a table are read: as numbers (default), each of them scaled as
	// standardize says; or auto, each as what it holds: numbers, whole numbers, levels, dates,
	// missing values. The other keys of a schema need auto: kinds, levels and transforms.
	Schema string `json:"schema,omitempty" yaml:"schema,omitempty"`
	// Kinds are the kinds of columns, by name, where they are not to be found in the file: real,
	// integer, binary, category, ordered, date, identifier (left out) or constant.
	Kinds map[string]string `json:"kinds,omitempty" yaml:"kinds,omitempty"`
	// Levels are the levels of columns in their order, by name; such a column is ordered unless
	// kinds has it as another kind.
	Levels map[string][]string `json:"levels,omitempty" yaml:"levels,omitempty"`
	// Transforms are how columns of numbers are brought near a normal law, by name: standard,
	// log, log1p, logit, robust or quantile; left out, the data choose.
	Transforms map[string]string `json:"transforms,omitempty" yaml:"transforms,omitempty"`

	// Context are the names of the columns of a table on which the others are conditioned: they
	// are given when samples are drawn. With context_path they are columns of that file, all of
	// them by default. Default none.
	Context []string `json:"context,omitempty" yaml:"context,omitempty"`
	// Target are the names of the columns of a table to learn, where all others but the label are
	// the context: the other way to say it. Default none.
	Target []string `json:"target,omitempty" yaml:"target,omitempty"`
	// ContextPath is a file with the contexts of the rows of path, in their order: a table, or an
	// NPY array [N, ...] of any shape.
	ContextPath string `json:"context_path,omitempty" yaml:"context_path,omitempty"`
	// TestContextPath is the file with the contexts of the rows of test_path.
	TestContextPath string `json:"test_context_path,omitempty" yaml:"test_context_path,omitempty"`
	// Bounds are the least and the largest value of columns to learn, such as those of a prior:
	// samples are drawn until they are inside, and log-densities are those inside. A row outside is
	// an error, and so are bounds within those of a simulator's prior. For a side without a bound,
	// write 1e300 or -1e300.
	Bounds map[string]data.Bound `json:"bounds,omitempty" yaml:"bounds,omitempty"`
	// Missing says what to do with rows of a table in which a number is missing or not finite:
	// report an error (error, the default), or leave them out and count them (drop).
	Missing string `json:"missing,omitempty" yaml:"missing,omitempty"`
	// Memory is where the rows of a table, or the images of files, are: in memory (held), or in
	// their file or a copy of it in the cache folder, of which a training reads those of each batch (disk). With
	// auto (default) those that fit well are held. Losses and weights do not depend on it.
	Memory string `json:"memory,omitempty" yaml:"memory,omitempty"`
	// SquashContext is whether the numbers z of a context, once standardized, become
	// 2 asinh(z/2). Those within a deviation of the mean stay nearly as they are, and
	// outliers come near: of contexts with heavy tails training may diverge without. Default
	// false.
	SquashContext bool `json:"squash_context,omitempty" yaml:"squash_context,omitempty"`
	// Label is the column of a table that holds the class of each row: whole numbers from 0, or
	// names; default none.
	Label string `json:"label,omitempty" yaml:"label,omitempty"`
	// Delimiter is the character between the fields of a text table, or the word tab;
	// default a comma, in .tsv files a tab or, where that separates nothing, what does.
	Delimiter string `json:"delimiter,omitempty" yaml:"delimiter,omitempty"`
	// Header is whether the first row of a text table holds the names of the columns; left
	// out, it is found in the file.
	Header *bool `json:"header,omitempty" yaml:"header,omitempty"`

	// LabelsPath is the IDX file with the classes of the images of path.
	LabelsPath string `json:"labels_path,omitempty" yaml:"labels_path,omitempty"`
	// TestPath is a file or folder of held-out data of the same kind as path.
	TestPath string `json:"test_path,omitempty" yaml:"test_path,omitempty"`
	// TestLabelsPath is the file of the classes of the images of test_path.
	TestLabelsPath string `json:"test_labels_path,omitempty" yaml:"test_labels_path,omitempty"`
	// Layout is where the channels of images in IDX or NPY are: hwc, [N, height, width,
	// channels], or chw, [N, channels, height, width]; left out, it is found in the shape of
	// the file.
	Layout string `json:"layout,omitempty" yaml:"layout,omitempty"`
	// Dequantize is whether the pixels of images get uniform noise of one of their 256
	// levels; default true. Without it likelihoods of images have no meaning.
	Dequantize *bool `json:"dequantize,omitempty" yaml:"dequantize,omitempty"`

	// Size is the side in pixels of the images of a folder or of shards after loading: the
	// short side is scaled to it, and the long one is cropped at both ends. Default in a run
	// file: the short side of most images, at most 64.
	Size int `json:"size,omitempty" yaml:"size,omitempty"`
	// Channels is 3 to read the images of a folder or of shards in colour, 1 in grey. Default
	// in a run file: 1 if all of them are grey, else 3.
	Channels int `json:"channels,omitempty" yaml:"channels,omitempty"`
	// Flip is whether each training image is mirrored left to right with probability 1/2;
	// default false.
	Flip bool `json:"flip,omitempty" yaml:"flip,omitempty"`
	// Corrupt says what to do with images of a folder or of shards that cannot be decoded:
	// report an error (fail, the default), or leave them out and count them (skip).
	Corrupt string `json:"corrupt,omitempty" yaml:"corrupt,omitempty"`
	// Coarse is whether CIFAR-100 has its 20 coarse labels instead of the 100 fine ones;
	// default false.
	Coarse bool `json:"coarse,omitempty" yaml:"coarse,omitempty"`

	// Encoder is the folder of an autoencoder of images (one of the library diffusers, or a run with
	// one): its latents of the images are learnt, and its decoder makes images of samples. Latents
	// are made once, and kept in the cache folder; memory is then about them, too. Images of a
	// folder have by default a size of at most 256, and 3 channels. Default none.
	Encoder string `json:"encoder,omitempty" yaml:"encoder,omitempty"`
	// Posterior says which latents of an image are learnt: sample (default), drawn each time from
	// the Gaussian that the encoder outputs, or its mean.
	Posterior string `json:"posterior,omitempty" yaml:"posterior,omitempty"`

	// Standardize is how the data are scaled to mean 0 and standard deviation 1, those of the
	// training part: each column by its own mean and deviation (columns), all numbers by one of
	// each (scalar), or not at all (none); default columns for tables and simulators, none for
	// the rest.
	Standardize string `json:"standardize,omitempty" yaml:"standardize,omitempty"`
	// Val is the size of the part that training is validated on: a fraction below 1, or a
	// number of points; default 0.1 of a file or of the simulations, or 1000 points of a
	// synthetic set, drawn separately.
	Val *float64 `json:"val,omitempty" yaml:"val,omitempty"`
	// Test is the size of the part that is held out for evaluation: a fraction below 1, or
	// a number of points; default 0.1 of a file (a test_path is used whole) or of the
	// simulations, or 10000 points of a synthetic set, drawn separately.
	Test *float64 `json:"test,omitempty" yaml:"test,omitempty"`
	// SplitSeed is the seed that chooses which points of a file are held out; default the seed
	// of the run. Runs of several seeds that share it are evaluated on the same points.
	SplitSeed *uint64 `json:"split_seed,omitempty" yaml:"split_seed,omitempty"`

	// Space is the manifold that the points of a table, or of the law wrapped, are on, which the run file says; the
	// zero Config: R^D.
	Space manifold.Config `json:"-" yaml:"-"`
	// Grid is how the numbers of a context of a table hang together, which the network decides.
	Grid Grid `json:"-" yaml:"-"`
	// OpenEncoder opens what Encoder names, for images of that height, width and channels.
	OpenEncoder func(path string, image []int) (image.Encoder, error) `json:"-" yaml:"-"`
	// Watch is told of work on files that takes long; nil: nobody is.
	Watch *data.Watch `json:"-" yaml:"-"`
}

// In returns c with its paths, those that are not absolute, below a folder.
func (c Config) In(dir string) Config {
	for _, p := range c.paths() {
		*p = within(dir, *p)
	}
	return c
}

// paths are the fields that name files and folders.
func (c *Config) paths() []*string {
	return []*string{&c.Path, &c.LabelsPath, &c.TestPath, &c.TestLabelsPath, &c.ContextPath, &c.TestContextPath,
		&c.Encoder}
}

// Files returns the files and folders that c names, which may be patterns.
func (c Config) Files() (files []string) {
	for _, p := range c.paths() {
		if *p != "" {
			files = append(files, *p)
		}
	}
	return files
}

// Defaults returns c with the number of channels filled in where its kind takes one; the
// other defaults depend on the files.
func (c Config) Defaults() Config {
	if k := c.ResolvedKind(); c.Channels == 0 && (k == data.KindFolder || k == data.KindShards) {
		c.Channels = 3
	}
	return c
}

// ResolvedKind returns the kind: Kind itself, or what Name and Path say.
// It is empty when they do not say it.
func (c Config) ResolvedKind() string {
	switch ext := files.Extension(c.Path); {
	case c.Kind != "":
		return c.Kind
	case c.UCI != "":
		return data.KindUCI
	case c.Simulator != "":
		return data.KindSimulator
	case c.Name != "":
		return data.KindSynthetic
	case slices.Contains(append(textTables(), binaryTables()...), ext):
		return data.KindTable
	case image.IsShard(c.Path):
		return data.KindShards
	case strings.Contains(strings.ToLower(filepath.Base(c.Path)), "idx"):
		return data.KindImages
	default:
		return ""
	}
}

// Images says whether the data are images, whatever files they come from.
func (c Config) Images() bool { return slices.Contains(imageKinds(), c.ResolvedKind()) }

// Catalog describes the sets that are known by name: the laws, the UCI sets, the simulators.
func Catalog() []data.Info {
	return slices.Concat(synth.Catalog(), []data.Info{synth.WrappedInfo()}, table.UCICatalog(), simulator.Catalog())
}

// Law returns the law that the data are drawn from, in original units, without opening
// any file; an error where they are not synthetic.
func (c Config) Law() (data.Distribution, error) {
	if kind := c.ResolvedKind(); kind != data.KindSynthetic {
		return nil, fmt.Errorf("data: the law of the data is not known: they are %s, not synthetic",
			cmp.Or(kind, "files"))
	}
	law, _, err := c.law()
	return law, err
}

// Validate reports what cannot be opened, short of reading files: what is
// missing, what contradicts, and fields that the kind of data does not take.
func (c Config) Validate() error {
	kind := c.ResolvedKind()
	if kind == data.KindNone {
		return c.checkNone()
	}
	if err := c.checkKind(kind); err != nil {
		return err
	}
	if err := cmp.Or(c.checkFields(kind), c.checkMemory(kind), c.checkSpace(kind)); err != nil {
		return err
	}
	if kind == data.KindUCI {
		return c.checkUCI()
	}
	if err := cmp.Or(c.checkSizes(kind), c.checkImages(kind)); err != nil {
		return err
	}
	if _, err := c.delimiter(); err != nil {
		return err
	}
	if c.Standardize != "" {
		hows := []string{StandardizeNone, StandardizeColumns, StandardizeScalar}
		if err := choice.Check("standardize", c.Standardize, hows); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	if c.Standardize == StandardizeColumns && c.Images() {
		return errors.New(
			"data: standardize: columns does not suit images, whose border pixels may be constant; want none or scalar")
	}
	if kind == data.KindSynthetic {
		_, _, err := c.law()
		return err
	}
	return nil
}

// ErrNone is returned by [Config.Open] where there are no data: the model was trained elsewhere.
var ErrNone = errors.New("data: kind none: the model was trained elsewhere, and its data are not known; to use some, " +
	"write a data section for them into run.yaml")

// checkNone reports data of a run that has none.
func (c Config) checkNone() error {
	if files := c.Files(); c.Name+c.UCI+c.Simulator != "" || len(files) > 0 {
		return errors.New("data: kind none is for a model without data, but there is a name, a uci, a simulator or a " +
			"path: leave out kind")
	}
	return c.checkFields(data.KindNone)
}

// checkKind reports a kind that is not known or that name and path contradict.
func (c Config) checkKind(kind string) error {
	switch {
	case c.Simulator != "" && kind != data.KindSimulator:
		return fmt.Errorf("data: simulator %s is set, but by kind or uci the data are %s; leave one out",
			choice.Quote(c.Simulator), kind)
	case kind == data.KindSimulator:
		return c.checkSimulator()
	case c.Name == "" && c.Path == "" && kind != data.KindUCI:
		return fmt.Errorf("data: nothing to learn from: set name to one of %s, simulator to one of %s, or path to a "+
			"file", strings.Join(synth.Names(), ", "), strings.Join(simulator.Names(), ", "))
	case c.Name != "" && c.Path != "":
		return fmt.Errorf("data: both name %s and path %s are set; leave one out",
			choice.Quote(c.Name), choice.Quote(c.Path))
	case kind == "":
		return fmt.Errorf("data: path %s does not say what the file is; set kind to one of %s",
			choice.Quote(c.Path), strings.Join(append([]string{data.KindTable}, imageKinds()...), ", "))
	}
	if err := choice.Check("kind", kind, kinds()); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	switch synthetic := kind == data.KindSynthetic; {
	case synthetic && c.Name == "":
		return fmt.Errorf("data: kind %s needs name, not path", kind)
	case !synthetic && c.Name != "":
		return fmt.Errorf("data: kind %s needs path, not name", kind)
	}
	return nil
}

// checkUCI refuses what does not fit the sets of [table.UCINames].
func (c Config) checkUCI() error {
	if c.UCI == "" {
		return fmt.Errorf("data: kind %s without uci; set it to one of %s",
			data.KindUCI, strings.Join(table.UCINames(), ", "))
	}
	if err := choice.Check("uci", c.UCI, table.UCINames()); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if c.Path == "" {
		return fmt.Errorf("data: uci: %s needs path, the folder with the files of the set", c.UCI)
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"standardize", c.Standardize != ""},
		{"val", c.Val != nil},
		{"test", c.Test != nil},
	} {
		if f.set {
			return fmt.Errorf("data: %s is set, but uci: %s comes with its own parts and units, "+
				"those of the published tables; leave it out", f.name, c.UCI)
		}
	}
	return nil
}

// checkImages checks the fields of arrays, folders and shards of images.
func (c Config) checkImages(kind string) error {
	if c.Layout != "" {
		if err := choice.Check("layout", c.Layout, image.Layouts()); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	if err := c.checkLatents(); err != nil {
		return err
	}
	if kind != data.KindFolder && kind != data.KindShards {
		return nil
	}
	if c.Corrupt != "" {
		if err := choice.Check("corrupt", c.Corrupt, []string{CorruptFail, CorruptSkip}); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	return c.imageOptions().Validate()
}

// imageOptions are those of a folder or of shards.
func (c Config) imageOptions() image.Options {
	return image.Options{
		Size: c.Size, Channels: c.Channels, SkipCorrupt: c.Corrupt == CorruptSkip, Dequantize: c.dequantize(),
		Watch: c.Watch,
	}
}

func (c Config) dequantize() bool { return c.Dequantize == nil || *c.Dequantize }

// textTables are the endings of the tables of text, and binaryTables those of others.
func textTables() []string   { return []string{".csv", ".tsv", ".txt"} }
func binaryTables() []string { return []string{".npy", ".parquet", ".xlsx"} }

// list writes words as a sentence has them: a, b and c.
func list(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

func (c Config) checkSizes(kind string) error {
	if c.N < 0 {
		return fmt.Errorf("data: n = %d; want a number of points, or 0 for fresh draws", c.N)
	}
	if c.TestPath != "" && c.Test != nil {
		return errors.New("data: test and test_path are both set; the file is used whole, so leave test out")
	}
	for _, size := range []struct {
		name string
		v    *float64
	}{{"val", c.Val}, {"test", c.Test}} {
		if size.v == nil {
			continue
		}
		if _, err := data.PartSize(size.name, *size.v, math.MaxInt); err != nil { // how many there are is not known
			return err
		}
		if kind == data.KindSynthetic && *size.v > 0 && *size.v < 1 {
			return fmt.Errorf("data: %s = %g of an endless set; give a number of points, such as %d",
				size.name, *size.v, defaultSyntheticVal)
		}
	}
	return nil
}

func (c Config) delimiter() (rune, error) {
	if c.Delimiter == "" {
		return 0, nil
	}
	if c.Delimiter == "tab" {
		return '\t', nil
	}
	r := []rune(c.Delimiter)
	if len(r) != 1 || strings.ContainsAny(c.Delimiter, "\"\r\n\ufffd") {
		return 0, fmt.Errorf("data: delimiter %s; want one character such as , or ; or the word tab",
			choice.Quote(c.Delimiter))
	}
	return r[0], nil
}

// size returns *v, or the default.
func size(v *float64, def float64) float64 {
	if v == nil {
		return def
	}
	return *v
}
