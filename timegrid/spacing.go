package timegrid

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// spacing is a row of the table of spacings.
type spacing struct {
	name  string
	takes string // the settings of its own, with blanks between them
	// level returns the level at share u of the way from the first level to the last; nil: levels stay.
	level func(g Config, first, last, u float64) float64
}

// spacings is the table.
func spacings() []spacing {
	return []spacing{
		{name: "uniform"},
		{"karras", "rho", func(g Config, first, last, u float64) float64 { // arXiv 2206.00364, equation 5
			rho := value(g.Rho, 7)
			a, b := math.Pow(first, 1/rho), math.Pow(last, 1/rho)
			return math.Pow(a+u*(b-a), rho)
		}},
		{"exponential", "", func(_ Config, first, last, u float64) float64 {
			return math.Exp(math.Log(first) + u*(math.Log(last)-math.Log(first)))
		}},
		{"beta", "alpha beta", func(g Config, first, last, u float64) float64 { // arXiv 2407.12173
			return last + (first-last)*mathext.InvRegIncBeta(value(g.Alpha, 0.6), value(g.Beta, 0.6), 1-u)
		}},
	}
}

// Spacings returns the names that Config.Spacing takes.
func Spacings() (names []string) {
	for _, s := range spacings() {
		names = append(names, s.name)
	}
	return names
}
