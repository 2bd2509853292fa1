package model

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"

	"flowmatch/cluster"
	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/schema"
	"flowmatch/data/synth"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
	"flowmatch/nn"
	"flowmatch/path"
)

// Spec gives a network's output its meaning. It is what a checkpoint knows beside the
// weights: enough to sample and to evaluate densities without the training data.
type Spec struct {
	Net        nn.Config       `json:"net"`
	Path       path.Config     `json:"path"`       // a schedule by its name; see Scheduler
	Prediction path.Prediction `json:"prediction"` // what the network outputs
	// Precondition says how the network sees points and times, and what it outputs, so that
	// every path and prediction is the same problem for it; nil: x_t and t as they are, and
	// the output is the Prediction.
	Precondition *path.Precondition `json:"precondition,omitempty"`
	// DataScale is the root mean square of the coordinates of the data, in model units; 0: not
	// known, and taken for 1. It decides how near to a singular start a solve begins (see
	// [path.SpanOf]), and what samples are compared with ([Model.Astray]). With a Precondition it is
	// that one's, and must be left out.
	DataScale float64 `json:"data_scale,omitempty"`
	// Shape of one data point, e.g. [2] or [28, 28]; its product is Net.Dim. Nil means
	// [Net.Dim].
	Shape []int `json:"shape"`
	// Standardizer maps data to model units; nil when they are the same.
	Standardizer *data.Standardizer `json:"standardizer,omitempty"`
	// Schema is that of a table whose columns are learnt as what they hold: it maps points to model
	// units in the place of a Standardizer, and rows to points. nil: numbers.
	Schema *schema.Schema `json:"schema,omitempty"`
	// BinWidth is the width of one integer level of the data, in data units, for
	// dequantised images; 0 for continuous data. With it densities can be given in bits
	// per dimension.
	BinWidth float64 `json:"bin_width,omitempty"`
	// Columns are the names of the coordinates of a table, and Kinds the kinds of their columns
	// ("real" without a Schema); nil for data that are no table.
	Columns []string `json:"columns,omitempty"`
	Kinds   []string `json:"kinds,omitempty"`
	// ContextColumns are the names of the numbers of a context, where they are columns of a
	// table, and ContextStandardizer maps them to model units; nil otherwise.
	ContextColumns      []string           `json:"context_columns,omitempty"`
	ContextStandardizer *data.Standardizer `json:"context_standardizer,omitempty"`
	// ContextShape is the shape of a context that comes as an array of several axes, nil of one that does
	// not. New takes that of a network which reads its context as a grid.
	ContextShape []int `json:"context_shape,omitempty"`
	// Bounds is the box that the data are from, in data units, such as the support of a prior:
	// samples are drawn until they are in it, and log-densities are those inside. Nil: there is
	// none.
	Bounds data.Bounds `json:"bounds,omitempty"`
	// LabelName is the name of the labels (a table's column), and ClassNames the names of
	// the classes, in the order of the labels 0, 1, ...; empty where they have none.
	LabelName  string   `json:"label_name,omitempty"`
	ClassNames []string `json:"class_names,omitempty"`
	// Fingerprint is data.Set.Fingerprint of what the model was trained on; empty: not
	// known.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Source is where the flow starts from, in model units; nil: the path's Gaussian.
	Source *synth.SourceConfig `json:"source,omitempty"`
	// Space is the manifold that the points are on, with the source on it; nil: R^D. Path must then be
	// condot: the path is along geodesics. Points are those of [manifold.Space.Points], and
	// densities with respect to the Riemannian volume.
	Space *manifold.Space `json:"space,omitempty"`
	// Condition says how the context of an image is made from the image; nil: there is
	// none, or (a network with nn.Config.Context) it comes with the data.
	Condition *image.ConditionConfig `json:"condition,omitempty"`
	// NoDensity and NoScore say why the trained field has no density, and why its
	// score is not known, as its objective and coupling determine; empty: it has.
	NoDensity string `json:"no_density,omitempty"`
	NoScore   string `json:"no_score,omitempty"`

	// Scheduler is a schedule as a value, in place of Path, which must then be empty. New
	// turns one of package path into its Path. A model with one of your own can be trained
	// and used but not saved: a file can record a schedule by its name only. Give it one
	// with [path.Register], and name it in Path.
	Scheduler path.Scheduler `json:"-"`
	// Law, in place of Space, is a source on a manifold of your own: such a model cannot be saved.
	Law manifold.Law `json:"-"`
}

