package run

import (
	"fmt"
	"path/filepath"
	"sync"

	"flowmatch/data/image"
	"flowmatch/internal/digest"
	"flowmatch/model"
	"flowmatch/model/layout"
	"flowmatch/nn"
)

// encoderOf returns what opens the encoder of the data on the engine of c, for [dataset.Config].
func (c Config) encoderOf() func(path string, shape []int) (image.Encoder, error) {
	return func(path string, shape []int) (e image.Encoder, err error) {
		a, err := layout.OpenAutoencoder(path, shape)
		if err != nil {
			return e, err
		}
		if err := a.Of.Validate(); err != nil {
			return e, fmt.Errorf("autoencoder %s: %w", path, err)
		}
		eng, err := nn.Open(c.Backend)
		if err != nil {
			return e, err
		}
		encoder, err := a.Encoder(eng)
		if err != nil {
			return e, err
		}
		d := digest.New()
		d.Text(fmt.Sprint(a.Of.Scale, a.Of.Shift, a.Of.Groups))
		err = a.Numbers(func(name string, numbers []float32) {
			d.Text(name)
			digest.Add(d, numbers)
		})
		return image.Encoder{Image: a.Of.Image, Latents: a.Of.Latents(), Fingerprint: d.String(), Engine: eng.Name(),
			Encode: encoder.Encode}, err
	}
}

// keepDecoder puts the autoencoder of the data into the folder of the run, unless it is there: its decoder makes
// images of samples.
func (s *session) keepDecoder() error {
	if s.set.Encoded == nil {
		return nil
	}
	if !s.begun || !exists(filepath.Join(s.dir, model.AutoencoderFile)) {
		a, err := layout.OpenAutoencoder(s.cfg.Data.Encoder, s.set.Encoded)
		if err == nil {
			err = a.Save(s.dir)
		}
		if err != nil {
			return fmt.Errorf("run: %w", err)
		}
	}
	s.decoder = sync.OnceValues(decoderIn(s.dir, s.model))
	return nil
}
