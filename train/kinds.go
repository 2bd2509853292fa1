package train

import (
	"errors"
	"fmt"

	"flowmatch/coupling"
	"flowmatch/data"
	"flowmatch/internal/choice"
)

// Kind is one row of the table of objectives: all that others ask about an objective that
// a run file names. A new objective is one file and one row.
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
	// Finite: it needs a finite data set, Inputs.Set.TrainSet.
	Finite bool
	// Straight: it follows the straight path between given pairs: path condot and the
	// independent coupling.
	Straight bool
	// Coupled: it takes a coupling; Sourced: a source other than the path's Gaussian.
	Coupled, Sourced bool
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
// known; empty: it has. coupling is the name of the coupling.
func (k Kind) Limits(coupling string) (noDensity, noScore string) {
	switch {
	case coupling != "" && coupling != "independent":
		noScore = "coupling " + coupling
	case !k.Score:
		noScore = "objective " + k.Name
	}
	return k.NoDensity, noScore
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
	X1       data.Points       // of a Finite kind: all of Set.TrainSet
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

// cfm is the part that regressions on drawn pairs share.
func (c Config) cfm(in Inputs) CFM {
	return CFM{
		Data: in.Set.Train, Coupling: in.Coupling, Times: c.Times, Weighting: c.Weighting,
		LabelDropout: c.LabelDropout, Seed: in.Seed,
	}
}

func cfmKind() Kind {
	return Kind{
		Name: "cfm", Doc: "conditional flow matching, equation 9", Score: true,
		Context: true, Noisy: true, Coupled: true, Sourced: true,
		build: func(c Config, in Inputs) (Objective, error) { return c.cfm(in), nil },
	}
}

func fmKind() Kind {
	return Kind{
		Name: "fm", Doc: "the exact flow matching objective on a finite data set, equation 5",
		Score: true, Finite: true,
		unused: []unused{{"label_dropout", "the exact field is that of all points, whatever their label"}},
		build:  func(c Config, in Inputs) (Objective, error) { return FM{CFM: c.cfm(in), X1: in.X1.X}, nil },
	}
}

func meanFlowKind() Kind {
	return Kind{
		Name: "meanflow", Doc: "average velocities by the identity that they obey (MeanFlow)",
		Averages: true, Context: true, Coupled: true, Sourced: true, Velocity: true,
		keys:     []string{"intervals.ratio", "intervals.power", "intervals.offset"},
		defaults: func(c *Config) { c.Averages = c.Averages.Defaults() },
		validate: func(c Config) error { return c.Averages.validateMeanFlow() },
		build: func(c Config, in Inputs) (Objective, error) {
			return MeanFlow{CFM: c.cfm(in), Averages: c.Averages}, nil
		},
	}
}

func shortcutKind() Kind {
	return Kind{
		Name: "shortcut", Doc: "average velocities, each step two of half its length (shortcut models)",
		Averages: true, Context: true, Coupled: true, Sourced: true, Velocity: true,
		keys: []string{"intervals.ratio", "intervals.finest"},
		defaults: func(c *Config) {
			c.Averages = c.Averages.Defaults()
			c.Averages.Finest = c.Averages.finest()
		},
		validate: func(c Config) error { return c.Averages.validateShortcut() },
		build: func(c Config, in Inputs) (Objective, error) {
			return Shortcut{CFM: c.cfm(in), Averages: c.Averages}, nil
		},
	}
}

func reflowKind() Kind {
	return teacherKind("reflow", "straight paths between the pairs of a teacher (rectified flow)", "teacher", "pairs")
}

func distillKind() Kind {
	k := teacherKind("distill", "a teacher's whole way in few Euler steps", "teacher", "pairs", "distill_steps")
	k.Velocity = true
	k.unused = append(k.unused, unused{"times", "its times are those of the Euler steps"})
	k.EulerSteps = func(c Config) int { return c.DistillSteps }
	k.NoDensity = "it is a distilled student, whose field between its few times is no flow; ask its teacher"
	pairs, valid := k.defaults, k.validate
	k.defaults = func(c *Config) {
		pairs(c)
		setDefault(&c.DistillSteps, 1)
	}
	k.validate = func(c Config) error {
		if c.DistillSteps < 1 {
			return fmt.Errorf("train: distill_steps is %d; it must be at least 1", c.DistillSteps)
		}
		return valid(c)
	}
	return k
}

// heldPairs is the share of a teacher's pairs that validate: one of so many.
const heldPairs = 50

func teacherKind(name, doc string, keys ...string) Kind {
	return Kind{
		Name: name, Doc: doc, Teacher: true, Straight: true, Sourced: true, keys: keys,
		unused:   []unused{{"label_dropout", "the labels are those that the teacher was given"}},
		defaults: func(c *Config) { setDefault(&c.Pairs, 50000) },
		validate: func(c Config) error {
			if c.Teacher == "" {
				return fmt.Errorf("train: the objective %s needs a teacher: the folder of a trained run", c.Objective)
			}
			if c.Pairs < 100 {
				return fmt.Errorf("train: pairs is %d; it must be at least 100", c.Pairs)
			}
			return nil
		},
		build: func(c Config, in Inputs) (Objective, error) {
			n := in.Pairs.X.N
			kept := n - n/heldPairs
			return Reflow{
				Pairs: in.Pairs.Slice(0, kept), Held: in.Pairs.Slice(kept, n),
				Distill: c.DistillSteps, Times: c.Times, Weighting: c.Weighting, Seed: in.Seed,
			}, nil
		},
	}
}