// Model is a flow: it maps noise to data and back, and knows densities. It is
// read-only and safe for concurrent use.
type Model struct {
	spec      Spec
	net       *nn.Net
	scheduler path.Scheduler
	source    flow.Source
	clock     func() *path.Clock // made when asked for; nil without a Precondition
	condition *image.Condition
	manifold  manifold.Manifold      // nil: R^D
	ranks     *cluster.Comm          // see Together
	digest    func() (string, error) // of the weights, made once; nil in one process
}

// ErrSpec is returned for a Spec whose parts do not fit one another or the network.
var ErrSpec = errors.New("model: the spec does not fit")

// New returns the model of a Spec and a network for it; Spec.Net is set to the
// network's.
func New(spec Spec, net *nn.Net) (*Model, error) {
	if net == nil || net.Config().Dim == 0 {
		return nil, fmt.Errorf("%w: there is no network: it is nil or empty; make one by nn.New", ErrSpec)
	}
	spec.Net = net.Config()
	if spec.Shape == nil {
		spec.Shape = []int{spec.Net.Dim}
	}
	if r := spec.Net.Residual; spec.ContextShape == nil && r != nil {
		spec.ContextShape = r.Embed.Shape
	}
	if err := spec.check(); err != nil {
		return nil, err
	}
	m := &Model{spec: spec, net: net}
	if err := m.derive(); err != nil {
		return nil, err
	}
	return m, nil
}

// check reports what does not fit points of the network's dimension.
func (s Spec) check() error {
	dim := volume(s.Shape)
	if dim != s.Net.Dim || len(s.Shape) == 0 {
		return fmt.Errorf("%w: points of shape %v for a network of dimension %d", ErrSpec, s.Shape, s.Net.Dim)
	}
	if n := len(s.Columns); n != 0 && n != dim {
		return fmt.Errorf("%w: %d columns for points of dimension %d", ErrSpec, n, dim)
	}
	if n := len(s.Kinds); n != 0 && n != dim {
		return fmt.Errorf("%w: kinds of %d columns for points of dimension %d", ErrSpec, n, dim)
	}
	if err := errors.Join(s.checkContext(), s.checkBounds()); err != nil {
		return err
	}
	if n := len(s.ClassNames); n != 0 && n != s.Net.Classes {
		return fmt.Errorf("%w: %d class_names for a network of %d classes", ErrSpec, n, s.Net.Classes)
	}
	if _, err := path.ParsePrediction(s.Prediction.String()); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	switch {
	case !(s.DataScale >= 0) || math.IsInf(s.DataScale, 0):
		return fmt.Errorf("%w: DataScale is %g; it must be positive, or 0 where it is not known", ErrSpec, s.DataScale)
	case s.DataScale > 0 && s.Precondition != nil:
		return fmt.Errorf("%w: DataScale is set beside a Precondition, which has it as its Data", ErrSpec)
	}
	if s.Schema != nil {
		return s.checkSchema(dim)
	}
	if s.Standardizer == nil {
		return nil
	}
	if s.Standardizer.Squash {
		return fmt.Errorf("%w: a standardizer that squashes is for contexts; the density of points needs one that "+
			"does not", ErrSpec)
	}
	if err := s.Standardizer.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if n := len(s.Standardizer.Mean); n != 1 && n != dim {
		return fmt.Errorf("%w: a standardizer of %d coordinates for points of dimension %d", ErrSpec, n, dim)
	}
	return nil
}

// derive makes what a model computes with from its Spec.
func (m *Model) derive() (err error) {
	spec := &m.spec
	if m.scheduler, err = spec.schedule(); err != nil {
		return err
	}
	*spec = spec.named()
	m.source = path.Source(m.scheduler)
	if err := cmp.Or(m.precondition(), spec.checkLevels()); err != nil {
		return err
	}
	if spec.Source != nil {
		if err := CheckSource(*spec.Source, m.scheduler, spec.Prediction, spec.Net.Dim); err != nil {
			return err
		}
		if m.source, err = spec.Source.New(); err != nil {
			return err
		}
	}
	if err := m.curve(); err != nil {
		return err
	}
	if spec.Condition == nil {
		return nil
	}
	if m.condition, err = spec.Condition.New(spec.Shape, spec.Standardizer); err != nil {
		return err
	}
	if got, want := spec.Net.Context, m.condition.Dim(); got != want {
		return fmt.Errorf("%w: the network takes a context of %d numbers, and %s makes %d",
			ErrSpec, got, spec.Condition.Kind, want)
	}
	return nil
}

