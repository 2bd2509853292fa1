package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmatch/flow"
	"flowmatch/internal/memory"
	"flowmatch/nn"
)

func engine(t testing.TB) *nn.Engine {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

func TestQuickCasesRunAndReportWhatTheyMeasured(t *testing.T) {
	cases, err := Cases("all", true)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < len(Groups()) {
		t.Fatalf("%d quick cases; want as many as groups at least", len(cases))
	}
	eng := engine(t)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			r, err := c.run(t.Context(), eng, Options{Rounds: 1, Budget: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if r.Case != c.Name || !(r.Seconds > 0) || r.Rounds < 1 || r.Units < 1 || r.Threads < 1 || r.Backend == "" {
				t.Errorf("result %+v; want positive numbers and names", r)
			}
			wantNFE := 0
			if strings.HasPrefix(c.Name, "sample euler100") {
				wantNFE = 100
			}
			if solves := c.Unit == "solve"; solves != (r.NFE > 0) || wantNFE > 0 && r.NFE != wantNFE {
				t.Errorf("NFE %d of a %s; want it of solves only, and 100 of euler100", r.NFE, c.Unit)
			}
		})
	}
}

func TestCasesHaveTheNamesOfTheComparisons(t *testing.T) {
	cases, err := Cases("all", false)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range cases {
		if slices.Contains(names, c.Name) || !slices.Contains(Groups(), c.Group) {
			t.Errorf("case %q is there twice, or its group %q is unknown", c.Name, c.Group)
		}
		names = append(names, c.Name)
	}
	for _, want := range []string{
		"train mlp64x3 B256", "train mlp256x4 B1024", "train mlp512x5 B4096",
		"sample euler100 mlp64x3 n1000", "sample dopri5 1e-5 mlp64x3 n1000", "sample dopri5 1e-5 mlp512x5 n1000",
		"logp exact dopri5 1e-5 mlp64x3 n1000", "logp exact dopri5 1e-5 mlp512x5 n1000",
		"conv3x3 64-64 32x32 B32 forward", "conv3x3 64-64 32x32 B32 forward+backward",
		"velocity unet32 28x28 B64", "vjp unet32 28x28 B64", "train unet32 28x28 B64",
		"scaling batch=64 mlp64x3", "scaling batch=8192 mlp256x3", "scaling width=1024 3 layers B1024",
		"scaling dimension=256 mlp256x3 B1024", "scaling threads=1 mlp256x4 B1024",
		"exact OT n256 d2", "exact OT n256 d784", "exact OT n1024 d2", "exact OT n4096 d2",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("no case %q among %q", want, names)
		}
	}
}

func TestACaseCanBeNamed(t *testing.T) {
	cases, err := Cases("exact OT n4096 d2", true)
	if err != nil || len(cases) != 1 || cases[0].Name != "exact OT n4096 d2" {
		t.Errorf("%d cases (%v), want the one named, quick or not", len(cases), err)
	}
}

func TestACaseAboutThreadsRunsWhereTheyAre(t *testing.T) {
	c := Case{Name: "threads", threads: threads() + 1}
	if _, err := c.run(t.Context(), nil, Options{}); err == nil || !strings.Contains(err.Error(), "GOMAXPROCS=") {
		t.Errorf("error %v, want what to set", err)
	}
	alone := func(_ context.Context, name string, threads int, budget time.Duration) (Report, error) {
		return Report{Results: []Result{{Case: name, Threads: threads, Seconds: budget.Seconds(), Rounds: 1}}}, nil
	}
	r, err := c.run(t.Context(), nil, Options{Alone: alone, Budget: time.Second})
	if err != nil || r.Case != c.Name || r.Threads != c.threads || r.Seconds != 1 {
		t.Errorf("result %+v (%v), want that of the other process", r, err)
	}
	alone = func(context.Context, string, int, time.Duration) (Report, error) { return Report{}, nil }
	if _, err := c.run(t.Context(), nil, Options{Alone: alone}); err == nil {
		t.Error("no error for a process that measured nothing")
	}
}

func TestMemoryOfThisProcessIsKnown(t *testing.T) {
	now, peak := memory.Process()
	if now < 1<<20 || peak < now || peak > 1<<40 {
		t.Errorf("memory now %d and at most %d bytes", now, peak)
	}
}

func TestRoundsOfACaseLieApart(t *testing.T) {
	var order []string
	_, err := Measure(t.Context(), nil, []Case{nap("sample", "a"), nap("sample", "b")},
		Options{Rounds: 2, Budget: time.Second}, func(doing string) { order = append(order, doing) })
	want := []string{"round 1/2  a", "round 1/2  b", "round 2/2  a", "round 2/2  b"}
	if err != nil || !slices.Equal(order, want) {
		t.Errorf("order %q (%v), want %q", order, err, want)
	}
}

