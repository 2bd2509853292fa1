package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"flowmatch/engine/onnx"
	"flowmatch/ode"
	"flowmatch/path"
)

// SamplerOptions says what sampler becomes an ONNX file.
type SamplerOptions struct {
	Method *ode.Tableau // of given steps, with or without an error estimate
	// Shift is the factor of noise to data by which the times of even steps are shifted; 0: 1.
	Shift float64
	// Step and Version are recorded in the metadata.
	Step    int
	Version string
}

// The names of the inputs and of the result of a sampler's file, beside label and condition.
const (
	inNoise  = "noise"
	inSteps  = "steps"
	outDrawn = "samples"
)

// The key of the metadata of a sampler's file that says how it samples.
const metaSampler = "flowmatch.sampler"

// ONNXSampler returns a whole sampler as an ONNX model: a loop of steps over the velocity of
// [Model.ONNX]. Inputs are noise [N, ...Shape], draws of N(0, 1) (of the model's own source, where it
// has one), steps, the number of steps (int64, a scalar), and label and condition where the
// velocity has them. The result has the shape of noise, in units of the data; of rows of a table
// with a schema it is in those of the model. What lies out of bounds is not drawn again.
func (m *Model) ONNXSampler(o SamplerOptions) (*onnx.Model, error) {
	if o.Method == nil {
		return nil, fmt.Errorf("%w: a file of a sampler needs a method", ErrSampler)
	}
	if s := cmp.Or(o.Shift, 1); !(s > 0) || math.IsInf(s, 0) {
		return nil, fmt.Errorf("%w: the shift is %g; it must be a number above 0", ErrSampler, s)
	}
	file, err := m.ONNX(ExportOptions{Step: o.Step, Version: o.Version})
	if err != nil {
		return nil, err
	}
	field := file.Graph
	lo, hi := m.Span()
	w := &samplerWriter{method: o.Method, field: field, lo: lo, hi: hi, shift: cmp.Or(o.Shift, 1)}
	file.Graph = w.graph(m)
	file.Doc = "A sampler of a flow (flow matching, arXiv 2210.02747): it solves from noise to data in the given " +
		"number of steps. See the metadata."
	name := o.Method.Name
	if w.shift != 1 {
		name += fmt.Sprintf(" shift=%g", w.shift)
	}
	file.Metadata[metaSampler] = name
	file.Metadata[metaUnits] = "noise is drawn of N(0, 1), and samples are in the units of the data"
	switch {
	case m.spec.Source != nil:
		file.Metadata[metaUnits] = "noise is drawn of the source of the spec, and samples are in the units of the data"
	case m.spec.Schema != nil:
		file.Metadata[metaUnits] = "noise is drawn of N(0, 1), and samples are in model units, of which the schema " +
			"of the spec makes rows of a table"
	}
	return file, nil
}

// SourceScale returns what draws of N(0, 1) are multiplied by to be draws of the model's source; 1 where
// it has a source of its own, whose draws are other ones.
func (m *Model) SourceScale() float64 {
	if m.spec.Source != nil {
		return 1
	}
	return path.Source(m.scheduler).Std
}

// SaveONNXSampler writes what [Model.ONNXSampler] returns, and it returns, to a file, whole or not at all.
func (m *Model) SaveONNXSampler(path string, o SamplerOptions) (*onnx.Model, error) {
	file, err := m.ONNXSampler(o)
	return file, saveFile(path, file, err)
}

// samplerWriter builds the graph of a sampler.
type samplerWriter struct {
	method *ode.Tableau
	field  onnx.Graph
	lo, hi float64
	shift  float64
	nodes  []onnx.Node   // of the graph that is being built
	known  []onnx.Tensor // constants, of the outer graph
	count  int
}

// node adds a node of one result, and returns its name.
func (w *samplerWriter) node(op string, attrs map[string]any, in ...string) string {
	w.count++
	out := fmt.Sprintf("sampler_%s_%d", op, w.count)
	w.nodes = append(w.nodes, onnx.Node{Name: "node_" + out, Op: op, In: in, Out: []string{out}, Attrs: attrs})
	return out
}

// constant adds numbers of a shape (none: a scalar), and returns their name.
func (w *samplerWriter) constant(v []float64, dims ...int64) string {
	w.count++
	t := onnx.Tensor{Name: fmt.Sprintf("sampler_constant_%d", w.count), Type: onnx.Float, Dims: dims}
	for _, x := range v {
		t.Floats = append(t.Floats, float32(x))
	}
	w.known = append(w.known, t)
	return t.Name
}

func (w *samplerWriter) number(v float64) string { return w.constant([]float64{v}) }

func (w *samplerWriter) whole(v int64, dims ...int64) string {
	w.count++
	t := onnx.Tensor{Name: fmt.Sprintf("sampler_whole_%d", w.count), Type: onnx.Int64, Dims: dims, Ints: []int64{v}}
	w.known = append(w.known, t)
	return t.Name
}

