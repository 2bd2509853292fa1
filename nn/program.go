package nn

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native"
)

// program is a function of tensors, compiled once for each size of its inputs, at
// first use. It is safe for concurrent use: each call has a frame of its own.
type program struct {
	eng  *Engine
	name string
	// inputs gives the shapes of the inputs for a number of rows and, where a
	// program has such, of tangents.
	inputs func(rows, tangents int) []shapes.Shape
	build  func(in []*graph.Node) []*graph.Node
	// update says which input each result replaces, in its memory if the engine
	// can; -1, or the end of the list: none.
	update []int
	// devices > 1 run the program together (SPMD): each has inputs of its own, and the
	// same graph, which may sum over all.
	devices int
	// embedded says that the contexts among its inputs are embedded.
	embedded bool
	// large is how many bytes of weights are so many that the program is kept for few sizes; 0: largeWeights.
	large int64

	mu       sync.Mutex
	compiled map[size]*compiled
	uses     int // calls of frame
}

// On the native engine a program whose first input, the weights, has at least so many bytes is kept for the sizes used
// last: the engine holds a packed copy of the weights for each.
const largeWeights, sizesOfLarge = 256 << 20, 2

// size is what the shapes of a program's inputs depend on.
type size struct{ rows, tangents int }

// compiled is a program for one size, and the frames that no call is using.
type compiled struct {
	exec    compute.Executable
	inputs  []shapes.Shape
	update  []int
	devices int
	used    int // when it was last, in calls of frame
	free    []*frame
}

// frame is the memory of one call: fill the inputs, run, read the results.
type frame struct {
	c        *compiled
	eng      *Engine
	bufs     []compute.Buffer // inputs
	host     []any            // their memory, or what is copied to the engine on run
	shared   bool
	external []bool // inputs that the caller brought
	outs     []compute.Buffer
	flat     []any // memory of the results
	donate   []bool

	told func(result int) // called as results are complete, where the engine can; nil: nobody asks

	device compute.DeviceNum
	peers  []*frame // of the other devices; results are read on the first
}

// intoExecutor is an executable that writes results into buffers that are there;
// one that replaces an input may be that input.
type intoExecutor interface {
	ExecuteInto(outs, inputs []compute.Buffer) error
}

// teller is an intoExecutor that tells of results that are complete before the rest.
type teller interface {
	ExecuteAndTell(outs, inputs []compute.Buffer, told func(result int)) error
}

// frame returns a frame for inputs of that size. Give it back when its results
// have been read.
func (p *program) frame(rows, tangents int) (*frame, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := size{rows, tangents}
	c := p.compiled[s]
	if c == nil {
		var err error
		if c, err = p.compile(s); err != nil {
			return nil, err
		}
		if p.compiled == nil {
			p.compiled = map[size]*compiled{}
		}
		p.compiled[s] = c
	}
	p.uses++
	c.used = p.uses
	p.forget()
	if n := len(c.free); n > 0 {
		f := c.free[n-1]
		c.free = c.free[:n-1]
		return f, nil
	}
	f, err := p.eng.newFrame(c, 0)
	for d := 1; d < p.devices && err == nil; d++ {
		var peer *frame
		peer, err = p.eng.newFrame(c, compute.DeviceNum(d))
		f.peers = append(f.peers, peer)
	}
	return f, err
}

// forget lets go of the sizes of a large network that were not used for longest.
func (p *program) forget() {
	for len(p.compiled) > sizesOfLarge && p.eng.name == native.Name {
		var oldest size
		for s, c := range p.compiled {
			if len(c.inputs) == 0 || c.inputs[0].ByteSize() < cmp.Or(p.large, largeWeights) {
				return
			}
			if old := p.compiled[oldest]; old == nil || c.used < old.used {
				oldest = s
			}
		}
		delete(p.compiled, oldest)
	}
}

// back returns a frame to its program.
func (p *program) back(f *frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.c.free = append(f.c.free, f)
}

func (p *program) compile(s size) (c *compiled, err error) {
	defer rescue(&err, "compiling "+p.name)
	c = &compiled{inputs: p.inputs(s.rows, s.tangents), devices: p.devices}
	g, err := p.graph(p.eng.backend, c.inputs)
	if err != nil {
		return nil, err
	}
	c.exec = g.Executable()
	for i := range c.exec.Outputs() {
		u := -1
		if i < len(p.update) {
			u = p.update[i]
		}
		c.update = append(c.update, u)
	}
	return c, nil
}

// graph is the program for inputs of those shapes, compiled for a backend.
func (p *program) graph(b compute.Backend, inputs []shapes.Shape) (*graph.Graph, error) {
	g := graph.NewGraph(b, p.name)
	if p.devices > 1 {
		if err := together(g, p.devices); err != nil {
			return nil, err
		}
	}
	var in []*graph.Node
	for i, sh := range inputs {
		in = append(in, graph.Parameter(g, fmt.Sprint("x", i), sh))
	}
	return g, g.Compile(p.build(in)...)
}

