package native

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"

	"flowmatch/engine/native/machine"
)

// Program is a compiled computation.
type Program struct {
	backend *Backend
	graph   *graph
	names   []string
	inputs  []shapes.Shape
	results []shapes.Shape
	outputs []output
	slots   []slot
	levels  []*level

	arena    int // floats
	keptSize int
	scratch  int // floats of each worker
	operands int // the most operands of a walk

	mem   []addr    // of each slot, while running
	bufs  []*buffer // what the shadow backend returned, by slot
	execs []exec    // one for each worker

	kept    []float32 // packed weights
	keptOf  []*buffer // the arguments that they came from, nil for others
	keptAge []uint64  // the ages of these
	keeps   []bool    // which arguments they are
	packed  bool      // there was a run before
	isFresh bool      // they need not be packed in this run

	into               sync.Mutex // of what ExecuteInto keeps between calls
	intoArgs, intoOuts []*buffer
}

var _ compute.Executable = (*Program)(nil)

// level is the regions that may run side by side.
type level struct {
	regions []*region
	shadows []*tensor
	parts   int
	kept    bool // all that is done here is to pack weights that are kept
	job     func(part, worker int)
	results []int // that are complete afterwards, where they lie in memory of their own
}

// parallelCost is the arithmetic, in float operations of [tensor.work], that is
// worth waking another core for: some microseconds.
const parallelCost = 16 << 10

// Compile compiles the recorded computation.
func (b *builder) Compile() (compute.Executable, error) {
	if b.main.outputs == nil {
		return nil, fmt.Errorf("native: computation %q returns nothing", b.name)
	}
	if b.backend.finalized.Load() {
		return nil, errFinalized
	}
	if b.whole != "" {
		e, err := b.shadow.Compile()
		if err != nil {
			return nil, err
		}
		return &wholeProgram{backend: b.backend, exec: e}, nil
	}
	g, err := lower(b)
	if err != nil {
		return nil, err
	}
	g.simplify()
	g.schedule()
	p := &Program{backend: b.backend, graph: g}
	for _, v := range b.main.params {
		p.names = append(p.names, v.node.attrs[0].(string))
		p.inputs = append(p.inputs, v.shape)
	}
	for _, v := range b.main.outputs {
		p.results = append(p.results, v.shape)
	}
	return p, p.build()
}

// build places tensors and writes the code.
func (p *Program) build() error {
	for _, t := range p.graph.tensors {
		t.slot = -1
	}
	regions := p.graph.regions()
	for _, r := range regions {
		r.parts = 1
		if r.cost*float64(r.units) > parallelCost {
			r.parts = min(p.backend.team.n, r.units)
		}
		for len(p.levels) <= r.level {
			p.levels = append(p.levels, &level{})
		}
		l := p.levels[r.level]
		if r.shadow != nil {
			l.shadows = append(l.shadows, r.shadow)
		} else {
			l.regions = append(l.regions, r)
			l.parts = max(l.parts, r.parts)
		}
	}
	p.globals()
	for _, r := range regions {
		r.order = r.steps()
	}
	p.assign()
	for _, r := range regions {
		if err := p.emit(r); err != nil {
			return err
		}
	}
	p.keeps = make([]bool, len(p.inputs))
	for _, r := range regions {
		for _, t := range r.tensors {
			if !r.kept {
				break
			}
			if base, _ := t.in[0].root(); base.kind == kindParam {
				p.keeps[base.op] = true
			}
		}
	}
	for _, l := range p.levels {
		l.kept = !slices.ContainsFunc(l.regions, func(r *region) bool { return !r.kept })
	}
	p.kept, p.keptOf, p.keptAge = largeFloats(p.keptSize+16), make([]*buffer, len(p.inputs)),
		make([]uint64, len(p.inputs))
	p.mem, p.bufs = make([]addr, len(p.slots)), make([]*buffer, len(p.slots))
	p.execs = make([]exec, p.backend.team.n)
	for w := range p.execs {
		p.execs[w] = exec{p: p, vec: p.backend.vec, mat: p.backend.mat, work: &p.backend.work[w],
			ptr: make([]addr, p.operands)}
	}
	for _, l := range p.levels {
		l.job = p.job(l)
	}
	p.endings()
	p.constants()
	return nil
}

// endings says which results are complete after which level.
func (p *Program) endings() {
	for i, o := range p.outputs {
		if base, _ := o.t.root(); !o.copied {
			l := p.levels[base.level]
			l.results = append(l.results, i)
		}
	}
}

