package path

import (
	"fmt"
	"math"
	"slices"

	"flowmatch/internal/choice"
)

// Prediction is what a network outputs: one of five targets, each a weighting of
// x_1 and x_0.
type Prediction int

// The targets. The zero value is Velocity, the paper's choice.
const (
	Velocity    Prediction = iota // u_t = α̇ x_1 + σ̇ x_0
	Data                          // x_1
	Noise                         // x_0
	Score                         // ∇ log p_t(x_t|x_1) = −x_0/σ
	VPrediction                   // v = α x_0 − σ x_1 (Salimans and Ho, arXiv 2202.00512)
)

var predictionNames = [...]string{"velocity", "data", "noise", "score", "v"}

// Predictions returns all targets.
func Predictions() []Prediction { return []Prediction{Velocity, Data, Noise, Score, VPrediction} }

// Weights returns g1 and g0, the weights of x_1 and x_0 in the target of kind p:
//
//	Velocity (α̇, σ̇)   Data (1, 0)   Noise (0, 1)   Score (0, −1/σ)   VPrediction (−σ, α)
//
// They are NaN for a p that is none of these, which no file can hold: see
// [ParsePrediction].
func (c Coef) Weights(p Prediction) (g1, g0 float64) {
	switch p {
	case Velocity:
		return c.DAlpha, c.DSigma
	case Data:
		return 1, 0
	case Noise:
		return 0, 1
	case Score:
		return 0, -1 / c.Sigma
	case VPrediction:
		return -c.Sigma, c.Alpha
	}
	return math.NaN(), math.NaN()
}

// String returns the name of p: velocity, data, noise, score or v.
func (p Prediction) String() string {
	if p < 0 || int(p) >= len(predictionNames) {
		return fmt.Sprintf("Prediction(%d)", int(p))
	}
	return predictionNames[p]
}

// ParsePrediction is the inverse of String.
func ParsePrediction(name string) (Prediction, error) {
	if err := choice.Check("prediction", name, predictionNames[:]); err != nil {
		return 0, fmt.Errorf("path: %w", err)
	}
	return Prediction(slices.Index(predictionNames[:], name)), nil
}

// MarshalText implements encoding.TextMarshaler, so that JSON and YAML hold the name.
func (p Prediction) MarshalText() ([]byte, error) {
	if _, err := ParsePrediction(p.String()); err != nil {
		return nil, err
	}
	return []byte(p.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Prediction) UnmarshalText(text []byte) error {
	q, err := ParsePrediction(string(text))
	if err == nil {
		*p = q
	}
	return err
}
