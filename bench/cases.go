package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

// benchSeed fixes weights and points.
const benchSeed = 1

// points is the number of points of a solve.
const points = 1000

// tolerance of the adaptive solves, relative and absolute.
const tolerance = 1e-5

// trainings are the networks and batches of the training cases.
var trainings = []struct {
	width, depth, batch, most int
	quick                     bool
}{{64, 3, 256, 3000, true}, {256, 4, 1024, 300, false}, {512, 5, 4096, 30, false}}

// cases returns every case there is.
func cases() []Case {
	return slices.Concat(trainCases(), convCases(), imageCases(), transformerCases(), publishedCases(), halfCases(),
		solveCases(), couplingCases(), scalingCases())
}

func trainCases() (out []Case) {
	for _, c := range trainings {
		out = append(out, Case{
			Name: fmt.Sprintf("train mlp%dx%d B%d", c.width, c.depth, c.batch), Group: "train", Unit: "step",
			Most: c.most, Quick: c.quick, flops: trainFLOPS(2, c.width, c.depth, c.batch),
			prepare: trainSteps(2, c.width, c.depth, c.batch, nn.StepOptions{}),
		})
	}
	return out
}

// trainFLOPS counts the operations of the products of a training step: of each
// layer forwards, and backwards with respect to weights and, but for the first,
// inputs.
func trainFLOPS(dim, width, depth, batch int) float64 {
	first, inner, last := (dim+1)*width, (depth-1)*width*width, width*dim
	return 2 * float64(batch) * float64(2*first+3*inner+3*last)
}

func convCases() []Case {
	shape := nn.ConvShape{N: 32, Height: 32, Width: 32, In: 64, Out: 64}
	name := "conv3x3 64-64 32x32 B32 "
	flops := 2 * float64(shape.N*shape.Height*shape.Width) * float64(9*shape.In*shape.Out)
	pass := func(direction string, flops float64, backward bool) Case {
		return Case{
			Name: name + direction, Group: "conv", Unit: "pass", Most: 1000, flops: flops,
			prepare: convolve(shape, backward),
		}
	}
	return []Case{pass("forward", flops, false), pass("forward+backward", 3*flops, true)}
}

func solveCases() (out []Case) {
	euler := ode.Solver{Method: ode.Euler, Control: ode.Fixed(100)}
	dopri := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: tolerance, ATol: tolerance}}
	for _, c := range []struct {
		width, depth int
		quick        bool
	}{{64, 3, true}, {512, 5, false}} {
		net := fmt.Sprintf("mlp%dx%d n%d", c.width, c.depth, points)
		solve := func(name, group string, prepare func(*nn.Engine) (work, error)) {
			out = append(out, Case{
				Name: name + " " + net, Group: group, Unit: "solve", Most: 100, Quick: c.quick, prepare: prepare,
			})
		}
		solve("sample euler100", "sample", sample(c.width, c.depth, euler))
		solve("sample dopri5 1e-5", "sample", sample(c.width, c.depth, dopri))
		solve("logp exact dopri5 1e-5", "likelihood", logProb(c.width, c.depth, dopri))
	}
	return out
}

func couplingCases() (out []Case) {
	for _, c := range []struct {
		n, d  int
		quick bool
	}{{256, 2, true}, {256, 784, true}, {1024, 2, true}, {4096, 2, false}} {
		out = append(out, Case{
			Name: fmt.Sprintf("exact OT n%d d%d", c.n, c.d), Group: "coupling", Unit: "matching",
			Most: 100, Quick: c.quick, prepare: match(c.n, c.d), host: true,
		})
	}
	return out
}

// scalingCases vary one size of a training step at a time.
func scalingCases() (out []Case) {
	add := func(axis, line string, at, dim, width, depth, batch, threads int) {
		out = append(out, Case{
			Name: fmt.Sprintf("scaling %s=%d %s", axis, at, line), Group: "scaling", Unit: "step", Most: 1000,
			Point: &Point{axis, line, at}, Quick: axis == "batch" && at <= 256 && width == 64,
			prepare: trainSteps(dim, width, depth, batch, nn.StepOptions{}), threads: threads,
		})
	}
	for _, width := range []int{64, 256} {
		for batch := 64; batch <= 8192; batch *= 2 {
			add("batch", fmt.Sprintf("mlp%dx3", width), batch, 2, width, 3, batch, 0)
		}
	}
	for width := 32; width <= 1024; width *= 2 {
		add("width", "3 layers B1024", width, 2, width, 3, 1024, 0)
	}
	for dim := 2; dim <= 256; dim *= 2 {
		add("dimension", "mlp256x3 B1024", dim, dim, 256, 3, 1024, 0)
	}
	for _, c := range trainings {
		for threads := 1; threads <= runtime.NumCPU(); threads *= 2 {
			line := fmt.Sprintf("mlp%dx%d B%d", c.width, c.depth, c.batch)
			add("threads", line, threads, 2, c.width, c.depth, c.batch, threads)
		}
	}
	return out
}

// mlp returns the network of a comparison: hidden layers of one width over [x, t].
func mlp(eng *nn.Engine, dim, width, depth int) (*nn.Net, error) {
	return nn.New(eng, nn.Config{Dim: dim, Hidden: slices.Repeat([]int{width}, depth)}, benchSeed)
}

// trainSteps trains by Adam along the conditional OT path; a unit is one step,
// with the drawing of its batch.
func trainSteps(dim, width, depth, batch int, o nn.StepOptions) func(*nn.Engine) (work, error) {
	return func(eng *nn.Engine) (work, error) {
		net, err := mlp(eng, dim, width, depth)
		if err != nil {
			return nil, err
		}
		return steps(net, checkerboard{dim}, batch, o)
	}
}

