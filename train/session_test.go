package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// halved embeds CFM, and makes examples of its own: with half the noise.
type halved struct{ CFM }

func (o halved) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	if err := o.CFM.Examples(m, ex, step); err != nil {
		return err
	}
	for i := range ex.X0.X {
		ex.X0.X[i] /= 2
	}
	return nil
}

// stretched likewise, of an objective whose examples are prepared.
type stretched struct{ FM }

func (o stretched) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	return halved{o.CFM}.Examples(m, ex, step)
}

// counting embeds CFM, and takes steps of its own: an objective cannot be both.
type counting struct{ CFM }

func (counting) Steps(context.Context, Training) (StepFunc, error) { return nil, nil }

// regressed embeds ML, and makes examples.
type regressed struct{ ML }

func (regressed) Examples(*model.Model, *nn.Examples, uint64) error { return nil }

// idle is neither a regression nor does it take steps; stepless takes none.
type (
	idle     struct{}
	stepless struct{ idle }
)

func (idle) Check(*model.Model) error { return nil }

func (stepless) Steps(context.Context, Training) (StepFunc, error) { return nil, nil }

// What embeds an objective and makes its own examples is trained on them.
func TestAnEmbeddedObjectiveDoesNotTrainInTheOthersPlace(t *testing.T) {
	set := points(100, 2)
	plain := CFM{Data: data.Shuffle(set, 1), Seed: 2}
	m := along(t, path.CondOT{})
	loss := func(o Objective) (loss float64) {
		t.Helper()
		fit := Fit{Loop: Loop{Steps: 1, Batch: 16}, Hooks: Hooks{Step: func(_ int, l float64) { loss = l }}}
		if _, err := fit.Train(t.Context(), m, o); err != nil {
			t.Fatal(err)
		}
		return loss
	}
	for name, o := range map[string]Regression{
		"cfm": plain, "a pointer": &plain, "embedded": halved{plain}, "a pointer to it": &halved{plain},
		"embedded and prepared": stretched{FM{CFM: plain, X1: set.X}}, "fm": &FM{CFM: plain, X1: set.X},
		"reflow": &Reflow{Pairs: Pairs{X: points(30, 4).X}},
	} {
		want, _, err := m.Net().LossGradient(examples(t, m, o, 16, 0))
		if err != nil {
			t.Fatal(err)
		}
		if got := loss(o); math.Abs(got-want) > 1e-6*want {
			t.Errorf("%s: the first step has the loss %g, that of its examples is %g", name, got, want)
		}
	}
	if loss(halved{plain}) == loss(plain) {
		t.Error("the examples of the embedded objective are trained on")
	}
}

