package timegrid

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"

	"flowmatch/internal/choice"
)

// Config is a time grid as a configuration file names it. The zero value is equal steps.
//
// It is made from levels of noise σ = 1 - u, with u the share of the time that has passed (of the
// OT path on [0, 1] it is the time, and σ the share of the noise): from 1 before the first step
// down to SigmaMin before the last one, evenly or as Sigmas say. These are shifted,
//
//	σ' = s σ/(1 + (s-1) σ),
//
// which multiplies σ/(1-σ) by s (Esser et al., arXiv 2403.03206, equation 23), stretched such that
// the last of them is Terminal, and spaced anew between the first and the last of them where
// Spacing is not uniform. The last step goes to σ = 0. This is the order of diffusers'
// FlowMatchEulerDiscreteScheduler, whose numbers these are.
type Config struct {
	// Spacing is how the levels lie between the first and the last: uniform (default), as the shift
	// leaves them; karras, of even powers 1/rho; exponential, of even logarithms; or beta,
	// quantiles of a beta distribution.
	Spacing string `yaml:"spacing,omitempty" json:"spacing,omitempty"`
	// Shift is the factor of σ/(1-σ), above 0; above 1 there are more steps where there is noise.
	// Default 1: none.
	Shift *float64 `yaml:"shift,omitempty" json:"shift,omitempty"`
	// Mu is the logarithm of the shift, in the place of it.
	Mu *float64 `yaml:"mu,omitempty" json:"mu,omitempty"`
	// Tokens makes the shift depend on the size of an image: the number of patches that the network
	// sees. Mu is then base_shift at base_tokens and max_shift at max_tokens, and linear in the
	// tokens between and beyond.
	Tokens *int `yaml:"tokens,omitempty" json:"tokens,omitempty"`
	// BaseShift is the mu of base_tokens; default 0.5.
	BaseShift *float64 `yaml:"base_shift,omitempty" json:"base_shift,omitempty"`
	// MaxShift is the mu of max_tokens; default 1.15.
	MaxShift *float64 `yaml:"max_shift,omitempty" json:"max_shift,omitempty"`
	// BaseTokens is a number of tokens; default 256.
	BaseTokens *int `yaml:"base_tokens,omitempty" json:"base_tokens,omitempty"`
	// MaxTokens is a larger number of tokens; default 4096.
	MaxTokens *int `yaml:"max_tokens,omitempty" json:"max_tokens,omitempty"`
	// SigmaMin is the level before the last step, in (0, 1), before the shift; default 1/steps, as of
	// equal steps. A schedule of 1000 discrete times has 0.001.
	SigmaMin *float64 `yaml:"sigma_min,omitempty" json:"sigma_min,omitempty"`
	// ShiftTerminal is the level before the last step, in (0, 1), that the shifted levels are
	// stretched to end at; default: they are not.
	ShiftTerminal *float64 `yaml:"shift_terminal,omitempty" json:"shift_terminal,omitempty"`
	// Rho is the power of karras, above 0; default 7.
	Rho *float64 `yaml:"rho,omitempty" json:"rho,omitempty"`
	// Alpha is the first parameter of beta, above 0; default 0.6.
	Alpha *float64 `yaml:"alpha,omitempty" json:"alpha,omitempty"`
	// Beta is the second parameter of beta, above 0; default 0.6.
	Beta *float64 `yaml:"beta,omitempty" json:"beta,omitempty"`
	// Sigmas are the levels before each step, falling from 1, in the place of even ones; a 0 at the
	// end may be left out. The shift changes them.
	Sigmas []float64 `yaml:"sigmas,omitempty" json:"sigmas,omitempty"`
	// Times are the shares of the time at which steps begin and end, rising from 0 (noise) to 1
	// (data). They are taken as they are: nothing else may be set.
	Times []float64 `yaml:"times,omitempty" json:"times,omitempty"`
}

