package ode

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// tree is a rooted tree of n vertices (HNW II.2), by the list of its children.
type tree struct {
	n        int
	children []*tree
}

// trees returns every rooted tree of 1 to order vertices, by number of vertices:
// 1, 1, 2, 4, 9, 20, 48, 115, ... (OEIS A000081).
func trees(order int) [][]*tree {
	all := [][]*tree{nil, {{n: 1}}}
	for n := 2; n <= order; n++ {
		var flat []*tree
		for _, ts := range all {
			flat = append(flat, ts...)
		}
		var found []*tree
		// forests of n-1 vertices, as multisets: indices into flat never decrease
		var grow func(from, left int, kids []*tree)
		grow = func(from, left int, kids []*tree) {
			if left == 0 {
				found = append(found, &tree{n, slices.Clone(kids)})
				return
			}
			for i := from; i < len(flat) && flat[i].n <= left; i++ {
				grow(i, left-flat[i].n, append(kids, flat[i]))
			}
		}
		grow(0, n-1, nil)
		all = append(all, found)
	}
	return all
}

// gamma is the density γ of the tree: n times the product over its children.
func (t *tree) gamma() float64 {
	g := float64(t.n)
	for _, c := range t.children {
		g *= c.gamma()
	}
	return g
}

// phi returns the elementary weights Φ_i, i over the rows of a.
func (t *tree) phi(a [][]float64) []float64 {
	p := make([]float64, len(a))
	for i := range p {
		p[i] = 1
	}
	for _, c := range t.children {
		cp := c.phi(a)
		for i, row := range a {
			sum := 0.0
			for j, v := range row {
				sum += v * cp[j]
			}
			p[i] *= sum
		}
	}
	return p
}

// defect is the largest |Σ_i w_i Φ_i(τ) − want^n/γ(τ)| over the trees of n vertices.
func defect(ts []*tree, a [][]float64, w []float64, theta float64) float64 {
	worst := 0.0
	for _, tr := range ts {
		sum := -math.Pow(theta, float64(tr.n)) / tr.gamma()
		for i, p := range tr.phi(a) {
			if i < len(w) {
				sum += w[i] * p
			}
		}
		worst = max(worst, math.Abs(sum))
	}
	return worst
}

// coefficientTol: the weights are doubles up to about 50 and the sums lose a digit or two.
const coefficientTol = 5e-14

func TestThereAreAsManyRootedTreesAsOEISSays(t *testing.T) {
	want := []int{0, 1, 1, 2, 4, 9, 20, 48, 115, 286}
	for n, ts := range trees(9) {
		if len(ts) != want[n] {
			t.Errorf("trees of %d vertices: got %d, want %d", n, len(ts), want[n])
		}
	}
}

func TestRowSumsOfEveryTableauAreItsNodes(t *testing.T) {
	for _, m := range methods() {
		s := m.Stages()
		if len(m.A) != s || len(m.C) != s || (m.BErr != nil && len(m.BErr) != s) {
			t.Fatalf("%s: got %d rows, %d nodes, %d error weights for %d stages", m.Name, len(m.A), len(m.C),
				len(m.BErr), s)
		}
		for i, row := range m.A {
			sum := 0.0
			for _, v := range row {
				sum += v
			}
			if len(row) != i || math.Abs(sum-m.C[i]) > coefficientTol {
				t.Errorf("%s row %d: got %d entries of sum %.17g, want %d of sum %.17g", m.Name, i, len(row),
					sum, i, m.C[i])
			}
		}
	}
}

func TestEveryMethodMeetsAllOrderConditionsUpToItsOrderAndNotBeyond(t *testing.T) {
	all := trees(9)
	for _, m := range methods() {
		for n := 1; n <= m.Order; n++ {
			if d := defect(all[n], m.A, m.B, 1); d > coefficientTol {
				t.Errorf("%s: order %d: defect %.3g, want at most %g", m.Name, n, d, coefficientTol)
			}
		}
		if d := defect(all[m.Order+1], m.A, m.B, 1); d < 1e-7 {
			t.Errorf("%s: order %d: defect %.3g, so its order is above the claimed %d", m.Name, m.Order+1, d, m.Order)
		}
	}
}

