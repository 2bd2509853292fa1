package eval

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// learntNothing is a subject whose network is 0 everywhere, with held-out points of
// N(0, std² I).
func learntNothing(t *testing.T, spec model.Spec, n int, std float64) Subject {
	t.Helper()
	eng, err := nn.Open("")
	check(t, err)
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{8}}, 1)
	check(t, err)
	net, err = net.WithWeights(make([]float32, net.NumWeights()))
	check(t, err)
	m, err := model.New(spec, net)
	check(t, err)
	x := flow.NewBatch(n, 2)
	flow.Gaussian{Std: std}.Sample(x, seed.Rand(1, "eval test points", 0))
	set := &data.Set{Name: "normal", Dim: 2, Test: data.Points{X: x}, Density: flow.Gaussian{Std: std}}
	return Subject{Model: m, Set: set, Settings: Settings{Samples: 20}}
}

// exactly is the flow to N(0, 9 I), which a preconditioned network of that scale is that
// has learnt nothing.
var exactly = model.Spec{Path: path.Config{Name: "condot"}, Precondition: &path.Precondition{Data: 3}}

// reported evaluates the likelihood alone.
func reported(t *testing.T, s Subject) *Likelihood {
	t.Helper()
	rep, err := s.Report(t.Context(), PartLikelihood)
	check(t, err)
	c := rep.Likelihood.Check
	if c == nil || c.Trusted != (len(c.Why) == 0) || (len(c.Help) == 0) != c.Trusted {
		t.Fatalf("check %+v", c)
	}
	return rep.Likelihood
}

func TestALikelihoodThatIsRightIsTrusted(t *testing.T) {
	s := learntNothing(t, exactly, 500, 3)
	l := reported(t, s)
	c := l.Check
	if math.Abs(*l.Gap) > 1e-5 || !c.Trusted || *c.Difference > 1e-4 || c.CutDifference != nil || c.Points != 64 {
		t.Errorf("gap %g, check %+v", *l.Gap, c)
	}
	// The limit is the standard error, as the middle half of 500 points gives it. The
	// values of -log p of a normal law in the plane are exponential: the middle half is
	// ln 3 wide, and the largest 1 % add (1 + ln 50)/100 to the mean beside the median.
	if se := math.Log(3) / 1.349 / math.Sqrt(500); math.Abs(c.Limit-se) > 0.2*se {
		t.Errorf("limit %g, want about %g", c.Limit, se)
	}
	if want := (1 + math.Log(50)) / 100; math.Abs(*c.Tail-want) > 0.3*want {
		t.Errorf("tail %g, want about %g", *c.Tail, want)
	}
	// Of a few points the tail is one of them.
	if c := reported(t, learntNothing(t, exactly, 60, 3)).Check; *c.Tail > 0.2 || c.Points != 60 || !c.Trusted {
		t.Errorf("60 points: %+v", c)
	}
	if c := reported(t, learntNothing(t, exactly, 3, 3)).Check; c.Tail != nil || !c.Trusted {
		t.Errorf("3 points: %+v", c)
	}
	// The figure is that of the solve alone, to the bit.
	x, given, err := s.TestPoints(0)
	check(t, err)
	logp, _, err := s.LogProb(t.Context(), x, given)
	check(t, err)
	mean, se := stat.MeanStdErr(logp)
	if l.NLL != -mean || l.StdErr != se {
		t.Errorf("NLL %v ± %v, want %v ± %v", l.NLL, l.StdErr, -mean, se)
	}
}

// Points out of bounds are in no mean, and are not what its check looks at: far out, a solve is off by nats.
func TestTheCheckOfALikelihoodIsOfThePointsInBounds(t *testing.T) {
	spec := exactly
	spec.Bounds = data.Bounds{{-15, 15}, {-15, 15}}
	s := learntNothing(t, spec, 200, 3)
	x, given, err := s.TestPoints(0)
	check(t, err)
	for i := 0; i < x.N; i += 10 {
		x.Row(i)[0] = 1e5
	}
	l, _, err := s.Likelihood(t.Context(), x, given)
	check(t, err)
	if c := l.Check; l.Points != 180 || l.Mass.Outside != 20 || !c.Trusted || *c.Difference > 1e-4 || c.Points != 64 {
		t.Errorf("%d points in bounds and %d out of them, check %+v", l.Points, l.Mass.Outside, *c)
	}
	x.Row(0)[0] = 1e200 // so far that its log-density is -Inf: out of bounds all the same
	if l, _, err = s.Likelihood(t.Context(), x, given); err != nil || l.Points != 180 || l.Mass.Outside != 20 {
		t.Errorf("a point beyond all numbers: %+v, %v", l, err)
	}
}

