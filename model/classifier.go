package model

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/internal/atomicfile"
	"flowmatch/nn"
)

// keyClassifier is the metadata of a classifier's file: its description.
const keyClassifier = "flowmatch_classifier"

// SaveClassifier writes a classifier as one safetensors file, whole or not at all.
func SaveClassifier(path string, c *nn.Classifier) error {
	spec, err := json.Marshal(c.Config())
	if err != nil {
		return fmt.Errorf("model: encoding the classifier: %w", err)
	}
	w, err := c.Net().Weights()
	if err != nil {
		return err
	}
	tensors := map[string]array{}
	for _, t := range c.Net().Tensors() {
		tensors[t.Name] = array{t.Shape, w[t.Offset : t.Offset+t.Size()]}
	}
	return atomicfile.WriteFile(path, func(out io.Writer) error {
		return safetensors.SerializeToWriter(tensors, map[string]string{keyClassifier: string(spec), "format": "pt"}, out)
	})
}

// LoadClassifier reads a file of SaveClassifier for the engine.
func LoadClassifier(path string, eng *nn.Engine) (*nn.Classifier, error) {
	buf, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	c, err := decodeClassifier(buf, eng)
	if err != nil {
		return nil, fmt.Errorf("model: classifier %s: %w", path, err)
	}
	return c, nil
}

func decodeClassifier(buf []byte, eng *nn.Engine) (*nn.Classifier, error) {
	file, metadata, err := openTensors(buf)
	if err != nil {
		return nil, err
	}
	text, ok := metadata[keyClassifier]
	if !ok {
		return nil, fmt.Errorf("no %q in its metadata: it is no classifier of flowmatch; train one with: flowmatch classifier", keyClassifier)
	}
	var cfg nn.ClassifierConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", keyClassifier, err)
	}
	return nn.RestoreClassifier(eng, cfg, func(name string, shape []int) ([]float32, error) { return readTensor(file, name, shape) })
}
