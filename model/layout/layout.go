// Package layout knows how other programs lay out the weights of their networks, so that these
// become models here ([Import]), and those from here go on there ([Export]).
//
// There are only a few types. A [Layout] is a row of the table ([All]): a program, such as
// guided-diffusion, with its names of tensors and its conventions. [Source] says what is
// imported. A [Fact] is what was found, taken or assumed on the way, in words.
//
// # Caveats
//
// Shapes do not tell everything: how many heads attention has, or how large images are. What
// they do not tell must be given as a setting, by the name that the program itself has for it.
// What the numbers mean is not in the weights either: what the network outputs, along which
// path, and what it sees as the time are those of the layout unless a setting says otherwise.
package layout

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/model/weights"
	"flowmatch/nn"
	"flowmatch/path"
)

// Layout is a program's way to lay out weights.
type Layout struct {
	Name  string
	About string // what it is of, and what its networks output by default
	forms []form
}

// form is one of the networks of a layout.
type form struct {
	name   string
	anchor func(name string) (prefix string, ok bool) // is this tensor one by which the form is known?
	means  meaning                                    // by default
	plan   func(f *found, s *settings) (*plan, error) // of tensors that were found
	export func(m *model.Model) (*plan, error)        // of a model; nil: there is no way back
}

// All returns the layouts, in the order of their listing.
func All() []Layout {
	return []Layout{
		{"guided-diffusion", "OpenAI's ADM UNet (UNetModel): noise, discrete VP path of 1000 steps",
			[]form{unetForm(guidedDiffusion)}},
		{"torchcfm", "torchcfm's UNetModelWrapper and MLP: velocity, t from 0 to 1",
			[]form{unetForm(torchCFM), torchMLP()}},
		{"flow-matching", "the image UNet of facebookresearch/flow_matching: velocity, t from 0 to 1",
			[]form{unetForm(flowMatching)}},
		{"dit", "DiT of facebookresearch: noise, discrete VP path of 1000 steps",
			[]form{ditForm(diffusionMeaning(1000).scaled())}},
		{"sit", "SiT: velocity, t from 0 to 1", []form{ditForm(meaning{})}},
		{"sequential", "perceptrons that are one nn.Sequential: velocity, t from 0 to 1 behind x",
			[]form{sequential()}},
		{"diffusers", "UNet2DModel and DiTTransformer2DModel, in a folder with config.json: noise, discrete VP path",
			[]form{diffusersUNet(), diffusersDiT()}},
	}
}

// Names returns the names of the layouts.
func Names() []string {
	var names []string
	for _, l := range All() {
		names = append(names, l.Name)
	}
	return names
}

// ErrAsked is what errors are that the one who asked can mend: a layout, setting or key that there
// is not, or one that is missing.
var ErrAsked = errors.New("layout: what is asked for cannot be")

// asked is an error that is [ErrAsked].
type asked struct{ error }

func (asked) Is(target error) bool { return target == ErrAsked }
func (a asked) Unwrap() error      { return a.error }

func byName(name string) (Layout, error) {
	if err := choice.Check("layout", name, Names()); err != nil {
		return Layout{}, fmt.Errorf("layout: %w", asked{err})
	}
	all := All()
	return all[slices.IndexFunc(all, func(l Layout) bool { return l.Name == name })], nil
}

// Fact is something that is told of an import or export.
type Fact struct {
	About string `json:"about"`
	Text  string `json:"text"`
}

// plan is a network with the way from the tensors of a program to its own.
type plan struct {
	net       nn.Config // complete but for its time
	shape     []int     // of a point
	entries   []entry
	constants []constant // tensors that are no weights here
	last      []string   // our tensors of the last layer, which outputs
	facts     []Fact
	frequency float64        // the FrequencyShift of the time
	dropout   float64        // the share of labels that were taken away in training; 0: none
	given     map[string]any // of an export: the settings of the program's network
}

func (p *plan) tell(about, format string, args ...any) {
	p.facts = append(p.facts, Fact{about, fmt.Sprintf(format, args...)})
}

// reverse takes the last layer with the other sign.
func (p *plan) reverse() {
	for i, e := range p.entries {
		p.entries[i].negate = slices.Contains(p.last, e.ours.Name)
	}
}

// Source says what is imported.
type Source struct {
	// Files hold the weights: see [weights.Open]. One that is a folder is one of diffusers.
	Files []string
	// Layout is one of [Names].
	Layout string
	// Config is a JSON file with settings of the network, under the names of the program; "":
	// none, or that in the folder.
	Config string
	// Set are settings, as key=value, which come before those of Config.
	Set []string
	// Key chooses one of several sets of weights in a file, such as ema_model; "": the averaged
	// one, where there is one.
	Key string
}

