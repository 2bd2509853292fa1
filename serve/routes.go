package serve

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
)

// asked is a request for something of a model.
type asked[T any] struct {
	Name string `path:"name" maxLength:"255" doc:"of the model"`
	Body T
}

// register adds the operations to the API.
func (s *Server) register() {
	addSchemas(s.api.OpenAPI().Components.Schemas)
	huma.Register(s.api, huma.Operation{
		OperationID: "models", Method: http.MethodGet, Path: "/v1/models", Summary: "The models that there are",
		Errors: notLetIn,
	}, func(context.Context, *struct{}) (*struct{ Body []client.Model }, error) {
		all := []client.Model{}
		for _, e := range s.entries {
			all = append(all, e.info())
		}
		return &struct{ Body []client.Model }{all}, nil
	})
	huma.Register(s.api, huma.Operation{
		OperationID: "model", Method: http.MethodGet, Path: "/v1/models/{name}", Summary: "What a model is and takes",
		Errors: append([]int{http.StatusNotFound}, notLetIn...),
	}, func(_ context.Context, in *ofModel) (*struct{ Body client.Model }, error) {
		e, err := s.entry(in.Name)
		if err != nil {
			return nil, err
		}
		return &struct{ Body client.Model }{e.info()}, nil
	})
	s.registerLook()
	register(s, "sample", "Draw samples", s.sampleAnswers(),
		"The answer is a function of the request alone: of its seed, on one kind of processor. Accept chooses JSON, "+
			"CSV, NPY (the values of the columns alone), NPZ (all that belongs to the samples) or, of images, PNG. "+
			"Sequences of tokens are JSON, text or NPY (their levels).",
		s.sample)
	register(s, "stream", "Draw samples, and show where they come from", s.streamAnswers(),
		"Server-sent events: a state for each of the times, and then the samples, which are those of the same request "+
			"without a stream. Closing the connection ends the solve.", s.stream)
	register(s, "logp", "Evaluate log-densities of points", nil,
		"At t the density is that of the points of the flow at that time: its own marginal.", s.logp)
	register(s, "bound", "Bound log-probabilities of sequences of tokens", nil,
		"By the ELBO, which is at most the log-probability; it is estimated from draws of times and states.", s.bound)
	register(s, "field", "Evaluate velocities at points", nil,
		"The derivative of the states of a stream by their time.", s.field)
	register(s, "complete", "Fill in what is not known of points, such as pixels of images", nil,
		"Runs of condition inpaint were trained to; of others the answer is an approximation, and says so.",
		s.complete)
	register(s, "impute", "Fill in the missing values of rows", nil,
		"Of a table that was learnt with train.shown: each row by draws from p(missing | known).", s.impute)
}

// register adds what can be asked of a model, with a body.
func register[I, O any](s *Server, name, summary string, answers map[string]*huma.Response, about string,
	handler func(context.Context, *I) (*O, error),
) {
	body, _ := reflect.TypeFor[I]().FieldByName("Body")
	op := huma.Operation{
		OperationID: name, Method: http.MethodPost, Path: "/v1/models/{name}/" + name, Summary: summary,
		Description: about + " " + aboutNull, Responses: answers, Middlewares: huma.Middlewares{s.admitted(body.Type)},
		MaxBodyBytes: -1, BodyReadTimeout: -1, // admitted reads the body, within limits of its own
		Errors: append([]int{http.StatusBadRequest, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict,
			http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
			http.StatusTooManyRequests, http.StatusGatewayTimeout}, notLetIn...),
	}
	if name == "sample" {
		op.Errors = append(op.Errors, http.StatusNotAcceptable)
	}
	huma.Register(s.api, op, handler)
}

// notLetIn are what a request gets without a token where one must be brought, or from another site.
var notLetIn = []int{http.StatusUnauthorized, http.StatusForbidden}

const aboutNull = "In rows and points null stands for a value that is not known. A key of the request is left out " +
	"where it has no value; null there is an error."

// answers describes answers of one schema or another by type of content.
func answers(about string, content map[string]*huma.Schema) map[string]*huma.Response {
	r := &huma.Response{Description: about, Content: map[string]*huma.MediaType{}}
	for as, schema := range content {
		r.Content[as] = &huma.MediaType{Schema: schema}
	}
	return map[string]*huma.Response{"200": r}
}

func (s *Server) sampleAnswers() map[string]*huma.Response {
	binary := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	return answers("Samples", map[string]*huma.Schema{
		client.JSON: s.schemaOf(reflect.TypeFor[client.Samples]()), client.CSV: {Type: huma.TypeString},
		client.NPY: binary, client.NPZ: binary, client.PNG: binary, client.Plain: {Type: huma.TypeString},
	})
}

// streamAnswers describes the data of events.
func (s *Server) streamAnswers() map[string]*huma.Response {
	data := oneOf(s.schemaOf(reflect.TypeFor[client.State]()), s.schemaOf(reflect.TypeFor[client.Samples]()),
		s.schemaOf(reflect.TypeFor[huma.ErrorModel]()))
	data.Description = "the data of events called state, samples and error"
	return answers("States, and samples", map[string]*huma.Schema{client.Events: data})
}

func (s *Server) schemaOf(t reflect.Type) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(t, true, "")
}

// sample answers a request for samples.
func (s *Server) sample(ctx context.Context, in *struct {
	Name   string `path:"name" maxLength:"255" doc:"of the model"`
	Accept string `header:"Accept" maxLength:"1000"`
	Body   client.SampleRequest
}) (*encoded, error) {
	if tokens, err := s.tokensOf(in.Name); tokens != nil || err != nil {
		if err != nil {
			return nil, err
		}
		return s.sampleTokens(ctx, tokens, in.Accept, in.Body)
	}
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	as, err := accepted(in.Accept)
	if err != nil {
		return nil, err
	}
	d, err := s.drawing(ctx, r, in.Body)
	if err == nil {
		err = d.suits(as)
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.done(d)
	if err != nil {
		return nil, err
	}
	done, err := s.encoding(ctx, d.job.x.N*r.size().width)
	if err != nil {
		return nil, err
	}
	defer done()
	if as != client.JSON {
		return d.encode(as, rows)
	}
	body, err := json.Marshal(d.json(rows))
	if late := context.Cause(ctx); late != nil {
		return nil, answer(late)
	}
	return &encoded{ContentType: as, Step: d.info.Step, Seed: d.seedText(), Solver: d.info.Solver,
		Body: body}, err
}
