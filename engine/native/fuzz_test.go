package native

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"flowmatch/engine/native/kernel"
)

// Random graphs, compared with GoMLX's Go backend. A graph is drawn from a seed;
// values are numbered, parameters and constants among them, in the order in which
// they are made.

// drawn is one value of a random graph.
type drawn struct {
	name  string
	in    []int
	shape shapes.Shape
	apply func(f compute.Function, v []compute.Value) (compute.Value, error)
	flat  any  // of a parameter
	exact bool // the operation rounds nothing
}

// drawing is a random graph.
type drawing struct {
	values []drawn
	outs   []int
}

// params returns the numbers of the parameters.
func (d *drawing) params() (ps []int) {
	for i, v := range d.values {
		if v.apply == nil {
			ps = append(ps, i)
		}
	}
	return ps
}

func (d *drawing) String() string {
	var b strings.Builder
	for i, v := range d.values {
		fmt.Fprintf(&b, "  v%d = %s%v %s\n", i, v.name, v.in, v.shape)
	}
	fmt.Fprintf(&b, "  return %v", d.outs)
	return b.String()
}

// only is the graph that makes nothing but some values.
func (d *drawing) only(outs ...int) *drawing {
	need := map[int]bool{}
	for _, o := range outs {
		need[o] = true
	}
	for i := len(d.values) - 1; i >= 0; i-- {
		if need[i] {
			for _, k := range d.values[i].in {
				need[k] = true
			}
		}
	}
	c, at := &drawing{}, map[int]int{}
	for i, v := range d.values {
		if !need[i] {
			continue
		}
		at[i] = len(c.values)
		in := make([]int, len(v.in))
		for k, u := range v.in {
			in[k] = at[u]
		}
		v.in = in
		c.values = append(c.values, v)
	}
	for _, o := range outs {
		c.outs = append(c.outs, at[o])
	}
	return c
}

// build records the graph; noise, if there is any, multiplies what has been rounded.
func (d *drawing) build(f compute.Function, noisy bool) error {
	vs := make([]compute.Value, len(d.values))
	var noise compute.Value
	var err error
	if noisy {
		if noise, err = f.Parameter("noise", shapes.Make(dtypes.Float32, d.noiseLen()), nil); err != nil {
			return err
		}
	}
	at := 0
	for i, v := range d.values {
		if v.apply == nil {
			vs[i], err = f.Parameter(fmt.Sprint("v", i), v.shape, nil)
		} else {
			in := make([]compute.Value, len(v.in))
			for k, u := range v.in {
				in[k] = vs[u]
			}
			vs[i], err = v.apply(f, in)
		}
		if err != nil {
			return fmt.Errorf("v%d %s: %w", i, v.name, err)
		}
		if n := v.shape.Size(); noisy && v.rounds() {
			p, err := f.Slice(noise, []int{at}, []int{at + n}, nil)
			if err != nil {
				return err
			}
			if p, err = f.Reshape(p, v.shape.Dimensions...); err != nil {
				return err
			}
			if vs[i], err = f.Mul(vs[i], p); err != nil {
				return err
			}
			at += n
		}
	}
	outs := make([]compute.Value, len(d.outs))
	for i, o := range d.outs {
		outs[i] = vs[o]
	}
	return f.Return(outs, nil)
}

func (v *drawn) rounds() bool {
	return v.shape.DType == dtypes.Float32 && !v.exact && v.shape.Size() > 0
}

func (d *drawing) noiseLen() int {
	n := 1
	for _, v := range d.values {
		if v.rounds() {
			n += v.shape.Size()
		}
	}
	return n
}

// program compiles the graph.
func (d *drawing) program(b compute.Backend, noisy bool) (compute.Executable, error) {
	bd := b.Builder("fuzz")
	if err := d.build(bd.Main(), noisy); err != nil {
		return nil, err
	}
	return bd.Compile()
}