func (e *Engine) newFrame(c *compiled, device compute.DeviceNum) (*frame, error) {
	n, results := len(c.inputs), c.exec.Outputs()
	f := &frame{c: c, eng: e, device: device, shared: e.backend.HasSharedBuffers() && c.devices <= 1,
		bufs: make([]compute.Buffer, n), host: make([]any, n), external: make([]bool, n), donate: make([]bool, n),
		outs: make([]compute.Buffer, len(results)), flat: make([]any, len(results))}
	for i, sh := range c.inputs {
		if slices.Contains(c.update, i) {
			f.external[i], f.donate[i] = true, true
			continue
		}
		if !f.shared {
			f.host[i] = dtypes.MakeAnySlice(sh.DType, sh.Size())
			continue
		}
		var err error
		if f.bufs[i], f.host[i], err = e.backend.NewSharedBuffer(0, sh); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// floats returns the memory of the i-th input, to be filled.
func (f *frame) floats(i int) []float32 { return f.host[i].([]float32) }

// ints returns the memory of the i-th input, to be filled.
func (f *frame) ints(i int) []int32 { return f.host[i].([]int32) }

// set fills the i-th input, and what is left of it with zeros.
func (f *frame) set(i int, x []float64) {
	dst := f.floats(i)
	for k, v := range x {
		dst[k] = float32(v)
	}
	clear(dst[len(x):])
}

// give makes a buffer of the engine the i-th input, for this call.
func (f *frame) give(i int, b compute.Buffer) { f.bufs[i], f.external[i] = b, true }

// run runs the program.
func (f *frame) run() (err error) {
	if len(f.peers) > 0 {
		return f.runTogether()
	}
	if err := f.send(); err != nil {
		return err
	}
	if into, ok := f.c.exec.(intoExecutor); ok {
		return f.runInto(into)
	}
	f.release()
	outs, err := f.c.exec.Execute(f.bufs, f.donate, 0)
	if err != nil {
		return err
	}
	copy(f.outs, outs)
	for i, b := range f.outs {
		if f.c.update[i] >= 0 {
			continue
		}
		if err := f.fetch(i, b); err != nil {
			return err
		}
	}
	return nil
}

// send copies inputs to an engine that has memory of its own.
func (f *frame) send() (err error) {
	for i, sh := range f.c.inputs {
		if f.shared || f.external[i] {
			continue
		}
		if f.bufs[i] != nil {
			_ = f.bufs[i].Finalize() // early; the collector would do it too
		}
		if f.bufs[i], err = f.eng.backend.BufferFromFlatData(f.device, f.host[i], sh); err != nil {
			return err
		}
	}
	return nil
}

// runInto writes the results where those of the last call were.
func (f *frame) runInto(into intoExecutor) (err error) {
	for i, u := range f.c.update {
		switch {
		case u >= 0:
			f.outs[i] = f.bufs[u]
		case f.outs[i] == nil:
			if f.outs[i], f.flat[i], err = f.eng.backend.NewSharedBuffer(0, f.c.exec.Outputs()[i]); err != nil {
				return err
			}
		}
	}
	if tells, ok := into.(teller); ok && f.told != nil {
		return tells.ExecuteAndTell(f.outs, f.bufs, f.told)
	}
	return into.ExecuteInto(f.outs, f.bufs)
}

// release ends the results of the last call.
func (f *frame) release() {
	for i, b := range f.outs {
		if b != nil && f.c.update[i] < 0 {
			_ = b.Finalize() // early; the collector would do it too
		}
	}
}

// fetch makes the i-th result readable.
func (f *frame) fetch(i int, b compute.Buffer) (err error) {
	if f.shared {
		f.flat[i], err = b.Data()
		return err
	}
	if f.flat[i] == nil {
		sh := f.c.exec.Outputs()[i]
		f.flat[i] = dtypes.MakeAnySlice(sh.DType, sh.Size())
	}
	return b.ToFlatData(f.flat[i])
}

// result returns the i-th result, valid until the frame is used again.
func (f *frame) result(i int) []float32 { return f.flat[i].([]float32) }

// read copies the beginning of the i-th result.
func (f *frame) read(dst []float64, i int) {
	for k, v := range f.result(i)[:len(dst)] {
		dst[k] = float64(v)
	}
}

// add adds the beginning of the i-th result.
func (f *frame) add(dst []float64, i int) {
	for k, v := range f.result(i)[:len(dst)] {
		dst[k] += float64(v)
	}
}

// upload makes a buffer of the engine that holds a copy of x.
func (e *Engine) upload(x []float32) (compute.Buffer, error) { return e.uploadTo(0, x) }

// uploadTo is upload to a device.
func (e *Engine) uploadTo(d compute.DeviceNum, x []float32) (compute.Buffer, error) {
	return e.backend.BufferFromFlatData(d, x, shapes.Make(dtypes.Float32, len(x)))
}

// download returns a copy of what a buffer holds.
func download(b compute.Buffer) ([]float32, error) {
	sh, err := b.Shape()
	if err != nil {
		return nil, err
	}
	x := make([]float32, sh.Size())
	return x, b.ToFlatData(x)
}