func (g Config) spacing() spacing {
	all := spacings()
	i := slices.IndexFunc(all, func(s spacing) bool { return s.name == g.Spacing })
	return all[max(0, i)]
}

// Even says whether nothing is set: the steps are equal.
func (g Config) Even() bool { return len(g.set()) == 0 && g.Spacing == "" }

// OnlyShifts says whether the steps are even ones that are shifted, by [Config.Factor]: the grid of any
// number of steps is then a formula of their number.
func (g Config) OnlyShifts() bool {
	return g.spacing().level == nil && g.SigmaMin == nil && g.ShiftTerminal == nil && g.Sigmas == nil && g.Times == nil
}

// set returns the keys that are set, without spacing.
func (g Config) set() (keys []string) {
	for _, f := range []struct {
		key string
		is  bool
	}{
		{"shift", g.Shift != nil}, {"mu", g.Mu != nil}, {"tokens", g.Tokens != nil},
		{"base_shift", g.BaseShift != nil}, {"max_shift", g.MaxShift != nil},
		{"base_tokens", g.BaseTokens != nil}, {"max_tokens", g.MaxTokens != nil},
		{"sigma_min", g.SigmaMin != nil}, {"shift_terminal", g.ShiftTerminal != nil},
		{"rho", g.Rho != nil}, {"alpha", g.Alpha != nil}, {"beta", g.Beta != nil},
		{"sigmas", g.Sigmas != nil}, {"times", g.Times != nil},
	} {
		if f.is {
			keys = append(keys, f.key)
		}
	}
	return keys
}

// Validate reports the first setting that cannot be used, or has no effect beside the others, and
// what would be right. The error begins with its key.
func (g Config) Validate() error {
	if g.Spacing != "" {
		if err := choice.Check("spacing", g.Spacing, Spacings()); err != nil {
			return err
		}
	}
	set := g.set()
	if g.Times != nil {
		if len(set) > 1 || g.spacing().level != nil {
			other := append(slices.DeleteFunc(set, func(k string) bool { return k == "times" }), "spacing")[0]
			return fmt.Errorf("%s is set beside times, which are taken as they are; leave one of them out", other)
		}
		return rises("times", g.Times, 0, 1)
	}
	for _, err := range []error{g.checkNumbers(), g.checkShift(set), g.checkSpacing(set)} {
		if err != nil {
			return err
		}
	}
	if g.Sigmas != nil {
		return rises("sigmas", g.levelsGiven(), 1, 0)
	}
	return nil
}

// rises reports values that do not go from one number to another without a turn.
func rises(key string, v []float64, from, to float64) error {
	way := map[bool]string{true: "rise", false: "fall"}[to > from]
	if n := len(v); n < 2 || v[0] != from || v[n-1] != to {
		return fmt.Errorf("%s are %s; they must %s from %g to %g", key, listed(v), way, from, to)
	}
	if i := turn(v); i > 0 {
		return fmt.Errorf("%s must %s, but %g, number %d, comes after %g", key, way, v[i], i+1, v[i-1])
	}
	return nil
}

// turn returns the first index at which values do not go on in the direction from the first to the
// last; 0 if there is none.
func turn(v []float64) int {
	way := v[len(v)-1] - v[0]
	for i := 1; i < len(v); i++ {
		if !((v[i]-v[i-1])*way > 0) {
			return i
		}
	}
	return 0
}

