package discrete

import (
	"fmt"
	"math"

	"flowmatch/internal/choice"
)

// Schedule is κ_t: the probability that a token has come from noise to data at t. It rises from 0 at t = 0 to 1 at
// t = 1.
type Schedule struct {
	name    string
	kappa   func(t float64) float64
	slope   func(t float64) float64
	inverse func(kappa float64) float64
}

// Name is that of the table of schedules.
func (s Schedule) Name() string { return s.name }

// At returns κ_t and its derivative. At t = 1 κ is 1 without rounding.
func (s Schedule) At(t float64) (kappa, slope float64) {
	if t >= 1 {
		return 1, s.slope(1)
	}
	return s.kappa(t), s.slope(t)
}

// Time returns the t at which κ_t = kappa.
func (s Schedule) Time(kappa float64) float64 { return s.inverse(kappa) }

// schedules has every schedule by its name.
var schedules = []Schedule{
	{"linear", func(t float64) float64 { return t }, func(float64) float64 { return 1 },
		func(k float64) float64 { return k }},
	power("quadratic", 2),
	power("cubic", 3),
	{"cosine", func(t float64) float64 { return 1 - math.Cos(math.Pi/2*t) },
		func(t float64) float64 { return math.Pi / 2 * math.Sin(math.Pi/2*t) },
		func(k float64) float64 { return 2 / math.Pi * math.Acos(1-k) }},
	// The kinetic-optimal schedule of masks (Shaul et al. 2024, arXiv 2412.03487).
	{"sin2", func(t float64) float64 { return math.Pow(math.Sin(math.Pi/2*t), 2) },
		func(t float64) float64 { return math.Pi / 2 * math.Sin(math.Pi*t) },
		func(k float64) float64 { return 2 / math.Pi * math.Asin(math.Sqrt(k)) }},
}

func power(name string, n float64) Schedule {
	return Schedule{name, func(t float64) float64 { return math.Pow(t, n) },
		func(t float64) float64 { return n * math.Pow(t, n-1) },
		func(k float64) float64 { return math.Pow(k, 1/n) }}
}

// Power is the schedule κ = t^n. An n that is not above 0 is an error.
func Power(n float64) (Schedule, error) {
	if !(n > 0) || math.IsInf(n, 0) {
		return Schedule{}, fmt.Errorf("discrete: the power of a schedule is %g; it must be above 0", n)
	}
	return power(fmt.Sprintf("t^%g", n), n), nil
}

// Schedules are the names that [ScheduleByName] knows.
func Schedules() []string {
	names := make([]string, len(schedules))
	for i, s := range schedules {
		names[i] = s.name
	}
	return names
}

// ScheduleByName returns the schedule of a name: linear, quadratic, cubic (t, t², t³), cosine (1 − cos πt/2) or
// sin2 (sin² πt/2, which is kinetic-optimal for masks).
func ScheduleByName(name string) (Schedule, error) {
	for _, s := range schedules {
		if s.name == name {
			return s, nil
		}
	}
	return Schedule{}, fmt.Errorf("discrete: %w", choice.Check("schedule", name, Schedules()))
}
