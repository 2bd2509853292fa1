package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/data/schema"
)

// This file has the routes of the Open Inference Protocol (version 2 of KServe and Triton) and what it says
// of models: see github.com/kserve/open-inference-protocol. Its answers and errors have forms of their own.

// tensorInfo is a tensor that a model takes or makes; a side of -1 is any.
type tensorInfo struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}

// offered is a model as the protocol has it: one of points or of tokens.
type offered interface {
	// state is its name, and the step of its training, which is its version.
	state() (name string, step int)
	size() size
	inputs() []tensorInfo
	outputs() []tensorInfo
	// infer answers a request, and says in about what is to be known of the answer.
	infer(ctx context.Context, s *Server, body *inferBody, in []*tensor, about map[string]any) ([]*tensor, error)
}

func (r *served) state() (string, int)       { return r.name, r.Step }
func (r *servedTokens) state() (string, int) { return r.name, r.Step }

// kserve adds the routes of the protocol.
func (s *Server) kserve(mux *http.ServeMux) {
	plain := func(pattern, summary string, get func(r *http.Request) (any, error)) {
		s.describe(pattern, summary)
		mux.HandleFunc("GET "+pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := get(r)
			if err != nil {
				protocolError(w, err)
				return
			}
			w.Header().Set("Content-Type", client.JSON)
			json.NewEncoder(w).Encode(v)
		})
	}
	plain("/v2", "The server", func(*http.Request) (any, error) {
		return map[string]any{"name": "flowmatch", "version": s.api.OpenAPI().Info.Version,
			"extensions": []string{"binary_tensor_data", "parameters"}}, nil
	})
	plain("/v2/health/live", "Is it alive?", func(*http.Request) (any, error) {
		return map[string]bool{"live": true}, nil
	})
	plain("/v2/health/ready", "Does it take requests?", func(*http.Request) (any, error) {
		if s.ready.Err() != nil {
			return nil, huma.Error503ServiceUnavailable("draining")
		}
		return map[string]bool{"ready": true}, nil
	})
	for _, version := range []string{"", "/versions/{version}"} {
		path := "/v2/models/{name}" + version
		plain(path, "What a model takes and makes", func(r *http.Request) (any, error) {
			m, err := s.versioned(r)
			if err != nil {
				return nil, err
			}
			name, step := m.state()
			return map[string]any{"name": name, "versions": []string{strconv.Itoa(step)}, "platform": "flowmatch",
				"inputs": m.inputs(), "outputs": m.outputs()}, nil
		})
		plain(path+"/ready", "Does a model take requests?", func(r *http.Request) (any, error) {
			m, err := s.versioned(r)
			if err != nil {
				return nil, err
			}
			name, _ := m.state()
			return map[string]any{"name": name, "ready": true}, nil
		})
		s.describeInfer(path + "/infer")
		mux.HandleFunc("POST "+path+"/infer", s.infer)
	}
}

// versioned returns the model of a request, whose version, if it names one, is the step of its state.
func (s *Server) versioned(r *http.Request) (m offered, err error) {
	name := r.PathValue("name")
	tokens, err := s.tokensOf(name)
	if err != nil {
		return nil, err
	}
	if m = tokens; tokens == nil {
		if m, err = s.model(name); err != nil {
			return nil, err
		}
	}
	_, step := m.state()
	if v := r.PathValue("version"); v != "" && v != strconv.Itoa(step) {
		return nil, huma.Error404NotFound("there is no such version of the model; there is " + strconv.Itoa(step) +
			", its step of training")
	}
	return m, nil
}

// protocolError writes an error as the protocol has it.
func protocolError(w http.ResponseWriter, err error) {
	code, text := http.StatusInternalServerError, "the request cannot be answered"
	if e, ok := errors.AsType[huma.StatusError](err); ok {
		code, text = e.GetStatus(), e.Error()
	}
	if m, ok := errors.AsType[*huma.ErrorModel](err); ok && len(m.Errors) > 0 {
		text += ": " + strings.TrimPrefix(m.Errors[0].Location+": "+m.Errors[0].Message, ": ")
	}
	if h, ok := errors.AsType[huma.HeadersError](err); ok {
		for name, values := range h.GetHeaders() {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Content-Type", client.JSON)
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]string{"error": text})
}

// counts are the tensors that ask for samples.
func counts() []tensorInfo {
	return []tensorInfo{{"n", "INT64", []int{1}}, {"seed", "UINT64", []int{1}}}
}