// Imported is a model with what is to be known of it.
type Imported struct {
	Model *model.Model
	// Coupling is how noise and data were paired in training; "": independently.
	Coupling string
	// LabelDropout is the share of labels that were taken away in training; 0: none, so that labels cannot be
	// guided by.
	LabelDropout float64
	Facts        []Fact
}

// Import reads a model. Missing, unused and misshapen tensors are one error with the first of
// them, and nothing is loaded in part.
func Import(eng *nn.Engine, src Source) (im *Imported, err error) {
	l, err := byName(src.Layout)
	if err != nil {
		return nil, err
	}
	files, s, err := src.open()
	if err != nil {
		return nil, err
	}
	set, err := weights.Open(files...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	if im, err = l.read(eng, set, s, src.Key); err != nil {
		return nil, fmt.Errorf("layout: %s as %s: %w", choice.List(src.Files), l.Name, err)
	}
	return im, nil
}

func (l Layout) read(eng *nn.Engine, set *weights.Set, s *settings, key string) (*Imported, error) {
	f, how, err := l.find(set, key)
	if err != nil {
		return nil, err
	}
	p, err := how.plan(f, s)
	if err != nil {
		return nil, err
	}
	means := how.means.with(s)
	if err := s.done(); err != nil {
		return nil, err
	}
	means.time.FrequencyShift = p.frequency
	if p.net, err = means.on(p.net); err != nil {
		return nil, err
	}
	if means.reversed {
		p.reverse()
	}
	numbers, err := p.load(f, set.Bytes)
	if err != nil {
		return nil, err
	}
	net, err := nn.Restore(eng, p.net, numbers)
	if err != nil {
		return nil, err
	}
	means.path.Name = cmp.Or(means.path.Name, "condot")
	spec := model.Spec{Path: means.path, Prediction: means.prediction, Shape: p.shape,
		Standardizer: means.standardizer}
	m, err := model.New(spec, net)
	if err != nil {
		return nil, err
	}
	facts := slices.Concat(f.facts, []Fact{{"network", p.net.Sizes()}}, p.facts, means.facts(), s.facts)
	return &Imported{Model: m, Coupling: means.coupling, LabelDropout: p.dropout, Facts: facts}, nil
}

// meaning is what a network outputs, along which path, of which data, and what it has for the
// time. The zero value is a velocity along condot, with t itself.
type meaning struct {
	prediction   path.Prediction
	reversed     bool // the network outputs minus the velocity
	path         path.Config
	time         nn.TimeFeatures // its Scale 0: 1
	standardizer *data.Standardizer
	coupling     string
	perThousand  bool // the linear betas of a path in steps are those of 1000, times 1000/steps
}

// scaled returns m with betas that grow as the steps become fewer.
func (m meaning) scaled() meaning {
	m.perThousand = true
	return m
}

// diffusionMeaning is that of models of the noise, of so many steps.
func diffusionMeaning(steps float64) meaning {
	return meaning{prediction: path.Noise, path: path.Config{Name: "discrete_vp", Steps: &steps},
		time: nn.TimeFeatures{Scale: -steps, Shift: steps - 1}}
}

// schedules are the names by which programs call the betas of their steps.
var schedules = map[string]string{
	"linear": "linear", "scaled_linear": "scaled_linear", "cosine": "cosine", "squaredcos_cap_v2": "cosine",
}

// with returns m changed by settings.
func (m meaning) with(s *settings) meaning {
	steps, told := s.number("steps")
	if !told {
		steps = 1000
		if m.path.Steps != nil {
			steps = *m.path.Steps
		}
	}
	name, named := s.text("schedule")
	betas := schedules[name]
	switch {
	case named && betas == "":
		m.prediction, m.path, m.time = path.Velocity, path.Config{Name: name}, nn.TimeFeatures{Scale: 1}
	case named || m.path.Name == "discrete_vp" && told:
		m = diffusionMeaning(steps).but(m)
		m.path.Betas = betas
	}
	if told && m.path.Name != "discrete_vp" {
		s.fail("steps is of a path in steps; %s has none", cmp.Or(m.path.Name, "condot"))
	}
	for _, b := range []struct {
		key string
		to  **float64
	}{{"beta_start", &m.path.BetaMin}, {"beta_end", &m.path.BetaMax}} {
		if v, ok := s.number(b.key); ok {
			*b.to = &v
		}
	}
	m.scaleBetas()
	if name, ok := s.text("prediction"); ok {
		if m.reversed = name == reversedVelocity; m.reversed {
			name = "velocity"
		}
		var err error
		if m.prediction, err = path.ParsePrediction(name); err != nil {
			s.fail("prediction: %s, or %s", strings.TrimPrefix(err.Error(), "path: "), reversedVelocity)
		}
	}
	return m.units(s)
}

// scaleBetas sets the linear betas of a program that has the same noise in any number of steps.
func (m *meaning) scaleBetas() {
	p := &m.path
	if !m.perThousand || p.Name != "discrete_vp" || p.Betas != "" && p.Betas != "linear" || *p.Steps == 1000 {
		return
	}
	if p.BetaMin == nil {
		p.BetaMin = new(1000 / *p.Steps * 1e-4)
	}
	if p.BetaMax == nil {
		p.BetaMax = new(1000 / *p.Steps * 0.02)
	}
}

// reversedVelocity is the prediction of x_0 - x_1, from data to noise.
const reversedVelocity = "reversed_velocity"

// but returns m with the data of other, and its way to scale betas.
func (m meaning) but(other meaning) meaning {
	m.standardizer, m.coupling, m.perThousand = other.standardizer, other.coupling, other.perThousand
	return m
}

// units is the part of with that is of the time and the data.
func (m meaning) units(s *settings) meaning {
	if v, ok := s.number("time_scale"); ok {
		if m.time.Scale, m.time.Shift = v, 0; v == 0 {
			s.fail("time_scale is 0; the network would not see the time")
		}
	}
	if v, ok := s.number("time_shift"); ok {
		m.time.Shift = v
	}
	mean, centred := s.number("data_mean")
	std, scaled := s.number("data_std")
	if scaled && !(std > 0) {
		s.fail("data_std is %g; it must be above 0", std)
	}
	if centred || scaled {
		m.standardizer = &data.Standardizer{Mean: []float64{mean}, Std: []float64{cmp.Or(std, 1)}}
	}
	if name, ok := s.text("coupling"); ok {
		m.coupling = name
	}
	return m
}

// on returns a network that sees the time as m says.
func (m meaning) on(net nn.Config) (nn.Config, error) {
	t := m.time
	t.Scale = cmp.Or(t.Scale, 1)
	switch {
	case net.UNet != nil:
		u := *net.UNet
		u.Time, net.UNet = &t, &u
	case net.DiT != nil:
		d := *net.DiT
		d.Time, net.DiT = &t, &d
	case t.Scale != 1 || t.Shift != 0:
		return net, errors.New("time_scale and time_shift are for networks of images: a perceptron has t itself")
	}
	return net, nil
}

// facts says what m is.
func (m meaning) facts() []Fact {
	output := m.prediction.String()
	if m.reversed {
		output = "velocity from data to noise, x_0 - x_1; its last layer is taken with the other sign"
	}
	t := m.time
	seen := strings.Replace(fmt.Sprintf("%g + %g t", t.Shift, cmp.Or(t.Scale, 1)), "+ -", "- ", 1)
	if t.Shift == 0 {
		seen = strings.TrimPrefix(fmt.Sprintf("%g t", cmp.Or(t.Scale, 1)), "1 ")
	}
	facts := []Fact{
		{"output", output},
		{"time", fmt.Sprintf("%s is what the network sees; t is 0 at the noise and 1 at the data", seen)},
		{"path", pathText(m.path)},
	}
	if z := m.standardizer; z != nil {
		facts = append(facts, Fact{"data", fmt.Sprintf("%g x + %g of what the network makes", z.Std[0], z.Mean[0])})
	} else {
		facts = append(facts, Fact{"data", "as the network makes them"})
	}
	return append(facts, Fact{"coupling", cmp.Or(m.coupling, "independent, by assumption")})
}

func pathText(c path.Config) string {
	if c.Name != "discrete_vp" {
		return cmp.Or(c.Name, "condot")
	}
	text := fmt.Sprintf("discrete_vp of %g steps, betas %s", *c.Steps, cmp.Or(c.Betas, "linear"))
	if c.Betas != "cosine" {
		lo, hi := 0.0001, 0.02
		if c.BetaMin != nil {
			lo = *c.BetaMin
		}
		if c.BetaMax != nil {
			hi = *c.BetaMax
		}
		text += fmt.Sprintf(" from %g to %g", lo, hi)
	}
	return text
}
