package sde

import (
	"fmt"
	"math"
	"slices"

	"flowmatch/internal/choice"
	"flowmatch/path"
)

// Method is how a step is taken.
type Method int

// The methods. Orders are weak orders, of the mean and the variance of what comes
// out, for coefficients that are smooth over the span.
const (
	// EulerMaruyama is x + h b(t, x) + √h g_t z, of order 1, 1 evaluation a step.
	EulerMaruyama Method = iota
	// Heun averages the drift over both ends of the step, with one noise increment
	// z for predictor and corrector,
	//
	//	y  = x + h b(t, x) + n z,   n² = h (g_t² + g_{t+h}²)/2
	//	x' = x + h (b(t, x) + b(t+h, y))/2 + n z
	//
	// of order 2, since g does not depend on x (Kloeden and Platen 1992, section
	// 15.1), 2 evaluations a step. The last step is one of EulerMaruyama: the drift
	// at the end may be as steep as g²/σ², and one step does not lower the order.
	// (Karras et al., arXiv 2206.00364, do the same in algorithm 1.)
	Heun
	// DDPM is ancestral sampling (Ho, Jain and Abbeel, arXiv 2006.11239, algorithm
	// 2): a draw of x_s given x_t and x_1 = x̂_1, in the diffusion of the path, for
	// s the next time. It is DDIM with Eta 1, of order 1, 1 evaluation a step.
	DDPM
	// DDIM is x_s = α_s x̂_1 + √(σ_s² − η²σ̃²) x̂_0 + η σ̃ z with the variance of
	// ancestral sampling, σ̃² = σ_s² (1 − α_t²σ_s²/(α_s²σ_t²)) (Song, Meng and
	// Ermon, arXiv 2010.02502, equations 12 and 16), of order 1, 1 evaluation a
	// step. Eta 0 adds no noise: it is Euler's method for the probability flow in
	// x/α as a function of σ/α.
	DDIM
)

var methodNames = [...]string{"euler_maruyama", "heun_sde", "ddpm", "ddim"}

// String returns the name: euler_maruyama, heun_sde, ddpm or ddim.
func (m Method) String() string {
	if m < 0 || int(m) >= len(methodNames) {
		return fmt.Sprintf("Method(%d)", int(m))
	}
	return methodNames[m]
}

// Names returns the names ByName knows.
func Names() []string { return slices.Clone(methodNames[:]) }

// ByName is the inverse of String; its error lists the names.
func ByName(name string) (Method, error) {
	if err := choice.Check("sampler", name, methodNames[:]); err != nil {
		return 0, fmt.Errorf("sde: %w", err)
	}
	return Method(slices.Index(methodNames[:], name)), nil
}

// ancestral reports whether the step is from α and σ at two times, not an SDE's.
func (m Method) ancestral() bool { return m == DDPM || m == DDIM }

// evaluations returns how many a step makes of the prediction.
func (m Method) evaluations() int {
	if m == Heun {
		return 2
	}
	return 1
}

// drift returns a and b of the drift v + ½ g² s = a x + b f, and g².
func drift(sched path.Scheduler, p path.Prediction, d Diffusion, t float64) (a, b, g2 float64) {
	c := sched.At(t)
	a, b = c.Convert(p, path.Velocity)
	if g2 = d.Squared(t, c); g2 == 0 {
		return a, b, 0
	}
	as, bs := c.Convert(p, path.Score)
	return a + 0.5*g2*as, b + 0.5*g2*bs, g2
}

// update is a step, which is affine: x' = X x + F f + Z z for the prediction f
// at x and standard normal z.
type update struct{ X, F, Z float64 }

