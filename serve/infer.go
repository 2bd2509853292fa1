package serve

import (
	"bytes"
	"cmp"
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
	Complete bool     `json:"complete"`
	client.How
}

// UnmarshalJSON implements [json.Unmarshaler]. A parameter that is none of these is an error.
func (p *inferParameters) UnmarshalJSON(b []byte) error {
	type plain inferParameters
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode((*plain)(p)); err != nil {
		return fmt.Errorf("parameters: %w; there are n, seed, solver, steps, time_grid, rtol, atol, guidance, "+
			"complete and binary_data_output", err)
	}
	return nil
}

// inferKeys are the keys of a body at any depth.
var inferKeys = names{deep: true, whole: []string{"n", "seed", "steps", "shape", "binary_data_size"}, all: []string{
	"id", "parameters", "inputs", "outputs", "name", "datatype", "shape", "data", "binary_data_size", "binary_data",
	"binary_data_output", "n", "seed", "solver", "steps", "rtol", "atol", "guidance", "complete"}}

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
			err = s.inferred(w, r, m, body, inputs)
		}
	} else {
		drain(r)
	}
	if err != nil {
		protocolError(w, err)
	}
}

// inferred draws samples or evaluates log-densities, and writes the answer.
func (s *Server) inferred(w http.ResponseWriter, r *http.Request, m *served, body *inferBody, in []*tensor) error {
	q, err := m.readInputs(in)
	if err != nil {
		return err
	}
	var out []*tensor
	about := map[string]any{}
	if q.x != nil {
		out, err = s.inferDensities(r, m, body, q, about)
	} else {
		out, err = s.inferSamples(r, m, body, q, about)
	}
	if err != nil {
		return err
	}
	numbers := 0
	for _, t := range out {
		numbers += len(t.numbers) + len(t.texts)
	}
	done, err := s.encoding(r.Context(), numbers)
	if err != nil {
		return err
	}
	defer done()
	return writeInfer(w, m, body, out, about)
}

// inferSamples draws samples.
func (s *Server) inferSamples(r *http.Request, m *served, body *inferBody, q *inferQuery, about map[string]any) (
	[]*tensor, error,
) {
	p := body.Parameters
	b := client.SampleRequest{Seed: cmp.Or(q.seed, p.Seed), Label: q.label, Given: q.given, Complete: p.Complete,
		Guidance: p.Guidance, How: p.How}
	n := cmp.Or(q.n, p.N)
	if n == nil {
		return nil, invalid("inputs: there is neither n, for samples, nor points for log-densities (%s)",
			choice.List(namesOf(m.points())))
	}
	b.N = *n
	names := namesOf(m.outputs())
	for _, o := range body.Outputs {
		if err := choice.Check("output", o.Name, names); err != nil {
			return nil, invalid("outputs: %v", err)
		}
		b.LogP = b.LogP || o.Name == "logp"
	}
	if err := s.valid(b); err != nil {
		return nil, err
	}
	d, err := s.drawing(r.Context(), m, b)
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
func (s *Server) inferDensities(r *http.Request, m *served, body *inferBody, q *inferQuery, about map[string]any) (
	[]*tensor, error,
) {
	p := body.Parameters
	for name, set := range map[string]bool{"n": q.n != nil || p.N != nil, "guidance": p.Guidance != nil,
		"complete": p.Complete} {
		if set {
			return nil, invalid("%s: it is for samples, and x asks for log-densities; leave one of them out", name)
		}
	}
	for _, o := range body.Outputs {
		if o.Name != "logp" {
			return nil, invalid("outputs: %s is none of log-densities, which are logp", choice.Quote(o.Name))
		}
	}
	b := client.LogPRequest{X: q.x, Label: q.label, Given: q.given, Seed: cmp.Or(q.seed, p.Seed), How: p.How}
	brief := b
	brief.X = b.X[:min(1, len(b.X))] // the others are read below
	if err := s.valid(brief); err != nil {
		return nil, err
	}
	j, info, err := s.densityJob(r.Context(), m, b)
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
