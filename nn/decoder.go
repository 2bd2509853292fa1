package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/onnx"
	"flowmatch/engine/onnx/exchange"
	"flowmatch/flow"
)

// Decoder makes images of latents: the decoder of an [Autoencoder], or a network from an ONNX file. It is
// read-only and safe for concurrent use.
type Decoder struct {
	theta        compute.Buffer
	run          *program
	image        []int // height, width, channels
	latents      []int
	batch        int // images at once
	fixed        bool
	scale, shift float64
}

// Encoder is the encoder of an [Autoencoder]. It is read-only and safe for concurrent use.
type Encoder struct {
	Module
	a   Autoencoder
	run *program
}

// pixelsAtOnce is how many pixels of images are decoded or encoded at once: what lies between the layers
// has hundreds of channels.
const pixelsAtOnce = 1 << 16

// atOnce is the number of images of that height and width that go through a coder at once.
func atOnce(image []int) int { return max(1, min(imageRows, pixelsAtOnce/(image[0]*image[1]))) }

// plan returns the coder of an autoencoder with its layout, checked.
func (a Autoencoder) plan(which func(b coderBuilder) *coder) (*coder, *layout, error) {
	if err := a.Validate(); err != nil {
		return nil, nil, err
	}
	b := newCoderBuilder(a)
	c := which(b)
	return c, b.layout, b.layout.check(fmt.Sprintf("an autoencoder of widths %v and %d blocks", a.Widths, a.Blocks))
}

// Tensors returns the tensors of the encoder and of the decoder, which a file of both has, with their places in
// the slab of each.
func (a Autoencoder) Tensors() (encoder, decoder []Tensor, err error) {
	_, e, err := a.plan(coderBuilder.encoder)
	if err != nil {
		return nil, nil, err
	}
	_, d, err := a.plan(coderBuilder.decoder)
	if err != nil {
		return nil, nil, err
	}
	return e.tensors, d.tensors, nil
}

// restore returns a coder of an autoencoder, with its layout and the tensors that read gives.
func (a Autoencoder) restore(eng *Engine, which func(b coderBuilder) *coder,
	read func(name string, shape []int) ([]float32, error)) (c *coder, l *layout, m Module, err error) {
	if err = eng.check(); err != nil {
		return
	}
	if c, l, err = a.plan(which); err != nil {
		return
	}
	m, err = fillModule(eng, l, l.restore(read))
	return
}

// coding is the program of a coder on arrays of a shape.
func coding(eng *Engine, name string, l *layout, shape []int, code func(p []*Node, x *Node) *Node) *program {
	return &program{eng: eng, name: name,
		build: func(in []*Node) []*Node { return []*Node{code(l.params(in[0]), in[1])} },
		inputs: func(n, _ int) []shapes.Shape {
			return []shapes.Shape{floats(l.size), floats(slices.Concat([]int{n}, shape)...)}
		}}
}

// RestoreDecoder returns the decoder with the tensors given, by the names of [Autoencoder.Tensors].
func RestoreDecoder(eng *Engine, a Autoencoder,
	read func(name string, shape []int) ([]float32, error)) (*Decoder, error) {
	c, l, m, err := a.restore(eng, coderBuilder.decoder, read)
	if err != nil {
		return nil, err
	}
	d := &Decoder{theta: m.theta, image: slices.Clone(a.Image), latents: a.Latents(), batch: atOnce(a.Image),
		scale: a.Scale, shift: a.Shift}
	d.run = coding(eng, "decoding", l, d.latents, c.decode)
	return d, nil
}

// RestoreEncoder returns the encoder with the tensors given, by the names of [Autoencoder.Tensors].
func RestoreEncoder(eng *Engine, a Autoencoder,
	read func(name string, shape []int) ([]float32, error)) (*Encoder, error) {
	c, l, m, err := a.restore(eng, coderBuilder.encoder, read)
	if err != nil {
		return nil, err
	}
	return &Encoder{Module: m, a: a, run: coding(eng, "encoding", l, a.Image, c.encode)}, nil
}

// NewONNXDecoder returns the network of an ONNX file as a decoder of latents of that shape (height, width,
// channels). The file must have one input, latents [N, C, h, w], of which any size may be open, and one result,
// images [N, C, H, W]. Latents are multiplied with scale: the network gets z/scale + shift.
func NewONNXDecoder(eng *Engine, m *onnx.Model, latents []int, scale, shift float64) (d *Decoder, err error) {
	defer rescue(&err, "reading a decoder from an ONNX file")
	if err := eng.check(); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("nn: the ONNX file is nil")
	}
	if len(latents) != 3 || slices.Min(latents) < 1 || slices.Max(latents) > mostExtent {
		return nil, fmt.Errorf("nn: latents of shape %v; a decoder takes height, width and channels", latents)
	}
	if err := checkScale(scale, shift); err != nil {
		return nil, err
	}
	r := exchange.NewReader(m)
	in, out := r.Inputs(), r.Outputs()
	if len(in) != 1 || len(in[0].Dims) != 4 || in[0].Type != onnx.Float || len(out) != 1 {
		return nil, fmt.Errorf("nn: the file takes %v and returns %v; a decoder has one input, latents [N, C, h, w] "+
			"in float, and one result", in, out)
	}
	d = &Decoder{latents: slices.Clone(latents), batch: 1, fixed: true, scale: scale, shift: shift}
	if err := d.fitsInput(in[0]); err != nil {
		return nil, err
	}
	if d.theta, err = eng.upload(r.Theta()); err != nil {
		return nil, err
	}
	d.run = &program{eng: eng, name: "decoding", build: d.onnxGraph(r, out[0].Name),
		inputs: func(n, _ int) []shapes.Shape {
			return []shapes.Shape{floats(len(r.Theta())), floats(slices.Concat([]int{n}, d.latents)...)}
		}}
	f, err := d.run.frame(d.batch, 0) // an operation that is not known is an error now
	if err != nil {
		return nil, err
	}
	d.run.back(f)
	return d, nil
}

