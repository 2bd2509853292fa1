package native

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// sizeMax bounds the elements of a drawn value, and workMax the products of one.
const (
	sizeMax = 24 << 10
	workMax = 3 << 20
)

// pen draws graphs. The scout records them in the Go backend, which knows the
// shapes and what is not allowed.
type pen struct {
	*drawing
	r     *rand.Rand
	scout compute.Function
	vals  []compute.Value
	lead  int
	pool  []int // lengths of axes; never 0, at which the Go backend panics
}

// draw draws a graph.
func draw(r *rand.Rand, b compute.Backend) *drawing {
	p := &pen{drawing: &drawing{}, r: r, scout: b.Builder("scout").Main()}
	p.lead = []int{1, 2, 3, 5, 8, 16, 33, 64, 70, 300, 300, 600}[r.IntN(12)]
	p.pool = []int{1, []int{2, 3, 4, 5, 8}[r.IntN(5)], []int{7, 16, 17, 20, 33}[r.IntN(5)],
		[]int{2, 6, 10, 32, 64, 65, 70}[r.IntN(7)]}
	for range 1 + r.IntN(3) {
		p.param(p.dims(), dtypes.Float32)
	}
	for range 3 + r.IntN(28) {
		p.any()
	}
	p.choose()
	return p.drawing
}

// choose chooses the results: what nobody uses, and some others.
func (p *pen) choose() {
	used := map[int]bool{}
	for _, v := range p.values {
		for _, u := range v.in {
			used[u] = true
		}
	}
	for i, v := range p.values {
		if !used[i] && (v.apply != nil || p.r.IntN(8) == 0) || p.r.IntN(12) == 0 {
			p.outs = append(p.outs, i)
		}
	}
	if len(p.outs) == 0 || p.r.IntN(6) == 0 {
		p.outs = append(p.outs, p.r.IntN(len(p.values)))
	}
	p.r.Shuffle(len(p.outs), func(i, j int) { p.outs[i], p.outs[j] = p.outs[j], p.outs[i] })
	if p.r.IntN(6) == 0 {
		p.outs = append(p.outs, p.outs[0])
	}
}

// axis draws the length of an axis.
func (p *pen) axis() int { return p.pool[p.r.IntN(len(p.pool))] }

// dims draws a shape; most have the leading axis of the graph.
func (p *pen) dims() []int {
	d := make([]int, []int{0, 1, 2, 2, 2, 3, 3, 4}[p.r.IntN(8)])
	for i := range d {
		d[i] = p.axis()
	}
	if len(d) > 0 && p.r.IntN(3) > 0 {
		d[0] = p.lead
	}
	for len(d) > 0 && size(d) > sizeMax {
		d[1+p.r.IntN(len(d)-1)] = 1
	}
	return d
}

// data draws numbers.
func (p *pen) data(dt dtypes.DType, n int) any {
	switch dt {
	case dtypes.Bool:
		x := make([]bool, n)
		for i := range x {
			x[i] = p.r.IntN(2) == 0
		}
		return x
	case dtypes.Int32:
		x := make([]int32, n)
		for i := range x {
			x[i] = int32(p.r.IntN(7)) - 3
		}
		return x
	}
	x := make([]float32, n)
	form := p.r.IntN(8)
	for i := range x {
		x[i] = float32(p.r.NormFloat64())
		if form == 0 {
			x[i] = float32(p.r.IntN(5)) - 1.5
		}
		if form == 1 && n < 500 { // a long sum of equal numbers is off in the Go backend
			x[i] = x[0]
		}
	}
	return x
}

// param adds a parameter, or a constant.
func (p *pen) param(dims []int, dt dtypes.DType) int {
	dims = slices.Clone(dims)
	flat := p.data(dt, size(dims))
	if p.r.IntN(5) == 0 && size(dims) > 0 {
		return p.constant(flat, dims)
	}
	shape := shapes.Make(dt, dims...)
	v, err := p.scout.Parameter(fmt.Sprint("v", len(p.values)), shape, nil)
	if err != nil {
		panic(err)
	}
	p.values, p.vals = append(p.values, drawn{name: "Parameter", flat: flat, shape: shape}), append(p.vals, v)
	return len(p.values) - 1
}

