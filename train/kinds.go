package train

import (
	"errors"
	"fmt"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/internal/choice"
	"flowmatch/model"
)

// Kind is one row of the table of objectives: all that others ask about an objective that
// a run file names. A new objective is one file, which makes its row, and its name in kinds.
type Kind struct {
	Name string // as Config.Objective has it
	Doc  string // one line

	// Teacher: it learns from the pairs of a trained flow, Inputs.Pairs.
	Teacher bool
	// Averages: it trains a network of two times (nn.Config.Average), which samples by
	// steps of its average velocity.
	Averages bool
	// Solves: every step solves the ODE, so that no schedule, coupling, times, weighting
	// or source apply.
	Solves bool
	// Context: it takes contexts.
	Context bool
	// Noisy: it takes paths that have noise of their own (path.Noisy).
	Noisy bool
	// Finite: it needs a finite data set, Set.TrainSet of the Inputs.
	Finite bool
	// Straight: it follows the straight path between given pairs: path condot and the
	// independent coupling.
	Straight bool
	// Coupled: it takes a coupling; Sourced: a source other than the path's Gaussian.
	Coupled, Sourced bool
	// Preconditioned: it takes models with model.Spec.Precondition.
	Preconditioned bool
	// Curved: it takes models on manifolds.
	Curved bool
	// Velocity: it takes the prediction velocity only.
	Velocity bool
	// Score: its field determines the score, with a Gaussian path and independent pairs.
	Score bool
	// NoDensity says why its field has no density; empty: it has.
	NoDensity string
	// EulerSteps returns the number of Euler steps that samples take by default; nil: the
	// solver's own default.
	EulerSteps func(c Config) int

	keys     []string             // the keys of Config that are its own
	unused   []unused             // the shared keys of Config that it has no use for
	defaults func(c *Config)      // fills its own in; nil: nothing to fill in
	validate func(c Config) error // reports those out of range; nil: nothing to check
	build    func(c Config, in Inputs) (Objective, error)
}

// Limits says why a field that was trained so has no density, and why its score is not
// known; empty: it has. coupling is the name of the coupling; empty: independent.
func (k Kind) Limits(coupling string) (noDensity, noScore string) {
	switch {
	case !k.Score:
		noScore = "objective " + k.Name
	case coupling != "" && coupling != "independent":
		noScore = "coupling " + coupling
	}
	return k.NoDensity, noScore
}

// takes reports a model that the objective does not train: its path, or its Precondition.
func (k Kind) takes(m *model.Model) error {
	switch {
	case isNoisy(m) && !k.Noisy:
		return misfit("the path has noise of its own, which is for the objective %s, not for %s",
			oneOf(func(k Kind) bool { return k.Noisy }), k.Name)
	case m.Manifold() != nil && !k.Curved:
		return misfit("the model is on a manifold, which is for the objective %s, not for %s",
			oneOf(func(k Kind) bool { return k.Curved }), k.Name)
	case m.Spec().Precondition != nil && !k.Preconditioned:
		return misfit("the model has a Precondition, which is for the objective %s, not for %s",
			oneOf(func(k Kind) bool { return k.Preconditioned }), k.Name)
	}
	return nil
}

// unused is a key of Config that most objectives use, and the reason why one does not.
type unused struct{ key, because string }

// kinds is the table.
func kinds() []Kind {
	return []Kind{cfmKind(), fmKind(), mlKind(), reflowKind(), distillKind(), meanFlowKind(), shortcutKind()}
}

// Kinds returns the table.
func Kinds() []Kind { return kinds() }

// Objectives returns the names that Config.Objective takes.
func Objectives() []string { return ObjectivesWhere(func(Kind) bool { return true }) }

// ObjectivesWhere returns the names of the objectives of a property.
func ObjectivesWhere(property func(Kind) bool) (names []string) {
	for _, k := range kinds() {
		if property(k) {
			names = append(names, k.Name)
		}
	}
	return names
}

// KindOf returns the row of an objective; empty is cfm.
func KindOf(objective string) (Kind, error) {
	if objective == "" {
		objective = "cfm"
	}
	for _, k := range kinds() {
		if k.Name == objective {
			return k, nil
		}
	}
	return Kind{}, fmt.Errorf("train: %w", choice.Check("objective", objective, Objectives()))
}

// Inputs are what objectives are made of beside a Config.
type Inputs struct {
	Set      *data.Set
	Coupling coupling.Coupling // nil: independent
	Pairs    Pairs             // of a Teacher kind
	Seed     uint64
}

// New returns the objective that c names.
func (c Config) New(in Inputs) (Objective, error) {
	c = c.Defaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	k, err := KindOf(c.Objective)
	if err != nil {
		return nil, err
	}
	if in.Set == nil {
		return nil, errors.New("train: an objective needs Inputs.Set")
	}
	return k.build(c, in)
}