// fitsInput reports an input of a file that does not take the latents, and has the batch of one that is fixed.
func (d *Decoder) fitsInput(v onnx.Value) error {
	want := []int{0, d.latents[2], d.latents[0], d.latents[1]}
	for i, dim := range v.Dims {
		switch {
		case dim.Param != "":
		case i == 0 && dim.Size >= 1 && dim.Size <= imageRows:
			d.batch = int(dim.Size)
		case i > 0 && dim.Size == int64(want[i]):
		default:
			return fmt.Errorf("nn: the file's input is %v; the latents are %d channels of %d by %d", v, want[1],
				want[2], want[3])
		}
	}
	return nil
}

// onnxGraph builds the graph of a file between images with their channels behind, and notes their shape.
func (d *Decoder) onnxGraph(r *exchange.Reader, result string) func(in []*Node) []*Node {
	return func(in []*Node) []*Node {
		out, err := r.Build(in[0], []*Node{TransposeAllDims(in[1], 0, 3, 1, 2)}, []string{result})
		if err != nil {
			panic(err) // graph code; rescue returns it
		}
		y := out[0]
		if y.Rank() != 4 || y.Shape().Dimensions[0] != d.batch || y.DType() != in[1].DType() {
			panic(fmt.Errorf("%q is %s; a decoder returns images [%d, C, H, W] in float", result, y.Shape(), d.batch))
		}
		y = TransposeAllDims(y, 0, 2, 3, 1)
		d.image = slices.Clone(y.Shape().Dimensions[1:])
		return []*Node{y}
	}
}

// Image returns the shape of the images: height, width and channels; nil of an empty Decoder.
func (d *Decoder) Image() []int {
	if d == nil {
		return nil
	}
	return slices.Clone(d.image)
}

// Latents returns the shape of the latents: height, width and channels; nil of an empty Decoder.
func (d *Decoder) Latents() []int {
	if d == nil {
		return nil
	}
	return slices.Clone(d.latents)
}

// Decode returns images [N, H·W·C] of latents [N, h·w·Latent], both pixel by pixel. Values of images are as the
// decoder was trained, with most within [-1, 1].
func (d *Decoder) Decode(z flow.Batch) (x flow.Batch, err error) {
	defer rescue(&err, "decoding")
	if d == nil || d.run == nil {
		return x, errors.New("nn: the decoder is nil or empty; make one by RestoreDecoder or NewONNXDecoder")
	}
	if err := ofShape("latents", z, d.latents); err != nil {
		return x, err
	}
	x = flow.NewBatch(z.N, product(d.image))
	err = blocks{rows: d.batch, fixed: d.fixed}.run(d.run, z.N, 0, func(f *frame, i, j int) {
		f.give(0, d.theta)
		in := slices.Clone(z.Slice(i, j).X)
		for k, v := range in {
			in[k] = v/d.scale + d.shift
		}
		f.set(1, in)
	}, func(f *frame, i, j int) { f.read(x.Slice(i, j).X, 0) })
	return x, err
}

// Config returns the autoencoder that the encoder is of; the zero one of an empty Encoder.
func (e *Encoder) Config() Autoencoder {
	if e == nil {
		return Autoencoder{}
	}
	return e.a
}

// leastLogVar and mostLogVar are the ends of the logarithm of the variance of what the network outputs, as
// diffusers has them.
const leastLogVar, mostLogVar = -30, 20

// Encode returns what the latents of images [N, H·W·C] are drawn from, a Gaussian: its mean and the logarithm of
// its variance, both [N, h·w·Latent].
func (e *Encoder) Encode(x flow.Batch) (mean, logVar flow.Batch, err error) {
	defer rescue(&err, "encoding")
	if e == nil || e.run == nil {
		return mean, logVar, errors.New("nn: the encoder is nil or empty; make one by RestoreEncoder")
	}
	if err := ofShape("images", x, e.a.Image); err != nil {
		return mean, logVar, err
	}
	channels := e.a.Latent
	d := product(e.a.Latents())
	mean, logVar = flow.NewBatch(x.N, d), flow.NewBatch(x.N, d)
	err = blocks{rows: atOnce(e.a.Image)}.run(e.run, x.N, 0, func(f *frame, i, j int) {
		f.give(0, e.theta)
		f.set(1, x.Slice(i, j).X)
	}, func(f *frame, i, j int) {
		both := f.result(0)
		for k := range (j - i) * d {
			at := k/channels*2*channels + k%channels
			mean.X[i*d+k] = (float64(both[at]) - e.a.Shift) * e.a.Scale
			logVar.X[i*d+k] = min(max(float64(both[at+channels]), leastLogVar), mostLogVar) + 2*math.Log(e.a.Scale)
		}
	})
	return mean, logVar, err
}

// ofShape reports points that are not of a shape.
func ofShape(what string, x flow.Batch, shape []int) error {
	if x.D != product(shape) || len(x.X) != x.N*x.D {
		return fmt.Errorf("nn: %s [%d, %d] of %d numbers given; each must be of the shape %v", what, x.N, x.D, len(x.X),
			shape)
	}
	return nil
}

func product(shape []int) int { return Tensor{Shape: shape}.Size() }
