package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/cluster"
	"flowmatch/cluster/clustertest"
	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// shared are trainings that ranks share, each made anew at every call.
var shared = []struct {
	name string
	of   func(t testing.TB) session
}{
	{"a perceptron", func(t testing.TB) session {
		o := CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 2}
		return newSession(t, along(t, path.CondOT{}), o, points(50, 2))
	}},
	{"optimal transport within groups", func(t testing.TB) session {
		o := CFM{Data: data.Shuffle(points(100, 2), 1), Coupling: groups(8), Seed: 2}
		return newSession(t, along(t, path.CondOT{}), o, points(50, 2))
	}},
	{"optimal transport, dropout", func(t testing.TB) session {
		m := newModel(t, model.Spec{}, nn.Config{Residual: &nn.Residual{Width: 16, Blocks: 1, Dropout: 0.1}})
		return newSession(t, m, cfm(), points(50, 2))
	}},
	{"a unet with labels", func(t testing.TB) session {
		m := newModel(t, model.Spec{}, nn.Config{Dim: 16, Classes: 3,
			UNet: &nn.UNet{Image: []int{4, 4, 1}, Channels: 4, Mult: []int{1, 1}, Blocks: 1, Dropout: 0.1}})
		return newSession(t, m, CFM{Data: data.Shuffle(labelled(60, 16, 3), 1), LabelDropout: 0.2, Seed: 2}, nil)
	}},
	{"mean flow", func(t testing.TB) session {
		m := newModel(t, model.Spec{}, nn.Config{Average: true})
		return newSession(t, m, MeanFlow{CFM: cfm(), Averages: AverageConfig{Ratio: 0.25}}, points(50, 2))
	}},
	{"maximum likelihood", func(t testing.TB) session {
		o := ml()
		o.BatchSize = 8
		o.Solver = ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-3, ATol: 1e-3}, MaxNFE: 5000}
		return newSession(t, along(t, path.CondOT{}), o, points(50, 2))
	}},
}

// A trace is what a training comes to.
type trace struct {
	losses   []float64
	progress Progress
	weights  []float32
}

func traced(t testing.TB, s session, l Loop, ranks *cluster.Comm) (out trace) {
	t.Helper()
	h := Hooks{
		Step: func(_ int, loss float64) { out.losses = append(out.losses, loss) },
		Save: func(nn.State, Progress, bool) error { return nil },
	}
	of := Session{Model: s.m, Objective: s.o, Trainer: s.tr, Held: s.held, Hooks: h, Ranks: ranks}
	p, err := of.Run(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	out.progress, out.weights = p, s.state(t).Weights
	return out
}

func TestRanksTrainAsOneDoes(t *testing.T) {
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			ranks := clustertest.In(t, n)
			if ranks == nil {
				return
			}
			for _, c := range shared {
				l := Loop{Steps: 100, Batch: 32, ValEvery: new(50), Warmup: 5}
				want, got := traced(t, c.of(t), l, nil), traced(t, c.of(t), l, ranks)
				worst := 0.
				for i, loss := range got.losses {
					worst = max(worst, math.Abs(loss/want.losses[i]-1))
				}
				t.Logf("%s: losses differ by up to %.2g of themselves", c.name, worst)
				if len(got.losses) != len(want.losses) || !(worst <= 1e-6) {
					t.Errorf("%s: the losses of %d ranks differ from those of one by up to %.2g of themselves",
						c.name, n, worst)
				}
				if v, w := got.progress.BestLoss, want.progress.BestLoss; math.Abs(v-w) > 1e-6*w {
					t.Errorf("%s: the best validation is %g, of one rank %g", c.name, v, w)
				}
				if slices.Equal(got.weights, want.weights) && c.name == "a perceptron" {
					t.Error("the weights are those of one rank to the bit: were the sums of shares taken?")
				}
			}
		})
	}
}

