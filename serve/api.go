package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/ode"
)

// modelInfo is what a model is, and what requests may and must say.
type modelInfo struct {
	Name    string `json:"name"`
	Step    int    `json:"step" doc:"steps of training behind the weights"`
	Loaded  string `json:"loaded" doc:"when this state was read (RFC 3339)"`
	Dim     int    `json:"dim" doc:"numbers of a point, as the flow moves it"`
	Shape   []int  `json:"shape,omitempty" doc:"of an image: height, width, channels"`
	Path    string `json:"path"`
	Weights int    `json:"weights" doc:"number of weights of the network"`
	// Columns are those of a row of samples.
	Columns []string `json:"columns" doc:"names of the values of a row"`
	Classes []string `json:"classes,omitempty" doc:"what label takes, by name or by number from 0"`
	Given   []string `json:"given,omitempty" doc:"what given must say of each context"`
	Bounds  string   `json:"bounds,omitempty" doc:"samples lie within them"`
	Density string   `json:"no_density,omitempty" doc:"why there are no log-densities; absent: there are"`
	Solver  string   `json:"solver" doc:"where a request names none"`
}

// text is a string that JSON may also have as a number, such as a class.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err == nil {
		*t = text(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("%s is neither a text nor a number", choice.Quote(string(b)))
	}
	*t = text(n)
	return nil
}

// Schema implements huma.SchemaProvider.
func (text) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeInteger}}}
}

// contexts are one context or several, each with a value for each of its names.
type contexts []map[string]any

// UnmarshalJSON implements json.Unmarshaler.
func (c *contexts) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]map[string]any)(c))
	}
	var one map[string]any
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*c = contexts{one}
	return nil
}

// Schema implements huma.SchemaProvider.
func (contexts) Schema(huma.Registry) *huma.Schema {
	one := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	many := &huma.Schema{Type: huma.TypeArray, Items: one}
	return &huma.Schema{OneOf: []*huma.Schema{one, many}}
}

// How is how a request wants its points to be solved for. A zero field is as the model says.
type How struct {
	Solver string   `json:"solver,omitempty" doc:"method, such as dopri5, euler or average; default: that of the model"`
	Steps  int      `json:"steps,omitempty" minimum:"1" maximum:"100000" doc:"equal steps; default: by the tolerances"`
	RTol   *float64 `json:"rtol,omitempty" minimum:"1e-12" maximum:"1" doc:"relative tolerance"`
	ATol   *float64 `json:"atol,omitempty" minimum:"1e-12" maximum:"1" doc:"absolute tolerance"`
}

// sampleBody asks for samples.
type sampleBody struct {
	N        int      `json:"n" minimum:"1" doc:"samples, of each context if there are several"`
	Seed     *uint64  `json:"seed,omitempty" doc:"of the noise; default: that of the run"`
	Label    *text    `json:"label,omitempty" doc:"class of all, by name or number; default: every class in turn"`
	Given    contexts `json:"given,omitempty" doc:"the context, or a list of contexts"`
	Guidance *float64 `json:"guidance,omitempty" doc:"scale of classifier-free guidance"`
	LogP     bool     `json:"logp,omitempty" doc:"the log-density of each sample, too"`
	How
}

// sampled are samples, as JSON has them.
type sampled struct {
	Model   string    `json:"model"`
	Step    int       `json:"step" doc:"steps of training behind the weights"`
	Seed    uint64    `json:"seed"`
	Solver  string    `json:"solver"`
	Columns []string  `json:"columns"`
	X       [][]any   `json:"x" doc:"a row for each sample: numbers, texts, and null for what is missing"`
	Labels  []string  `json:"labels,omitempty" doc:"the class of each sample"`
	LogP    []float64 `json:"logp,omitempty" doc:"nats"`
}

// logpBody asks for log-densities.
type logpBody struct {
	X     [][]float64 `json:"x" minItems:"1" doc:"points, in units of the data"`
	Label []text      `json:"label,omitempty" doc:"class of each point, or one of all"`
	Given contexts    `json:"given,omitempty" doc:"context of each point, or one of all"`
	How
}

// densities are log-densities.
type densities struct {
	Model  string     `json:"model"`
	Step   int        `json:"step" doc:"steps of training behind the weights"`
	Solver string     `json:"solver"`
	LogP   []*float64 `json:"logp" doc:"nats; null: the density is 0"`
}

// invalid is the answer to a request that cannot be meant.
func invalid(format string, args ...any) error {
	return huma.Error422UnprocessableEntity(fmt.Sprintf(format, args...))
}

// classOf returns the number of a class that a request names.
func classOf(m *model.Model, t text) (int32, error) {
	classes := m.Spec().Net.Classes
	if classes == 0 {
		return 0, invalid("label: the model has no classes; leave it out")
	}
	if k := slices.Index(m.Spec().ClassNames, string(t)); k >= 0 {
		return int32(k), nil
	}
	if k, err := strconv.Atoi(string(t)); err == nil && 0 <= k && k < classes && m.Spec().ClassNames == nil {
		return int32(k), nil
	}
	what := fmt.Sprintf("0 to %d", classes-1)
	if names := m.Spec().ClassNames; names != nil {
		what = choice.List(names)
	}
	return 0, invalid("label: %s is none of the classes: %s", choice.Quote(string(t)), what)
}

// contextsOf returns the contexts of a request, in model units.
func contextsOf(m *model.Model, given contexts) (flow.Batch, error) {
	names := m.Spec().ContextColumns
	switch {
	case names == nil && given != nil && m.Spec().Schema != nil:
		return flow.Batch{}, invalid("given: this service does not take columns of a table yet; flowmatch sample does")
	case names == nil && given != nil:
		return flow.Batch{}, invalid("given: the model takes no context; leave it out")
	case names == nil:
		return flow.Batch{}, nil
	case len(given) == 0:
		return flow.Batch{}, invalid("given: the model needs a context of %s", choice.List(names))
	}
	c := flow.NewBatch(len(given), len(names))
	for i, one := range given {
		for name := range one {
			if err := choice.Check("name", name, names); err != nil {
				return c, invalid("given: %v", err)
			}
		}
		for k, name := range names {
			v, there := one[name]
			if !there {
				return c, invalid("given: context %d has no %s", i+1, choice.Quote(name))
			}
			number, ok := v.(float64)
			if !ok {
				return c, invalid("given: %s of context %d is no number", choice.Quote(name), i+1)
			}
			c.Row(i)[k] = number
		}
	}
	z, err := m.Contexts(c)
	if err != nil {
		return c, invalid("given: %v", err)
	}
	return z, nil
}

// answer turns an error of a solve into one of HTTP.
func answer(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errBusy):
		return huma.ErrorWithHeaders(huma.Error429TooManyRequests("too many requests are waiting; try again later"),
			map[string][]string{"Retry-After": {"1"}})
	case errors.Is(err, errTimeout):
		return huma.Error504GatewayTimeout("the request took too long; ask for fewer points, or fewer steps")
	case errors.Is(err, model.ErrMass), errors.Is(err, flow.ErrContext), errors.Is(err, flow.ErrLabels),
		errors.Is(err, ode.ErrMaxNFE), errors.Is(err, ode.ErrNonFinite), errors.Is(err, ode.ErrStepTooSmall):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	return err
}