func TestALikelihoodThatIsNotRightSaysWhy(t *testing.T) {
	singular := model.Spec{Path: path.Config{Name: "condot"}, Prediction: path.Data}
	for _, c := range []struct {
		name  string
		spec  model.Spec
		std   float64
		solve ode.Config
		why   []string
		help  string
	}{
		{"tolerances far too loose", exactly, 3, ode.Config{RTol: 0.5, ATol: 0.5, Solver: "bosh3"},
			[]string{"a finer solve changes it"}, "ask for finer tolerances"},
		{"too few steps", exactly, 3, ode.Config{Solver: "euler", Steps: 5}, []string{"a finer solve changes it"},
			"take more steps"},
		// A network that predicts the data to be at 0 has a velocity of -x/(1 - t).
		{"a singular end", singular, 0.002, ode.Config{},
			[]string{"depends on where the times are cut: t from 0 to 0.998, not 0 to 0.999"}, "precondition: true"},
		{"an end that is nearly singular", model.Spec{Path: path.Config{Name: "condot", SigmaMin: new(1e-4)},
			Prediction: path.Data}, 2e-4, ode.Config{}, []string{"t from 0 to 0.9999, not 0 to 1"}, "velocity"},
	} {
		s := learntNothing(t, c.spec, 200, c.std)
		s.Settings.Solve = c.solve
		l := reported(t, s)
		text := strings.Join(l.Check.Why, "; ")
		t.Logf("%s: gap %.3g; %s; %v", c.name, *l.Gap, text, l.Check.Help)
		if len(l.Check.Why) != len(c.why) {
			t.Errorf("%s: %q, want %q", c.name, l.Check.Why, c.why)
		}
		for _, want := range c.why {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %q", c.name, text, want)
			}
		}
		if !strings.Contains(strings.Join(l.Check.Help, "; "), c.help) {
			t.Errorf("%s: help %q lacks %q", c.name, l.Check.Help, c.help)
		}
	}
}

func TestAMeanThatAFewPointsDecideIsNotTrusted(t *testing.T) {
	s := learntNothing(t, exactly, 500, 3)
	x := s.Set.Test.(data.Points).X
	for i := range 3 { // 3 of 500 at 60 standard deviations: -log p of some 1800 nats each
		x.Row(100 * i)[0] = 180
	}
	s.Settings.Solve = ode.Config{RTol: 1e-7, ATol: 1e-7}
	c := reported(t, s).Check
	const why = "a few points decide it: the least likely 1 % add 11 nats"
	if c.Trusted || len(c.Why) != 1 || !strings.HasPrefix(c.Why[0], why) ||
		!strings.Contains(c.Help[0], "compare medians") || math.Abs(*c.Tail-3*1800./500) > 0.2 {
		t.Errorf("three points far away: tail %g, %+v", *c.Tail, c)
	}
}