// A resumed training of ranks is one that never stopped, to the bit; all ranks stop after the step
// in which one is asked to.
func TestRanksStopTogetherAndGoOn(t *testing.T) {
	ranks := clustertest.In(t, 2)
	if ranks == nil {
		return
	}
	l := Loop{Steps: 40, Batch: 32, ValEvery: new(10)}
	want := traced(t, cfmSession(t), l, ranks)
	s := cfmSession(t)
	ctx, stop := context.WithCancelCause(t.Context())
	var saved nn.State
	var kept Progress
	saves := 0
	h := Hooks{
		Step: func(step int, _ float64) {
			if step == 17 && ranks.Rank() == 1 {
				stop(errors.New("a signal"))
			}
		},
		Save: func(s nn.State, p Progress, _ bool) error {
			saved, kept, saves = s, p, saves+1
			return nil
		},
	}
	half := Session{Model: s.m, Objective: s.o, Trainer: s.tr, Held: s.held, Hooks: h, Ranks: ranks}
	p, err := half.Run(ctx, l)
	// The hook comes after the exchange of its step, so that the others know it after the next one.
	if !errors.Is(err, ErrInterrupted) || s.tr.Steps() != 18 {
		t.Fatalf("stopped after step %d: %v; want ErrInterrupted after step 18", s.tr.Steps(), err)
	}
	word := []string{"rank 1 of 2 was asked to end", "(a signal)"}[ranks.Rank()]
	if !strings.Contains(err.Error(), word) {
		t.Errorf("the error is %q, and does not say %q", err, word)
	}
	if ranks.Rank() == 0 && (saves != 1 || saved.Step != 18 || kept.Count != p.Count) ||
		ranks.Rank() == 1 && saves != 0 {
		t.Errorf("%d saves, the last of step %d; want one on rank 0", saves, saved.Step)
	}
	again := cfmSession(t)
	if err := again.tr.Restore(s.state(t)); err != nil {
		t.Fatal(err)
	}
	rest := Session{Model: s.m, Objective: s.o, Trainer: again.tr, Held: s.held, Progress: p, Ranks: ranks,
		Hooks: Hooks{Save: func(nn.State, Progress, bool) error { return nil }}}
	if _, err := rest.Run(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.state(t).Weights, want.weights) {
		t.Error("the weights are not those of a training that never stopped")
	}
}

func TestRanksNameWhoFails(t *testing.T) {
	ranks := clustertest.In(t, 2)
	if ranks == nil {
		return
	}
	full := errors.New("the disk is full")
	s := cfmSession(t)
	h := Hooks{Save: func(nn.State, Progress, bool) error { return full }}
	_, err := Session{Model: s.m, Objective: s.o, Trainer: s.tr, Hooks: h, Ranks: ranks}.Run(t.Context(), short)
	var of *cluster.RankError
	if errors.Is(err, full) != (ranks.Rank() == 0) || errors.As(err, &of) != (ranks.Rank() == 1) {
		t.Errorf("a full disk on rank 0: %v", err)
	}

	s = cfmSession(t)
	h = Hooks{Step: func(step int, _ float64) {
		if state := s.state(t); step == 150 && ranks.Rank() == 1 {
			state.Weights[3] = math.Nextafter32(state.Weights[3], 9)
			if err := s.tr.Restore(state); err != nil {
				t.Error(err)
			}
		}
	}}
	l := Loop{Steps: 300, Batch: 8}
	_, err = Session{Model: s.m, Objective: s.o, Trainer: s.tr, Hooks: h, Ranks: ranks}.Run(t.Context(), l)
	if err == nil || !strings.Contains(err.Error(), "the weights of rank 1 are not those of rank 0 after step 200") {
		t.Errorf("a bit of a weight of rank 1 changed, and the error is %v", err)
	}

	o := ml()
	o.BatchSize = 0
	s = newSession(t, along(t, path.CondOT{}), o, nil)
	_, err = Session{Model: s.m, Objective: s.o, Trainer: s.tr, Ranks: ranks}.Run(t.Context(), short)
	if !errors.Is(err, ErrObjective) || !strings.Contains(err.Error(), "set ml.batch_size to 16 or less") {
		t.Errorf("one solve for two ranks: %v", err)
	}
	s = cfmSession(t)
	s.o = CFM{Data: data.Shuffle(points(100, 2), 1), Coupling: coupling.OT{}, Seed: 2}
	if _, err := (Fit{Loop: Loop{Steps: 3, Batch: 1}, Ranks: ranks}).Train(t.Context(), s.m, s.o); err != nil {
		t.Errorf("a batch of one example for two ranks: %v", err)
	}
}

// Two ranks have the bits of one process that takes the gradient in two parts: what else differs from one
// process in one part is the order of sums in float32, and not of ranks.
func TestTwoRanksHaveTheBitsOfTwoParts(t *testing.T) {
	ranks := clustertest.In(t, 2)
	if ranks == nil {
		return
	}
	of := func(how nn.StepOptions) session {
		m := newModel(t, model.Spec{}, nn.Config{Hidden: []int{64, 64, 64}})
		tr, err := m.Net().NewTrainer(nn.Optimizer{ClipNorm: 1}, how)
		if err != nil {
			t.Fatal(err)
		}
		return session{m: m, tr: tr, o: cfm()}
	}
	l := Loop{Steps: 100, Batch: 64}
	want, got := traced(t, of(nn.StepOptions{Accumulate: 2}), l, nil), traced(t, of(nn.StepOptions{}), l, ranks)
	if !slices.Equal(got.losses, want.losses) || !slices.Equal(got.weights, want.weights) {
		t.Error("the losses or weights of two ranks are not those of two parts, to the bit")
	}
}