// steps is the work of training a network on points.
func steps(net *nn.Net, points data.Stream, batch int, o nn.StepOptions) (work, error) {
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}}, net)
	if err != nil {
		return nil, err
	}
	tr, err := net.NewTrainer(nn.Optimizer{}, o)
	if err != nil {
		return nil, err
	}
	objective := train.CFM{Data: points, Times: train.Times{IID: true}, Seed: benchSeed}
	loop := train.Loop{Batch: batch, LR: 1e-3, Schedule: "constant"}
	return func(ctx context.Context, units int) (int, error) {
		loop.Steps += units
		_, err := train.Session{Model: m, Objective: objective, Trainer: tr}.Run(ctx, loop)
		return 0, err
	}, nil
}

// checkerboard draws the 4 x 4 board on [-2, 2]², over 0.45, that the comparisons
// train on, in every pair of dim coordinates. The law hardly matters to the time;
// that it is drawn at all does.
type checkerboard struct{ dim int }

func (c checkerboard) Dim() int { return c.dim }

func (c checkerboard) Fill(x1 flow.Batch, _ flow.Given, step uint64) error {
	rng := seed.Rand(benchSeed, "bench/data", step)
	for k := 0; k < len(x1.X); k += 2 {
		x := 4*rng.Float64() - 2
		y := rng.Float64() - 2*float64(rng.IntN(2)) + math.Abs(math.Mod(math.Floor(x), 2))
		x1.X[k], x1.X[k+1] = x/0.45, y/0.45
	}
	return nil
}

// normals returns n points of N(mean, I) in d dimensions.
func normals(n, d int, mean float64, index uint64) flow.Batch {
	x := flow.NewBatch(n, d)
	flow.Gaussian{}.Sample(x, seed.Rand(benchSeed, "bench/points", index))
	for i := range x.X {
		x.X[i] += mean
	}
	return x
}

// convolve convolves images; a unit is one pass, with the gradients of the sum of
// the squares if so asked. Images and kernel are with the engine already.
func convolve(shape nn.ConvShape, backward bool) func(*nn.Engine) (work, error) {
	return func(eng *nn.Engine) (work, error) {
		c, err := nn.NewConv(eng, shape)
		if err != nil {
			return nil, err
		}
		rng := seed.Rand(benchSeed, "bench/images", 0)
		x := make([]float32, shape.N*shape.Height*shape.Width*shape.In)
		w := make([]float32, 3*3*shape.In*shape.Out)
		for _, v := range [][]float32{x, w} {
			for i := range v {
				v[i] = float32(rng.NormFloat64())
			}
		}
		if err := c.Load(x, w); err != nil {
			return nil, err
		}
		if !backward {
			return calls(func() error { return c.Forward(func([]float32) {}) }), nil
		}
		return calls(func() error {
			_, err := c.ForwardBackward(func(_, _ []float32) {})
			return err
		}), nil
	}
}

// sample solves from noise to data; a unit is one solve for all points.
func sample(width, depth int, s ode.Solver) func(*nn.Engine) (work, error) {
	return func(eng *nn.Engine) (work, error) {
		f, err := boundMLP(eng, width, depth)
		if err != nil {
			return nil, err
		}
		x0 := normals(points, 2, 0, 0)
		return solves(func(ctx context.Context) (ode.Stats, error) {
			return s.Solve(ctx, f.Velocity, x0.Clone().X, 0, 1)
		}), nil
	}
}

// logProb solves from data to noise with the exact divergence.
func logProb(width, depth int, s ode.Solver) func(*nn.Engine) (work, error) {
	return func(eng *nn.Engine) (work, error) {
		f, err := boundMLP(eng, width, depth)
		if err != nil {
			return nil, err
		}
		p := likelihood.Problem{Field: f, Source: flow.Gaussian{}, Divergence: likelihood.Exact{}, Solver: s}
		x1 := normals(points, 2, 0, 0)
		return solves(func(ctx context.Context) (ode.Stats, error) {
			_, _, st, err := p.LogProb(ctx, x1)
			return st, err
		}), nil
	}
}

// boundMLP returns the field of a perceptron of the plane.
func boundMLP(eng *nn.Engine, width, depth int) (nn.Velocity, error) {
	net, err := mlp(eng, 2, width, depth)
	if err != nil {
		return nil, err
	}
	return net.Bind(flow.Given{})
}

// solves is the work of solving, once a unit.
func solves(solve func(ctx context.Context) (ode.Stats, error)) work {
	return func(ctx context.Context, units int) (int, error) {
		var st ode.Stats
		for range units {
			var err error
			if st, err = solve(ctx); err != nil {
				return 0, err
			}
		}
		return st.NFE, nil
	}
}

// calls is the work of calling fn, once a unit.
func calls(fn func() error) work {
	return func(ctx context.Context, units int) (int, error) {
		for range units {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if err := fn(); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}
}

// match couples two sets of points by exact optimal transport, costs included.
func match(n, d int) func(*nn.Engine) (work, error) {
	return func(*nn.Engine) (work, error) {
		pairs, err := coupling.Config{Name: "ot"}.New()
		if err != nil {
			return nil, err
		}
		x0, x1, src := normals(n, d, 0, 0), normals(n, d, 1, 1), make([]int, n)
		return calls(func() error {
			return pairs.Match(src, x0, x1, nil, seed.Rand(benchSeed, "bench/match", 0))
		}), nil
	}
}
