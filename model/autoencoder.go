package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"flowmatch/engine/onnx"
	"flowmatch/internal/atomicfile"
	"flowmatch/model/weights"
	"flowmatch/nn"
)

// What makes images of the points of a model, beside it in its folder: one of these files.
const (
	AutoencoderFile = "autoencoder.safetensors"
	DecoderFile     = "decoder.onnx"
)

// The metadata of these files: the description of an autoencoder, and of the latents of an ONNX file.
const (
	keyAutoencoder = "flowmatch_autoencoder"
	keyDecoder     = "flowmatch_decoder"
)

// onnxLatents is what an ONNX file does not say of its latents.
type onnxLatents struct {
	Latents []int   `json:"latents"`
	Scale   float64 `json:"scale"`
	Shift   float64 `json:"shift"`
}

// SaveAutoencoder writes an autoencoder as one safetensors file, whole or not at all. tensor returns the numbers of
// each of [nn.Autoencoder.Tensors].
func SaveAutoencoder(path string, a nn.Autoencoder, tensor func(name string) []float32) error {
	encoder, decoder, err := a.Tensors()
	if err != nil {
		return err
	}
	spec, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("model: encoding the autoencoder: %w", err)
	}
	tensors := map[string]weights.Array{}
	for _, t := range slices.Concat(encoder, decoder) {
		numbers := tensor(t.Name)
		if len(numbers) != t.Size() {
			return fmt.Errorf("model: tensor %q of an autoencoder has %d numbers; its shape %v takes %d", t.Name,
				len(numbers), t.Shape, t.Size())
		}
		tensors[t.Name] = weights.Array{Dims: t.Shape, Numbers: numbers}
	}
	return writeTensors(path, tensors, map[string]string{keyAutoencoder: string(spec), "format": "pt"})
}

// SaveONNXDecoder writes the ONNX file of a decoder, with what it does not say of its latents, whole or not at all;
// see [nn.NewONNXDecoder]. m is not modified.
func SaveONNXDecoder(path string, m *onnx.Model, latents []int, scale, shift float64) error {
	if m == nil {
		return errors.New("model: the ONNX file of a decoder is nil")
	}
	text, err := json.Marshal(onnxLatents{latents, scale, shift})
	if err != nil {
		return fmt.Errorf("model: encoding the latents of a decoder: %w", err)
	}
	with := *m
	with.Metadata = map[string]string{}
	maps.Copy(with.Metadata, m.Metadata)
	with.Metadata[keyDecoder] = string(text)
	buf, err := with.Marshal()
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return atomicfile.WriteBytes(path, buf)
}

// HasDecoder returns the file of the decoder in a folder; "": there is none.
func HasDecoder(dir string) (file string) {
	for _, name := range []string{AutoencoderFile, DecoderFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

// OpenDecoder reads a file of [SaveAutoencoder] or [SaveONNXDecoder] for the engine.
func OpenDecoder(path string, eng *nn.Engine) (d *nn.Decoder, err error) {
	if filepath.Ext(path) != filepath.Ext(DecoderFile) {
		err = readAutoencoder(path, func(a nn.Autoencoder, f *tensorFile) error {
			d, err = nn.RestoreDecoder(eng, a, f.read)
			return err
		})
		return d, err
	}
	m, err := onnx.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("model: decoder %s: %w", path, err)
	}
	var z onnxLatents
	text, ok := m.Metadata[keyDecoder]
	if !ok {
		err = fmt.Errorf("no %q in its metadata: it was not written by flowmatch", keyDecoder)
	} else if err = json.Unmarshal([]byte(text), &z); err == nil {
		d, err = nn.NewONNXDecoder(eng, m, z.Latents, z.Scale, z.Shift)
	}
	if err != nil {
		return nil, fmt.Errorf("model: decoder %s: %w", path, err)
	}
	return d, nil
}

// OpenEncoder reads the encoder of a file of [SaveAutoencoder] for the engine.
func OpenEncoder(path string, eng *nn.Engine) (e *nn.Encoder, err error) {
	err = readAutoencoder(path, func(a nn.Autoencoder, f *tensorFile) error {
		e, err = nn.RestoreEncoder(eng, a, f.read)
		return err
	})
	return e, err
}

// ReadAutoencoder reads a file of [SaveAutoencoder] whole: what it describes, and the numbers of each of its tensors.
func ReadAutoencoder(path string) (a nn.Autoencoder, tensors map[string][]float32, err error) {
	tensors = map[string][]float32{}
	err = readAutoencoder(path, func(of nn.Autoencoder, f *tensorFile) error {
		a = of
		encoder, decoder, err := of.Tensors()
		for _, t := range slices.Concat(encoder, decoder) {
			var numbers []float32
			if numbers, err = f.read(t.Name, t.Shape); err != nil {
				return err
			}
			tensors[t.Name] = slices.Clone(numbers)
		}
		return err
	})
	return a, tensors, err
}

// readAutoencoder opens a file of SaveAutoencoder, and reports sizes that it cannot be of.
func readAutoencoder(path string, use func(a nn.Autoencoder, f *tensorFile) error) error {
	return readFile(path, "autoencoder", func(f *tensorFile) error {
		var a nn.Autoencoder
		if err := f.describe(keyAutoencoder, "it is no autoencoder of flowmatch", &a); err != nil {
			return err
		}
		for _, n := range append([]int{a.Latent, a.Blocks}, a.Widths...) {
			if n > f.numbers { // each of these has at least as many weights
				return fmt.Errorf("metadata %q: %s; the file holds %d numbers in all", keyAutoencoder,
					f.metadata[keyAutoencoder], f.numbers)
			}
		}
		encoder, decoder, err := a.Tensors()
		if err != nil {
			return err
		}
		left := f.numbers
		for _, t := range slices.Concat(encoder, decoder) {
			if left -= t.Size(); left < 0 {
				return fmt.Errorf("metadata %q: its tensors, up to %q of shape %v, have more numbers than the file, %d",
					keyAutoencoder, t.Name, t.Shape, f.numbers)
			}
		}
		return use(a, f)
	})
}