// job is what a worker does at a level.
func (p *Program) job(l *level) func(part, worker int) {
	return func(part, worker int) {
		x := &p.execs[worker]
		for _, r := range l.regions {
			if part < r.parts && !(r.kept && p.isFresh) {
				r.run(x, part)
			}
		}
	}
}

// constants points the slots of constants to their data.
func (p *Program) constants() {
	for i, s := range p.slots {
		if s.from != fromConst {
			continue
		}
		if t := s.t; t.buf != nil {
			p.mem[i] = addrOf(t.buf.ptr)
		} else {
			t.data = []float32{t.value}
			p.mem[i] = addrOf(unsafe.Pointer(&t.data[0]))
		}
	}
}

// Memory is what a run needs, in bytes, besides arguments and results: what lies
// between levels, weights packed, and the tiles of all cores.
func (p *Program) Memory() int { return 4 * (p.arena + p.keptSize + len(p.execs)*p.scratch) }

// Finalize releases nothing: the collector does.
func (p *Program) Finalize() {}

// Inputs returns the names and shapes of the parameters.
func (p *Program) Inputs() ([]string, []shapes.Shape) { return p.names, p.inputs }

// Outputs returns the shapes of the results.
func (p *Program) Outputs() []shapes.Shape { return p.results }

// Fallbacks names the operations that run on GoMLX's Go backend.
func (p *Program) Fallbacks() (ops []string) {
	for _, t := range p.graph.tensors {
		if t.kind == kindShadow {
			ops = append(ops, t.shadow.node.op)
		}
	}
	return ops
}

// Execute runs the program; see compute.Executable.
func (p *Program) Execute(inputs []compute.Buffer, donate []bool, _ compute.DeviceNum) ([]compute.Buffer, error) {
	args := make([]*buffer, len(inputs))
	for i, in := range inputs {
		b, ok := in.(*buffer)
		if !ok || b.backend != p.backend || b.dead {
			return nil, fmt.Errorf("native: argument %d is not a live buffer of this backend", i)
		}
		args[i] = b
	}
	outs := make([]*buffer, len(p.outputs))
	if err := p.run(outs, args, donate, nil); err != nil {
		return nil, err
	}
	res := make([]compute.Buffer, len(outs))
	for i, o := range outs {
		res[i] = o
	}
	return res, nil
}

// ExecuteInto runs the program and writes results into buffers that are there. A
// result may be the very argument that it replaces.
func (p *Program) ExecuteInto(outs, inputs []compute.Buffer) error {
	return p.ExecuteAndTell(outs, inputs, nil)
}

// ExecuteAndTell is ExecuteInto that calls told, unless it is nil, with the number of each result that is
// complete before the program has ended: the program goes on when told returns. A
// result may be so early where what else is computed waits for all rows of something
// (SchedulingBarrier of x after x itself).
func (p *Program) ExecuteAndTell(outs, inputs []compute.Buffer, told func(result int)) error {
	p.into.Lock()
	defer p.into.Unlock()
	p.intoArgs, p.intoOuts = p.intoArgs[:0], p.intoOuts[:0]
	for i, in := range inputs {
		b, ok := in.(*buffer)
		if !ok || b.backend != p.backend || b.dead {
			return fmt.Errorf("native: argument %d is not a live buffer of this backend", i)
		}
		p.intoArgs = append(p.intoArgs, b)
	}
	for i, out := range outs {
		b, ok := out.(*buffer)
		if !ok || b.backend != p.backend || b.dead || i < len(p.results) && !b.shape.Equal(p.results[i]) {
			return fmt.Errorf("native: result %d is not a live buffer of this backend of shape %s", i, p.results[i])
		}
		for j, a := range p.intoArgs {
			if a == b && (i >= len(p.outputs) || p.outputs[i].donor != j) {
				return fmt.Errorf("native: result %d cannot be written over argument %d, which is read later", i, j)
			}
		}
		p.intoOuts = append(p.intoOuts, b)
	}
	return p.run(p.intoOuts, p.intoArgs, nil, told)
}

