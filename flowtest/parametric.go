package flowtest

import (
	"fmt"

	"flowmatch/flow"
)

// parametric compares what VJPParams and VJPAug of a field say of x and θ, and checks that
// they add. The field's own tests compare its gradients with numeric ones: the suite
// cannot change θ.
func (p probe) parametric() error {
	f, ok := p.f.(flow.Parametric)
	if !ok {
		return nil
	}
	const start = 0.5 // what is there before
	newGradient := func() (gx, gtheta []float64) {
		gx, gtheta = make([]float64, len(p.x)), make([]float64, f.NumParams())
		for _, g := range [][]float64{gx, gtheta} {
			for i := range g {
				g[i] = start
			}
		}
		return gx, gtheta
	}
	a := p.normals(len(p.x), 1)
	v := make([]float64, len(p.x))
	gx, gtheta := newGradient()
	if err := f.VJPParams(v, gx, gtheta, p.t, p.x, a); err != nil {
		return fmt.Errorf("VJPParams: %w", err)
	}
	if _, err := p.sameVelocity("VJPParams", v); err != nil {
		return err
	}
	if d, ok := p.f.(flow.Differentiable); ok {
		want := make([]float64, len(p.x))
		if err := d.VJP(v, want, p.t, p.x, a); err != nil {
			return fmt.Errorf("VJP: %w", err)
		}
		for i := range want {
			want[i] += start
		}
		if err := near("gx of VJPParams, added to what was there, beside VJP", gx, want, p.o.Tol); err != nil {
			return err
		}
	}
	augX, augTheta := newGradient()
	if err := f.VJPAug(augX, augTheta, p.t, p.x, flow.Adjoint{Velocity: a, Div: make([]float64, p.n)}); err != nil {
		return fmt.Errorf("VJPAug: %w", err)
	}
	if err := near("gx of VJPAug of the velocity alone beside VJPParams", augX, gx, p.o.Tol); err != nil {
		return err
	}
	return near("gtheta of VJPAug of the velocity alone beside VJPParams", augTheta, gtheta, p.o.Tol)
}
