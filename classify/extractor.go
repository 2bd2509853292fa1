package classify

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"flowmatch/data/image"
	"flowmatch/engine/onnx"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
	"flowmatch/nn"
)

// Ranges are the ranges of pixels that an [Extractor] may expect.
func Ranges() []string { return []string{"0..1", "-1..1", "0..255"} }

// ExtractorOptions says how a network from an ONNX file is used.
type ExtractorOptions struct {
	// Range of the pixels that it expects, one of Ranges; "" is 0..1.
	Range string
	// Features names the value that is the features, any inside the file; "" is its
	// first result.
	Features string
	// Classes names logits or probabilities of classes; "" is its second result,
	// where Features is not named and there is one.
	Classes string
}

// Extractor makes features of images by a network from an ONNX file, such as
// Inception's.
type Extractor struct {
	net        *nn.Extractor
	name       string
	image      []int // of the data: height, width, channels
	scale, add float64
	classes    bool
}

// ErrExtractor is returned for options that do not fit the file or the images.
var ErrExtractor = errors.New("classify: the network cannot be used so")

// OpenExtractor reads a file for images of the shape given: height, width, channels.
func OpenExtractor(path string, eng *nn.Engine, shape []int, o ExtractorOptions) (*Extractor, error) {
	if o.Range == "" {
		o.Range = Ranges()[0]
	}
	e := &Extractor{image: shape}
	switch o.Range {
	case "0..1":
		e.scale = 1
	case "-1..1":
		e.scale, e.add = 2, -1
	case "0..255":
		e.scale = 255
	default:
		return nil, fmt.Errorf("%w: %w", ErrExtractor, choice.Check("range", o.Range, Ranges()))
	}
	if len(shape) != 3 {
		return nil, fmt.Errorf("%w: features are of images, and the data are none", ErrExtractor)
	}
	raw, err := atomicfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("classify: %w", err)
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		return nil, err
	}
	wanted := o.outputs(m)
	if e.net, err = nn.NewExtractor(eng, m, wanted...); err != nil {
		return nil, fmt.Errorf("classify: %s: %w", path, err)
	}
	e.classes = len(wanted) == 2
	h := digest.New()
	digest.Add(h, raw)
	for _, w := range m.Graph.Initializers {
		digest.Add(h, w.Floats) // which may be in a file beside
	}
	e.name = fmt.Sprintf("%s %v, %s of pixels %s", filepath.Base(path), h, wanted[0], o.Range)
	return e, nil
}

// outputs are the values of features and, where there are such, classes.
func (o ExtractorOptions) outputs(m *onnx.Model) (names []string) {
	results := m.Graph.Outputs
	switch {
	case o.Features != "":
		names = []string{o.Features}
	case len(results) > 0:
		names = []string{results[0].Name}
	}
	if o.Classes == "" && o.Features == "" && len(results) > 1 {
		o.Classes = results[1].Name
	}
	if o.Classes != "" {
		names = append(names, o.Classes)
	}
	return names
}

// Name returns the file, by its name and its hash, and how it is used: features of two
// names have no distance.
func (e *Extractor) Name() string {
	if e == nil {
		return ""
	}
	return e.name
}

// Features returns the features [N, D] of images [N, H·W·C] in [-1, 1], and the
// probabilities of classes, which are empty where the file has none. Logits become
// probabilities by a softmax.
func (e *Extractor) Features(x flow.Batch) (features, probs flow.Batch, err error) {
	if e == nil || e.net == nil {
		return features, probs, fmt.Errorf("%w: the extractor is nil or empty; make one by OpenExtractor", ErrExtractor)
	}
	channels, height, width := e.net.Image()
	const most = 256 // images at once, which may be much larger than those of the data
	for from := 0; from < x.N; from += most {
		part, err := image.Planes(x.Slice(from, min(from+most, x.N)), e.image, channels, height, width)
		if err != nil {
			return features, probs, fmt.Errorf("%w: %w", ErrExtractor, err)
		}
		for i, v := range part.X {
			part.X[i] = e.scale*v + e.add
		}
		out, err := e.net.Extract(part)
		if err != nil {
			return features, probs, err
		}
		features = joined(features, out[0])
		if e.classes {
			probs = joined(probs, probabilities(out[1]))
		}
	}
	return features, probs, nil
}

// joined returns the rows of a, then those of b.
func joined(a, b flow.Batch) flow.Batch {
	return flow.Batch{X: append(a.X, b.X...), N: a.N + b.N, D: b.D}
}

// probabilities returns rows that sum to 1, as they are, or else their softmax.
func probabilities(x flow.Batch) flow.Batch {
	for i := range x.N {
		row, sum := x.Row(i), 0.0
		for _, v := range row {
			sum += v
		}
		if slices.Min(row) >= 0 && math.Abs(sum-1) < 1e-4 {
			continue
		}
		top := slices.Max(row)
		sum = 0
		for k, v := range row {
			row[k] = math.Exp(v - top)
			sum += row[k]
		}
		for k := range row {
			row[k] /= sum
		}
	}
	return x
}