// step goes from t to s.
func (r *run) step(t, s float64) error {
	last := r.st.Accepted == r.steps()-1
	switch {
	case last && r.Denoise:
		a, b := r.path.At(t).Convert(r.pred, path.Data)
		return r.take(update{X: a, F: b}, t)
	case r.Method == DDPM:
		return r.take(ancestral(r.path.At(t), r.path.At(s), r.pred, 1), t)
	case r.Method == DDIM:
		return r.take(ancestral(r.path.At(t), r.path.At(s), r.pred, r.Eta), t)
	case r.Method == Heun && !last:
		return r.heun(t, s)
	}
	a, b, g2 := drift(r.path, r.pred, r.diffusion(), t)
	return r.take(euler(a, b, g2, s-t), t)
}

// euler is the step of EulerMaruyama.
func euler(a, b, g2, h float64) update {
	return update{X: 1 + h*a, F: h * b, Z: math.Sqrt(h * g2)}
}

// ancestral is the step of DDIM from the path's c to its n. What is kept of the
// noise is √(σ_s² − η²σ̃²), what is drawn again is η σ̃.
func ancestral(c, n path.Coef, p path.Prediction, eta float64) update {
	a1, b1 := c.Convert(p, path.Data)
	a0, b0 := c.Convert(p, path.Noise)
	ratio := c.Alpha * n.Sigma / (n.Alpha * c.Sigma)
	fresh := eta * eta * max(0, 1-ratio*ratio) // η²σ̃²/σ_s²
	keep := n.Sigma * math.Sqrt(1-fresh)
	return update{X: n.Alpha*a1 + keep*a0, F: n.Alpha*b1 + keep*b0, Z: n.Sigma * math.Sqrt(fresh)}
}

// take makes the step u from t.
func (r *run) take(u update, t float64) error {
	if err := r.prepare(u, t); err != nil {
		return err
	}
	for i, f := range r.f {
		r.x[i] = u.X*r.x[i] + u.F*f
	}
	if u.Z != 0 {
		for i, z := range r.z {
			r.x[i] += u.Z * z
		}
	}
	return nil
}

// heun takes the step of Heun from t to s.
func (r *run) heun(t, s float64) error {
	h := s - t
	a, b, g2 := drift(r.path, r.pred, r.diffusion(), t)
	a1, b1, g21 := drift(r.path, r.pred, r.diffusion(), s)
	u := euler(a, b, 0.5*(g2+g21), h)
	if end := (update{a1, b1, g21}); !end.finite() {
		return r.badStep(end, s)
	}
	if err := r.prepare(u, t); err != nil {
		return err
	}
	// y is the predictor, z the corrector but for the drift at y: x stays the points at
	// t for as long as the step may fail.
	for i, f := range r.f {
		half, noise := 0.5*h*(a*r.x[i]+b*f), u.Z*r.z[i]
		r.y[i] = r.x[i] + 2*half + noise
		r.z[i] = r.x[i] + (half + noise)
	}
	if err := r.predict(s, r.y); err != nil {
		return err
	}
	for i, f := range r.f {
		r.x[i] = r.z[i] + 0.5*h*(a1*r.y[i]+b1*f)
	}
	return nil
}

// prepare evaluates the prediction and draws the noise that the step u needs.
func (r *run) prepare(u update, t float64) error {
	if !u.finite() {
		return r.badStep(u, t)
	}
	if err := r.predict(t, r.x); err != nil {
		return err
	}
	if u.Z != 0 {
		r.noise(r.z, r.st.Accepted)
	}
	return nil
}

func (u update) finite() bool { return u.X-u.X+u.F-u.F+u.Z-u.Z == 0 }

func (r *run) badStep(u update, t float64) error {
	c := r.path.At(t)
	return fmt.Errorf("sde: %w: %v from a prediction of %v has no step at t=%g (coefficients %g, %g, %g; "+
		"alpha %g, sigma %g, g² %g): g² must be finite and not negative, and the path within its Span",
		ErrInvalid, r.Sampler, r.pred, t, u.X, u.F, u.Z, c.Alpha, c.Sigma, r.diffusion().Squared(t, c))
}
