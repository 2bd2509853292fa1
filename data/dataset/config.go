package data

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// The kinds of data that a [Config] can name.
const (
	KindSynthetic = "synthetic" // one of [Names]
	KindTable     = "table"     // CSV, NPY or Parquet
	KindImages    = "images"    // IDX, or NPY of unsigned bytes
	KindUCI       = "uci"       // one of [UCINames]
	KindCIFAR10   = "cifar10"   // the binary version
	KindCIFAR100  = "cifar100"  // the binary version
	KindFolder    = "folder"    // PNG and JPEG images, in a folder for each class or in none
	KindShards    = "shards"    // tar files of PNG and JPEG images
)

// kinds lists them all, and pictureKinds those of images.
func kinds() []string {
	return append([]string{KindSynthetic, KindTable, KindUCI}, pictureKinds()...)
}

func pictureKinds() []string {
	return []string{KindImages, KindCIFAR10, KindCIFAR100, KindFolder, KindShards}
}

// The ways of [Config.Standardize].
const (
	StandardizeNone    = "none"
	StandardizeColumns = "columns" // one mean and deviation a column
	StandardizeScalar  = "scalar"  // one of each for all numbers
)

// Sizes of the held-out parts where a Config says nothing: counts for synthetic
// sets, which cost nothing to draw; fractions for files.
const (
	defaultSyntheticVal, defaultSyntheticTest = 1000, 10000
	defaultFileVal, defaultFileTest           = 0.1, 0.1
)

// Config is the `data:` section of a run file. Either Name or Path must be set;
// everything else has a default. Paths are relative to the folder given to
// [Config.Open].
type Config struct {
	// Name is a synthetic set (see [Names]) and Params are its knobs.
	Name   string `json:"name,omitempty" yaml:"name,omitempty"`
	Params `yaml:",inline"`
	// N is the number of training points of a synthetic set, drawn once and
	// shuffled each epoch; 0 draws fresh points for every batch.
	N int `json:"n,omitempty" yaml:"n,omitempty"`

	// UCI is one of [UCINames], and Path then the folder of its files. The parts
	// and the units are those of the published tables: Standardize, Val and Test
	// do not go with it.
	UCI string `json:"uci,omitempty" yaml:"uci,omitempty"`

	// Path is a file, a folder (uci, cifar10, cifar100, folder, shards) or a
	// pattern of files (shards: DIR/*.tar). Kind is one of the Kind constants;
	// empty means synthetic with a Name, uci with a UCI, a table for .csv, .tsv,
	// .txt, .npy and .parquet, shards for .tar, .tar.gz and .tgz, and images for
	// file names with idx in them.
	Path string `json:"path,omitempty" yaml:"path,omitempty"`
	Kind string `json:"kind,omitempty" yaml:"kind,omitempty"`

	// Columns, Label, Delimiter and Header are those of [TableOptions]; the
	// delimiter is one character, or the word tab.
	Columns   []string `json:"columns,omitempty" yaml:"columns,omitempty"`
	Label     string   `json:"label,omitempty" yaml:"label,omitempty"`
	Delimiter string   `json:"delimiter,omitempty" yaml:"delimiter,omitempty"`
	Header    *bool    `json:"header,omitempty" yaml:"header,omitempty"`

	// LabelsPath holds the classes of the images of Path. TestPath (with
	// TestLabelsPath) is a file of held-out data of the same kind as Path.
	LabelsPath     string `json:"labels_path,omitempty" yaml:"labels_path,omitempty"`
	TestPath       string `json:"test_path,omitempty" yaml:"test_path,omitempty"`
	TestLabelsPath string `json:"test_labels_path,omitempty" yaml:"test_labels_path,omitempty"`
	// Dequantize says whether images get uniform noise below one level; nil
	// means yes, without which likelihoods of images mean nothing.
	Dequantize *bool `json:"dequantize,omitempty" yaml:"dequantize,omitempty"`

	// Size is the side in pixels that the images of a folder or of shards are
	// brought to: the short side by scaling, the long one by cutting off both ends.
	// Channels is 3 for colour (0 means 3) or 1 for grey.
	Size     int `json:"size,omitempty" yaml:"size,omitempty"`
	Channels int `json:"channels,omitempty" yaml:"channels,omitempty"`
	// Flip mirrors each training image left to right with probability 1/2.
	Flip bool `json:"flip,omitempty" yaml:"flip,omitempty"`
	// Corrupt is one of the Corrupt constants, for images of a folder or of shards
	// that cannot be decoded; empty means fail.
	Corrupt string `json:"corrupt,omitempty" yaml:"corrupt,omitempty"`
	// Coarse takes the 20 coarse labels of CIFAR-100 in place of the 100 fine ones.
	Coarse bool `json:"coarse,omitempty" yaml:"coarse,omitempty"`

	// Standardize is one of the Standardize constants; empty means columns for
	// tables and none for the rest. It is fitted on the training part.
	Standardize string `json:"standardize,omitempty" yaml:"standardize,omitempty"`
	// Val and Test are the sizes of the held-out parts as in [Split]: a fraction
	// below 1, or a number of points. nil means 0.1 of a file (a TestPath is
	// used whole); of a synthetic set 1000 and 10000 points, drawn apart.
	Val  *float64 `json:"val,omitempty" yaml:"val,omitempty"`
	Test *float64 `json:"test,omitempty" yaml:"test,omitempty"`
}

