package eval

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/digest"
	"flowmatch/metrics"
	"flowmatch/nn"
)

// Extractor makes features of images in data units [N, H·W·C], and probabilities of
// classes where it knows such (else empty). Its name says what it is to the last
// weight: features of two names have no distance.
type Extractor interface {
	Name() string
	Features(x flow.Batch) (features, probs flow.Batch, err error)
}

// byClassifier is a classifier as an Extractor.
type byClassifier struct {
	*nn.Classifier
	name string
}

func newByClassifier(c *nn.Classifier) (byClassifier, error) {
	w, err := c.Weights()
	if err != nil {
		return byClassifier{}, err
	}
	return byClassifier{c, "classifier " + digest.Of(w)}, nil
}

// Name implements [Extractor].
func (c byClassifier) Name() string { return c.name }

// Features implements [Extractor].
func (c byClassifier) Features(x flow.Batch) (features, probs flow.Batch, err error) {
	return c.Classify(x)
}

// split describes a part of the data to the last number, by its hash.
func (s Subject) split(part string, x flow.Batch) string {
	return fmt.Sprintf("%s, %s, %d images, %s", s.Set.Name, part, x.N, digest.Of(x.X))
}

// statistics returns those of the features of a part of the data. They are kept in the
// subject's Cache with the name of the extractor and the split inside; what was kept of
// another extractor or another split is replaced.
func (s Subject) statistics(e Extractor, part string, x flow.Batch,
	features func() (flow.Batch, error)) (metrics.FeatureStats, error) {
	file := filepath.Join(s.Cache, fmt.Sprintf("features-%s-%s-%d.stats", digest.Short(e.Name(), 4), part, x.N))
	split := s.split(part, x)
	if s.Cache != "" {
		if kept, err := ReadStatistics(file); err == nil && kept.Extractor == e.Name() && kept.Split == split {
			return kept, nil
		}
	}
	f, err := features()
	if err != nil {
		return metrics.FeatureStats{}, err
	}
	stats, err := metrics.NewFeatureStats(e.Name(), split, f)
	if err != nil || s.Cache == "" {
		return stats, err
	}
	var buf bytes.Buffer
	if err := metrics.WriteFeatureStats(&buf, stats); err != nil {
		return stats, err
	}
	if err := atomicfile.WriteBytes(file, buf.Bytes()); !errors.Is(err, fs.ErrPermission) {
		return stats, err
	}
	return stats, nil // the folder is for reading only
}

// ReadStatistics reads statistics of features from a file, such as a Subject keeps in its
// Cache.
func ReadStatistics(file string) (metrics.FeatureStats, error) {
	f, err := atomicfile.Open(file)
	if err != nil {
		return metrics.FeatureStats{}, fmt.Errorf("eval: %w", err)
	}
	defer f.Close()
	s, err := metrics.ReadFeatureStats(f)
	if err != nil {
		return s, fmt.Errorf("eval: %s: %w", file, err)
	}
	return s, nil
}