func TestEveryEmbeddedMethodHasItsErrOrderAndNotMore(t *testing.T) {
	all := trees(8)
	for _, m := range methods() {
		if m.BErr == nil {
			continue
		}
		sum := 0.0
		bHat := make([]float64, m.Stages())
		for i := range bHat {
			bHat[i] = m.B[i] - m.BErr[i]
			sum += m.BErr[i]
		}
		if math.Abs(sum) > coefficientTol {
			t.Errorf("%s: error weights sum to %.3g, want 0 within %g", m.Name, sum, coefficientTol)
		}
		for n := 1; n <= m.ErrOrder; n++ {
			if d := defect(all[n], m.A, bHat, 1); d > coefficientTol {
				t.Errorf("%s embedded: order %d: defect %.3g, want at most %g", m.Name, n, d, coefficientTol)
			}
		}
		if d := defect(all[m.ErrOrder+1], m.A, bHat, 1); d < 1e-7 {
			t.Errorf("%s embedded: order %d: defect %.3g, so its order is above the claimed %d",
				m.Name, m.ErrOrder+1, d, m.ErrOrder)
		}
	}
}

// denseWeights returns b_i(θ), by which the continuous extension weighs the stages
// and, last, f at the end of the step.
func denseWeights(m *Tableau, th float64) []float64 {
	s := m.Stages()
	w := make([]float64, s+1)
	for i, b := range m.B {
		w[i] = b * th * th * (3 - 2*th)
	}
	w[0] += th * (1 - th) * (1 - th)
	end := s
	if m.fsal() {
		end = s - 1
	}
	w[end] -= th * th * (1 - th)
	for j, row := range m.Dense {
		for i, d := range row {
			w[i] += d * th * th * (1 - th) * (1 - th) * math.Pow(th, float64(j))
		}
	}
	return w
}

func TestContinuousExtensionsMeetTheirOrderConditionsAndNoMore(t *testing.T) {
	all := trees(8)
	for _, m := range methods() {
		// f at the end of the step is a stage whose weights are B.
		a := append(slices.Clone(m.A), m.B)
		order := min(m.DenseOrder, m.Order)
		// The published digits of tsit5 and dopri8 are good to about 1e-11.
		const tol = 1e-10
		beyond := 0.0
		for _, th := range []float64{0.1, 0.37, 0.5, 0.81} {
			w := denseWeights(m, th)
			for n := 1; n <= order; n++ {
				if d := defect(all[n], a, w, th); d > tol {
					t.Errorf("%s at θ=%g: order %d: defect %.3g, want at most %g", m.Name, th, n, d, tol)
				}
			}
			beyond = max(beyond, defect(all[order+1], a, w, th))
		}
		if beyond < 1e-7 {
			t.Errorf("%s: the extension also meets order %d, above the claimed %d", m.Name, order+1, order)
		}
	}
}

func TestFSALIsDerivedFromTheTableau(t *testing.T) {
	want := map[string]bool{"bosh3": true, "dopri5": true, "tsit5": true}
	for _, m := range methods() {
		if m.fsal() != want[m.Name] {
			t.Errorf("%s: got FSAL %v, want %v", m.Name, m.fsal(), want[m.Name])
		}
	}
}

func TestEveryNameRoundTripsAndAnUnknownOneListsThem(t *testing.T) {
	for _, name := range Names() {
		if m, err := ByName(name); err != nil || m.Name != name {
			t.Errorf("ByName(%q): got %v, %v", name, m, err)
		}
	}
	want := []string{"euler", "midpoint", "heun2", "rk4", "bosh3", "dopri5", "tsit5", "dopri8"}
	if got := Names(); !slices.Equal(got, want) {
		t.Errorf("Names: got %v, want %v", got, want)
	}
	_, err := ByName("dopri6")
	for _, name := range append(want, `"dopri6"`) {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("ByName(dopri6): error %v does not name %s", err, name)
		}
	}
}

func ExampleByName() {
	m, err := ByName("tsit5")
	fmt.Println(m.Name, m.Order, m.Stages(), m.fsal(), err)
	_, err = ByName("rk5")
	fmt.Println(strings.ReplaceAll(err.Error(), "? ", "?\n"))
	// Output:
	// tsit5 5 7 true <nil>
	// ode: unknown solver "rk5"; did you mean "rk4"?
	// it must be one of euler, midpoint, heun2, rk4, bosh3, dopri5, tsit5, dopri8
}