// checkNumbers reports numbers out of range.
func (g Config) checkNumbers() error {
	const positive, share, finite = "above 0", "above 0 and below 1", "a finite number"
	for _, f := range []struct {
		key  string
		v    *float64
		want string
	}{{"shift", g.Shift, positive}, {"rho", g.Rho, positive}, {"alpha", g.Alpha, positive}, {"beta", g.Beta, positive},
		{"sigma_min", g.SigmaMin, share}, {"shift_terminal", g.ShiftTerminal, share},
		{"mu", g.Mu, finite}, {"base_shift", g.BaseShift, finite}, {"max_shift", g.MaxShift, finite}} {
		switch {
		case f.v == nil:
		case *f.v-*f.v != 0, f.want != finite && *f.v <= 0, f.want == share && *f.v >= 1:
			return fmt.Errorf("%s is %g; it must be %s", f.key, *f.v, f.want)
		}
	}
	for _, f := range []struct {
		key string
		v   *int
	}{{"tokens", g.Tokens}, {"base_tokens", g.BaseTokens}, {"max_tokens", g.MaxTokens}} {
		if f.v != nil && *f.v < 1 {
			return fmt.Errorf("%s is %d; it must be at least 1", f.key, *f.v)
		}
	}
	return nil
}

// checkShift reports settings of the shift that contradict each other; set are the keys that are set.
func (g Config) checkShift(set []string) error {
	kinds := 0
	for _, key := range set {
		switch key {
		case "shift", "mu", "tokens":
			kinds++
		case "base_shift", "max_shift", "base_tokens", "max_tokens":
			if g.Tokens == nil {
				return fmt.Errorf("%s has no effect without tokens, the number of patches of an image", key)
			}
		}
	}
	if kinds > 1 {
		return fmt.Errorf("shift, mu and tokens each say what the shift is; leave all but one of them out")
	}
	if base, most := g.tokens(); base >= most {
		return fmt.Errorf("max_tokens is %d; it must be above base_tokens, %d", most, base)
	}
	if f := g.Factor(); !(f > 0) || math.IsInf(f, 0) {
		return fmt.Errorf("the shift is exp(%g); mu must be nearer to 0", g.mu())
	}
	return nil
}

// checkSpacing reports settings that the spacing does not take.
func (g Config) checkSpacing(set []string) error {
	s := g.spacing()
	for _, key := range set {
		own := key == "rho" || key == "alpha" || key == "beta"
		if own && !slices.Contains(strings.Fields(s.takes), key) {
			return fmt.Errorf("%s has no effect on the spacing %s; leave it out", key, s.name)
		}
	}
	switch {
	case g.Sigmas == nil:
		return nil
	case s.level != nil:
		return fmt.Errorf("spacing %s is set beside sigmas, whose levels it would replace; leave one of them out",
			s.name)
	case g.SigmaMin != nil:
		return fmt.Errorf("sigma_min is set beside sigmas, which have a last level; leave it out")
	}
	return nil
}

// tokens returns the numbers of tokens at which mu is given.
func (g Config) tokens() (base, most int) { return value(g.BaseTokens, 256), value(g.MaxTokens, 4096) }

func value[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}

// mu returns the logarithm of the shift.
func (g Config) mu() float64 {
	switch {
	case g.Mu != nil:
		return *g.Mu
	case g.Tokens != nil:
		base, most := g.tokens()
		lo, hi := value(g.BaseShift, 0.5), value(g.MaxShift, 1.15)
		return lo + (hi-lo)*float64(*g.Tokens-base)/float64(most-base)
	}
	return math.Log(value(g.Shift, 1))
}

// Factor returns the shift, however it is given: what σ/(1-σ) is multiplied by; 1 for none.
func (g Config) Factor() float64 {
	if g.Mu == nil && g.Tokens == nil {
		return value(g.Shift, 1)
	}
	return math.Exp(g.mu())
}

// Shifted returns the level σ in [0, 1] after a shift: σ/(1-σ) is multiplied by it.
func Shifted(sigma, shift float64) float64 { return shift * sigma / (1 + (shift-1)*sigma) }

// levelsGiven returns Sigmas with the 0 at their end.
func (g Config) levelsGiven() []float64 {
	if n := len(g.Sigmas); n > 0 && g.Sigmas[n-1] == 0 {
		return g.Sigmas
	}
	return append(slices.Clone(g.Sigmas), 0)
}

