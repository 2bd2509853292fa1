package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/model/weights"
	"flowmatch/nn"
)

// Export writes the weights of a model to a safetensors file in the layout of a program, whole
// or not at all, and returns what is to be known of it: the settings of the program's network,
// which are in the metadata of the file under "config", and what it takes and outputs.
func Export(m *model.Model, name, file string) ([]Fact, error) {
	l, err := byName(name)
	if err != nil {
		return nil, err
	}
	if m.Net() == nil {
		return nil, errors.New("layout: the model is nil or empty")
	}
	if m.Spec().Precondition != nil {
		return nil, errors.New("layout: the model is preconditioned: its network sees and outputs numbers that are " +
			"scaled, which no other program has; train with precondition: false to export weights")
	}
	p, err := l.exported(m)
	if err != nil {
		return nil, fmt.Errorf("layout: as %s: %w", l.Name, err)
	}
	slab, err := m.Net().Weights()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(p.given)
	if err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	means := meaningOf(m).facts()[:3]
	meta := map[string]string{"format": "pt", "config": string(config)}
	for _, f := range means {
		meta[f.About] = f.Text
	}
	tensors := p.tensors(m.Net().Tensors(), slab)
	if err := atomicfile.WriteFile(file, func(w io.Writer) error {
		return safetensors.SerializeToWriter(tensors, meta, w)
	}); err != nil {
		return nil, fmt.Errorf("layout: %w", err)
	}
	facts := []Fact{{"network", p.net.Sizes()}, {"settings", string(config)}}
	return slices.Concat(facts, p.facts, means), nil
}

// exported returns the plan of the first form that the model has.
func (l Layout) exported(m *model.Model) (*plan, error) {
	var errs []error
	for _, how := range l.forms {
		if how.export == nil {
			continue
		}
		p, err := how.export(m)
		if err == nil {
			return p, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", how.name, err))
	}
	return nil, errors.Join(errs...)
}

// meaningOf is what a model's network outputs and sees.
func meaningOf(m *model.Model) meaning {
	spec := m.Spec()
	means := meaning{prediction: spec.Prediction, path: spec.Path}
	times, scale := (*nn.TimeFeatures)(nil), 1.0
	switch cfg := spec.Net; {
	case cfg.UNet != nil:
		times, scale = cfg.UNet.Time, 1000
	case cfg.DiT != nil:
		times, scale = cfg.DiT.Time, 1000
	}
	if means.time = (nn.TimeFeatures{Scale: scale}); times != nil {
		means.time = *times
	}
	if means.path.Name == "discrete_vp" && means.path.Steps == nil {
		means.path.Steps = new(1000.0)
	}
	return means
}

// tensors makes those of the program of the slab.
func (p *plan) tensors(ours []nn.Tensor, slab []float32) map[string]weights.Array {
	at := map[string]nn.Tensor{}
	for _, t := range ours {
		at[t.Name] = t
	}
	all := map[string]weights.Array{}
	for _, e := range p.entries {
		t := at[e.ours.Name]
		theirs := e.out(slab[t.Offset : t.Offset+t.Size()])
		size := len(theirs) / len(e.theirs)
		for i, name := range e.theirs {
			all[name] = weights.Array{Dims: e.their(), Numbers: theirs[i*size : (i+1)*size]}
		}
		for _, name := range e.copies {
			all[name] = all[e.theirs[0]]
		}
	}
	for _, c := range p.constants {
		all[c.name] = weights.Array{Dims: c.shape, Numbers: c.numbers()}
	}
	return all
}