// precondition makes the clock, and reports a Precondition that the path or the network
// cannot have.
func (m *Model) precondition() error {
	if m.spec.Precondition == nil {
		return nil
	}
	p := *m.spec.Precondition // a copy, which nobody else changes
	m.spec.Precondition = &p
	if err := p.Validate(); err != nil {
		return fmt.Errorf("%w: Precondition: %w", ErrSpec, err)
	}
	if _, noisy := m.scheduler.(path.Noisy); noisy {
		return fmt.Errorf("%w: a Precondition is for Gaussian paths; path %s has noise of its own", ErrSpec,
			m.spec.pathName())
	}
	if m.spec.Net.Waves != nil {
		return fmt.Errorf("%w: a Precondition has a clock of its own, and waves fade by 1-t", ErrSpec)
	}
	if m.spec.Net.Average {
		return fmt.Errorf("%w: a Precondition is for networks of one time; this one knows average velocities", ErrSpec)
	}
	m.clock = sync.OnceValue(func() *path.Clock { // which only training asks for
		lo, hi := m.Span()
		return p.Clock(m.scheduler, lo, hi)
	})
	return nil
}

// schedule returns the one that the Spec names or holds.
func (s Spec) schedule() (path.Scheduler, error) {
	if s.Scheduler == nil {
		return s.Path.New()
	}
	if !reflect.ValueOf(s.Path).IsZero() {
		return nil, fmt.Errorf("%w: both Path (%s) and Scheduler (%T) are set; leave one out",
			ErrSpec, s.Path.Name, s.Scheduler)
	}
	if err := path.Check(s.Scheduler); err != nil {
		return nil, fmt.Errorf("%w: Scheduler: %w", ErrSpec, err)
	}
	return s.Scheduler, nil
}

// named returns s with a schedule of package path that is given as a value as its Path.
func (s Spec) named() Spec {
	if c, ok := path.ConfigOf(s.Scheduler); ok {
		s.Path, s.Scheduler = c, nil
	}
	return s
}

// pathName names the schedule: as Path does, or by the type of one of your own.
func (s Spec) pathName() string {
	switch {
	case s.Scheduler != nil:
		return fmt.Sprintf("%T", s.Scheduler)
	case s.Path.Name == "":
		return "condot"
	}
	return s.Path.Name
}

// CheckSource reports whether a flow can start from a named set: its path must
// begin with x_0 itself, its network predict the velocity, and its dimension be that
// of the data, where that is known (dim > 0).
func CheckSource(c synth.SourceConfig, s path.Scheduler, p path.Prediction, dim int) error {
	d, err := c.New()
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	lo, _ := s.Domain()
	switch at := s.At(lo); {
	case d == nil:
		return errors.New("model: a source without a name; leave it out for the Gaussian of the path")
	case at.Alpha != 0 || at.Sigma != 1:
		return fmt.Errorf("model: a source other than the Gaussian needs a path that starts from it, x_0 itself; "+
			"this one starts at %g x_1 + %g x_0: use condot, icfm or bridge", at.Alpha, at.Sigma)
	case p != path.Velocity:
		return fmt.Errorf("model: a source other than the Gaussian needs the prediction velocity, not %v", p)
	}
	if got := d.(synth.Source).Dim(); dim > 0 && got != dim {
		return fmt.Errorf("model: the source has %d dimensions and the data %d", got, dim)
	}
	return nil
}

// errUnmade is that of a model that New did not make.
var errUnmade = errors.New("model: the model is nil or empty; make one by model.New, or read one by model.Open")

// made reports a model that New did not make.
func (m *Model) made() error {
	if m == nil || m.net == nil {
		return errUnmade
	}
	return nil
}

// WithNet returns a model of the same meaning with another network of the same
// configuration, such as one that a training returns.
func (m *Model) WithNet(net *nn.Net) (*Model, error) {
	if err := m.made(); err != nil {
		return nil, err
	}
	return New(m.spec, net)
}

// Spec returns the description of m, complete; the zero Spec of a nil model.
func (m *Model) Spec() Spec {
	if m == nil {
		return Spec{}
	}
	return m.spec
}

// Net returns the network; nil of a model that New did not make.
func (m *Model) Net() *nn.Net {
	if m == nil {
		return nil
	}
	return m.net
}

// Scheduler returns the schedule of the path; nil of a model that New did not make.
func (m *Model) Scheduler() path.Scheduler {
	if m == nil {
		return nil
	}
	return m.scheduler
}

// Dim returns D; 0 of a model that New did not make.
func (m *Model) Dim() int { return m.Spec().Net.Dim }

// Span returns the times between which the model's velocity is finite: the
// path's domain, trimmed where the prediction cannot be turned into a velocity.
func (m *Model) Span() (lo, hi float64) {
	if m.made() != nil {
		return 0, 0
	}
	return path.SpanOf(m.scheduler, m.output(), m.scale())
}