// graph returns the graph of the sampler of a model.
func (w *samplerWriter) graph(m *Model) onnx.Graph {
	points := w.field.Inputs[0].Dims
	noise := onnx.Value{Name: inNoise, Type: onnx.Float, Dims: points}
	g := onnx.Graph{Name: "flowmatch", Inputs: []onnx.Value{noise, scalar(inSteps, onnx.Int64)},
		Outputs: []onnx.Value{{Name: outDrawn, Type: onnx.Float, Dims: points}}}
	g.Inputs = append(g.Inputs, w.field.Inputs[2:]...) // after x and t: what is given
	start := inNoise
	if std := m.SourceScale(); std != 1 {
		start = w.node("Mul", nil, inNoise, w.number(std))
	}
	n := w.node("Cast", map[string]any{"to": int64(onnx.Float)}, inSteps)
	before := w.nodes
	body := w.body(n)
	w.nodes = before
	w.count++
	end := fmt.Sprintf("sampler_Loop_%d", w.count)
	w.nodes = append(w.nodes, onnx.Node{Name: "node_" + end, Op: "Loop", In: []string{inSteps, "", start},
		Out: []string{end}, Attrs: map[string]any{"body": &body}})
	if s := m.spec.Standardizer; s != nil && m.spec.Schema == nil {
		shape := []int64{1}
		for _, d := range points[1:] {
			shape = append(shape, d.Size)
		}
		end = w.node("Add", nil, w.node("Mul", nil, end, w.constant(wide(s.Std, m.Dim()), shape...)),
			w.constant(wide(s.Mean, m.Dim()), shape...))
	}
	w.nodes = append(w.nodes,
		onnx.Node{Name: "node_" + outDrawn, Op: "Identity", In: []string{end}, Out: []string{outDrawn}})
	g.Nodes, g.Initializers = w.nodes, slices.Concat(w.field.Initializers, w.known)
	return g
}

// wide returns d numbers: those given, or d times the only one.
func wide(v []float64, d int) []float64 {
	if len(v) == d {
		return v
	}
	return slices.Repeat(v[:1], d)
}

// body returns the step of a method as the body of a loop of n turns.
func (w *samplerWriter) body(n string) onnx.Graph {
	const turn, on, x = "sampler_turn", "sampler_on", "sampler_x"
	w.nodes = nil
	k := w.node("Cast", map[string]any{"to": int64(onnx.Float)}, turn)
	from := w.time(k, n)
	h := w.node("Sub", nil, w.time(w.node("Add", nil, k, w.number(1)), n), from)
	count := w.node("Slice", nil, w.node("Shape", nil, x), w.whole(0, 1), w.whole(1, 1))
	stages := make([]string, w.method.Stages())
	for i := range stages {
		if !w.used(i) {
			continue // the last one of a method that takes it over to the next step
		}
		at := x
		if i > 0 {
			at = w.combined(x, h, w.method.A[i], stages)
		}
		t := w.node("Add", nil, from, w.node("Mul", nil, h, w.number(w.method.C[i])))
		stages[i] = w.velocity(i, at, w.node("Expand", nil, t, count))
	}
	next := w.combined(x, h, w.method.B, stages)
	more := w.node("Identity", nil, on)
	points := w.field.Inputs[0].Dims
	return onnx.Graph{Name: "step", Nodes: w.nodes,
		Inputs: []onnx.Value{scalar(turn, onnx.Int64), scalar(on, onnx.Bool),
			{Name: x, Type: onnx.Float, Dims: points}},
		Outputs: []onnx.Value{scalar(more, onnx.Bool), {Name: next, Type: onnx.Float, Dims: points}}}
}

// scalar describes a value without axes.
func scalar(name string, t onnx.DataType) onnx.Value {
	return onnx.Value{Name: name, Type: t, Dims: []onnx.Dim{}}
}

// used says whether a stage of the method counts, for the step or for a later stage that does.
func (w *samplerWriter) used(i int) bool {
	if w.method.B[i] != 0 {
		return true
	}
	for j := i + 1; j < w.method.Stages(); j++ {
		if w.method.A[j][i] != 0 && w.used(j) {
			return true
		}
	}
	return false
}

// time returns the time after k of n steps: even ones, shifted.
func (w *samplerWriter) time(k, n string) string {
	share := w.node("Div", nil, k, n)
	if w.shift != 1 { // 1 - s σ/(1 + (s-1) σ) of σ = 1 - u is u/(s - (s-1) u)
		share = w.node("Div", nil, share,
			w.node("Sub", nil, w.number(w.shift), w.node("Mul", nil, share, w.number(w.shift-1))))
	}
	return w.node("Add", nil, w.node("Mul", nil, share, w.number(w.hi-w.lo)), w.number(w.lo))
}

// combined returns x + h Σ weights·stages.
func (w *samplerWriter) combined(x, h string, weights []float64, stages []string) string {
	sum := ""
	for j, a := range weights {
		if a == 0 {
			continue
		}
		part := stages[j]
		if a != 1 {
			part = w.node("Mul", nil, part, w.number(a))
		}
		if sum == "" {
			sum = part
		} else {
			sum = w.node("Add", nil, sum, part)
		}
	}
	return w.node("Add", nil, x, w.node("Mul", nil, sum, h))
}

// velocity adds the nodes of the field at points x and times t as those of a stage, whose values have
// names of their own.
func (w *samplerWriter) velocity(stage int, x, t string) string {
	names := map[string]string{w.field.Inputs[0].Name: x, w.field.Inputs[1].Name: t}
	for _, n := range w.field.Nodes {
		for _, out := range n.Out {
			names[out] = fmt.Sprintf("stage_%d_%s", stage+1, out)
		}
	}
	renamed := func(old []string) []string {
		out := slices.Clone(old)
		for i, name := range old {
			out[i] = cmp.Or(names[name], name)
		}
		return out
	}
	for _, n := range w.field.Nodes {
		n.Name = fmt.Sprintf("stage_%d_%s", stage+1, n.Name)
		n.In, n.Out = renamed(n.In), renamed(n.Out)
		w.nodes = append(w.nodes, n)
	}
	return names[w.field.Outputs[0].Name]
}
