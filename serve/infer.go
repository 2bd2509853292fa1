package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/internal/choice"
)

// headLength says how many bytes of a body are JSON; the others are tensors in binary.
const headLength = "Inference-Header-Content-Length"

// inferBody is the JSON of a request.
type inferBody struct {
	ID         string          `json:"id"`
	Parameters inferParameters `json:"parameters"`
	Inputs     []struct {
		Name       string `json:"name"`
		Datatype   string `json:"datatype"`
		Shape      []int  `json:"shape"`
		Parameters struct {
			Size *int `json:"binary_data_size"`
		} `json:"parameters"`
		Data json.RawMessage `json:"data"`
	} `json:"inputs"`
	Outputs []struct {
		Name       string `json:"name"`
		Parameters struct {
			Binary bool `json:"binary_data"`
		} `json:"parameters"`
	} `json:"outputs"`
}

// inferParameters are settings of a request.
type inferParameters struct {
	Binary   bool     `json:"binary_data_output"`
	N        *int     `json:"n"`
	Seed     *uint64  `json:"seed"`
	Guidance *float64 `json:"guidance"`
	// Interval and Rescale are of the guidance.
	Interval  []float64 `json:"guidance_interval"`
	Rescale   float64   `json:"guidance_rescale"`
	Complete  bool      `json:"complete"`
	Eta       float64   `json:"eta"`
	Diffusion string    `json:"diffusion"`
	// The others are of tokens.
	Temperature *float64 `json:"temperature"`
	TopP        *float64 `json:"top_p"`
	Corrector   *float64 `json:"corrector"`
	Mark        string   `json:"mark"`
	Extend      int      `json:"extend"`
	Draws       int      `json:"draws"`
	client.How
}

// request is the request for samples that parameters make; without how many.
func (p inferParameters) request(seed *uint64) client.SampleRequest {
	return client.SampleRequest{Seed: cmp.Or(seed, p.Seed), Complete: p.Complete, Guidance: p.Guidance,
		GuidanceInterval: p.Interval, GuidanceRescale: p.Rescale, Eta: p.Eta, Diffusion: p.Diffusion,
		Temperature: p.Temperature, TopP: p.TopP, Corrector: p.Corrector, Mark: p.Mark, Extend: p.Extend, How: p.How}
}

// others is the first parameter that is set, and is none of some; empty: there is none. It is for requests that are
// none for samples.
func (p inferParameters) others(some ...string) string {
	v, some := reflect.ValueOf(p), append(some, "binary_data_output")
	for _, f := range reflect.VisibleFields(v.Type()) {
		name := jsonName(f)
		if name != "" && !v.FieldByIndex(f.Index).IsZero() && !slices.Contains(some, name) {
			return name
		}
	}
	return ""
}

// UnmarshalJSON implements [json.Unmarshaler]. A parameter that is none of these is an error.
func (p *inferParameters) UnmarshalJSON(b []byte) error {
	type plain inferParameters
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode((*plain)(p)); err != nil {
		return fmt.Errorf("parameters: %w; there are %s", err, strings.Join(keysOf(reflect.TypeFor[plain]()).all, ", "))
	}
	return nil
}

// inferKeys are the keys of a body at any depth.
var inferKeys = func() names {
	all := keysOf(reflect.TypeFor[inferBody](), reflect.TypeFor[inferParameters](), reflect.TypeFor[client.TimeGrid]())
	all.deep = true
	return all
}()

// keysOf are the keys that JSON has for the fields of structs, and for those of unnamed structs within.
func keysOf(types ...reflect.Type) (n names) {
	for len(types) > 0 {
		t := types[0]
		types = types[1:]
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			continue
		}
		for _, f := range reflect.VisibleFields(t) {
			name := jsonName(f)
			if name == "" {
				continue
			}
			n.all = append(n.all, name)
			of := f.Type
			for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
				of = of.Elem()
			}
			switch {
			case of.Kind() == reflect.Int || of.Kind() == reflect.Uint64:
				n.whole = append(n.whole, name)
			case of.Name() == "":
				types = append(types, of)
			}
		}
	}
	return n
}

// jsonName is the key of a field; empty: it has none of its own.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// infer answers a request of the Open Inference Protocol.
func (s *Server) infer(w http.ResponseWriter, r *http.Request) {
	m, err := s.versioned(r)
	if err != nil {
		protocolError(w, err)
		return
	}
	p, err := s.places.enter()
	if err != nil {
		drain(r)
		protocolError(w, answer(err))
		return
	}
	defer p.leave()
	r = r.WithContext(placed(r.Context(), p))
	body, rest, err := s.readInfer(w, r, m, p)
	if err == nil {
		var inputs []*tensor
		if inputs, err = tensorsOf(body, rest); err == nil {
			err = s.inferred(r.Context(), w, m, body, inputs)
		}
	} else {
		drain(r)
	}
	if err != nil {
		protocolError(w, err)
	}
}

// inferred answers a request of a model.
func (s *Server) inferred(ctx context.Context, w http.ResponseWriter, m offered, body *inferBody, in []*tensor) error {
	about := map[string]any{}
	out, err := m.infer(ctx, s, body, in, about)
	if err != nil {
		return err
	}
	numbers := 0
	for _, t := range out {
		numbers += t.size()
	}
	done, err := s.encoding(ctx, numbers)
	if err != nil {
		return err
	}
	defer done()
	return writeInfer(w, m, body, out, about)
}

