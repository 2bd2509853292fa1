package layout

import (
	"cmp"
	"fmt"
	"slices"

	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/nn"
)

// torchMLP is the form of torchcfm's MLP: three hidden layers with SELU.
func torchMLP() form {
	return form{name: "MLP", anchor: suffix("net.0.weight"),
		plan: func(f *found, s *settings) (*plan, error) {
			s.same("dim", f.rows("net.6.weight"))
			s.same("w", f.rows("net.0.weight"))
			s.same("time_varying", f.column("net.0.weight") > f.rows("net.6.weight"))
			return planSequence(f, s, "net.", "selu")
		},
		export: func(m *model.Model) (*plan, error) {
			cfg := m.Net().Config()
			alike := len(cfg.Hidden) == 3 && slices.Min(cfg.Hidden) == slices.Max(cfg.Hidden)
			if !alike || cfg.Activation != "selu" || cfg.Classes+cfg.Context > 0 {
				return nil, fmt.Errorf("net.hidden is %v with activation %s; torchcfm's MLP has three equal hidden "+
					"layers with selu, and neither labels nor contexts", cfg.Hidden, cfg.Activation)
			}
			p, err := exportSequence(m, "net.")
			if err == nil {
				p.given = map[string]any{"dim": cfg.Dim, "w": cfg.Hidden[0], "time_varying": true}
			}
			return p, err
		}}
}

// sequential is the form of an nn.Sequential of linear layers with an activation between them.
func sequential() form {
	return form{name: "nn.Sequential", anchor: sequenceAnchor,
		plan: func(f *found, s *settings) (*plan, error) { return planSequence(f, s, "", "") },
		export: func(m *model.Model) (*plan, error) {
			return exportSequence(m, "")
		}}
}

// planSequence is the plan of linear layers whose names are numbers behind a prefix.
func planSequence(f *found, s *settings, prefix, activation string) (*plan, error) {
	var layers []int
	for k := range f.count(prefix) {
		if w := f.shape(fmt.Sprintf("%s%d.weight", prefix, k)); len(w) == 2 {
			layers = append(layers, k)
		}
	}
	for i, k := range layers[1:] {
		if k == layers[i]+1 {
			return nil, fmt.Errorf("linear layer %d follows upon %d with nothing between them, no activation either; "+
				"the perceptron here has one between any two", k, layers[i])
		}
	}
	if len(layers) < 2 {
		return nil, fmt.Errorf("it has %d linear layers; a perceptron has at least two", len(layers))
	}
	at := func(k int) string { return fmt.Sprintf("%s%d.", prefix, layers[k]) }
	net := nn.Config{Dim: f.rows(at(len(layers)-1) + "weight"), Activation: activation}
	for k := range len(layers) - 1 {
		net.Hidden = append(net.Hidden, f.rows(at(k)+"weight"))
	}
	if activation == "" {
		name, ok := s.text("activation")
		switch net.Activation = name; {
		case ok:
			if err := choice.Check("activation", name, nn.Activations()); err != nil {
				s.fail("%w", err)
			}
		default:
			s.fail("the activation cannot be told from the tensors: set activation to one of %v", nn.Activations())
		}
	}
	net.Classes, _ = s.whole("classes")
	net.Context, _ = s.whole("condition")
	inputs := f.column(at(0) + "weight")
	rest := inputs - net.Dim - net.Classes - net.Context
	if rest < 0 || rest > 1 {
		s.fail("the first layer has %d inputs; with %d of the point, 1 of the time, %d classes and a condition of %d "+
			"they would be %d: set classes or condition", inputs, net.Dim, net.Classes, net.Context, inputs-rest+1)
	}
	if len(s.errs) > 0 {
		return nil, s.errs[0]
	}
	p := &plan{}
	if rest == 0 {
		p.tell("left out", "the time, which the network has no input for")
	}
	return p, fillSequence(p, net.Defaults(), at, inputs)
}

// fillSequence adds the network and its entries; at is the name of linear layer k.
func fillSequence(p *plan, net nn.Config, at func(k int) string, inputs int) error {
	p.net, p.shape = net, []int{net.Dim}
	tensors, err := net.Tensors()
	if err != nil {
		return err
	}
	for i, t := range tensors {
		e := same(t)
		e.theirs[0] = at(i/2) + [2]string{"weight", "bias"}[i%2]
		if i == 0 && t.Shape[1] > inputs { // no input for the time, which stands behind x
			e.shape, e.cols = []int{t.Shape[0], inputs}, slices.Insert(upTo(inputs), net.Dim, -1)
		}
		if i >= len(tensors)-2 {
			p.last = append(p.last, t.Name)
		}
		p.entries = append(p.entries, e)
	}
	return nil
}

// exportSequence is the plan of the way back.
func exportSequence(m *model.Model, prefix string) (*plan, error) {
	cfg := m.Net().Config()
	spec := m.Spec()
	switch {
	case cfg.OfImages() || cfg.Residual != nil:
		return nil, fmt.Errorf("the model is no plain perceptron")
	case cfg.TimeFrequencies+cfg.SpaceFrequencies > 0 || cfg.Waves != nil || cfg.Average || cfg.Shown ||
		len(cfg.Levels) > 0:
		return nil, fmt.Errorf("the perceptron has features of its inputs beside them, or levels; an nn.Sequential " +
			"has none")
	case spec.Precondition != nil:
		return nil, fmt.Errorf("the model is preconditioned: its network outputs nothing that others could use")
	}
	p := &plan{given: map[string]any{"activation": cmp.Or(cfg.Activation, "gelu")}}
	if cfg.Classes > 0 {
		p.given["classes"] = cfg.Classes
	}
	if cfg.Context > 0 {
		p.given["condition"] = cfg.Context
	}
	tensors := m.Net().Tensors()
	return p, fillSequence(p, cfg, func(k int) string { return fmt.Sprintf("%s%d.", prefix, 2*k) }, tensors[0].Shape[1])
}