// run is Execute on our own buffers. Results that outs holds already are written
// into; the others are made.
func (p *Program) run(outs, args []*buffer, donate []bool, told func(result int)) error {
	if len(args) != len(p.inputs) || len(outs) != len(p.outputs) {
		return fmt.Errorf("native: %d arguments for %d results; the program takes %d and returns %d",
			len(args), len(outs), len(p.inputs), len(p.outputs))
	}
	if len(donate) != 0 && len(donate) != len(args) {
		return fmt.Errorf("native: %d donations for %d arguments", len(donate), len(args))
	}
	for i, a := range args {
		if !a.shape.Equal(p.inputs[i]) {
			return fmt.Errorf("native: argument %d (%s) has shape %s; it must be %s", i, p.names[i],
				a.shape, p.inputs[i])
		}
	}
	b := p.backend
	b.run.Lock()
	defer b.run.Unlock()
	if b.finalized.Load() {
		return errFinalized
	}
	taken, err := p.enter(outs, args, donate)
	if err != nil {
		return err
	}
	fresh := p.fresh(args)
	for _, l := range p.levels {
		for _, t := range l.shadows {
			if err := p.callShadow(t, args); err != nil {
				p.packed = false
				return err
			}
		}
		if l.parts > 0 && !(fresh && l.kept) {
			b.team.run(l.parts, l.job)
		}
		for _, i := range l.results {
			if told != nil {
				told(i)
			}
		}
	}
	err = p.leave(outs, args, donate, taken)
	runtime.KeepAlive(args)
	return err
}

// fresh says whether the weights that were packed in an earlier run are those of
// this one, and remembers them for the next.
func (p *Program) fresh(args []*buffer) bool {
	p.isFresh, p.packed = p.packed, true
	for i, a := range args {
		if !p.keeps[i] {
			continue
		}
		if p.keptOf[i] != a || p.keptAge[i] != a.age.Load() || a.exposed.Load() {
			p.isFresh = false
		}
		p.keptOf[i], p.keptAge[i] = a, a.age.Load()
	}
	return p.isFresh
}

// enter points the table of memory to arguments, results and scratch.
func (p *Program) enter(outs, args []*buffer, donate []bool) (taken []bool, err error) {
	b := p.backend
	b.arena = grown(b.arena, p.arena)
	for w := range p.execs {
		b.scratch[w] = grown(b.scratch[w], p.scratch)
		p.execs[w].scratch = aligned(b.scratch[w])
	}
	arena := aligned(b.arena)
	for i, s := range p.slots {
		switch s.from {
		case fromArena:
			p.mem[i] = arena + addr(4*s.index)
		case fromKept:
			p.mem[i] = aligned(p.kept) + addr(4*s.index)
		case fromParam:
			p.mem[i] = addrOf(args[s.index].ptr)
		}
	}
	for i := range p.outputs {
		o := &p.outputs[i]
		if outs[i] == nil {
			if o.donor >= 0 && len(donate) > 0 && donate[o.donor] && !twice(args, o.donor) {
				if taken == nil {
					taken = make([]bool, len(args))
				}
				a := args[o.donor]
				taken[o.donor] = true
				outs[i] = &buffer{backend: b, shape: p.results[i], shadow: a.shadow, flat: a.flat, ptr: a.ptr}
			} else if outs[i], err = b.newBuffer(p.results[i]); err != nil {
				return nil, err
			}
		}
		outs[i].age.Add(1)
		if !o.copied {
			p.mem[o.slot] = addrOf(outs[i].ptr)
		}
	}
	return taken, nil
}

// twice says whether an argument is there more than once: its memory is then
// still read when a result would be written over it.
func twice(args []*buffer, i int) bool {
	return slices.Index(args, args[i]) != i || slices.Contains(args[i+1:], args[i])
}

// leave copies results that lie elsewhere, and ends donated arguments.
func (p *Program) leave(outs, args []*buffer, donate, taken []bool) error {
	for i := range p.outputs {
		o := &p.outputs[i]
		if !o.copied {
			continue
		}
		n := p.results[i].Size()
		src := p.mem[o.slot]
		switch size := o.t.storage().size(); {
		case native(p.results[i]):
			if n > 0 {
				copyBytes(outs[i].ptr, src+addr(size*o.offset), size*n)
			}
		default:
			if err := p.copyOther(outs[i], o, args); err != nil {
				return err
			}
		}
	}
	for i, d := range donate {
		if !d {
			continue
		}
		if taken != nil && taken[i] {
			args[i].dead, args[i].flat, args[i].ptr = true, nil, nil
		} else if err := args[i].Finalize(); err != nil {
			return err
		}
	}
	clear(p.bufs)
	return nil
}

// grown returns s with room for n floats and some to align.
func grown(s []float32, n int) []float32 {
	if n += 16; len(s) < n {
		return largeFloats(n)
	}
	return s
}

// largeFloats returns n zeros.
func largeFloats(n int) []float32 {
	s := make([]float32, n)
	machine.InHugePages(unsafe.Pointer(unsafe.SliceData(s)), 4*n)
	return s
}

// aligned returns the first line of the cache in s.
func aligned(s []float32) addr {
	return (addrOf(unsafe.Pointer(unsafe.SliceData(s))) + 63) &^ 63
}
