package likelihood

import (
	"context"
	"testing"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/ode"
	"flowmatch/path"
)

func BenchmarkLogProb(b *testing.B) {
	m := flowtest.TwoModes(path.CondOT{})
	x1 := normals(256, 2, 1, 30)
	for _, c := range []struct {
		name string
		f    flow.Field
		d    Divergence
	}{
		{"exact-diverger", m, Exact{}},
		{"exact-vjps", onlyVJP{m}, Exact{}},
		{"hutchinson-1", m, Hutchinson{}},
		{"hutchinson-8", m, Hutchinson{Probes: 8}},
	} {
		b.Run(c.name, func(b *testing.B) {
			p := Problem{Field: c.f, Source: flow.Gaussian{}, Divergence: c.d, Solver: ode.Solver{
				Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}}
			var st ode.Stats
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if _, _, st, err = p.LogProb(context.Background(), x1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(st.NFE), "NFE")
		})
	}
}

func BenchmarkGradient(b *testing.B) {
	p := Problem{Field: newTiny(2, 16, 31), Source: flow.Gaussian{},
		Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(10)}}
	x1 := normals(64, 2, 1, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Gradient(context.Background(), x1, nil); err != nil {
			b.Fatal(err)
		}
	}
}
