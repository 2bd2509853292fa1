package ode

import (
	"fmt"
	"slices"
	"strings"

	"flowmatch/internal/choice"
)

// Tableau is an explicit Runge-Kutta method with s stages, as data:
//
//	0   |                           k_i     = f(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j)
//	c_2 | a_21                      x(t+h)  = x + h·Σ_i b_i·k_i
//	c_3 | a_31 a_32                 error   = h·Σ_i (b_i − b̂_i)·k_i
//	... | ...
//	----+---------------
//	    | b_1  b_2  ... b_s
//
// The package's tableaus are shared: do not modify them.
type Tableau struct {
	Name  string
	Order int         // order p of the solution: global error O(h^p)
	A     [][]float64 // stage weights; row i has i entries, row 0 none
	B     []float64   // weights of the solution, length s
	C     []float64   // nodes, length s; C[0] = 0

	// BErr is b − b̂, the weights of the error estimate; nil if the method has none.
	BErr []float64
	// ErrOrder is the order p̂ of the embedded solution b̂: the estimate is O(h^(p̂+1)).
	ErrOrder int

	// Dense is what the method's own continuous extension adds to the cubic Hermite
	// interpolant of a step, for θ in [0,1]:
	//
	//	x(t+θh) = Hermite(θ) + h·θ²(1−θ)²·Σ_m θ^m·Σ_i Dense[m][i]·k_i
	//
	// A row has s entries, or s+1 where the last one weighs f at the end of the
	// step. nil: the Hermite cubic alone, of order 3 (local error O(h⁴)).
	Dense [][]float64
	// DenseOrder is the order of the continuous extension, 3 without Dense: its
	// local error is O(h^(DenseOrder+1)), and the order of the whole is also
	// bounded by Order.
	DenseOrder int
}

// Stages returns s, the number of stages.
func (m *Tableau) Stages() int { return len(m.B) }

// fsal reports whether the last stage of a step is the first of the next ("first
// same as last"), so that n steps cost 1 + n(s−1) evaluations and not n·s.
func (m *Tableau) fsal() bool {
	s := m.Stages()
	return s > 1 && m.B[s-1] == 0 && m.C[s-1] == 1 && slices.Equal(m.A[s-1], m.B[:s-1])
}

// methods is every method of the package, in the order of the documentation.
func methods() []*Tableau {
	return []*Tableau{Euler, Midpoint, Heun2, RK4, Bosh3, Dopri5, Tsit5, Dopri8}
}

// Names returns the names ByName knows, simplest method first.
func Names() []string {
	var names []string
	for _, m := range methods() {
		names = append(names, m.Name)
	}
	return names
}

// ByName returns the method of that name (euler, midpoint, heun2, rk4, bosh3,
// dopri5, tsit5, dopri8); for any other name, an error that lists them.
func ByName(name string) (*Tableau, error) {
	for _, m := range methods() {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("ode: %w", choice.Check("solver", name, Names()))
}

// adaptiveNames lists the methods that have an error estimate.
func adaptiveNames() string {
	var names []string
	for _, m := range methods() {
		if m.BErr != nil {
			names = append(names, m.Name)
		}
	}
	return strings.Join(names, ", ")
}
