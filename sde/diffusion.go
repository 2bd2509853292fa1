package sde

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/path"
)

// Diffusion is the choice of g_t in the family of SDEs: how much noise is added
// and, by the score, taken away again. All choices have the same marginals.
type Diffusion interface {
	// Squared returns g_t² >= 0 at the time t, where the path is c.
	Squared(t float64, c path.Coef) float64
	// String returns the name, as [ParseDiffusion] reads it.
	String() string
}

// Own is Scale times the g of the diffusion whose marginals the path has,
// [path.Coef.Diffusion]: with Scale 1 the SDE is the time reversal of that
// diffusion (Anderson 1982), and x_0 is forgotten as fast as it was made. It is
// infinite where α = 0, so that paths from pure noise start at 1e-3, and their
// first steps are stiff, with a rate of α̇/α: take [Sigma], or [DDPM], which has
// the same limit and no such rate. Zero Scale means 1.
type Own struct{ Scale float64 }

// Constant has g_t = G at all times; G = 0 is the probability flow ODE. Where σ
// comes near 0 the score pulls at a rate of G²/2σ²: steps there must be shorter
// than σ²/G², unless the data law itself is smooth.
type Constant struct{ G float64 }

// Sigma has g_t = Scale σ_t: the pull of the score is the noise, by rates of
// Scale²/2 and never stiff. Zero Scale means 1.
type Sigma struct{ Scale float64 }

// Squared returns Scale² times g² of the path's own diffusion.
func (o Own) Squared(_ float64, c path.Coef) float64 { return square(orOne(o.Scale)) * c.Diffusion() }

// Squared returns G².
func (k Constant) Squared(float64, path.Coef) float64 { return square(k.G) }

// Squared returns Scale² σ².
func (s Sigma) Squared(_ float64, c path.Coef) float64 { return square(orOne(s.Scale) * c.Sigma) }

// String returns "own" or "own:SCALE".
func (o Own) String() string { return scaled("own", orOne(o.Scale)) }

// String returns "constant:G".
func (k Constant) String() string { return scaled("constant", k.G) }

// String returns "sigma" or "sigma:SCALE".
func (s Sigma) String() string { return scaled("sigma", orOne(s.Scale)) }

// DiffusionNames returns the names that ParseDiffusion knows.
func DiffusionNames() []string { return []string{"own", "constant", "sigma"} }

// ParseDiffusion returns the diffusion of a name, own, constant or sigma, with a
// factor if one follows: "constant:0.5" is g = 0.5, "sigma:2" is g = 2σ. Without
// one it is 1. "" is own.
func ParseDiffusion(text string) (Diffusion, error) {
	name, factor, given := strings.Cut(text, ":")
	c := 1.0
	if given {
		var err error
		if c, err = strconv.ParseFloat(factor, 64); err != nil || !(c >= 0) || math.IsInf(c, 0) {
			return nil, fmt.Errorf("sde: %w: factor %q of diffusion %q; it must be a number of at least 0",
				ErrInvalid, factor, text)
		}
	}
	name = cmp.Or(name, "own")
	if err := choice.Check("diffusion", name, DiffusionNames()); err != nil {
		return nil, fmt.Errorf("sde: %w: %w, with a factor as in sigma:2 if wanted", ErrInvalid, err)
	}
	switch {
	case c == 0:
		return Constant{}, nil // no noise, whatever it would have followed
	case name == "constant":
		return Constant{G: c}, nil
	case name == "sigma":
		return Sigma{Scale: c}, nil
	}
	return Own{Scale: c}, nil
}

func scaled(name string, c float64) string {
	if c == 1 {
		return name
	}
	return name + ":" + strconv.FormatFloat(c, 'g', -1, 64)
}

func orOne(v float64) float64 {
	if v == 0 {
		return 1
	}
	return v
}

func square(v float64) float64 { return v * v }