// infer draws samples or evaluates log-densities.
func (r *served) infer(ctx context.Context, s *Server, body *inferBody, in []*tensor, about map[string]any) (
	[]*tensor, error) {
	q, err := r.readInputs(in)
	if err != nil {
		return nil, err
	}
	if q.x != nil {
		return s.inferDensities(ctx, r, body, q, about)
	}
	return s.inferSamples(ctx, r, body, q, about)
}

// asked reports outputs that are none of these.
func (b *inferBody) asked(names []string) error {
	for _, o := range b.Outputs {
		if err := choice.Check("output", o.Name, names); err != nil {
			return invalid("outputs: %v", err)
		}
	}
	return nil
}

// wants says whether an output is asked for by its name.
func (b *inferBody) wants(name string) bool {
	for _, o := range b.Outputs {
		if o.Name == name {
			return true
		}
	}
	return false
}

// binary says whether an output is asked for in binary.
func (b *inferBody) binary(name string) bool {
	for _, o := range b.Outputs {
		if o.Name == name && o.Parameters.Binary {
			return true
		}
	}
	return b.Parameters.Binary
}

// asks is the request for samples that a body makes, of a model that answers with out; otherwise names what else could
// be asked for.
func (s *Server) asks(body *inferBody, q *inferQuery, out []tensorInfo, otherwise string) (client.SampleRequest,
	error) {
	b, n := body.Parameters.request(q.seed), cmp.Or(q.n, body.Parameters.N)
	switch {
	case body.Parameters.Draws != 0:
		return b, invalid("draws: it is of bounds of tokens; leave it out")
	case n == nil:
		return b, invalid("inputs: there is neither n, for samples, nor %s", otherwise)
	}
	b.N, b.Label, b.Given, b.Condition, b.Infill = *n, q.label, q.given, q.condition, q.infill
	b.LogP = body.wants("logp")
	return b, cmp.Or(body.asked(namesOf(out)), s.valid(b))
}

// inferSamples draws samples.
func (s *Server) inferSamples(ctx context.Context, m *served, body *inferBody, q *inferQuery, about map[string]any) (
	[]*tensor, error,
) {
	b, err := s.asks(body, q, m.outputs(), fmt.Sprintf("points for log-densities (%s)",
		choice.List(namesOf(m.points()))))
	if err != nil {
		return nil, err
	}
	d, err := s.drawing(ctx, m, b)
	if err != nil {
		return nil, err
	}
	rows, err := s.done(d)
	if err != nil {
		return nil, err
	}
	about["seed"], about["step"], about["solver"] = d.seed, d.info.Step, d.info.Solver
	warn(about, slices.Concat(d.info.Warnings, rows.Notes))
	out := m.tensors(rows)
	if d.info.Labels != nil {
		out = append(out, &tensor{name: "label", kind: "BYTES", shape: []int{b.N}, texts: d.info.Labels})
	}
	if b.LogP {
		out = append(out, &tensor{name: "logp", kind: "FP64", shape: []int{rows.X.N}, numbers: d.job.logp})
	}
	for _, t := range out {
		t.shape[0] = rows.X.N
	}
	return out, nil
}

// inferDensities evaluates log-densities.
func (s *Server) inferDensities(ctx context.Context, m *served, body *inferBody, q *inferQuery,
	about map[string]any) ([]*tensor, error) {
	p := body.Parameters
	if q.n != nil {
		p.N = q.n
	}
	if name := p.others("seed", "solver", "steps", "time_grid", "rtol", "atol"); name != "" {
		return nil, invalid("%s: it is none of log-densities, which x asks for; leave one of them out", name)
	}
	if err := body.asked([]string{"logp"}); err != nil {
		return nil, err
	}
	b := client.LogPRequest{X: q.x, Label: q.label, Given: q.given, Condition: q.condition,
		Seed: cmp.Or(q.seed, p.Seed), How: p.How}
	brief := b
	brief.X = b.X[:min(1, len(b.X))] // the others are read below
	brief.Condition = b.Condition[:min(1, len(b.Condition))]
	if err := s.valid(brief); err != nil {
		return nil, err
	}
	j, info, err := s.densityJob(ctx, m, b)
	if err != nil {
		return nil, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	about["step"], about["solver"] = info.Step, info.Solver
	warn(about, info.Warnings)
	return []*tensor{{name: "logp", kind: "FP64", shape: []int{len(j.logp)}, numbers: j.logp}}, nil
}

// warn tells warnings in the parameters of an answer, whose values are texts and numbers.
func warn(about map[string]any, warnings []string) {
	if len(warnings) > 0 {
		about["warnings"] = strings.Join(warnings, "; ")
	}
}

// valid reports a request that its schema does not take, as those of the other routes are checked.
func (s *Server) valid(request any) error {
	b, err := json.Marshal(request)
	if err != nil {
		return invalid("a number is not finite") // of the settings: JSON has no other
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	all, result := s.api.OpenAPI().Components.Schemas, &huma.ValidateResult{}
	huma.Validate(all, all.Schema(reflect.TypeOf(request), false, ""), huma.NewPathBuffer([]byte{}, 0),
		huma.ModeWriteToServer, v, result)
	if len(result.Errors) > 0 {
		return invalid("%v", result.Errors[0])
	}
	return nil
}
