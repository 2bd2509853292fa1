package nn

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/onnx"
	"flowmatch/engine/onnx/exchange"
	"flowmatch/flow"
)

// Extractor is a network of images from an ONNX file, which makes features of them.
// It is read-only and safe for concurrent use.
type Extractor struct {
	eng     *Engine
	reader  *exchange.Reader
	theta   compute.Buffer
	run     *program
	image   [3]int // channels, height, width
	batch   int    // images at once
	outputs []string
}

// extractorBatch is how many images go at once through a network whose file leaves that
// open: their activations are large.
const extractorBatch = 32

// NewExtractor returns the network of a file. outputs names the values wanted, which
// may be any inside the file; none means the results of the file. The file must have
// one input, images [N, C, H, W] of a fixed size.
func NewExtractor(eng *Engine, m *onnx.Model, outputs ...string) (e *Extractor, err error) {
	defer rescue(&err, "reading a network from an ONNX file")
	if err := eng.check(); err != nil {
		return nil, err
	}
	if m == nil {
		return nil, errors.New("nn: the ONNX file is nil")
	}
	e = &Extractor{eng: eng, reader: exchange.NewReader(m), outputs: outputs}
	in := e.reader.Inputs()
	if len(in) != 1 || len(in[0].Dims) != 4 || in[0].Type != onnx.Float {
		return nil, fmt.Errorf("nn: the file's inputs are %v; features are made of one, images [N, C, H, W] in float",
			in)
	}
	shape, open, err := exchange.InputShape(in[0], extractorBatch)
	if err != nil {
		return nil, err
	}
	e.batch = extractorBatch
	if !open {
		e.batch = shape.Dimensions[0]
	}
	if copy(e.image[:], shape.Dimensions[1:]); slices.Min(shape.Dimensions) < 1 {
		return nil, fmt.Errorf("nn: the file's input is %v; each size must be at least 1", in[0])
	}
	if len(outputs) == 0 {
		for _, v := range e.reader.Outputs() {
			e.outputs = append(e.outputs, v.Name)
		}
	}
	if e.theta, err = eng.upload(e.reader.Theta()); err != nil {
		return nil, err
	}
	e.run = &program{eng: eng, name: "extracting features", build: e.graph, inputs: func(n, _ int) []shapes.Shape {
		return []shapes.Shape{floats(len(e.reader.Theta())), floats(n, e.image[0], e.image[1], e.image[2])}
	}}
	f, err := e.run.frame(e.batch, 0) // an operation that is not known is an error now
	if err != nil {
		return nil, err
	}
	e.run.back(f)
	return e, nil
}

// graph returns the outputs as [N, ·]: channels are averaged over the image.
func (e *Extractor) graph(in []*Node) []*Node {
	out, err := e.reader.Build(in[0], in[1:], e.outputs)
	if err != nil {
		panic(err) // graph code; rescue returns it
	}
	for i, v := range out {
		if d := v.Shape().Dimensions; len(d) == 0 || d[0] != in[1].Shape().Dimensions[0] ||
			v.DType() != dtypes.Float32 {
			panic(fmt.Errorf("%q is %s; features are floats, a row for each image", e.outputs[i], v.Shape()))
		}
		if v.Rank() == 4 {
			v = ReduceMean(v, 2, 3)
		}
		out[i] = Reshape(v, v.Shape().Dimensions[0], v.Shape().Size()/v.Shape().Dimensions[0])
	}
	return out
}

// Image returns the channels, the height and the width of the images that it takes.
func (e *Extractor) Image() (channels, height, width int) {
	if e == nil {
		return 0, 0, 0
	}
	return e.image[0], e.image[1], e.image[2]
}

// Outputs returns the names of what Extract returns.
func (e *Extractor) Outputs() []string {
	if e == nil {
		return nil
	}
	return slices.Clone(e.outputs)
}

// Extract returns the outputs [N, ·] of images [N, C·H·W], channel by channel. An
// output [N, C, H, W] is averaged over the image, as pytorch-fid does.
func (e *Extractor) Extract(x flow.Batch) (out []flow.Batch, err error) {
	defer rescue(&err, "extracting features")
	if e == nil || e.run == nil {
		return nil, errors.New("nn: the extractor is nil or empty; make one by NewExtractor")
	}
	if want := e.image[0] * e.image[1] * e.image[2]; x.D != want || len(x.X) != x.N*x.D {
		return nil, fmt.Errorf("nn: images [%d, %d] of %d numbers given to a network of %d", x.N, x.D, len(x.X), want)
	}
	err = blocks{rows: e.batch, fixed: true}.run(e.run, x.N, 0, func(f *frame, i, j int) {
		f.give(0, e.theta)
		f.set(1, x.Slice(i, j).X)
	}, func(f *frame, i, j int) {
		for k := range e.outputs {
			if len(out) == k {
				out = append(out, flow.NewBatch(x.N, len(f.result(k))/e.batch))
			}
			f.read(out[k].Slice(i, j).X, k)
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