func (p *pen) constant(flat any, dims []int) int {
	return p.add(drawn{name: "Constant", apply: func(f compute.Function, _ []compute.Value) (compute.Value, error) {
		return f.Constant(flat, dims...)
	}})
}

// add adds an operation, unless the scout refuses it; then it returns -1.
func (p *pen) add(d drawn) (n int) {
	defer func() {
		if recover() != nil {
			n = -1
		}
	}()
	in := make([]compute.Value, len(d.in))
	for i, u := range d.in {
		if u < 0 {
			return -1
		}
		in[i] = p.vals[u]
	}
	v, err := d.apply(p.scout, in)
	if err != nil {
		return -1
	}
	if d.shape, err = p.scout.Shape(v); err != nil || d.shape.Size() > sizeMax {
		return -1
	}
	p.values, p.vals = append(p.values, d), append(p.vals, v)
	return len(p.values) - 1
}

// pick chooses a value that will do, one of the latest if it can; -1: there is none.
func (p *pen) pick(ok func(s shapes.Shape) bool) int {
	found := -1
	for i := len(p.values) - 1; i >= 0; i-- {
		if ok(p.values[i].shape) {
			found = i
			if p.r.IntN(3) == 0 {
				return i
			}
		}
	}
	return found
}

func isFloat(s shapes.Shape) bool { return s.DType == dtypes.Float32 }
func isBool(s shapes.Shape) bool  { return s.DType == dtypes.Bool }
func isInt(s shapes.Shape) bool   { return s.DType == dtypes.Int32 }
func hasAxes(s shapes.Shape) bool { return s.DType == dtypes.Float32 && s.Rank() > 0 }

// like returns a value of the type and of shape dims, or one to be broadcast.
func (p *pen) like(dims []int, dt dtypes.DType) int {
	fits := func(s shapes.Shape) bool {
		if s.DType != dt || s.Rank() != len(dims) && s.Rank() != 0 {
			return false
		}
		for i, d := range s.Dimensions {
			if d != dims[i] && d != 1 {
				return false
			}
		}
		return true
	}
	if p.r.IntN(4) > 0 {
		if i := p.pick(fits); i >= 0 {
			return i
		}
	}
	d := slices.Clone(dims)
	for i := range d {
		if p.r.IntN(3) == 0 {
			d[i] = 1
		}
	}
	if p.r.IntN(6) == 0 {
		d = nil
	}
	return p.param(d, dt)
}

type unaryFunc = func(compute.Function, compute.Value) (compute.Value, error)

type binaryFunc = func(compute.Function, compute.Value, compute.Value) (compute.Value, error)

func (p *pen) unary(name string, x int, f unaryFunc) int {
	exact := slices.Contains([]string{"Neg", "Abs", "Identity", "Sign", "Floor", "Ceil", "Round"}, name)
	return p.add(drawn{name: name, in: []int{x}, exact: exact,
		apply: func(g compute.Function, v []compute.Value) (compute.Value, error) {
			return f(g, v[0])
		}})
}

func (p *pen) binary(name string, x, y int, f binaryFunc) int {
	exact := name == "Max" || name == "Min"
	return p.add(drawn{name: name, in: []int{x, y}, exact: exact,
		apply: func(g compute.Function, v []compute.Value) (compute.Value, error) {
			return f(g, v[0], v[1])
		}})
}

type namedUnary struct {
	name string
	f    unaryFunc
}

type namedBinary struct {
	name string
	f    binaryFunc
}

// tame are functions whose results stay small, or nearly so.
var tame = []namedUnary{
	{"Abs", compute.Function.Abs}, {"Neg", compute.Function.Neg}, {"Sin", compute.Function.Sin},
	{"Cos", compute.Function.Cos}, {"Tanh", compute.Function.Tanh}, {"Logistic", compute.Function.Logistic},
	{"Erf", compute.Function.Erf}, {"Identity", compute.Function.Identity}, {"Sign", signOf},
	{"Floor", compute.Function.Floor}, {"Ceil", compute.Function.Ceil}, {"Round", compute.Function.Round},
}

