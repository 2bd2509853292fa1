package ode

// least is the tolerance below which Finer does not go: float64 has no digits for it.
const least = 1e-13

// Finer returns a solver to measure the error of s by: with a tenth of the tolerances (but
// none below 1e-13) or, where the steps are given, with twice as many. A method of order p
// then keeps 1/2^p of its error, so that what the two solves differ by is the error of s,
// of Euler's method half of it. MaxNFE, where it is set, is four times as large; a tenth
// of the tolerances takes at most about three times the steps.
func (s Solver) Finer() Solver {
	switch c := s.Control.(type) {
	case Adaptive:
		c.RTol, c.ATol = finer(c.RTol), finer(c.ATol)
		s.Control = c
	case Fixed:
		s.Control = 2 * c
	case Grid:
		s.Control = c.halved()
	case Spaced:
		s.Control = Spaced{Shares: Grid(c.Shares).halved(), Name: c.Name}
	}
	s.MaxNFE *= 4
	return s
}

func finer(tolerance float64) float64 { return max(tolerance/10, min(tolerance, least)) }

// halved returns the grid with a time in the middle of each step.
func (g Grid) halved() Grid {
	var out Grid
	for i, t := range g {
		if i > 0 {
			out = append(out, g[i-1]+(t-g[i-1])/2)
		}
		out = append(out, t)
	}
	return out
}
