package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/internal/atomicfile"
	"flowmatch/nn"
)

// Checkpoint is a model with all that its training must remember.
type Checkpoint struct {
	Spec  Spec
	Net   *nn.Net  // layout of the slabs; the weights saved are those of State
	State nn.State // raw and averaged weights, moments, step
	// Extra travels in the metadata: what the training loop wants back.
	Extra map[string]string
}

// The keys of the file's metadata, and the prefixes of the tensors that hold
// the state of training; the averaged weights have no prefix.
const (
	keySpec = "flowmatch"
	keyStep = "step"

	prefixRaw = "raw."
	prefixM   = "opt.exp_avg."
	prefixV   = "opt.exp_avg_sq."
)

// Save writes the checkpoint to path as one safetensors file, whole or not at all.
func (c Checkpoint) Save(path string) error {
	return atomicfile.WriteFile(path, c.write)
}

func (c Checkpoint) write(w io.Writer) error {
	spec, err := json.Marshal(c.Spec)
	if err != nil {
		return fmt.Errorf("model: encoding the spec: %w", err)
	}
	meta := map[string]string{keySpec: string(spec), keyStep: strconv.FormatInt(c.State.Step, 10), "format": "pt"}
	for k, v := range c.Extra {
		meta[k] = v
	}
	tensors := map[string]array{}
	for _, group := range c.slabs() {
		for _, t := range c.Net.Tensors() {
			tensors[group.prefix+t.Name] = array{t.Shape, (*group.data)[t.Offset : t.Offset+t.Size()]}
		}
	}
	return safetensors.SerializeToWriter(tensors, meta, w)
}

type slabGroup struct {
	prefix string
	data   *[]float32
}

func (c *Checkpoint) slabs() []slabGroup {
	return []slabGroup{{"", &c.State.EMA}, {prefixRaw, &c.State.Weights}, {prefixM, &c.State.Moment1}, {prefixV, &c.State.Var2}}
}

// Load reads a checkpoint for the engine. Every fault of the file is an error
// that names the file and what is wrong.
func Load(path string, eng *nn.Engine) (*Checkpoint, error) {
	buf, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	c, err := decode(buf, eng)
	if err != nil {
		return nil, fmt.Errorf("model: checkpoint %s: %w", path, err)
	}
	return c, nil
}

func decode(buf []byte, eng *nn.Engine) (*Checkpoint, error) {
	file, metadata, err := openTensors(buf)
	if err != nil {
		return nil, err
	}
	c := &Checkpoint{Extra: metadata}
	spec, ok := c.Extra[keySpec]
	if !ok {
		return nil, fmt.Errorf("no %q in its metadata: it was not written by flowmatch", keySpec)
	}
	if err := json.Unmarshal([]byte(spec), &c.Spec); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", keySpec, err)
	}
	if c.State.Step, err = strconv.ParseInt(c.Extra[keyStep], 10, 64); err != nil {
		return nil, fmt.Errorf("metadata %q is %q; it must be a number of steps", keyStep, c.Extra[keyStep])
	}
	for _, k := range []string{keySpec, keyStep, "format"} {
		delete(c.Extra, k)
	}
	read := func(name string, shape []int) ([]float32, error) { return readTensor(file, name, shape) }
	if c.Net, err = nn.Restore(eng, c.Spec.Net, read); err != nil {
		return nil, err
	}
	for _, group := range c.slabs() {
		for _, t := range c.Net.Tensors() {
			data, err := read(group.prefix+t.Name, t.Shape)
			if err != nil {
				return nil, err
			}
			*group.data = append(*group.data, data...)
		}
	}
	return c, nil
}

// openTensors reads a safetensors file and its metadata.
func openTensors(buf []byte) (file safetensors.SafeTensors, metadata map[string]string, err error) {
	_, header, err := safetensors.ReadMetadata(buf)
	if err == nil {
		file, err = safetensors.Deserialize(buf)
	}
	if err != nil {
		return file, nil, fmt.Errorf("not a whole safetensors file: %w", err)
	}
	return file, header.Metadata(), nil
}

// Model returns the model with the averaged weights.
func (c *Checkpoint) Model() (*Model, error) {
	net, err := c.Net.WithWeights(c.State.EMA)
	if err != nil {
		return nil, err
	}
	return New(c.Spec, net)
}

func readTensor(file safetensors.SafeTensors, name string, shape []int) ([]float32, error) {
	t, ok := file.Tensor(name)
	if !ok {
		return nil, fmt.Errorf("tensor %q is missing", name)
	}
	want := (array{shape: shape}).Shape()
	if t.DType() != safetensors.F32 || !slices.Equal(t.Shape(), want) {
		return nil, fmt.Errorf("tensor %q is %v %v; the network needs F32 %v", name, t.DType(), t.Shape(), want)
	}
	raw := t.Data()
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if v := float64(out[i]); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("tensor %q holds %g at position %d", name, v, i)
		}
	}
	return out, nil
}

// array is a float32 tensor as safetensors wants it.
type array struct {
	shape []int
	data  []float32
}

func (a array) DType() safetensors.DType { return safetensors.F32 }

func (a array) Shape() []uint64 {
	s := make([]uint64, len(a.shape))
	for i, n := range a.shape {
		s[i] = uint64(n)
	}
	return s
}

func (a array) DataLen() uint64 { return uint64(4 * len(a.data)) }

func (a array) Data() []byte {
	b := make([]byte, 0, 4*len(a.data))
	for _, v := range a.data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
