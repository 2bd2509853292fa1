package flowtest

import (
	"math"
	"strings"
	"testing"

	"flowmatch/manifold"
)

// wrongSphere is a sphere with one method replaced by a wrong one.
type wrongSphere struct {
	manifold.Sphere
	fault string
}

func (m wrongSphere) Project(x []float64) error {
	err := m.Sphere.Project(x)
	if m.fault == "project" {
		x[0] += 1e-9
	}
	return err
}

func (m wrongSphere) Tangent(v, x []float64) {
	if m.fault != "tangent" {
		m.Sphere.Tangent(v, x)
	}
}

func (m wrongSphere) Geodesic(y, u, x, v []float64, t float64) {
	m.Sphere.Geodesic(y, u, x, v, t)
	if m.fault == "velocity" && u != nil {
		u[0] *= 1.001
	}
}

func (m wrongSphere) Log(v, x, y []float64) error {
	err := m.Sphere.Log(v, x, y)
	if m.fault == "log" {
		v[1] *= 1 + 1e-8
	}
	return err
}

func (m wrongSphere) Pull(w, x, v []float64) {
	if m.fault == "pull" {
		m.Tangent(w, x)
		return
	}
	m.Sphere.Pull(w, x, v)
}

func (m wrongSphere) LogVolume(x []float64) float64 {
	if m.fault == "volume" {
		return 0.1
	}
	return 0
}

func (m wrongSphere) Curvature(h, x []float64) {
	m.Sphere.Curvature(h, x)
	if m.fault == "curvature" {
		h[2] = -h[2]
	}
}

func (m wrongSphere) LogJacobian(x, v []float64) float64 {
	if m.fault == "jacobian" {
		return 0
	}
	return m.Sphere.LogJacobian(x, v)
}

func (m wrongSphere) Inside(std float64) float64 {
	if m.fault == "inside" {
		return 0.8
	}
	return m.Sphere.Inside(std)
}

func (m wrongSphere) LogTotal() float64 {
	if m.fault == "total" {
		return math.Log(4)
	}
	return m.Sphere.LogTotal()
}

func TestTheManifoldSuiteFindsEveryKindOfFault(t *testing.T) {
	if err := checkManifold(wrongSphere{Sphere: manifold.Sphere{D: 2}}); err != nil {
		t.Errorf("one without a fault: %v", err)
	}
	for fault, want := range map[string]string{
		"project": "Project of a point", "tangent": "Log(Exp(v))", "velocity": "the velocity of a geodesic",
		"log": "Log(Exp(v))", "pull": "Pull is", "volume": "LogVolume", "curvature": "Curvature",
		"jacobian": "LogJacobian", "inside": "the density integrates to", "total": "the density integrates to",
	} {
		err := checkManifold(wrongSphere{manifold.Sphere{D: 2}, fault})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", fault, err, want)
		}
	}
}
