package ode

import (
	"fmt"
	"math"
)

// withDefaults returns a with its zero fields filled in.
func (a Adaptive) withDefaults() Adaptive {
	if a.Norm == nil {
		a.Norm = RMS
	}
	if a.P == 0 && a.I == 0 && a.D == 0 {
		a.I = 1
	}
	for _, d := range []struct {
		field *float64
		value float64
	}{{&a.Safety, 0.9}, {&a.MinFactor, 0.2}, {&a.MaxFactor, 10}, {&a.MaxStep, math.Inf(1)}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return a
}

func (a Adaptive) start(r *run) (stepper, error) {
	if a.Each {
		return nil, fmt.Errorf("ode: %w: Adaptive.Each is for points, and this solve has one state: "+
			"use SolvePoints, or leave it out", ErrInvalid)
	}
	a, err := a.complete(r.m)
	if err != nil {
		return nil, err
	}
	return a.pid(), nil
}

// complete returns a with its defaults, or what is wrong with it for a method.
func (a Adaptive) complete(m *Tableau) (Adaptive, error) {
	if m.BErr == nil {
		return a, fmt.Errorf("ode: %w: method %s has no error estimate, so it cannot step adaptively; use Fixed or "+
			"Grid, or one of %s",
			ErrInvalid, m.Name, adaptiveNames())
	}
	// Written so that a NaN fails too.
	if !(a.RTol > 0) || !(a.ATol > 0) {
		return a, fmt.Errorf("ode: %w: Adaptive needs RTol > 0 and ATol > 0, got RTol=%g ATol=%g; there is no "+
			"default, 1e-5 for both is what the paper uses",
			ErrInvalid, a.RTol, a.ATol)
	}
	a = a.withDefaults()
	for _, c := range []struct {
		ok    bool
		name  string
		value float64
		want  string
	}{
		{a.Safety > 0 && a.Safety < 1, "Safety", a.Safety, "in (0,1)"},
		{a.MinFactor > 0 && a.MinFactor < 1, "MinFactor", a.MinFactor, "in (0,1)"},
		{a.MaxFactor > 1, "MaxFactor", a.MaxFactor, "above 1"},
		{a.InitialStep >= 0, "InitialStep", a.InitialStep, "a length, not negative"},
		{a.MinStep >= 0, "MinStep", a.MinStep, "a length, not negative"},
		{a.MaxStep > a.MinStep, "MaxStep", a.MaxStep, "above MinStep"},
		{a.I > 0, "I", a.I, "positive"},
	} {
		if !c.ok {
			return a, fmt.Errorf("ode: %w: Adaptive.%s is %g, it must be %s", ErrInvalid, c.name, c.value, c.want)
		}
	}
	return a, nil
}

// pid returns the control at the start of a solve; a is complete.
func (a Adaptive) pid() *pid {
	return &pid{Adaptive: a, pidState: pidState{h: a.InitialStep, maxFactor: a.MaxFactor, inv1: 1, inv2: 1}}
}

// pid is an adaptive control under way.
type pid struct {
	Adaptive
	pidState
}

// pidState is what a pid remembers from step to step. Lengths are unsigned.
type pidState struct {
	h          float64 // length of the next step; 0: not chosen yet
	maxFactor  float64 // MaxFactor, or 1 just after a rejection
	inv1, inv2 float64 // ε of the accepted step before this one, and of the one before that
	nonFinite  bool    // the last trial was rejected because it was not finite
}

func (c *pid) next(r *run) (float64, error) {
	if c.h == 0 {
		h, err := c.initialStep(r)
		if err != nil {
			return 0, err
		}
		c.h = h
	}
	c.h = min(c.h, c.MaxStep)
	rest := math.Abs(r.t1 - r.t)
	// A step that would leave a tiny rest is stretched to the end.
	if c.h >= rest || (1.01*c.h >= rest && rest <= c.MaxStep) {
		return r.t1, nil
	}
	tNext := r.t + r.dir*c.h
	// Below about 8 units in the last place of t the nodes of the stages coincide.
	if c.h < c.MinStep || math.Abs(tNext-r.t) < 8*math.Abs(math.Nextafter(r.t, r.t1)-r.t) {
		if c.nonFinite {
			return 0, r.fail(ErrNonFinite, r.dir*c.h,
				"no step, however short, leads to a finite state: look for a singularity of f there")
		}
		return 0, r.fail(ErrStepTooSmall, r.dir*c.h, "the solution is stiff, singular or discontinuous there, or the "+
			"tolerance is beyond float64: loosen RTol and ATol, or lower MinStep if it is set")
	}
	return tNext, nil
}

func (c *pid) accept(r *run, tNext float64) (bool, error) {
	h := tNext - r.t
	e := c.errorNorm(r, h)
	// A NaN or Inf often means only that the step was too long for f; shrink first.
	if c.nonFinite = math.IsNaN(e) || math.IsInf(e, 0) || !finite(r.y); c.nonFinite {
		c.h = math.Abs(h) * c.MinFactor
		c.maxFactor = 1
		return false, nil
	}
	k := float64(min(r.m.ErrOrder, r.m.Order) + 1)
	// ε, bounded so that a step without error does not make the next ones look bad.
	inv := min(math.Pow(max(e, 1e-300), -1/k), c.MaxFactor/c.Safety)
	if e > 1 {
		c.h = math.Abs(h) * min(max(c.Safety*inv, c.MinFactor), 1)
		c.maxFactor = 1
		return false, nil
	}
	factor := c.Safety * math.Pow(inv, c.P+c.I+c.D) * math.Pow(c.inv1, -(c.P+2*c.D)) * math.Pow(c.inv2, c.D)
	c.h = math.Abs(h) * min(max(factor, c.MinFactor), c.maxFactor)
	c.maxFactor = c.MaxFactor
	c.inv1, c.inv2 = inv, c.inv1
	return true, nil
}

// errorNorm returns Norm(r) for the step of length h that led from r.x to r.y.
func (c *pid) errorNorm(r *run, h float64) float64 {
	combine(r.e, nil, h, r.m.BErr, r.k)
	for i, e := range r.e {
		r.e[i] = e / (c.ATol + c.RTol*max(math.Abs(r.x[i]), math.Abs(r.y[i])))
	}
	return c.Norm(r.e)
}

// initialStep estimates a first step from x, f and one Euler step (HNW II.4).
func (c *pid) initialStep(r *run) (float64, error) {
	t, h0, err := c.euler(r)
	if err != nil {
		return 0, err
	}
	if err := r.eval(r.k[1], t, r.y); err != nil {
		return 0, err
	}
	return c.firstStep(r, h0), nil
}

// scaled returns the norm of v, less minus unless that is nil, in units of the tolerance.
func (c *pid) scaled(r *run, v, minus []float64) float64 {
	for i := range r.e {
		d := v[i]
		if minus != nil {
			d -= minus[i]
		}
		r.e[i] = d / (c.ATol + c.RTol*math.Abs(r.x[i]))
	}
	return c.Norm(r.e)
}

// euler writes the end of a short Euler step into r.y, and returns its time and length.
func (c *pid) euler(r *run) (t, h0 float64, err error) {
	rest := math.Abs(r.t1 - r.t)
	d0, d1 := c.scaled(r, r.x, nil), c.scaled(r, r.k[0], nil)
	h0 = 1e-6
	if d0 >= 1e-5 && d1 >= 1e-5 {
		h0 = 0.01 * d0 / d1
	}
	h0 = min(h0, rest, c.MaxStep)
	if err := r.move(r.y, r.dir*h0, []float64{1}); err != nil {
		return 0, 0, err
	}
	if h0 == rest {
		return r.t1, h0, nil
	}
	return r.t + r.dir*h0, h0, nil
}

// firstStep returns the length of the first step from f after an Euler step of length h0,
// which is in r.k[1]: the first step overwrites it.
func (c *pid) firstStep(r *run, h0 float64) float64 {
	rest := math.Abs(r.t1 - r.t)
	d1, d2 := c.scaled(r, r.k[0], nil), c.scaled(r, r.k[1], r.k[0])/h0
	h1 := max(1e-6, h0*1e-3)
	if d := max(d1, d2); d > 1e-15 {
		h1 = math.Pow(0.01/d, 1/float64(r.m.ErrOrder+1))
	}
	h := max(min(100*h0, h1, rest), c.MinStep)
	if math.IsNaN(h) || h == 0 { // the Euler step left the domain of f: begin short and grow
		h = max(1e-6*rest, c.MinStep)
	}
	return h
}
