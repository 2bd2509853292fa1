package model

import (
	"encoding/json"
	"errors"
	"fmt"

	"flowmatch/model/weights"
	"flowmatch/nn"
)

// keyClassifier is the metadata of a classifier's file: its description.
const keyClassifier = "flowmatch_classifier"

// SaveClassifier writes a classifier as one safetensors file, whole or not at all.
func SaveClassifier(path string, c *nn.Classifier) error {
	if c == nil {
		return errors.New("model: the classifier is nil; make one by nn.NewClassifier")
	}
	w, err := c.Weights()
	if err != nil {
		return err
	}
	spec, err := json.Marshal(c.Config())
	if err != nil {
		return fmt.Errorf("model: encoding the classifier: %w", err)
	}
	tensors := map[string]weights.Array{}
	for _, t := range c.Tensors() {
		tensors[t.Name] = weights.Array{Dims: t.Shape, Numbers: w[t.Offset : t.Offset+t.Size()]}
	}
	return writeTensors(path, tensors, map[string]string{keyClassifier: string(spec), "format": "pt"})
}

// LoadClassifier reads a file of SaveClassifier for the engine.
func LoadClassifier(path string, eng *nn.Engine) (c *nn.Classifier, err error) {
	err = readFile(path, "classifier", func(f *tensorFile) error {
		var cfg nn.ClassifierConfig
		if err := f.describe(keyClassifier, "it is no classifier of flowmatch; train one first", &cfg); err != nil {
			return err
		}
		c, err = nn.RestoreClassifier(eng, cfg, f.read)
		return err
	})
	return c, err
}