// ResolvedKind returns the kind: Kind itself, or what Name and Path tell.
// It is empty when they do not tell.
func (c Config) ResolvedKind() string {
	switch ext := extension(c.Path); {
	case c.Kind != "":
		return c.Kind
	case c.UCI != "":
		return KindUCI
	case c.Name != "":
		return KindSynthetic
	case slices.Contains([]string{".csv", ".tsv", ".txt", ".npy", ".parquet"}, ext):
		return KindTable
	case isShard(c.Path):
		return KindShards
	case strings.Contains(strings.ToLower(filepath.Base(c.Path)), "idx"):
		return KindImages
	default:
		return ""
	}
}

// Validate reports what cannot be opened, short of reading files: what is
// missing, what contradicts, and fields that the kind of data does not take.
func (c Config) Validate() error {
	kind := c.ResolvedKind()
	switch {
	case c.Name == "" && c.Path == "" && kind != KindUCI:
		return fmt.Errorf("data: nothing to learn from: set name to one of %s, or path to a file", strings.Join(Names(), ", "))
	case c.Name != "" && c.Path != "":
		return fmt.Errorf("data: both name %q and path %q are set; leave one out", c.Name, c.Path)
	case kind == "":
		return fmt.Errorf("data: path %q does not tell what the file is; set kind to one of %s", c.Path, strings.Join(append([]string{KindTable}, pictureKinds()...), ", "))
	case !slices.Contains(kinds(), kind):
		return fmt.Errorf("data: kind %q; want one of %s", kind, strings.Join(kinds(), ", "))
	case (kind == KindSynthetic) != (c.Name != ""):
		return fmt.Errorf("data: kind %s goes with %s", kind, map[bool]string{true: "name, not with path", false: "path, not with name"}[kind == KindSynthetic])
	}
	if err := c.checkFields(kind); err != nil {
		return err
	}
	if kind == KindUCI {
		return c.checkUCI()
	}
	if err := cmp.Or(c.checkSizes(kind), c.checkPictures(kind)); err != nil {
		return err
	}
	if _, err := c.delimiter(); err != nil {
		return err
	}
	switch c.Standardize {
	case "", StandardizeNone, StandardizeScalar:
	case StandardizeColumns:
		if slices.Contains(pictureKinds(), kind) {
			return errors.New("data: standardize: columns does not suit images, whose border pixels may be constant; want none or scalar")
		}
	default:
		return fmt.Errorf("data: standardize: %q; want %s, %s or %s", c.Standardize, StandardizeNone, StandardizeColumns, StandardizeScalar)
	}
	if kind == KindSynthetic {
		_, err := ByName(c.Name, c.Params)
		return err
	}
	return nil
}

// checkFields refuses fields that belong to another kind: silence would leave
// the reader of the run file believing that they did something.
func (c Config) checkFields(kind string) error {
	for _, f := range []struct {
		name  string
		set   bool
		kinds []string
	}{
		{"n", c.N != 0, []string{KindSynthetic}},
		{"uci", c.UCI != "", []string{KindUCI}},
		{"columns", c.Columns != nil, []string{KindTable}},
		{"label", c.Label != "", []string{KindTable}},
		{"delimiter", c.Delimiter != "", []string{KindTable}},
		{"header", c.Header != nil, []string{KindTable}},
		{"labels_path", c.LabelsPath != "", []string{KindImages}},
		{"test_labels_path", c.TestLabelsPath != "", []string{KindImages}},
		{"dequantize", c.Dequantize != nil, pictureKinds()},
		{"flip", c.Flip, pictureKinds()},
		{"size", c.Size != 0, []string{KindFolder, KindShards}},
		{"channels", c.Channels != 0, []string{KindFolder, KindShards}},
		{"corrupt", c.Corrupt != "", []string{KindFolder, KindShards}},
		{"coarse", c.Coarse, []string{KindCIFAR100}},
		{"test_path", c.TestPath != "", []string{KindTable, KindImages, KindFolder, KindShards}},
	} {
		if f.set && !slices.Contains(f.kinds, kind) {
			return fmt.Errorf("data: %s is set, but the data are %s; it is for %s", f.name, kind, list(f.kinds))
		}
	}
	if given := c.given(); kind != KindSynthetic && len(given) > 0 {
		return fmt.Errorf("data: %s is set, but the data are %s; it is for synthetic sets", given[0], kind)
	}
	if kind == KindImages && c.TestPath != "" && (c.LabelsPath != "") != (c.TestLabelsPath != "") {
		return errors.New("data: labels_path and test_labels_path go together when there is a test_path")
	}
	if c.TestLabelsPath != "" && c.TestPath == "" {
		return errors.New("data: test_labels_path is set without test_path")
	}
	return nil
}

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
		if err := checkSize(size.name, *size.v); err != nil {
			return err
		}
		if kind == KindSynthetic && *size.v > 0 && *size.v < 1 {
			return fmt.Errorf("data: %s = %g of an endless set; give a number of points, such as %d", size.name, *size.v, defaultSyntheticVal)
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
		return 0, fmt.Errorf("data: delimiter %q; want one character such as , or ; or the word tab", c.Delimiter)
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
