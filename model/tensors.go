package model

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/internal/atomicfile"
	"flowmatch/model/weights"
	"flowmatch/nn"
)

// tensorFile is a safetensors file whose header was read; its tensors are read as they are asked for.
type tensorFile struct {
	file     io.ReaderAt
	data     int64 // where the tensors begin
	tensors  map[string]*safetensors.TensorInfo
	metadata map[string]string
	numbers  int // at most, of all tensors
	buf      []byte
	out      []float32 // what read returned last
}

// readFile opens a safetensors file and has use look at it. Errors name the file and
// what it should be.
func readFile(path, what string, use func(f *tensorFile) error) error {
	file, err := atomicfile.Open(path)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	f, err := decodeTensors(file, info.Size())
	if err == nil {
		err = use(f)
	}
	if err != nil {
		return fmt.Errorf("model: %s %s: %w", what, path, err)
	}
	return nil
}

// decodeTensors reads the header of a file of that size.
func decodeTensors(file io.ReaderAt, size int64) (*tensorFile, error) {
	meta, start, err := weights.Header(file, size)
	if err != nil {
		return nil, err
	}
	f := &tensorFile{file: file, data: start, tensors: meta.Tensors(), metadata: meta.Metadata(),
		numbers: int(size / 4)}
	return f, f.whole(size)
}

// whole reports a header that does not describe all bytes of the file, each of them once.
func (f *tensorFile) whole(size int64) error {
	names := slices.Collect(maps.Keys(f.tensors))
	slices.SortFunc(names, func(a, b string) int {
		x, y := f.tensors[a].DataOffsets, f.tensors[b].DataOffsets
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]), cmp.Compare(a, b))
	})
	end, left := uint64(0), uint64(size-f.data)
	for _, name := range names {
		t := f.tensors[name]
		bytes, room := t.DType.Size(), left/max(1, t.DType.Size())
		for _, n := range t.Shape {
			if n > 0 && bytes/t.DType.Size() > room/n {
				return fmt.Errorf("not a whole safetensors file: tensor %q is %v, more than the file holds", name,
					t.Shape)
			}
			bytes *= n
		}
		if t.DataOffsets[0] != end || t.DataOffsets[1] != end+bytes || t.DataOffsets[1] > left {
			return fmt.Errorf("not a whole safetensors file: tensor %q lies at bytes %v of %d; by the ones before, "+
				"its type and its shape it must lie at [%d %d]", name, t.DataOffsets, left, end, end+bytes)
		}
		end += bytes
	}
	if end != left {
		return fmt.Errorf("not a whole safetensors file: its tensors have %d bytes, and the file %d for them", end,
			left)
	}
	return nil
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
	if _, tokens := f.metadata[keyTokens]; tokens {
		return s, 0, ErrTokens
	}
	if err := f.describe(keySpec, "it was not written by flowmatch", &s); err != nil {
		return s, 0, err
	}
	if step, err = f.step(); err != nil {
		return s, 0, err
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
	if c.Waves != nil && !c.OfImages() {
		all = append(all, sizes{"waves.count", []int{c.Waves.Count}})
	}
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
	_, ok := f.tensors[name]
	return ok
}

// readBytes is how much of a tensor is read at a time.
const readBytes = 1 << 20

// read returns the numbers of a tensor, which must be finite float32 of that shape. They are valid
// until the next call: a large file is read in the memory of its largest tensor.
func (f *tensorFile) read(name string, shape []int) ([]float32, error) {
	t, ok := f.tensors[name]
	if !ok {
		return nil, fmt.Errorf("tensor %q is missing", name)
	}
	want := (weights.Array{Dims: shape}).Shape()
	if t.DType != safetensors.F32 || !slices.Equal(t.Shape, want) {
		return nil, fmt.Errorf("tensor %q is %v %v; the network needs F32 %v", name, t.DType, t.Shape, want)
	}
	n := int(t.DataOffsets[1]-t.DataOffsets[0]) / 4
	if cap(f.out) < n {
		f.out = make([]float32, n)
	}
	out := f.out[:n]
	if f.buf == nil {
		f.buf = make([]byte, readBytes)
	}
	for done := 0; done < len(out); {
		part := f.buf[:min(len(f.buf), 4*(len(out)-done))]
		if _, err := f.file.ReadAt(part, f.data+int64(t.DataOffsets[0])+int64(4*done)); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		for i := range len(part) / 4 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(part[4*i:]))
			if v-v != 0 {
				return nil, fmt.Errorf("tensor %q holds %g at position %d", name, v, done+i)
			}
			out[done+i] = v
		}
		done += len(part) / 4
	}
	return out, nil
}