// signOf is the sign of a number, and of NaN, whose sign is 0 in the Go backend, NaN.
func signOf(f compute.Function, x compute.Value) (compute.Value, error) {
	nan, err := f.IsNaN(x)
	if err != nil {
		return nil, err
	}
	y, err := f.Sign(x)
	if err != nil {
		return nil, err
	}
	return f.Where(nan, x, y)
}

// wild are functions that mostly get what has been through tanh or the logistic function.
var wild = []namedUnary{
	{"Exp", compute.Function.Exp}, {"Expm1", compute.Function.Expm1}, {"Log1p", compute.Function.Log1p},
	{"Log", compute.Function.Log},
	{"Sqrt", compute.Function.Sqrt}, {"Rsqrt", compute.Function.Rsqrt},
}

var sums = []namedBinary{
	{"Add", compute.Function.Add}, {"Sub", compute.Function.Sub}, {"Mul", compute.Function.Mul},
	{"Max", compute.Function.Max}, {"Min", compute.Function.Min},
}

var comparisons = []namedBinary{
	{"Equal", compute.Function.Equal}, {"NotEqual", compute.Function.NotEqual}, {"LessThan", compute.Function.LessThan},
	{"LessOrEqual", compute.Function.LessOrEqual}, {"GreaterThan", compute.Function.GreaterThan},
	{"GreaterOrEqual", compute.Function.GreaterOrEqual},
}

var logic = []namedBinary{
	{"LogicalAnd", compute.Function.LogicalAnd}, {"LogicalOr", compute.Function.LogicalOr},
	{"LogicalXor", compute.Function.LogicalXor},
}

// any adds an operation of some kind.
func (p *pen) any() {
	kinds := []struct {
		weight int
		f      func()
	}{
		{10, p.unaryOp}, {4, p.wildOp}, {20, p.binaryOp}, {2, p.rareOp}, {4, p.compareOp}, {3, p.logicOp},
		{5, p.whereOp},
		{2, p.clampOp}, {3, p.convertOp}, {5, p.broadcastOp}, {5, p.reshapeOp}, {5, p.sliceOp}, {5, p.transposeOp},
		{2, p.reverseOp}, {3, p.padOp}, {4, p.concatOp}, {8, p.reduceOp}, {7, p.dotOp}, {4, p.gramOp}, {3, p.factorOp},
		{1, p.intOp}, {3, p.layerOp},
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	n := p.r.IntN(total)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			k.f()
			return
		}
	}
}

func (p *pen) unaryOp() {
	u := tame[p.r.IntN(len(tame))]
	p.unary(u.name, p.pick(isFloat), u.f)
}

func (p *pen) wildOp() {
	u := wild[p.r.IntN(len(wild))]
	x := p.pick(isFloat)
	if p.r.IntN(10) > 0 {
		if u.name == "Exp" || u.name == "Expm1" {
			x = p.unary("Tanh", x, compute.Function.Tanh)
		} else { // not the magnitude of something: that of -0 is -0 in the Go backend
			x = p.unary("Logistic", x, compute.Function.Logistic)
		}
	}
	p.unary(u.name, x, u.f)
}

// pair returns a value, and another that can be added to it, in some order.
func (p *pen) pair() (x, y int) {
	if x = p.pick(isFloat); x < 0 {
		return -1, -1
	}
	y = p.like(p.values[x].shape.Dimensions, dtypes.Float32)
	if p.r.IntN(2) == 0 {
		x, y = y, x
	}
	return x, y
}

func (p *pen) binaryOp() {
	x, y := p.pair()
	op := sums[p.r.IntN(len(sums))]
	p.binary(op.name, x, y, op.f)
}

