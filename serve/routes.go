package serve

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/data"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/model"
)

// The types of content of samples.
const (
	asJSON = "application/json"
	asCSV  = "text/csv"
	asNPY  = "application/x-npy"
)

// encoded is an answer whose type of content was chosen by the request.
type encoded struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// register adds the operations to the API.
func (s *Server) register() {
	huma.Register(s.api, huma.Operation{
		OperationID: "models", Method: http.MethodGet, Path: "/v1/models", Summary: "The models that there are",
	}, func(context.Context, *struct{}) (*struct{ Body []modelInfo }, error) {
		all := []modelInfo{}
		for _, e := range s.entries {
			all = append(all, e.current.Load().info())
		}
		return &struct{ Body []modelInfo }{all}, nil
	})
	huma.Register(s.api, huma.Operation{
		OperationID: "model", Method: http.MethodGet, Path: "/v1/models/{name}", Summary: "What a model is and takes",
	}, func(_ context.Context, in *struct {
		Name string `path:"name" maxLength:"255" doc:"of the model"`
	}) (*struct{ Body modelInfo }, error) {
		r, err := s.model(in.Name)
		if err != nil {
			return nil, err
		}
		return &struct{ Body modelInfo }{r.info()}, nil
	})
	errs := []int{http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
		http.StatusGatewayTimeout}
	samples := huma.SchemaFromType(s.api.OpenAPI().Components.Schemas, reflect.TypeFor[sampled]())
	huma.Register(s.api, huma.Operation{
		OperationID: "sample", Method: http.MethodPost, Path: "/v1/models/{name}/sample", Errors: errs,
		Summary: "Draw samples", MaxBodyBytes: s.o.MaxBody, SkipValidateParams: false,
		Description: "The answer is a function of the request alone: of its seed, on one kind of processor. " +
			"Accept chooses JSON, CSV or NPY; of the latter the values of the columns alone.",
		Responses: map[string]*huma.Response{"200": {Description: "Samples", Content: map[string]*huma.MediaType{
			asJSON: {Schema: samples}, asCSV: {Schema: &huma.Schema{Type: huma.TypeString}},
			asNPY: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}},
	}, s.sample)
	huma.Register(s.api, huma.Operation{
		OperationID: "logp", Method: http.MethodPost, Path: "/v1/models/{name}/logp", Errors: errs,
		Summary: "Evaluate log-densities of points", MaxBodyBytes: s.o.MaxBody,
	}, s.logp)
}

// info says what a model is.
func (r *served) info() modelInfo {
	spec := r.Model.Spec()
	i := modelInfo{
		Name: r.name, Step: r.Step, Loaded: r.since.UTC().Format(time.RFC3339), Dim: r.Model.Dim(),
		Path:    r.Config.Path.Name,
		Weights: r.Model.Net().NumWeights(), Columns: columns(r.Model), Given: spec.ContextColumns,
		Solver: r.Config.Eval.Solve.Solver,
	}
	if spec.Image() != nil {
		i.Shape, i.Columns = spec.Shape, nil
	}
	if n := spec.Net.Classes; n > 0 {
		i.Classes = data.NameClasses(spec.ClassNames, n)
	}
	if len(spec.Bounds) > 0 {
		i.Bounds = spec.Bounds.Named(spec.Columns)
	}
	if err := r.Model.HasDensity(); err != nil {
		i.Density = err.Error()
	}
	return i
}

// sample answers a request for samples.
func (s *Server) sample(ctx context.Context, in *struct {
	Name   string `path:"name" maxLength:"255" doc:"of the model"`
	Accept string `header:"Accept" maxLength:"1000"`
	Body   sampleBody
}) (*encoded, error) {
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	as, err := accepted(in.Accept)
	if err != nil {
		return nil, err
	}
	j, info, err := s.sampleJob(ctx, r, in.Body)
	if err != nil {
		return nil, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	info.Columns, info.LogP = columns(r.Model), j.logp
	info.Labels = classNames(r.Model, j.given.Label)
	body, err := info.encode(as, r.Model, j.x)
	return &encoded{as, body}, err
}

// accepted returns the type of content that a request wants, by the Accept of HTTP; JSON where it does not
// matter.
func accepted(accept string) (string, error) {
	if accept == "" {
		return asJSON, nil
	}
	best, weight := "", 0.0
	for part := range strings.SplitSeq(accept, ",") {
		name, rest, _ := strings.Cut(part, ";")
		q := 1.0
		if _, v, ok := strings.Cut(rest, "q="); ok {
			if w, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
				q = w
			}
		}
		as := ""
		switch strings.ToLower(strings.TrimSpace(name)) {
		case asJSON, "*/*", "application/*":
			as = asJSON
		case asCSV, "text/*":
			as = asCSV
		case asNPY, "application/octet-stream":
			as = asNPY
		}
		if as != "" && q > weight {
			best, weight = as, q
		}
	}
	if best == "" {
		return "", huma.Error406NotAcceptable(fmt.Sprintf("samples are %s, %s or %s", asJSON, asCSV, asNPY))
	}
	return best, nil
}

// encode writes samples x in data units.
func (d *sampled) encode(as string, m *model.Model, x flow.Batch) ([]byte, error) {
	var b bytes.Buffer
	switch as {
	case asCSV:
		d.X = nil
		w := csv.NewWriter(&b)
		w.Write(d.header())
		for i, fields := range texts(m, x) {
			if d.Labels != nil {
				fields = append(fields, d.Labels[i])
			}
			if d.LogP != nil {
				fields = append(fields, fmt.Sprint(d.LogP[i]))
			}
			w.Write(fields)
		}
		w.Flush()
		return b.Bytes(), w.Error()
	case asNPY:
		if sch := m.Spec().Schema; sch != nil {
			return nil, huma.Error406NotAcceptable("rows with levels are no array of numbers; accept JSON or CSV")
		}
		err := table.EncodeNPY(&b, x)
		return b.Bytes(), err
	}
	d.X = rows(m, x)
	return json.Marshal(d)
}

// header are the names of the columns of a CSV.
func (d *sampled) header() (names []string) {
	names = append(names, d.Columns...)
	if d.Labels != nil {
		names = append(names, "label")
	}
	if d.LogP != nil {
		names = append(names, "logp")
	}
	return names
}

// logp answers a request for log-densities.
func (s *Server) logp(ctx context.Context, in *struct {
	Name string `path:"name" maxLength:"255" doc:"of the model"`
	Body logpBody
}) (*struct{ Body *densities }, error) {
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	j, info, err := s.densityJob(ctx, r, in.Body)
	if err != nil {
		return nil, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	for _, v := range j.logp {
		if math.IsInf(v, -1) {
			info.LogP = append(info.LogP, nil)
			continue
		}
		info.LogP = append(info.LogP, &v)
	}
	return &struct{ Body *densities }{info}, nil
}
