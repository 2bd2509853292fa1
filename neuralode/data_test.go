package neuralode

import (
	"errors"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// Every system has a quantity whose derivative along the flow is known.
func TestSystemsKeepTheirLaws(t *testing.T) {
	for _, c := range []struct {
		s    System
		law  func(x []float64) float64
		rate func(x []float64) float64
	}{
		{Spiral(), func(x []float64) float64 { return (math.Pow(x[0], 4) + math.Pow(x[1], 4)) / 4 },
			func(x []float64) float64 { return -0.1 * (math.Pow(x[0], 6) + math.Pow(x[1], 6)) }},
		{LotkaVolterra(), func(x []float64) float64 { return x[0] - 3*math.Log(x[0]) + x[1] - 1.5*math.Log(x[1]) },
			func([]float64) float64 { return 0 }},
		{Pendulum(), func(x []float64) float64 { return x[1]*x[1]/2 - 2*math.Cos(x[0]) },
			func(x []float64) float64 { return -0.15 * x[1] * x[1] }},
	} {
		tr := simulated(t, c.s, Times(0, c.s.End, 2001))
		// Simpson's rule over pairs of intervals.
		h := c.s.End / 2000
		for i := 0; i+2 < len(tr.T); i += 2 {
			x := func(k int) []float64 { return tr.X[i+k].X }
			want := h / 3 * (c.rate(x(0)) + 4*c.rate(x(1)) + c.rate(x(2)))
			if got := c.law(x(2)) - c.law(x(0)); math.Abs(got-want) > 1e-5 {
				t.Fatalf("%s at t=%g: the law changes by %g, want %g", c.s.Name, tr.T[i], got, want)
			}
		}
	}
}

// counted are n trajectories whose coordinate is 1000·row + time index.
func counted(n, times int) Trajectories {
	tr := Trajectories{T: Times(0, 1, times)}
	for i := range times {
		x := flow.NewBatch(n, 1)
		for k := range n {
			x.X[k] = float64(1000*k + i)
		}
		tr.X = append(tr.X, x)
	}
	return tr
}

func TestSegmentsArePieces(t *testing.T) {
	tr := counted(3, 50)
	for _, autonomous := range []bool{true, false} {
		rows, froms := map[int]bool{}, map[int]bool{}
		for k := range uint64(20) {
			got, err := tr.Segments(seed.Rand(1, "test", k), 8, 5, autonomous)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.Validate(); err != nil || got.X[0].N != 8 || len(got.T) != 5 {
				t.Fatalf("%d points at %d times, %v", got.X[0].N, len(got.T), err)
			}
			for p := range 8 {
				first := int(got.X[0].X[p])
				row, from := first/1000, first%1000
				rows[row], froms[from] = true, true
				for i := range 5 {
					if got.X[i].X[p] != float64(first+i) {
						t.Fatalf("piece %d has %g at its time %d, want %d", p, got.X[i].X[p], i, first+i)
					}
				}
				if !autonomous && got.T[0] != tr.T[from] || autonomous && !slices.Equal(got.T, tr.T[:5]) {
					t.Fatalf("autonomous %v: a piece from T[%d] is given the times %v", autonomous, from, got.T)
				}
			}
		}
		// 160 pieces of 46 starts, or 20 starts in common
		if len(rows) != 3 || len(froms) < 13 {
			t.Errorf("autonomous %v: %d rows and %d starts were drawn", autonomous, len(rows), len(froms))
		}
	}
}

func TestLossesAndTheirSlopes(t *testing.T) {
	got, want := counted(2, 3), counted(2, 3)
	for i := range want.X {
		want.X[i].X[0] += 2
		want.X[i].X[1] -= 0.5 + float64(i)
	}
	for name, c := range map[string]struct {
		loss Loss
		want float64
	}{
		"squared":  {SquaredError, (4 + 4 + 2.25 + 6.25) / 4},
		"absolute": {AbsoluteError, (2 + 2 + 1.5 + 2.5) / 4},
	} {
		value, as, err := c.loss.Mean(got, want)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(value-c.want) > 1e-12 || as[0] != nil {
			t.Errorf("%s: %g with as[0] %v, want %g and nil", name, value, as[0], c.want)
		}
		for i := 1; i < 3; i++ {
			for j := range 2 {
				x := &got.X[i].X[j]
				old := *x
				const h = 1e-6
				*x = old + h
				up, _, _ := c.loss.Mean(got, want)
				*x = old - h
				down, _, _ := c.loss.Mean(got, want)
				*x = old
				if slope := (up - down) / (2 * h); math.Abs(as[i][j]-slope) > 1e-8 {
					t.Errorf("%s: ∂L/∂x[%d][%d] is %g, want %g", name, i, j, as[i][j], slope)
				}
			}
		}
	}
	if v, s := AbsoluteError(0); v != 0 || s != 0 {
		t.Errorf("|0| is %g with slope %g", v, s)
	}
	if d := got.RMSE(want); math.Abs(d-math.Sqrt((4+4+2.25+6.25)/4)) > 1e-12 {
		t.Errorf("RMSE %g", d)
	}
}

func TestBadTrajectoriesAreNamed(t *testing.T) {
	ok, falling, ragged, short := counted(2, 3), counted(2, 3), counted(2, 3), counted(2, 3)
	falling.T[2] = falling.T[1]
	ragged.X[1] = flow.NewBatch(1, 1)
	short.X = short.X[:2]
	if err := ok.Validate(); err != nil {
		t.Error(err)
	}
	for name, tr := range map[string]Trajectories{"none": {}, "falling": falling, "ragged": ragged, "short": short,
		"no points": counted(0, 3)} {
		if err := tr.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
