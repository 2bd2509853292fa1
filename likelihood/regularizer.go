package likelihood

import (
	"fmt"
	"math"
)

// Regularizer holds the coefficients of what FFJORD's successor RNODE (Finlay et al.
// 2020, "How to train your neural ODE") adds to the loss to keep a flow
// simple, and so its solves short:
//
//	mean over the points of  −log p + Kinetic · ∫ |v_t(x_t)|² dt + Jacobian · ∫ |∂v_t/∂x (x_t)|² dt.
//
// |v|² is a sum over the D coordinates, and |∂v/∂x|² over the D² entries of the
// Jacobian (the squared Frobenius norm); log p is in nats, of the whole point. With
// [Hutchinson] the latter is estimated by the probes of the divergence, E |εᵀJ|² =
// |J|², at no cost but a sum. The code released with that paper takes means over the D
// coordinates where these are sums, beside log p per dimension, and halves |v|²: its
// coefficients λ_K and λ_J are 2·Kinetic and Jacobian here.
//
// The integrals are states beside Δ. They are no part of the error norm that adaptive
// steps obey, so the steps, and log p, are the same with them and without.
type Regularizer struct {
	Kinetic, Jacobian float64
}

// states is the number of integrals that are carried.
func (r Regularizer) states() int {
	n := 0
	for _, c := range []float64{r.Kinetic, r.Jacobian} {
		if c != 0 {
			n++
		}
	}
	return n
}

func (r Regularizer) validate() error {
	for _, c := range []struct {
		name  string
		value float64
	}{{"Kinetic", r.Kinetic}, {"Jacobian", r.Jacobian}} {
		if !(c.value >= 0) || math.IsInf(c.value, 0) {
			return fmt.Errorf("likelihood: %w: Regularizer.%s is %g; it must be 0, for none, or positive",
				ErrInvalid, c.name, c.value)
		}
	}
	return nil
}