// Everything exported that is not there, or fits nothing, is an error and never a panic, nor
// a loop without an end.
func TestWhatIsNotThereIsAnError(t *testing.T) {
	m, set, ctx := along(t, path.CondOT{}), points(20, 2), t.Context()
	good := CFM{Data: data.Shuffle(set, 1)}
	tr := newSession(t, m, good, nil).tr
	zero, ex := &model.Model{}, newExamples(m, 4)
	fit := func(m *model.Model, o Objective) error {
		return second(Fit{Loop: Loop{Steps: 1, Batch: 4}}.Train(ctx, m, o))
	}
	run := func(s Session) error { return second(s.Run(ctx, Loop{Steps: 1})) }
	task := func(task Task) error { return second(Loop{Steps: 1}.Run(ctx, task)) }
	short := data.Points{X: flow.Batch{N: 20, D: 2, X: []float64{1}}}
	pairs := func(teacher *model.Model, how model.Sampler, std *data.Standardizer) error {
		return second(MakePairs(ctx, teacher, how, std, 3, 1))
	}
	noisy, empty := &model.SDE{}, &nn.NetTrainer{}
	errs := map[string]struct {
		err  error
		want string
	}{
		"CFM{}":                  {fit(m, CFM{}), "it has no Data"},
		"a nil CFM":              {fit(m, (*CFM)(nil)), "an objective"},
		"FM{}":                   {fit(m, FM{}), "FM.X1 is [0, 0]"},
		"ML{}":                   {fit(m, ML{}), "it has no Data"},
		"Reflow{}":               {fit(m, Reflow{}), "there are no pairs"},
		"MeanFlow{}":             {fit(m, MeanFlow{}), "without interval"},
		"Shortcut{}":             {fit(m, Shortcut{}), "without interval"},
		"short data":             {fit(m, CFM{Data: data.Shuffle(short, 1)}), "Points.X is [20, 2] with 1 numbers"},
		"short data of fm":       {fit(m, FM{CFM: good, X1: short.X}), "FM.X1 is [20, 2] with 1 numbers"},
		"short pairs":            {fit(m, Reflow{Pairs: Pairs{X: flow.Batch{N: 3, D: 4}}}), "with 0 numbers"},
		"the zero model":         {fit(zero, good), "needs a model"},
		"neither":                {fit(m, idle{}), "neither a Regression nor a Stepper"},
		"both":                   {fit(m, counting{good}), "has both Examples and Steps"},
		"both by ML":             {fit(m, regressed{ml()}), "has both Examples and Steps"},
		"no steps":               {fit(m, stepless{}), "returned nil"},
		"Session{}":              {run(Session{}), "the model is nil"},
		"no trainer":             {run(Session{Model: m, Objective: good}), "Session.Trainer is nil"},
		"an empty trainer":       {run(Session{Model: m, Objective: good, Trainer: empty}), "Trainer is nil"},
		"no objective":           {run(Session{Model: m, Trainer: tr}), "there is no objective"},
		"the zero Model":         {run(Session{Model: zero, Trainer: tr, Objective: good}), "the model is nil"},
		"Task{}":                 {task(Task{}), "Task.Trainer is nil"},
		"a task without Step":    {task(Task{Trainer: tr.Trainer}), "Task.Step is nil"},
		"CFM's examples of none": {CFM{}.Examples(m, ex, 0), "it has no Data"},
		"into none":              {good.Examples(m, nil, 0), "there are no examples to fill"},
		"into other ones":        {good.Examples(m, nn.NewExamples(4, 3), 0), "for a model of dimension 2"},
		"into short ones":        {good.Examples(m, &nn.Examples{X0: ex.X0, X1: ex.X1}, 0), "has 0 values for 4"},
		"of no model":            {good.Examples(nil, ex, 0), "the model is nil"},
		"of the zero model":      {good.Examples(zero, ex, 0), "the model is nil"},
		"FM's examples":          {FM{}.Examples(nil, ex, 0), "the model is nil"},
		"FM's of no points":      {FM{CFM: good}.Examples(m, ex, 0), "at least one point"},
		"MeanFlow's examples":    {MeanFlow{}.Examples(nil, ex, 0), "the model is nil"},
		"Shortcut's examples":    {Shortcut{}.Examples(m, ex, 0), "it has no Data"},
		"Reflow's examples":      {Reflow{}.Examples(m, ex, 0), "the set is empty"},
		"Reflow's of no model":   {Reflow{}.Examples(nil, ex, 0), "the model is nil"},
		"ML's steps of nothing":  {second(ML{}.Steps(ctx, Training{})), "the model is nil"},
		"ML's without a trainer": {second(ml().Steps(ctx, Training{Model: m})), "with a Trainer"},
		"no teacher":             {pairs(nil, rk4, nil), "the teacher is nil"},
		"the zero teacher":       {pairs(zero, rk4, nil), "the teacher is nil"},
		"no sampler":             {pairs(m, nil, nil), "no sampler"},
		"a nil sampler":          {pairs(m, (*model.ODE)(nil), nil), "no sampler"},
		"a pointer with noise":   {pairs(m, noisy, nil), "not with noise"},
		"no standardizer":        {pairs(m, rk4, &data.Standardizer{}), "0 means"},
		"a Config of short pairs": {second(Config{Objective: "reflow", Teacher: "x"}.New(Inputs{Set: &data.Set{},
			Pairs: Pairs{X: flow.Batch{N: 9, D: 4}}})), "with 0 numbers"},
		"a Config of few labels": {second(Config{Objective: "distill", Teacher: "x"}.New(Inputs{Set: &data.Set{},
			Pairs: Pairs{X: flow.NewBatch(9, 4), Label: []int32{1}}})), "1 labels of 9 pairs"},
		"a Config of nothing":    {second(Config{}.New(Inputs{})), "Inputs.Set"},
		"a feed before its time": {feedOf(t, m, good).err(3), "the examples of step 3"},
	}
	for _, o := range []interface {
		Objective
		Validator
	}{good, FM{CFM: good, X1: set.X}, MeanFlow{CFM: good}, Shortcut{CFM: good}, ml()} {
		name := fmt.Sprintf("validation of %T", o)
		for _, batch := range []int{0, -1} {
			errs[fmt.Sprintf("%s in batches of %d", name, batch)] = struct {
				err  error
				want string
			}{second(o.Validation(m, set, batch)), fmt.Sprintf("in batches of %d points", batch)}
		}
		errs[name+" and no model"] = struct {
			err  error
			want string
		}{second(o.Validation(nil, set, 4)), "the model is nil"}
		errs["a check of "+name] = struct {
			err  error
			want string
		}{o.Check(nil), "the model is nil"}
		if v, err := o.Validation(m, nil, 4); v != nil || err != nil {
			t.Errorf("%s on nothing: %v", name, err)
		}
	}
	for name, c := range errs {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, c.err, c.want)
		}
	}
	if err := fit(m, CFM{}); !errors.Is(err, ErrObjective) {
		t.Errorf("got %v, want ErrObjective", err)
	}
}