// Steps returns the number of steps that Times or Sigmas have; 0 where the grid is of any number.
func (g Config) Steps() int {
	switch {
	case g.Times != nil:
		return len(g.Times) - 1
	case g.Sigmas != nil:
		return len(g.levelsGiven()) - 1
	}
	return 0
}

// Shares returns the shares of the time at which the steps of the grid begin and end, rising from 0
// (noise) to 1 (data). steps is their number: 0 or their own where the grid has Times or Sigmas. One
// step goes from noise to data, whatever is set. The errors are those of Validate, and one for a
// grid that float64 cannot hold.
func (g Config) Shares(steps int) ([]float64, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	if own := g.Steps(); own > 0 && steps != 0 && steps != own {
		return nil, fmt.Errorf("steps is %d, and the time grid has %d; leave steps out", steps, own)
	}
	if g.Times != nil {
		return slices.Clone(g.Times), nil
	}
	if steps = cmp.Or(g.Steps(), steps); steps < 1 {
		return nil, fmt.Errorf("steps is %d; it must be at least 1", steps)
	}
	shares := make([]float64, 0, steps+1)
	for _, level := range append(g.levels(steps), 0) {
		shares = append(shares, 1-level)
	}
	if i := turn(shares); i > 0 {
		return nil, fmt.Errorf("%d steps of %s: step %d is too short for float64; take fewer steps, or a weaker shift",
			steps, g, i)
	}
	return shares, nil
}

// levels returns those before each of n steps.
func (g Config) levels(n int) []float64 {
	v := make([]float64, n)
	for k := range v {
		switch {
		case g.Sigmas != nil:
			v[k] = g.Sigmas[k]
		case g.SigmaMin != nil && n > 1:
			v[k] = 1 + (*g.SigmaMin-1)*float64(k)/float64(n-1)
		default:
			v[k] = 1 - float64(k)/float64(n)
		}
		v[k] = Shifted(v[k], g.Factor())
	}
	v[0] = 1    // exactly, whatever the rounding
	if n == 1 { // a terminal would divide by 1 - 1
		return v
	}
	if g.ShiftTerminal != nil {
		scale := (1 - *g.ShiftTerminal) / (1 - v[n-1])
		for k := range v {
			v[k] = 1 - (1-v[k])*scale
		}
	}
	if s := g.spacing(); s.level != nil {
		first, last := v[0], v[n-1]
		for k := 1; k < n-1; k++ {
			v[k] = s.level(g, first, last, float64(k)/float64(n-1))
		}
	}
	return v
}

// String names the grid as a report does: all that tells it from another of as many steps, as
// "karras shift=3".
func (g Config) String() string {
	var parts []string
	if s := g.spacing(); s.level != nil {
		parts = append(parts, s.name)
	}
	if f := g.Factor(); f != 1 {
		parts = append(parts, fmt.Sprintf("shift=%g", f))
	}
	for _, f := range []struct {
		key string
		v   *float64
	}{{"sigma_min", g.SigmaMin}, {"shift_terminal", g.ShiftTerminal}, {"rho", g.Rho}, {"alpha", g.Alpha},
		{"beta", g.Beta}} {
		if f.v != nil {
			parts = append(parts, fmt.Sprintf("%s=%g", f.key, *f.v))
		}
	}
	switch {
	case g.Times != nil:
		parts = append(parts, "times="+listed(g.Times))
	case g.Sigmas != nil:
		parts = append(parts, "sigmas="+listed(g.levelsGiven()))
	}
	return cmp.Or(strings.Join(parts, " "), "uniform")
}

// listed names numbers: all of a few, or the ends of many with a number that tells them apart.
func listed(v []float64) string {
	const few = 8
	if len(v) == 0 {
		return "none"
	}
	if len(v) <= few {
		return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(v), "[]")), ",")
	}
	h := fnv.New64a()
	fmt.Fprint(h, v)
	return fmt.Sprintf("%g,%g,..,%g (%016x)", v[0], v[1], v[len(v)-1], h.Sum64())
}