// execute runs a program on copies of the arguments.
func (d *drawing) execute(b compute.Backend, e compute.Executable, donate []bool, noise []float32) ([]any, error) {
	var args []compute.Buffer
	add := func(flat any, shape shapes.Shape) error {
		buf, err := b.BufferFromFlatData(0, flat, shape)
		args = append(args, buf)
		return err
	}
	if noise != nil {
		if err := add(noise, shapes.Make(dtypes.Float32, len(noise))); err != nil {
			return nil, err
		}
	}
	for _, p := range d.params() {
		if err := add(d.values[p].flat, d.values[p].shape); err != nil {
			return nil, err
		}
	}
	outs, err := e.Execute(args, donate, 0)
	if err != nil {
		return nil, err
	}
	res := make([]any, len(outs))
	for i, o := range outs {
		shape, err := o.Shape()
		if err != nil {
			return nil, err
		}
		if want := d.values[d.outs[i]].shape; !shape.Equal(want) {
			return nil, fmt.Errorf("result %d has shape %s; want %s", i, shape, want)
		}
		res[i] = zeros(shape)
		if err := o.ToFlatData(res[i]); err != nil {
			return nil, err
		}
	}
	for i, p := range d.params() { // what was not donated is as it was
		if noise != nil || donate != nil && donate[i] {
			continue
		}
		flat := zeros(d.values[p].shape)
		if err := args[i].ToFlatData(flat); err != nil {
			return nil, err
		}
		if !sameBits(flat, d.values[p].flat) {
			return nil, fmt.Errorf("argument %d was written to", i)
		}
	}
	return res, nil
}

// reference is what the Go backend makes of a graph, and by how much results may
// differ: as far as they do when everything that is rounded is multiplied by a
// number close to 1.
type reference struct {
	d     *drawing
	b     compute.Backend
	exec  compute.Executable
	clean []any
	noisy [][]any // one for each run
	r     *rand.Rand
}

func newReference(d *drawing, b compute.Backend) (ref *reference, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	e, err := d.program(b, true)
	if err != nil {
		return nil, err
	}
	ref = &reference{d: d, b: b, exec: e, r: rand.New(rand.NewPCG(1, 2))}
	if ref.clean, err = ref.run(0); err != nil {
		return nil, err
	}
	return ref, ref.more(2)
}

func (ref *reference) run(amplitude float32) ([]any, error) {
	noise := make([]float32, ref.d.noiseLen())
	for i := range noise {
		noise[i] = 1 + amplitude*(2*ref.r.Float32()-1)
	}
	return ref.d.execute(ref.b, ref.exec, nil, noise)
}

// more runs n times more.
func (ref *reference) more(n int) error {
	for k := range n {
		out, err := ref.run([...]float32{4e-6, 1e-5, 1e-6}[k%3])
		if err != nil {
			return err
		}
		ref.noisy = append(ref.noisy, out)
	}
	return nil
}

// check compares results. What looks wrong at first is looked at more closely.
func (ref *reference) check(got []any) error {
	err := ref.compare(got)
	for n := 20; err != nil && n <= 60; n += 20 {
		if e := ref.more(n); e != nil {
			return e
		}
		err = ref.compare(got)
	}
	return err
}

