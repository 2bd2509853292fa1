package nn

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// Waves are inputs of a perceptron that tell places apart however near they are: sin(ω·x) and
// cos(ω·x) of Count directions, with lengths |ω| from Lowest to Highest in a geometric series. Each
// pair is multiplied by
//
//	exp(-(Fade |ω| (1-t))² / 2)
//
// and so comes in as t goes to 1: while points have a way of about 1-t left to go, the velocity is
// smooth at shorter lengths, and features of these would be noise (compare the integrated encoding of
// mip-NeRF, Barron et al. 2021). The network then has the clock
//
//	l = log(1-t+o) / log o,  o = 1/(20 Highest),  sin(πkl) and cos(πkl), k = 1..8
//
// too, which tells late times apart. The directions are a formula (see directions), so that a
// checkpoint has no further tensor. Preconditioned models, whose clock is another, have no waves.
type Waves struct {
	// Count is the number of directions; each makes two inputs. Default 128.
	Count int `yaml:"count" json:"count"`
	// Lowest is the smallest |ω|, in radians by unit of x. Default π.
	Lowest float64 `yaml:"lowest" json:"lowest"`
	// Highest is the largest: details of about 1/highest are learnt. Default 500.
	Highest float64 `yaml:"highest" json:"highest"`
	// Fade is how soon waves fade away from t = 1; 0 is never. Default 0.3.
	Fade *float64 `yaml:"fade" json:"fade"`
}

// waveClocks are how many inputs the clock of waves makes.
const (
	waveHarmonics = 8
	waveClocks    = 1 + 2*waveHarmonics
)

// Defaults returns w with every unset field filled in.
func (w Waves) Defaults() Waves {
	if w.Count == 0 {
		w.Count = 128
	}
	if w.Lowest == 0 {
		w.Lowest = math.Pi
	}
	if w.Highest == 0 {
		w.Highest = 500
	}
	if w.Fade == nil {
		fade := 0.3
		w.Fade = &fade
	}
	return w
}

// validate reports waves that there are not.
func (w *Waves) validate(average bool) error {
	if w == nil {
		return nil
	}
	c := w.Defaults()
	switch {
	case average:
		return fmt.Errorf("nn: waves is set beside interval; the waves of average velocities would need two times: " +
			"leave one out")
	case c.Count < 1:
		return fmt.Errorf("nn: waves.count is %d; it must be at least 1", c.Count)
	case !(c.Lowest > 0) || !(c.Highest >= c.Lowest) || !(c.Highest >= 1) || !(c.Highest <= 1e5):
		return fmt.Errorf("nn: waves.lowest is %g and waves.highest %g; lowest must be above 0, and highest at least "+
			"that and from 1 to 1e5", c.Lowest, c.Highest)
	case !(*c.Fade >= 0) || !(*c.Fade <= 1e3):
		return fmt.Errorf("nn: waves.fade is %g; it must be from 0 to 1000", *c.Fade)
	}
	return nil
}

// inputs is how many there are of x.
func (w *Waves) inputs() int {
	if w == nil {
		return 0
	}
	return 2 * w.Count
}

// clocks is how many there are of t.
func (w *Waves) clocks() int {
	if w == nil {
		return 0
	}
	return waveClocks
}

// lengths are those of the directions.
func (w Waves) lengths() []float64 {
	all := make([]float64, w.Count)
	for k := range all {
		all[k] = w.Lowest * math.Pow(w.Highest/w.Lowest, (float64(k)+0.5)/float64(w.Count))
	}
	return all
}

// directions returns ω [Count, D]: the directions are those of points whose coordinates are normal, by the quantiles
// of the additive sequence of the generalised golden ratio g (Roberts 2018), g^{D+1} = g + 1: coordinate j of
// point k is that of the fraction of 1/2 + (k+1) g^-(j+1). All windows of neighbours, which have like lengths, are
// spread well.
func (w Waves) directions(dim int) [][]float32 {
	g := 2.0
	for range 100 {
		g = math.Pow(1+g, 1/float64(dim+1))
	}
	lengths := w.lengths()
	all := make([][]float32, w.Count)
	for k := range all {
		v, sum := make([]float64, dim), 0.0
		for j := range v {
			_, u := math.Modf(0.5 + float64(k+1)*math.Pow(g, -float64(j+1)))
			v[j] = math.Sqrt2 * math.Erfinv(2*min(max(u, 1e-12), 1-1e-12)-1)
			sum += v[j] * v[j]
		}
		all[k] = make([]float32, dim)
		for j := range v {
			all[k][j] = float32(v[j] * lengths[k] / math.Sqrt(sum))
		}
	}
	return all
}

// of returns the waves of x at times t [N], and their tangents [N, K, ·] along e [N, K, D]; nil: none.
func (w Waves) of(x, t, e *Node) (parts, dparts []*Node) {
	omega := Const(x.Graph(), w.directions(x.Shape().Dimensions[1]))
	phase := linear(x, omega)
	s, c := Sin(phase), Cos(phase)
	var fade *Node
	if f := *w.Fade; f > 0 {
		lengths := make([]float32, w.Count)
		for k, l := range w.lengths() {
			lengths[k] = float32(f * l)
		}
		left := Mul(InsertAxes(OneMinus(t), 1), InsertAxes(Const(t.Graph(), lengths), 0))
		fade = Exp(MulScalar(Square(left), -0.5))
		s, c = Mul(s, fade), Mul(c, fade)
	}
	if e == nil {
		return []*Node{s, c}, nil
	}
	d := linear(e, omega)
	return []*Node{s, c}, []*Node{Mul(InsertAxes(c, 1), d), Neg(Mul(InsertAxes(s, 1), d))}
}

// clock returns the features of t [N], [N, waveClocks].
func (w Waves) clock(t *Node) *Node {
	o := 1 / (20 * w.Highest)
	l := InsertAxes(DivScalar(Log(AddScalar(OneMinus(t), o)), math.Log(o)), 1)
	phase := Mul(l, InsertAxes(Const(t.Graph(), harmonics(waveHarmonics, math.Pi)), 0))
	return Concatenate([]*Node{l, Sin(phase), Cos(phase)}, -1)
}
