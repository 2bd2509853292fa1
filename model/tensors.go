package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/nn"
)

// tensorFile is a safetensors file that was read.
type tensorFile struct {
	safetensors.SafeTensors
	metadata map[string]string
	numbers  int // at most, of all tensors
}

// readFile reads a safetensors file and has use look at it. Errors name the file and
// what it should be.
func readFile(path, what string, use func(f *tensorFile) error) error {
	buf, err := atomicfile.Read(path)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	f, err := decodeTensors(buf)
	if err == nil {
		err = use(f)
	}
	if err != nil {
		return fmt.Errorf("model: %s %s: %w", what, path, err)
	}
	return nil
}

func decodeTensors(buf []byte) (*tensorFile, error) {
	_, header, err := safetensors.ReadMetadata(buf)
	if err != nil {
		return nil, fmt.Errorf("not a whole safetensors file: %w", err)
	}
	file, err := safetensors.Deserialize(buf)
	if err != nil {
		return nil, fmt.Errorf("not a whole safetensors file: %w", err)
	}
	return &tensorFile{file, header.Metadata(), len(buf) / 4}, nil
}

// describe decodes what the metadata says under a key into v.
func (f *tensorFile) describe(key, without string, v any) error {
	text, ok := f.metadata[key]
	if !ok {
		return fmt.Errorf("no %q in its metadata: %s", key, without)
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("metadata %q: %w", key, err)
	}
	return nil
}

// spec returns the Spec and the number of steps of a model's file.
func (f *tensorFile) spec() (s Spec, step int64, err error) {
	if err := f.describe(keySpec, "it was not written by flowmatch", &s); err != nil {
		return s, 0, err
	}
	if step, err = strconv.ParseInt(f.metadata[keyStep], 10, 64); err != nil || step < 0 || step > mostSteps {
		return s, 0, fmt.Errorf("metadata %q is %s; it must be a number of steps, from 0 to %d", keyStep,
			choice.Quote(f.metadata[keyStep]), mostSteps)
	}
	if u := s.Net.UNet; u != nil && u.GroupChannels == 0 { // of an earlier version
		u.GroupChannels = 1
		if u.Attention == nil {
			u.Attention = []int{} // which nil meant
		}
	}
	if got := f.metadata[keyTime]; s.Precondition != nil && got != timeInput {
		return s, 0, fmt.Errorf("it was preconditioned by an earlier version, whose network has another time "+
			"(metadata %q is %q, not %q); train it again", keyTime, got, timeInput)
	}
	return s, step, f.fits(s.Net)
}

// mostSteps is more steps than any training takes.
const mostSteps = 1 << 50

// fits reports a network of sizes that this file cannot be of, before anything is made of
// them: each of these has at least as many weights of its own.
func (f *tensorFile) fits(c nn.Config) error {
	type sizes struct {
		key string
		n   []int
	}
	all := []sizes{{"classes", []int{c.Classes}}}
	switch {
	case c.UNet != nil:
		all = append(all, sizes{"unet.channels", []int{c.UNet.Channels}}, sizes{"unet.mult", c.UNet.Mult},
			sizes{"unet.mult", []int{len(c.UNet.Mult)}}, sizes{"unet.blocks", []int{c.UNet.Blocks}})
	case c.Residual != nil:
		all = append(all, sizes{"dim", []int{c.Dim}}, sizes{"residual.width", []int{c.Residual.Width}},
			sizes{"residual.blocks", []int{c.Residual.Blocks}},
			sizes{"residual.embed.width", []int{c.Residual.Embed.Width}},
			sizes{"time_frequencies", []int{c.TimeFrequencies}}, sizes{"space_frequencies", []int{c.SpaceFrequencies}})
	case c.DiT != nil:
		all = append(all, sizes{"dit.patch", []int{c.DiT.Patch}}, sizes{"dit.width", []int{c.DiT.Width}},
			sizes{"dit.depth", []int{c.DiT.Depth}})
	default:
		all = append(all, sizes{"dim", []int{c.Dim}}, sizes{"hidden", c.Hidden}, sizes{"condition", []int{c.Context}},
			sizes{"time_frequencies", []int{c.TimeFrequencies}}, sizes{"space_frequencies", []int{c.SpaceFrequencies}})
	}
	for _, s := range all {
		for _, n := range s.n {
			if n > f.numbers {
				return fmt.Errorf("metadata %q: net.%s is %d; the file holds %d numbers in all", keySpec, s.key, n,
					f.numbers)
			}
		}
	}
	return nil
}

// timeInput names the time of a preconditioned network, [path.Scaling]'s. Networks of
// earlier versions had τ itself, and no name for it.
const timeInput = "4τ-2"

func (f *tensorFile) has(name string) bool {
	_, ok := f.Tensor(name)
	return ok
}

// read returns the numbers of a tensor, which must be finite float32 of that shape.
func (f *tensorFile) read(name string, shape []int) ([]float32, error) {
	t, ok := f.Tensor(name)
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