func TestWhatWasMeasuredBeforeAnErrorIsReturned(t *testing.T) {
	broken := errors.New("broken")
	bad := Case{Name: "bad", host: true, prepare: func(*nn.Engine) (work, error) { return nil, broken }}
	results, err := Measure(t.Context(), nil, []Case{nap("sample", "a"), bad, nap("sample", "b")}, Options{}, nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "bad") || len(results) != 1 || results[0].Case != "a" {
		t.Errorf("results %+v and error %v, want that of a, and what failed", results, err)
	}
}

func TestTargetsAreThoseOfCases(t *testing.T) {
	cases, err := Cases("all", false)
	if err != nil {
		t.Fatal(err)
	}
	for name := range targets {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Name == name }) {
			t.Errorf("a target for %q, which is no case", name)
		}
	}
	if target("train mlp64x3 B256") != 0.35 || target("conv") != 1 {
		t.Errorf("targets %v", targets)
	}
}

func TestAnUnknownGroupListsThem(t *testing.T) {
	if _, err := Cases("training", false); err == nil || !strings.Contains(err.Error(), "train, conv") {
		t.Errorf("error %v, want the groups", err)
	}
}

func TestTheLeastTimeOfTheRoundsCounts(t *testing.T) {
	pauses := []time.Duration{0, 1, 30, 4, 20} // warm-up, estimate, three rounds; ms
	calls := 0
	c := Case{Name: "pause", Unit: "pause", Most: 1, host: true, prepare: func(*nn.Engine) (work, error) {
		return func(context.Context, int) (int, error) {
			time.Sleep(pauses[calls] * time.Millisecond)
			calls++
			return 0, nil
		}, nil
	}}
	r, err := c.run(t.Context(), nil, Options{Rounds: 3})
	if err != nil {
		t.Fatal(err)
	}
	// The estimate is a round like the others where units are timed one by one.
	if calls != len(pauses) || r.Rounds != 4 || r.Seconds < 1e-3 {
		t.Errorf("%d calls, result %+v; want %d calls, 4 rounds and at least 1 ms", calls, r, len(pauses))
	}
}

func TestAnEndedContextStopsACase(t *testing.T) {
	cases, err := Cases("all", true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range cases {
		if _, err := c.run(ctx, engine(t), Options{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v, want context.Canceled", c.Name, err)
		}
	}
}

func TestTheCheckerboardIsDarkSquaresOnly(t *testing.T) {
	x := flow.NewBatch(2000, 2)
	if err := (checkerboard{2}).Fill(x, flow.Given{}, 7); err != nil {
		t.Fatal(err)
	}
	for i := range x.N {
		a, b := 0.45*x.Row(i)[0], 0.45*x.Row(i)[1]
		if a < -2 || a >= 2 || b < -2 || b >= 2 {
			t.Fatalf("point %d, (%g, %g), lies outside the board", i, a, b)
		}
		if column, row := int(a+2), int(b+2); (column+row)%2 != 0 {
			t.Fatalf("point %d, (%g, %g), lies on a light square", i, a, b)
		}
	}
}

func ExampleCases() {
	cases, err := Cases("coupling", false)
	if err != nil {
		panic(err)
	}
	for _, c := range cases {
		fmt.Println(c.Name, "per", c.Unit)
	}
	// Output:
	// exact OT n256 d2 per matching
	// exact OT n256 d784 per matching
	// exact OT n1024 d2 per matching
	// exact OT n4096 d2 per matching
}

// The quick cases as Go benchmarks, with allocations.
func BenchmarkQuick(b *testing.B) {
	cases, err := Cases("all", true)
	if err != nil {
		b.Fatal(err)
	}
	eng := engine(b)
	for _, c := range cases {
		b.Run(c.Name, func(b *testing.B) {
			do, err := c.prepare(eng)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := do(b.Context(), 1); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := do(b.Context(), 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The UNet of the comparison must be the one that bench/peers/unet.py builds.
func TestTheUNetOfTheComparisonHasAsManyWeightsAsItsPeer(t *testing.T) {
	net, err := unet(engine(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := net.NumWeights(), 1192513; got != want {
		t.Errorf("%d weights, want %d", got, want)
	}
}

// run measures the case, in turns with the peers that know it.
func (c Case) run(ctx context.Context, eng *nn.Engine, o Options) (Result, error) {
	results, err := Measure(ctx, eng, []Case{c}, o, nil)
	if err != nil {
		return Result{}, err
	}
	return results[0], nil
}