// fed is a feed that has ended.
type fed struct{ *feed }

func (f fed) err(step int) error {
	_, err := f.next(step)
	return err
}

// feedOf returns a feed of two steps whose context has ended.
func feedOf(t *testing.T, m *model.Model, r Regression) fed {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := prefetch(ctx, r, Training{Model: m, Batch: 4, To: 2})
	f.working.Wait()
	return fed{f}
}

// What ends a feed is what its error says.
func TestAFeedSaysWhyItEnded(t *testing.T) {
	m, o := along(t, path.CondOT{}), CFM{Data: data.Shuffle(points(20, 2), 1)}
	training := Training{Model: m, Batch: 4, From: 3, To: 5}
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := (fed{prefetch(late, o, training)}).err(3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past a deadline: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	f := fed{prefetch(ctx, o, training)}
	for step, want := range map[int]string{2: "in a training of the steps from 3 up to 4", 5: "step 5"} {
		if err := f.err(step); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("step %d: %v", step, err)
		}
	}
	if ex, err := f.next(3); err != nil {
		t.Error(err)
	} else {
		f.release(3, ex)
	}
	stop()
	f.working.Wait()
	s := cfmSession(t)
	if _, err := s.run(late, short, Progress{}, Hooks{}); !errors.Is(err, ErrInterrupted) ||
		!errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a training past a deadline: %v", err)
	}
}

// slow is a stream that counts who reads it.
type slow struct {
	data.Stream
	reading, read atomic.Int32
}

func (s *slow) Fill(x flow.Batch, given flow.Given, step uint64) error {
	s.reading.Add(1)
	defer s.reading.Add(-1)
	s.read.Add(1)
	time.Sleep(5 * time.Millisecond)
	return s.Stream.Fill(x, given, step)
}

// When a training has returned, nobody reads its data.
func TestTheDataAreNotReadWhenATrainingHasReturned(t *testing.T) {
	s := &slow{Stream: data.Shuffle(points(50, 2), 1)}
	for name, fit := range map[string]Fit{
		"at the end": {Loop: Loop{Steps: 3, Batch: 8}},
		"a hook that fails": {Loop: Loop{Steps: 100, Batch: 8, LogEvery: new(1)},
			Hooks: Hooks{Event: func(Event) error { return errors.New("boom") }}},
	} {
		_, err := fit.Train(t.Context(), along(t, path.CondOT{}), CFM{Data: s})
		reading, read := s.reading.Load(), s.read.Load()
		time.Sleep(20 * time.Millisecond)
		if reading != 0 || s.read.Load() != read {
			t.Errorf("%s (%v): %d still read, and %d were read afterwards", name, err, reading, s.read.Load()-read)
		}
	}
}

