package nn

import (
	"errors"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/native"
	"flowmatch/engine/onnx"
	"flowmatch/engine/onnx/exchange"
)

// ONNXOptions says what [Net.ONNX] writes.
type ONNXOptions struct {
	// Result is the name of the result.
	Result string
	// Shape, whose product is D, is that of a point as the file shows it; nil means [D].
	Shape []int
	// Average is for a network made with Config.Average: there is one more input s [N] after
	// the others, and the result is the average velocity from t to s.
	Average bool
	// Around, if not nil, makes the result skip x + out f(in x, time) in the place of the
	// network's own f(x, t), of numbers at the time t of each point. in and time may be the
	// zero Number: x and t as they are. Not beside Average.
	Around func(t Number) (in, time, skip, out Number)
}

// ONNX returns the network as an ONNX model, for batches of any size N. Inputs are x
// [N, ...Shape] and t [N], float32; of a network that has them, label [N], int64, and the
// context, named condition, [N, height, width, channels] of a network of images, else
// [N, Dc]. The result has the shape of x.
//
// A network that may be shown coordinates (Config.Shown) is written as one that is shown none.
//
// The weights are initializers by the names of [Net.Tensors]. What is translated is
// the graph that the network records, so any network works whose operations ONNX
// has; else the error names the operation.
func (n *Net) ONNX(o ONNXOptions) (_ *onnx.Model, err error) {
	defer rescue(&err, "translating the network to ONNX")
	if err := n.made(); err != nil {
		return nil, err
	}
	if o.Average && !n.arch.cfg.Average {
		return nil, ErrNoAverage
	}
	if o.Average && o.Around != nil {
		return nil, errors.New("nn: ONNXOptions.Around is for the network's own output, not for Average: leave one out")
	}
	theta, err := n.Weights()
	if err != nil {
		return nil, err
	}
	prog := n.progs.velocity
	p := exchange.Program{Name: "flowmatch", Theta: theta, Outputs: []exchange.Port{{Name: o.Result, Shape: o.Shape}},
		Inputs: []exchange.Port{{Name: "x", Shape: o.Shape}, {Name: "t"}}}
	for _, t := range n.Tensors() {
		p.Weights = append(p.Weights, exchange.Weight{Name: t.Name, Shape: t.Shape, Offset: t.Offset})
	}
	if n.arch.cfg.Classes > 0 {
		p.Inputs = append(p.Inputs, exchange.Port{Name: "label", Wide: true})
	}
	if n.arch.cfg.Context > 0 {
		p.Inputs = append(p.Inputs, exchange.Port{Name: "condition", Shape: n.arch.cfg.contextShape()})
	}
	if o.Average {
		prog = n.progs.average
		p.Inputs = append(p.Inputs, exchange.Port{Name: "s"})
	}
	if n.arch.cfg.Shown {
		prog = n.arch.withNothingShown(prog)
	}
	if o.Around != nil {
		prog = &program{name: prog.name, inputs: prog.inputs, build: around(prog.build, o.Around)}
	}
	p.Record = prog.record
	return p.Model()
}

// withNothingShown returns a program of the network without the inputs of what is shown.
func (m *arch) withNothingShown(p *program) *program {
	const two = 2
	at := headInputs + len(m.cfg.givenShapes(1)) - two // they are the last of what is given
	return &program{name: p.name,
		inputs: func(n, k int) []shapes.Shape {
			in := p.inputs(n, k)
			return slices.Concat(in[:at], in[at+two:])
		},
		build: func(in []*Node) []*Node {
			none := ZerosLike(in[1])
			return p.build(slices.Concat(in[:at], []*Node{none, none}, in[at:]))
		}}
}

// around changes the graph of a network: see [ONNXOptions].
func around(network func(in []*Node) []*Node, f func(t Number) (in, time, skip, out Number)) func(in []*Node) []*Node {
	return func(in []*Node) []*Node {
		x, t := in[1], in[2]
		scale, time, skip, out := f(Number{InsertAxes(t, -1)})
		if skip.node == nil || out.node == nil {
			panic(errors.New("ONNXOptions.Around returned no skip, or no out"))
		}
		inner := slices.Clone(in)
		if scale.node != nil {
			inner[1] = Mul(x, scale.node)
		}
		if time.node != nil {
			inner[2] = Reshape(time.node, t.Shape().Dimensions...)
		}
		return []*Node{Add(Mul(x, skip.node), Mul(network(inner)[0], out.node))}
	}
}

// record records the program for n points, whatever the engine.
func (p *program) record(n int) (*native.Recording, error) {
	b, err := sharedNative()
	if err != nil {
		return nil, err
	}
	g, err := p.graph(native.NewRecorder(b), p.inputs(n, 0))
	if err != nil {
		return nil, err
	}
	return g.Executable().(*native.Recording), nil
}
