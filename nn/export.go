package nn

import (
	"flowmatch/engine/native"
	"flowmatch/engine/onnx"
	"flowmatch/engine/onnx/exchange"
)

// ONNX returns the network as an ONNX model, for batches of any size N. Inputs are x
// [N, ...shape] and t [N], float32; of a network that has them, label [N], int64, and the
// context, named condition, [N, height, width, channels] of a network of images, else
// [N, Dc]. The result has the given name, and the shape of x. shape, whose product is D,
// is that of a point as the file shows it; nil means [D].
//
// With average, of a network made with Config.Average, there is one more input
// s [N] after the others, and the result is the average velocity from t to s.
//
// The weights are initializers by the names of [Net.Tensors]. What is translated is
// the graph that the network records, so any network works whose operations ONNX
// has; else the error names the operation.
func (n *Net) ONNX(result string, shape []int, average bool) (_ *onnx.Model, err error) {
	defer rescue(&err, "translating the network to ONNX")
	if err := n.made(); err != nil {
		return nil, err
	}
	if average && !n.arch.cfg.Average {
		return nil, ErrNoAverage
	}
	theta, err := n.Weights()
	if err != nil {
		return nil, err
	}
	prog := n.progs.velocity
	p := exchange.Program{Name: "flowmatch", Theta: theta, Outputs: []exchange.Port{{Name: result, Shape: shape}},
		Inputs: []exchange.Port{{Name: "x", Shape: shape}, {Name: "t"}}}
	for _, t := range n.Tensors() {
		p.Weights = append(p.Weights, exchange.Weight{Name: t.Name, Shape: t.Shape, Offset: t.Offset})
	}
	if n.arch.cfg.Classes > 0 {
		p.Inputs = append(p.Inputs, exchange.Port{Name: "label", Wide: true})
	}
	if n.arch.cfg.Context > 0 {
		p.Inputs = append(p.Inputs, exchange.Port{Name: "condition", Shape: n.arch.cfg.contextShape()})
	}
	if average {
		prog = n.progs.average
		p.Inputs = append(p.Inputs, exchange.Port{Name: "s"})
	}
	p.Record = prog.record
	return p.Model()
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
