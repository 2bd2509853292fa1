package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"flowmatch/flow"
	"flowmatch/metrics"
	"flowmatch/nn"
)

// Extractor makes features of images in data units [N, H·W·C], and probabilities of
// classes where it knows such (else empty). Its name tells what it is to the last
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
	w, err := c.Net().Weights()
	if err != nil {
		return byClassifier{}, err
	}
	h := sha256.New()
	err = binary.Write(h, binary.LittleEndian, w)
	return byClassifier{c, fmt.Sprintf("classifier sha256:%x", h.Sum(nil))}, err
}

func (c byClassifier) Name() string { return c.name }

func (c byClassifier) Features(x flow.Batch) (features, probs flow.Batch, err error) {
	return c.Classify(x)
}

// split tells a part of the data to the last number, by its hash.
func (r *Run) split(part string, x flow.Batch) string {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, x.X) // a hash takes all that it is given
	return fmt.Sprintf("%s, %s, %d images, sha256:%x", r.Data.Name, part, x.N, h.Sum(nil))
}

// statistics returns those of the features of a part of the data. They are kept in
// the run's folder with the name of the extractor and the split inside; what was kept
// of another extractor or another split is replaced.
func (r *Run) statistics(e Extractor, part string, x flow.Batch, features func() (flow.Batch, error)) (metrics.FeatureStats, error) {
	short := sha256.Sum256([]byte(e.Name()))
	file := filepath.Join(r.Dir, fmt.Sprintf("features-%x-%s-%d.stats", short[:4], part, x.N))
	split := r.split(part, x)
	if s, err := ReadStatistics(file); err == nil && s.Extractor == e.Name() && s.Split == split {
		return s, nil
	}
	f, err := features()
	if err != nil {
		return metrics.FeatureStats{}, err
	}
	s, err := metrics.NewFeatureStats(e.Name(), split, f)
	if err != nil {
		return s, err
	}
	var buf bytes.Buffer
	if err := metrics.WriteFeatureStats(&buf, s); err != nil {
		return s, err
	}
	if err := writeFile(file, buf.Bytes()); err != nil && !errors.Is(err, fs.ErrPermission) { // a folder may be for reading only
		return s, err
	}
	return s, nil
}

// ReadStatistics reads statistics of features from a file, such as evaluation keeps
// in a run's folder.
func ReadStatistics(file string) (metrics.FeatureStats, error) {
	f, err := os.Open(file)
	if err != nil {
		return metrics.FeatureStats{}, fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	s, err := metrics.ReadFeatureStats(f)
	if err != nil {
		return s, fmt.Errorf("run: %s: %w", file, err)
	}
	return s, nil
}
