package nn

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

// What no function made is an error where it is used, and never a panic.
func TestWhatWasNotMadeIsAnError(t *testing.T) {
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Dim: 2, Hidden: []int{4}, Average: true}
	net, err := New(eng, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	classes := ClassifierConfig{Image: []int{4, 4, 1}, Classes: 2}
	classifier, err := NewClassifier(eng, classes, 1)
	if err != nil {
		t.Fatal(err)
	}
	x, short := flow.NewBatch(2, 16), flow.Batch{N: 2, D: 16}
	two := make([]float64, 2)
	spoilt := NewExamples(2, 2)
	spoilt.X1.X = spoilt.X1.X[:3]
	var none AverageField
	errs := map[string]error{
		"New":                 second(New(nil, cfg, 1)),
		"New on nothing":      second(New(&Engine{}, cfg, 1)),
		"Restore":             second(Restore(nil, cfg, nil)),
		"Restore from":        second(Restore(eng, cfg, nil)),
		"NewClassifier":       second(NewClassifier(nil, classes, 1)),
		"RestoreClassifier":   second(RestoreClassifier(&Engine{}, classes, nil)),
		"NewExtractor":        second(NewExtractor(nil, nil)),
		"NewExtractor of":     second(NewExtractor(eng, nil)),
		"Loss of nil":         second(net.Loss(nil)),
		"Loss of short":       second(net.Loss(spoilt)),
		"Module.Weights":      second((&Module{}).Weights()),
		"Module.NewTrainer":   second((*Module)(nil).NewTrainer(Optimizer{})),
		"Trainer.State":       second((&Trainer{}).State()),
		"Trainer.Restore":     (*Trainer)(nil).Restore(State{}),
		"Trainer.Raw":         second((&Trainer{}).RawWeights()),
		"Trainer.Averaged":    second((*Trainer)(nil).AveragedWeights()),
		"Trainer.Apply":       second((&Trainer{}).Apply(nil, 0, 0)),
		"NetTrainer.Step":     second((&NetTrainer{}).Step(NewExamples(1, 2), 0)),
		"NetTrainer.Raw":      second((&NetTrainer{}).Raw()),
		"NetTrainer.Averaged": second((*NetTrainer)(nil).Averaged()),
		"Average":             none.Average(two, 0, 1, two),
		"Velocity":            none.Velocity(two, 0, two),
		"VJP":                 none.VJP(two, two, 0, two, two),
		"VelocityDiv":         none.VelocityDiv(two, two, 0, two),
		"VJPParams":           none.VJPParams(two, two, nil, 0, two, two),
		"VJPAug":              none.VJPAug(two, nil, 0, two, flow.Adjoint{}),
		"Extract":             second((&Extractor{}).Extract(x)),
		"Gradient":            third((&Classifier{}).Gradient(x, []int32{0, 0})),
		"Classify":            third((*Classifier)(nil).Classify(x)),
		"Classify short":      third(classifier.Classify(short)),
		"Gradient of none":    third(classifier.Gradient(flow.NewBatch(0, 16), nil)),
		"Classifier":          second((&Classifier{}).WithWeights(nil)),
	}
	for name, n := range map[string]*Net{"nil": nil, "zero": {}} {
		errs["Bind of "+name] = second(n.Bind(flow.Given{}))
		errs["BindAverage of "+name] = second(n.BindAverage(flow.Given{}))
		errs["Loss by "+name] = second(n.Loss(NewExamples(1, 2)))
		errs["LossGradient by "+name] = third(n.LossGradient(NewExamples(1, 2)))
		errs["WithWeights of "+name] = second(n.WithWeights(nil))
		errs["NewTrainer of "+name] = second(n.NewTrainer(Optimizer{}, StepOptions{}))
		errs["ONNX of "+name] = second(n.ONNX(ONNXOptions{Result: "v"}))
		if n.Config().Dim != 0 {
			t.Errorf("the %s network has a configuration", name)
		}
	}
	for name, err := range errs {
		if err == nil || strings.Contains(err.Error(), "runtime error") {
			t.Errorf("%s: got %v, want an error that names what is missing", name, err)
		}
	}
	var engine *Engine
	var module *Module
	var extractor *Extractor
	if engine.Name() != "" || engine.Devices() != 0 || peakOf(engine) != 0 || engine.Description() == "" ||
		module.Engine() != nil || module.NumWeights() != 0 || module.Tensors() != nil || none.Dim() != 0 ||
		none.NumParams() != 0 || (*Trainer)(nil).Steps() != 0 || (*Classifier)(nil).Config().Classes != 0 ||
		extractor.Outputs() != nil {
		t.Error("what is not there has properties")
	}
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }

// Without an EMA the averaged weights are the raw ones, whatever a state of another decay
// had for them.
func TestNoAverageIsTheWeightsThemselves(t *testing.T) {
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := New(eng, Config{Dim: 1, Hidden: []int{3}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := net.NewTrainer(Optimizer{EMADecay: new(0.0)}, StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	s.EMA[0], s.EMA[1] = float32(math.NaN()), float32(math.Inf(1))
	if err := tr.Restore(s); err != nil {
		t.Fatal(err)
	}
	grad := make([]float64, net.NumWeights())
	for i := range grad {
		grad[i] = 1
	}
	for range 3 {
		if _, err := tr.Apply(grad, 0, 0.1); err != nil {
			t.Fatal(err)
		}
		if s, err = tr.State(); err != nil || !slices.Equal(s.EMA, s.Weights) {
			t.Fatalf("the average is %v, the weights are %v (%v)", s.EMA, s.Weights, err)
		}
	}
	if _, err := tr.Apply(grad, math.NaN(), 0.1); !errors.Is(err, ErrDiverged) {
		t.Errorf("a loss that is not a number: %v", err)
	}
}

func peakOf(e *Engine) float64 {
	one, all := e.PeakFLOPS()
	return one + all
}