// rareOp adds a quotient, a power and their like.
func (p *pen) rareOp() {
	x, y := p.pair()
	switch p.r.IntN(4) {
	case 0:
		p.binary("Div", x, y, compute.Function.Div)
	case 1:
		p.binary("Pow", p.unary("Logistic", x, compute.Function.Logistic), p.unary("Tanh", y, compute.Function.Tanh),
			compute.Function.Pow)
	case 2:
		p.binary("Rem", x, y, compute.Function.Rem)
	case 3:
		// Not of -0, the sign of which would count.
		p.binary("Atan2", x, p.unary("Logistic", y, compute.Function.Logistic), compute.Function.Atan2)
	}
}

func (p *pen) compareOp() {
	x, y := p.pair()
	if p.r.IntN(6) == 0 {
		p.unary("IsFinite", x, compute.Function.IsFinite)
		p.unary("IsNaN", y, compute.Function.IsNaN)
		return
	}
	op := comparisons[p.r.IntN(len(comparisons))]
	if op.name == "Equal" || op.name == "NotEqual" { // whether x·5/2 - x·3/2 is x depends on how it is rounded
		x, y = p.unary("Round", x, compute.Function.Round), p.unary("Round", y, compute.Function.Round)
	}
	p.binary(op.name, x, y, op.f)
}

func (p *pen) logicOp() {
	x := p.pick(isBool)
	if x < 0 {
		x = p.param(p.dims(), dtypes.Bool)
	}
	if p.r.IntN(4) == 0 {
		p.unary("LogicalNot", x, compute.Function.LogicalNot)
		return
	}
	op := logic[p.r.IntN(len(logic))]
	p.binary(op.name, x, p.like(p.values[x].shape.Dimensions, dtypes.Bool), op.f)
}

func (p *pen) whereOp() {
	x := p.pick(isFloat)
	if x < 0 {
		return
	}
	dims := p.values[x].shape.Dimensions
	dt := dtypes.Float32
	if p.r.IntN(6) == 0 {
		dt = dtypes.Bool
	}
	same := func(dt dtypes.DType) int {
		i := p.pick(func(s shapes.Shape) bool {
			return s.DType == dt && (slices.Equal(s.Dimensions, dims) || s.Rank() == 0)
		})
		if i < 0 {
			i = p.param(dims, dt)
		}
		return i
	}
	p.add(drawn{name: "Where", in: []int{same(dtypes.Bool), same(dt), same(dt)}, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.Where(v[0], v[1], v[2])
		}})
}

func (p *pen) clampOp() {
	x := p.pick(isFloat)
	if x < 0 {
		return
	}
	bound := func(v float32) int {
		dims := p.values[x].shape.Dimensions
		if p.r.IntN(2) == 0 {
			dims = nil
		}
		flat := make([]float32, size(dims))
		for i := range flat {
			flat[i] = v
		}
		return p.constant(flat, dims)
	}
	p.add(drawn{name: "Clamp", in: []int{bound(-0.7), x, bound(0.9)}, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.Clamp(v[0], v[1], v[2])
		}})
}

func (p *pen) convertOp() {
	to := []dtypes.DType{dtypes.Float32, dtypes.Bool, dtypes.Int32}[p.r.IntN(3)]
	x := p.pick(func(s shapes.Shape) bool { return s.DType != to })
	if x < 0 {
		return
	}
	if to == dtypes.Int32 && isFloat(p.values[x].shape) {
		x = p.unary("Tanh", x, compute.Function.Tanh) // what does not fit is undefined
	}
	p.add(drawn{name: "ConvertDType " + to.String(), in: []int{x}, exact: true,
		apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
			return f.ConvertDType(v[0], to)
		}})
}

// intOp adds operations that are not compiled.
func (p *pen) intOp() {
	if x := p.pick(isInt); x >= 0 {
		op := sums[p.r.IntN(2)]
		p.binary(op.name, x, p.like(p.values[x].shape.Dimensions, dtypes.Int32), op.f)
		return
	}
	if x := p.pick(hasAxes); x >= 0 {
		p.add(drawn{name: "ArgMinMax", in: []int{x},
			apply: func(f compute.Function, v []compute.Value) (compute.Value, error) {
				return f.ArgMinMax(v[0], 0, dtypes.Int32, true)
			}})
	}
}
