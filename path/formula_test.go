package path

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// double and single are Numbers: a float64, and one that is rounded to float32 by every
// operation, as in a graph.
type (
	double float64
	single float32
)

func (a double) Plus(b double) double               { return a + b }
func (a double) Minus(b double) double              { return a - b }
func (a double) Times(b double) double              { return a * b }
func (a double) Over(b double) double               { return a / b }
func (a double) Affine(scale, shift float64) double { return double(scale*float64(a) + shift) }
func (a double) Power(n float64) double             { return double(math.Pow(float64(a), n)) }
func (a double) Exp() double                        { return double(math.Exp(float64(a))) }
func (a double) Expm1() double                      { return double(math.Expm1(float64(a))) }
func (a double) Log() double                        { return double(math.Log(float64(a))) }
func (a double) Sqrt() double                       { return double(math.Sqrt(float64(a))) }
func (a double) Sin() double                        { return double(math.Sin(float64(a))) }

func (a single) Plus(b single) single  { return a + b }
func (a single) Minus(b single) single { return a - b }
func (a single) Times(b single) single { return a * b }
func (a single) Over(b single) single  { return a / b }
func (a single) Affine(scale, shift float64) single {
	return single(float32(float32(scale)*float32(a)) + float32(shift))
}
func (a single) Power(n float64) single { return single(double(a).Power(float64(float32(n)))) }
func (a single) Exp() single            { return single(double(a).Exp()) }
func (a single) Expm1() single          { return single(double(a).Expm1()) }
func (a single) Log() single            { return single(double(a).Log()) }
func (a single) Sqrt() single           { return single(double(a).Sqrt()) }
func (a single) Sin() single            { return single(double(a).Sin()) }

// formulaCases are the schedules that have one, with settings of each.
var formulaCases = []Scheduler{CondOT{}, CondOT{SigmaMin: 0.1}, &CondOT{SigmaMin: 1e-4}, VP{},
	VP{BetaMin: 1, BetaMax: 5},
	VE{}, VE{SigmaMin: 1e-3, SigmaMax: 200}, Cosine{}, &Cosine{}, Poly{}, Poly{N: 1}, Poly{N: 3.5}, Poly{N: 20},
	LinearVP{}}

// The formulas are the conversions, in float64 to its last digits but a few and in float32
// to 1e-5, at both ends of the span too.
func TestFormulasAreTheConversions(t *testing.T) {
	for _, s := range formulaCases {
		for _, y := range []Prediction{Velocity, Data, Noise, Score} {
			for _, p := range []*Precondition{nil, {Data: 0.3}, {Data: 1e20, Source: 3e20}} {
				t.Run(fmt.Sprintf("%T%v %v %v", s, s, y, p), func(t *testing.T) {
					compareFormulas[double](t, s, y, p, func(v float64) double { return double(v) }, 1e-11)
					compareFormulas[single](t, s, y, p, func(v float64) single { return single(v) }, 1e-5)
				})
			}
		}
	}
}

func compareFormulas[V interface {
	~float32 | ~float64
	Number[V]
}](t *testing.T, s Scheduler, y Prediction, p *Precondition, number func(float64) V, tol float64) {
	t.Helper()
	formula, err := ToVelocity[V](s, y, p)
	if err != nil {
		t.Fatal(err)
	}
	lo, hi := Span(s, y)
	if p != nil {
		lo, hi = Span(s, Velocity)
	}
	for _, u := range []float64{0, 1e-6, 1e-4, 0.01, 0.2, 0.5, 0.7, 0.95, 0.999, 0.99999, 1} {
		at := number(lo + u*(hi-lo))
		if float64(at) > hi {
			at = number(float64(math.Nextafter32(float32(hi), 0))) // rounded up, past the end
		}
		in, time, skip, out := formula(at)
		c := s.At(float64(at))
		want := Scaling{}
		if p == nil {
			want.Skip, want.Out = c.Convert(y, Velocity)
		} else {
			want = p.At(c, Velocity)
		}
		// A skip that is a difference of two larger numbers is exact beside what it adds to:
		// skip R to the velocity, whose size is that of both targets.
		const zero = 1e-15 // cos(π/2) in float64, and what float32 cannot hold
		size := math.Abs(want.Skip) + zero/tol
		if p != nil {
			s1, s0 := p.scales()
			size = max(size, math.Hypot(c.DAlpha*s1, c.DSigma*s0)*want.In)
		}
		for _, f := range []struct {
			name      string
			got       V
			want, ref float64
		}{{"in", in, want.In, want.In}, {"time", time, want.Time, 2}, {"skip", skip, want.Skip, size},
			{"out", out, want.Out, math.Abs(want.Out) + zero/tol}} {
			if p == nil && f.name == "time" {
				continue
			}
			if e := math.Abs(float64(f.got) - f.want); !(e <= tol*f.ref) {
				t.Errorf("t = %g: %s is %g, want %g", float64(at), f.name, float64(f.got), f.want)
			}
		}
	}
}

func TestOtherSchedulesHaveNoFormula(t *testing.T) {
	type embedding struct{ CondOT }
	for _, s := range []Scheduler{nil, Func{Fn: CondOT{}.At}, Bridge{Sigma: 1}, embedding{}, (*VP)(nil)} {
		if _, err := ToVelocity[double](s, Data, nil); !errors.Is(err, ErrNoFormula) {
			t.Errorf("%T: error %v, want ErrNoFormula", s, err)
		}
	}
	if _, err := ToVelocity[double](CondOT{}, Prediction(9), nil); err == nil {
		t.Error("no error for a prediction that is none")
	}
	if _, err := ToVelocity[double](CondOT{}, Data, &Precondition{Data: -1}); err == nil {
		t.Error("no error for a negative scale")
	}
}