// inputs are the tensors that a model takes: n asks for samples, and x for log-densities. All others may be
// left out where the model does not need them.
func (r *served) inputs() []tensorInfo {
	spec, in := r.Model.Spec(), counts()
	if spec.Net.Classes > 0 {
		in = append(in, tensorInfo{"label", "BYTES", []int{-1}})
	}
	if names := spec.ContextColumns; names != nil {
		in = append(in, tensorInfo{"given", "FP64", []int{-1, len(names)}})
	}
	if c := r.Model.Conditioner(); c != nil {
		shape := spec.Shape
		if low := c.LowShape(); low != nil {
			shape = low[:len(shape)]
		}
		in = append(in, tensorInfo{"condition", "FP64", append([]int{-1}, shape...)})
	}
	if spec.Net.Shown {
		in = append(in, r.ofColumns("given.", spec.Schema.Names())...)
	}
	if r.Model.HasDensity() == nil {
		in = append(in, r.points()...)
	}
	return in
}

// outputs are the tensors that a model makes: of samples x, label and logp, of log-densities logp.
func (r *served) outputs() []tensorInfo {
	out := r.points()
	if r.Model.Spec().Net.Classes > 0 {
		out = append(out, tensorInfo{"label", "BYTES", []int{-1}})
	}
	if r.Model.HasDensity() == nil {
		out = append(out, tensorInfo{"logp", "FP64", []int{-1}})
	}
	return out
}

// points are the tensors of points: x, or one for each column of a table with levels or a grid.
func (r *served) points() []tensorInfo {
	spec := r.Model.Spec()
	if spec.Schema != nil {
		return r.ofColumns("x.", spec.Schema.Header())
	}
	return []tensorInfo{{"x", "FP64", append([]int{-1}, r.shape()...)}}
}

// shape is that of a point as samples have it: on a curved space the columns of its form.
func (r *served) shape() []int {
	spec := r.Model.Spec()
	if spec.Space != nil {
		return []int{len(spec.Space.Columns)}
	}
	return spec.Shape
}

// ofColumns are the tensors of columns of a table, of these names after a prefix.
func (r *served) ofColumns(prefix string, names []string) (all []tensorInfo) {
	for _, c := range r.Model.Spec().Schema.Columns {
		if slices.Contains(names, c.Name) {
			all = append(all, tensorInfo{prefix + c.Name, columnType(c), []int{-1}})
		}
	}
	return all
}

// columnType is the type of the tensor of a column.
func columnType(c schema.Column) string {
	if c.Kind == schema.Real || c.Kind == schema.Integer {
		return "FP64"
	}
	return "BYTES"
}

// describe adds a route to the OpenAPI document.
func (s *Server) describe(pattern, summary string) {
	s.api.OpenAPI().AddOperation(&huma.Operation{Method: http.MethodGet, Path: pattern, Summary: summary,
		Tags: []string{protocol}, Parameters: parametersOf(pattern), Responses: map[string]*huma.Response{
			"200":     {Description: "OK", Content: map[string]*huma.MediaType{client.JSON: {Schema: &huma.Schema{}}}},
			"default": protocolFault(),
		}})
}

const protocol = "Open Inference Protocol"

func protocolFault() *huma.Response {
	return &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{client.JSON: {Schema: &huma.Schema{
		Type: huma.TypeObject, Properties: map[string]*huma.Schema{"error": {Type: huma.TypeString}},
	}}}}
}

// parametersOf are those in a path.
func parametersOf(pattern string) (all []*huma.Param) {
	for _, name := range []string{"name", "version"} {
		if strings.Contains(pattern, "{"+name+"}") {
			all = append(all, &huma.Param{Name: name, In: "path", Required: true,
				Schema: &huma.Schema{Type: huma.TypeString}})
		}
	}
	return all
}

// describeInfer adds the route of inference to the OpenAPI document.
func (s *Server) describeInfer(pattern string) {
	content := func() map[string]*huma.MediaType {
		return map[string]*huma.MediaType{
			client.JSON:                {Schema: &huma.Schema{Type: huma.TypeObject}},
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}
	}
	params := append(parametersOf(pattern), &huma.Param{Name: headLength, In: "header",
		Description: "bytes of the JSON before the tensors in binary", Schema: &huma.Schema{Type: huma.TypeInteger}})
	s.api.OpenAPI().AddOperation(&huma.Operation{Method: http.MethodPost, Path: pattern, Tags: []string{protocol},
		Summary: "Draw samples, or evaluate log-densities", Parameters: params,
		RequestBody: &huma.RequestBody{Required: true, Content: content()}, Responses: map[string]*huma.Response{
			"200": {Description: "OK", Content: content()}, "default": protocolFault(),
		}})
}