// scale returns that of the data, in model units; 0: not known.
func (m *Model) scale() float64 {
	if m.spec.Precondition != nil {
		return m.spec.Precondition.Data
	}
	return m.spec.DataScale
}

// output returns what becomes a velocity: the prediction of the network or, preconditioned,
// the velocity itself, which no conversion comes before.
func (m *Model) output() path.Prediction {
	if m.spec.Precondition != nil {
		return path.Velocity
	}
	return m.spec.Prediction
}

// Clock returns what turns shares of the data in x_t into
// times; nil of a model without a Precondition.
func (m *Model) Clock() *path.Clock {
	if m == nil || m.clock == nil {
		return nil
	}
	return m.clock()
}

// Source returns the distribution that a solve starts from, in model units: the
// source that the Spec names, or the path's Gaussian, N(0, σ(lo)² I).
func (m *Model) Source() flow.Source {
	if m == nil {
		return nil
	}
	return m.source
}

// ErrNoDensity is returned when a log-density is asked of a model that has none, and
// ErrNoScore when a sampler needs the score of one whose field does not determine it.
var (
	ErrNoDensity = errors.New("model: the model has no density")
	ErrNoScore   = errors.New("model: sampling with noise needs the score, which only a Gaussian path with " +
		"the independent coupling gives; use an ODE solver, or ddim with eta 0")
)

// HasDensity returns nil, or [ErrNoDensity] with the reason.
func (m *Model) HasDensity() error {
	if err := m.made(); err != nil {
		return err
	}
	if m.spec.NoDensity != "" {
		return fmt.Errorf("%w: %s", ErrNoDensity, m.spec.NoDensity)
	}
	return nil
}

// HasScore returns nil, or [ErrNoScore] with the reason.
func (m *Model) HasScore() error {
	if err := m.made(); err != nil {
		return err
	}
	why := m.spec.NoScore
	if _, noisy := m.scheduler.(path.Noisy); noisy {
		why = "path " + m.spec.pathName()
	}
	switch {
	case m.manifold != nil:
		why = fmt.Sprint(m.manifold)
	case m.spec.Source != nil:
		why = fmt.Sprintf("source %s", m.spec.Source.Name)
	}
	if why != "" {
		return fmt.Errorf("%w (this model has %s)", ErrNoScore, why)
	}
	return nil
}

// Field returns the velocity field in model units, v_t(x | given). It is
// Differentiable, and a Diverger where the network is; see [nn.Net.Bind].
func (m *Model) Field(given flow.Given) (flow.Field, error) {
	if err := m.made(); err != nil {
		return nil, err
	}
	f, err := m.bind(given)
	if err != nil || m.output() == path.Velocity {
		return m.tangent(f), err
	}
	return path.AsVelocity(f, m.scheduler, m.spec.Prediction), nil
}

// bind returns the field of the output: see there.
func (m *Model) bind(given flow.Given) (flow.Field, error) {
	f, err := m.net.Bind(given)
	if err != nil || m.spec.Precondition == nil {
		return f, err
	}
	return m.spec.Precondition.Field(f, m.scheduler, path.Velocity), nil
}

// ContextOf returns the contexts that Spec.Condition makes of images x [N, D] in data
// units: [N, Dc], in model units; the zero Batch for a model without. Random masks are
// drawn from the seed, that of image i whatever the others are. Images of another size
// are an error.
func (m *Model) ContextOf(x flow.Batch, seedValue uint64) (flow.Batch, error) {
	if err := m.made(); err != nil {
		return flow.Batch{}, err
	}
	if m.condition == nil {
		return flow.Batch{}, nil
	}
	if err := m.fits("images", x); err != nil {
		return flow.Batch{}, err
	}
	z, context := m.toModelUnits(x), flow.NewBatch(x.N, m.condition.Dim())
	for i := range x.N {
		rng := seed.Rand(seedValue, "data/context", uint64(i))
		if err := m.condition.Fill(context.Slice(i, i+1), z.Slice(i, i+1), rng); err != nil {
			return flow.Batch{}, err
		}
	}
	return context, nil
}

// fits reports points that are not the model's.
func (m *Model) fits(what string, x flow.Batch) error {
	if x.D != m.Dim() || x.N < 0 || len(x.X) != x.N*x.D {
		return fmt.Errorf("model: %s of shape [%d, %d] with %d numbers for a model of dimension %d", what, x.N, x.D,
			len(x.X), m.Dim())
	}
	return m.checkPoints(x)
}