func (ref *reference) compare(got []any) error {
	for i := range got {
		noisy := make([]any, len(ref.noisy))
		for k, out := range ref.noisy {
			noisy[k] = out[i]
		}
		if err := near(got[i], ref.clean[i], noisy); err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	return nil
}

// rig is the backends that graphs are tried on.
type rig struct {
	reference compute.Backend
	ours      []*Backend
	names     []string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{reference: goBackend(t)}
	for _, l := range kernel.Levels() {
		for threads := 1; threads <= 3; threads++ {
			b, err := newAt(l, Options{Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Finalize)
			r.ours = append(r.ours, b)
			r.names = append(r.names, fmt.Sprintf("%s, %d threads", l, threads))
		}
	}
	return r
}

// try runs a graph on the chosen backends. It returns what is wrong, or why the
// reference cannot run the graph.
func (r *rig) try(d *drawing, donate []bool, use func(i int) bool) (wrong, skip error) {
	ref, skip := newReference(d, r.reference)
	if skip != nil {
		return nil, skip
	}
	for i, b := range r.ours {
		if !use(i) {
			continue
		}
		if err := tryOn(d, b, ref, donate); err != nil {
			return fmt.Errorf("%s: %w", r.names[i], err), nil
		}
	}
	return nil, nil
}

func tryOn(d *drawing, b *Backend, ref *reference, donate []bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	e, err := d.program(b, false)
	if err != nil {
		return err
	}
	if p := e.(*Program); !p.graph.sound() {
		return fmt.Errorf("a tensor is read before it is made")
	}
	first, err := d.execute(b, e, nil, nil)
	if err != nil {
		return err
	}
	if err := ref.check(first); err != nil {
		return err
	}
	for k, give := range [][]bool{nil, donate} {
		poison(b)
		again, err := d.execute(b, e, give, nil)
		if err != nil {
			return err
		}
		for i := range again {
			if !sameBits(again[i], first[i]) {
				return fmt.Errorf("result %d: other bits in run %d, donated %v", i, k+2, give)
			}
		}
	}
	for _, inPlace := range []bool{false, true} {
		poison(b)
		if err := d.executeInto(b, e.(*Program), first, inPlace); err != nil {
			return err
		}
	}
	return nil
}

// executeInto runs a program that writes over what results hold already; in
// place, these are the arguments where the program can do that.
func (d *drawing) executeInto(b *Backend, p *Program, want []any, inPlace bool) error {
	var args, outs []compute.Buffer
	for _, k := range d.params() {
		buf, err := b.BufferFromFlatData(0, d.values[k].flat, d.values[k].shape)
		if err != nil {
			return err
		}
		args = append(args, buf)
	}
	for i, o := range d.outs {
		if donor := p.outputs[i].donor; inPlace && donor >= 0 {
			outs = append(outs, args[donor])
			continue
		}
		buf, flat, err := b.NewSharedBuffer(0, d.values[o].shape)
		if err != nil {
			return err
		}
		if x, ok := flat.([]float32); ok {
			spoil(x)
		}
		outs = append(outs, buf)
	}
	if err := p.ExecuteInto(outs, args); err != nil {
		return err
	}
	for i, o := range outs {
		got := zeros(d.values[d.outs[i]].shape)
		if err := o.ToFlatData(got); err != nil {
			return err
		}
		if !sameBits(got, want[i]) {
			return fmt.Errorf("result %d: other bits when written into memory that was there, in place %v", i, inPlace)
		}
	}
	return nil
}

// poison fills the scratch memory of a backend with NaN, for nobody may count on
// what it holds.
func poison(b *Backend) {
	b.run.Lock()
	defer b.run.Unlock()
	spoil(b.arena)
	for _, s := range b.scratch {
		spoil(s)
	}
}

func spoil(x []float32) {
	for i := range x {
		x[i] = float32(math.NaN())
	}
}

// seed tries one graph and, if it fails, its smallest part that does.
func (r *rig) seed(t *testing.T, seed uint64, all bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	d := draw(rng, r.reference)
	donate := make([]bool, len(d.params()))
	for i := range donate {
		donate[i] = rng.IntN(2) == 0
	}
	use := func(i int) bool { return all || i%3 == int(seed/3)%3 || i == int(seed)%len(r.ours) }
	err, skip := r.try(d, donate, use)
	if skip != nil {
		t.Logf("seed %d: the reference fails: %v", seed, skip)
	}
	if err != nil {
		small, serr := r.shrink(d, use)
		t.Errorf("seed %d: %v\nsmallest part: %v\n%v", seed, err, serr, small)
		if small == d {
			t.Logf("donated %v", donate)
		}
	}
}

// shrink returns the first value, with what it is made of, that is wrong on its own.
func (r *rig) shrink(d *drawing, use func(int) bool) (*drawing, error) {
	for i := range d.values {
		if d.values[i].apply == nil {
			continue
		}
		part := d.only(i)
		all := make([]bool, len(part.params()))
		for k := range all {
			all[k] = true
		}
		if err, _ := r.try(part, all, use); err != nil {
			return part, err
		}
	}
	return d, fmt.Errorf("only all of it")
}

// TestRandomGraphs tries some hundreds of graphs; FUZZ_SEED=a-b chooses some.
func TestRandomGraphs(t *testing.T) {
	r := newRig(t)
	from, to, all := uint64(0), uint64(299), false
	if testing.Short() {
		to = 59
	}
	if s := os.Getenv("FUZZ_SEED"); s != "" {
		a, b, ok := strings.Cut(s, "-")
		if !ok {
			b = a
		}
		var err1, err2 error
		from, err1 = strconv.ParseUint(a, 10, 64)
		to, err2 = strconv.ParseUint(b, 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		all = true
	}
	for seed := from; seed <= to; seed++ {
		r.seed(t, seed, all)
	}
}

// FuzzGraphs tries graphs for as long as -fuzztime says.
func FuzzGraphs(f *testing.F) {
	r := newRig(f)
	for seed := range uint64(10) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { r.seed(t, seed, true) })
}