func TestSpreadsAreWhatHalfOfThePointsSay(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want spread
	}{
		{[]float64{3}, spread{median: 3}},
		{[]float64{4, 1, 3, 2}, spread{median: 3, half: 2, tail: 0.25}},
	} {
		if got := spreadOf(c.v); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.v, got, c.want)
		}
	}
	v := make([]float64, 200)
	for i := range v {
		v[i] = float64(i)
	}
	v[0], v[1] = 1100, 2100 // the largest 1 %; what is left is 2 to 199
	if got, want := spreadOf(v), (spread{102, 100, (998 + 1998) / 200.}); math.Abs(got.tail-want.tail) > 1e-12 ||
		got.median != want.median || got.half != want.half {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// The end of its context in the check leaves the figure where it is.
func TestTheFigureIsThereWhenTheCheckIsStopped(t *testing.T) {
	s := learntNothing(t, exactly, 200, 3)
	want := reported(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	s.Watch = func(what string, _ int) model.Progress {
		if what == "log-densities solved again" {
			cancel()
		}
		return nil
	}
	rep, err := s.Report(ctx, PartLikelihood)
	fails(t, "a context that ends in the check", err, "context canceled")
	if l := rep.Likelihood; l == nil || l.NLL != want.NLL || *l.Gap != *want.Gap || l.Check != nil {
		t.Errorf("a context that ends in the check: %+v", l)
	}
}

func TestVerdicts(t *testing.T) {
	s := learntNothing(t, exactly, 10, 3)
	inf, nan := new(math.Inf(1)), new(math.NaN())
	for _, c := range []struct {
		name   string
		points int
		of     spread
		m      model.LikelihoodCheck
		err    error
		why    []string
	}{
		{"all is well", 500, spread{half: 2, tail: 0.1}, model.LikelihoodCheck{Difference: new(1e-5)}, nil, nil},
		{"infinite", 500, spread{half: 2, tail: 0.1}, model.LikelihoodCheck{Difference: inf, CutDifference: nan}, nil,
			[]string{"a finer solve changes it by +Inf nats", "changes it by NaN nats"}},
		{"the solver explains the cut", 10000, spread{half: 2}, model.LikelihoodCheck{Difference: new(0.5),
			CutDifference: new(0.3)}, nil, []string{"a finer solve changes it by 0.5 nats a point (limit 0.02)"}},
		{"the solver does not explain the cut", 10000, spread{half: 2}, model.LikelihoodCheck{Difference: new(0.5),
			CutDifference: new(0.7)}, nil, []string{"finer", "changes it by 0.7 nats a point (limit 0.02)"}},
		{"within the standard error", 400, spread{half: 1.349, tail: 0.1}, model.LikelihoodCheck{Difference: new(0.049),
			CutDifference: new(0.049)}, nil, nil},
		{"beyond it", 400, spread{half: 1.349, tail: 0.1}, model.LikelihoodCheck{Difference: new(0.051)}, nil,
			[]string{"(limit 0.05)"}},
		{"a tail excuses nothing", 400, spread{half: 1.349, tail: 0.4}, model.LikelihoodCheck{Difference: new(0.051)},
			nil, []string{"(limit 0.05)", "the least likely 1 % add 0.4 nats"}},
		{"one of few", 99, spread{half: 1, tail: 9}, model.LikelihoodCheck{Difference: new(0.0)}, nil,
			[]string{"one point decides it: the least likely adds 9 nats"}},
		{"a large one of few", 99, spread{half: 1, tail: 0.9}, model.LikelihoodCheck{Difference: new(0.0)}, nil, nil},
		{"three have no tail", 3, spread{half: 1, tail: 9}, model.LikelihoodCheck{Difference: new(0.0)}, nil, nil},
		{"a tail of roundings", 100, spread{tail: 1e-9}, model.LikelihoodCheck{Difference: new(0.0)}, nil, nil},
		{"failed", 500, spread{half: 2, tail: 0.1}, model.LikelihoodCheck{Points: 64}, errors.New("it is late"),
			[]string{"it could not be solved for again: it is late"}},
		{"failed at last", 500, spread{half: 2, tail: 0.1}, model.LikelihoodCheck{Difference: new(9.0)},
			errors.New("it is late"), []string{"it is late", "changes it by 9 nats"}},
	} {
		got := s.verdict(&Likelihood{Points: c.points, StdErr: 1}, c.of, c.m, c.err)
		if len(got.Why) != len(c.why) || got.Trusted != (len(c.why) == 0) || len(got.Help) > len(got.Why) {
			t.Errorf("%s: %+v, want %q", c.name, got, c.why)
			continue
		}
		for i, want := range c.why {
			if !strings.Contains(got.Why[i], want) {
				t.Errorf("%s: %q lacks %q", c.name, got.Why[i], want)
			}
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