// With patience the model is that of the best validation, and not the last.
func TestFitReturnsTheBestModel(t *testing.T) {
	m := along(t, path.CondOT{})
	o, held := CFM{Data: data.Shuffle(points(100, 2), 1), Coupling: coupling.OT{}, Seed: 2}, points(50, 2)
	l := Loop{Steps: 300, Batch: 32, ValEvery: new(1), Patience: 3, LR: 1e-1, LRMin: new(1e-1)}
	opt := nn.Optimizer{ClipNorm: 1}
	losses, last := map[int]float64{}, 0
	hooks := Hooks{Event: func(e Event) error {
		losses[e.Step], last = *e.ValLoss, e.Step
		return nil
	}}
	got, err := Fit{Loop: l, Optimizer: opt, Held: held, Hooks: hooks}.Train(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	best := 1
	for step, v := range losses {
		if v < losses[best] {
			best = step
		}
	}
	if best+3 != last {
		t.Fatalf("the best validation is that of step %d of %d", best, last)
	}
	val, err := o.Validation(m, held, 32)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := val(t.Context(), got.Net()); err != nil || v != losses[best] {
		t.Errorf("the model has the loss %g, the best was %g and the last %g (%v)", v, losses[best], losses[last], err)
	}
}

// When ctx ends, what was trained so far is there beside the error.
func TestAnInterruptedFitReturnsTheModelSoFar(t *testing.T) {
	m, o := along(t, path.CondOT{}), CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 2}
	weights := func(m *model.Model) []float32 {
		t.Helper()
		w, err := m.Net().Weights()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	constant := Loop{Steps: 7, Batch: 16, Schedule: "constant"}
	want, err := Fit{Loop: constant}.Train(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	constant.Steps = 1000
	got, err := Fit{Loop: constant, Hooks: Hooks{Step: func(step int, _ float64) {
		if step == 7 {
			cancel()
		}
	}}}.Train(ctx, m, o)
	if !errors.Is(err, ErrInterrupted) || got == nil || !slices.Equal(weights(got), weights(want)) {
		t.Errorf("after seven steps: %v, %v", got, err)
	}
	if got, err = (Fit{}).Train(ctx, m, o); !errors.Is(err, ErrInterrupted) || got == nil ||
		!slices.Equal(weights(got), weights(m)) {
		t.Errorf("before the first: %v, %v", got, err)
	}
	if got, err := (Fit{}).Train(t.Context(), m, CFM{}); got != nil || err == nil {
		t.Errorf("of another error: %v, %v", got, err)
	}
}

// The hook that samples is given the model of the averaged weights.
func TestSamplesAreThoseOfTheAveragedWeights(t *testing.T) {
	m, o := along(t, path.CondOT{}), CFM{Data: data.Shuffle(points(100, 2), 1), Seed: 2}
	var drawn []int
	var last []float32
	hooks := Hooks{Sample: func(step int, m *model.Model) error {
		drawn = append(drawn, step)
		how := model.ODE{Solver: ode.Solver{Method: ode.Euler, Control: ode.Fixed(2)}}
		if _, err := m.Sample(t.Context(), model.SampleOptions{N: 3, Sampler: how}); err != nil {
			return err
		}
		var err error
		last, err = m.Net().Weights()
		return err
	}}
	got, err := Fit{Loop: Loop{Steps: 4, Batch: 16, SampleEvery: 2}, Hooks: hooks}.Train(t.Context(), m, o)
	if err != nil {
		t.Fatal(err)
	}
	if w, err := got.Net().Weights(); err != nil || !slices.Equal(w, last) || !slices.Equal(drawn, []int{2, 4}) {
		t.Errorf("drawn at %v, of other weights than those at the end (%v)", drawn, err)
	}
	// Networks that are no flow have no samples.
	task := Task{Trainer: newSession(t, m, o, nil).tr.Trainer, Hooks: hooks}
	if _, err := (Loop{Steps: 2, SampleEvery: 1}).Run(t.Context(), task); err == nil ||
		!strings.Contains(err.Error(), "no Task.Model") {
		t.Errorf("a task without a model: %v", err)
	}
}

// The end of ctx ends a validation, which a resumed training then takes up.
func TestALongValidationEnds(t *testing.T) {
	m := along(t, path.CondOT{})
	o := ml()
	o.Hutchinson, o.Held = false, 0
	val, err := o.Validation(m, points(50, 2), 20)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := val(gone, m.Net()); !errors.Is(err, context.Canceled) {
		t.Errorf("maximum likelihood: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	tr := newSession(t, m, o, nil).tr
	task := Task{
		Trainer: tr.Trainer,
		Step: func(_ int, lr float64) (nn.StepResult, error) {
			return tr.Apply(make([]float64, m.Net().NumWeights()), 1, lr)
		},
		Validate: func(ctx context.Context) (float64, error) {
			stop()
			<-ctx.Done()
			return 0, ctx.Err()
		},
	}
	l := Loop{Steps: 9, ValEvery: new(3)}
	p, err := l.Run(ctx, task)
	if !errors.Is(err, ErrInterrupted) || p.Due == nil || p.Due.Step != 3 || p.BestStep != 0 {
		t.Fatalf("got %+v, %v", p, err)
	}
	var lines, validated []int
	task.Progress = p
	task.Validate = func(context.Context) (float64, error) {
		validated = append(validated, int(tr.Steps()))
		return 1, nil
	}
	task.Hooks.Event = func(e Event) error {
		if lines = append(lines, e.Step); e.ValLoss == nil || e.Loss != 1 {
			t.Errorf("the line %+v", e)
		}
		return nil
	}
	if p, err = l.Run(t.Context(), task); err != nil || p.Due != nil ||
		!slices.Equal(validated, []int{3, 6, 9}) || !slices.Equal(lines, validated) {
		t.Errorf("resumed: validated at %v, lines of %v, %v", validated, lines, err)
	}
}

// A training that diverges says what is left of it.
func TestADivergedTrainingSaysWhatIsSaved(t *testing.T) {
	m := along(t, path.CondOT{})
	run := func(h Hooks, val float64) error {
		tr := newSession(t, m, cfm(), nil).tr
		task := Task{
			Trainer: tr.Trainer, Hooks: h,
			Step: func(step int, lr float64) (nn.StepResult, error) {
				loss := 1.0
				if step == 7 {
					loss = math.NaN()
				}
				return tr.Apply(make([]float64, m.Net().NumWeights()), loss, lr)
			},
			Validate: func(context.Context) (float64, error) { return val, nil },
		}
		_, err := Loop{Steps: 9, CheckpointEvery: new(2), ValEvery: new(5)}.Run(t.Context(), task)
		return err
	}
	save := Hooks{Save: func(nn.State, Progress, bool) error { return nil }}
	if err := run(save, 1); !errors.Is(err, nn.ErrDiverged) ||
		!strings.Contains(err.Error(), "state of step 6 is saved") {
		t.Errorf("got %v", err)
	}
	if err := run(Hooks{}, 1); !errors.Is(err, nn.ErrDiverged) || strings.Contains(err.Error(), "saved") {
		t.Errorf("with nothing saved: %v", err)
	}
	// A validation that is not finite is no result, and no log line holds it.
	var p Progress
	save.Save = func(_ nn.State, at Progress, _ bool) error { p = at; return nil }
	save.Event = func(e Event) error { _, err := json.Marshal(e); return err }
	for _, val := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		err := run(save, val)
		if !errors.Is(err, nn.ErrDiverged) || !strings.Contains(err.Error(), "after step 5") ||
			!strings.Contains(err.Error(), "lower the learning rate") || p.BestStep != 0 || p.BestLoss != 0 {
			t.Errorf("a validation of %g: %+v, %v", val, p, err)
		}
	}
}

// Names of objectives in errors are those of the table.
func TestErrorsNameTheObjectivesOfTheTable(t *testing.T) {
	o := CFM{Data: data.Shuffle(points(20, 2), 1)}
	bridge, noisy := along(t, path.Bridge{Sigma: 1}), func(k Kind) bool { return k.Noisy }
	for name, c := range map[string]struct {
		err  error
		rows func(Kind) bool
	}{
		"fm":      {FM{CFM: o}.Check(bridge), noisy},
		"distill": {Reflow{Pairs: Pairs{X: points(9, 4).X}, Distill: 1}.Check(bridge), noisy},
		"shortcut": {Shortcut{CFM: o}.Check(newModel(t, model.Spec{Scheduler: path.Bridge{Sigma: 1}},
			nn.Config{Average: true})), noisy},
		"meanflow": {MeanFlow{CFM: o, Averages: AverageConfig{Finest: 2}}.Check(bridge),
			func(k Kind) bool { return slices.Contains(k.keys, "intervals.finest") }},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), name) || !strings.Contains(c.err.Error(), oneOf(c.rows)) {
			t.Errorf("got %v, want one that names %s and %s", c.err, name, oneOf(c.rows))
		}
	}
}
