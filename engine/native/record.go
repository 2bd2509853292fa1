package native

import (
	"errors"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// Recorder is a backend whose computations are recorded and not compiled: what its
// builders compile to is a [Recording], for those who translate a graph into
// something else. It has no programs to run and needs no end.
type Recorder struct{ *Backend }

// NewRecorder returns a recorder. It shares the shape inference of b, and nothing
// of what b compiles.
func NewRecorder(b *Backend) Recorder { return Recorder{b} }

// Capabilities are those of GoMLX's Go backend: what others translate is made of small operations.
func (r Recorder) Capabilities() compute.Capabilities { return r.shadow.Capabilities() }

// Builder returns a recorder for a new computation.
func (r Recorder) Builder(name string) compute.Builder {
	return recording{r.Backend.Builder(name).(*builder)}
}

// recording is a builder that compiles to what was recorded.
type recording struct{ *builder }

// Recording is a computation as a list of operations. Its values are numbered from
// 0 on, in the order in which they are made.
type Recording struct {
	Ops     []Op  // each after those that it takes values of
	Results []int // values
	params  []Op
	outputs []shapes.Shape
}

// Op is one recorded operation.
type Op struct {
	Name   string         // the method of compute.Function
	In     []int          // values; -1 for one that is left out
	Out    []int          // values
	Shapes []shapes.Shape // of Out
	// Attrs are the arguments of the method that are no values, in their order; of a
	// Parameter its name, of a Constant the flat slice.
	Attrs []any
}

// Compile returns the *Recording.
func (r recording) Compile() (compute.Executable, error) {
	number := map[*value]int{}
	rec := &Recording{}
	for _, n := range r.main.nodes {
		op := Op{Name: n.op, Attrs: n.attrs}
		for _, v := range n.in {
			k, ok := number[v]
			if !ok {
				k = -1
			}
			op.In = append(op.In, k)
		}
		for _, v := range n.outs {
			number[v] = len(number)
			op.Out, op.Shapes = append(op.Out, number[v]), append(op.Shapes, v.shape)
		}
		rec.Ops = append(rec.Ops, op)
		if n.op == "Parameter" {
			rec.params = append(rec.params, op)
		}
	}
	for _, v := range r.main.outputs {
		rec.Results, rec.outputs = append(rec.Results, number[v]), append(rec.outputs, v.shape)
	}
	return rec, nil
}

// Finalize implements compute.Executable; there is nothing to free.
func (r *Recording) Finalize() {}

// Inputs returns the names and shapes of the parameters.
func (r *Recording) Inputs() (names []string, in []shapes.Shape) {
	for _, p := range r.params {
		names, in = append(names, p.Attrs[0].(string)), append(in, p.Shapes[0])
	}
	return names, in
}

// Outputs returns the shapes of the results.
func (r *Recording) Outputs() []shapes.Shape { return r.outputs }

// errRecorded is what running a recording gives.
var errRecorded = errors.New("native: a recording is there to be read; compile the computation for a backend to run it")

// Execute is an error: a recording is not compiled.
func (r *Recording) Execute([]compute.Buffer, []bool, compute.DeviceNum) ([]compute.Buffer, error) {
	return nil, errRecorded
}
