package serve

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/manifold"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/sde"
)

// The schemas of types of package client that JSON has in several forms.
type (
	textSchema   struct{}
	labelsSchema struct{}
	rowsSchema   struct{}
	pointSchema  struct{}
)

// addSchemas makes the schemas those of the types.
func addSchemas(r huma.Registry) {
	r.RegisterTypeAlias(reflect.TypeFor[client.Text](), reflect.TypeFor[textSchema]())
	r.RegisterTypeAlias(reflect.TypeFor[client.Labels](), reflect.TypeFor[labelsSchema]())
	r.RegisterTypeAlias(reflect.TypeFor[client.Rows](), reflect.TypeFor[rowsSchema]())
	r.RegisterTypeAlias(reflect.TypeFor[client.Point](), reflect.TypeFor[pointSchema]())
}

// scalar is the schema of a value of a row, whose kind its column decides on.
func scalar() *huma.Schema {
	return &huma.Schema{Extensions: map[string]any{"type": []string{"number", "string", "boolean", "null"}}}
}

func object() *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: scalar()}
}

func list(of *huma.Schema) *huma.Schema { return &huma.Schema{Type: huma.TypeArray, Items: of} }

func oneOf(schemas ...*huma.Schema) *huma.Schema { return &huma.Schema{OneOf: schemas} }

// Schema implements huma.SchemaProvider.
func (textSchema) Schema(huma.Registry) *huma.Schema {
	return oneOf(&huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeNumber})
}

// Schema implements huma.SchemaProvider.
func (labelsSchema) Schema(r huma.Registry) *huma.Schema {
	return oneOf(&huma.Schema{Type: huma.TypeString}, &huma.Schema{Type: huma.TypeNumber},
		list(textSchema{}.Schema(r)))
}

// Schema implements huma.SchemaProvider.
func (rowsSchema) Schema(huma.Registry) *huma.Schema { return oneOf(object(), list(object())) }

// Schema implements huma.SchemaProvider.
func (pointSchema) Schema(huma.Registry) *huma.Schema { return oneOf(list(scalar()), object()) }

// invalid is the answer to a request that cannot be meant.
func invalid(format string, args ...any) error {
	return huma.Error422UnprocessableEntity(fmt.Sprintf(format, args...))
}

// spoken is an error in words of a request, none of which raises what the service and its runs allow.
func spoken(err error) string { return strings.TrimSuffix(choice.Spoken(err), ", or raise max_nfe") }

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
		errors.Is(err, ode.ErrMaxNFE), errors.Is(err, model.ErrNoScore), errors.Is(err, model.ErrCurved):
		return huma.Error422UnprocessableEntity(spoken(err))
	case errors.Is(err, ode.ErrNonFinite), errors.Is(err, ode.ErrStepTooSmall), errors.Is(err, sde.ErrNonFinite),
		errors.Is(err, manifold.ErrNoPoint), errors.Is(err, manifold.ErrCutLocus): // it left the space on the way
		return huma.Error422UnprocessableEntity(
			"the flow cannot be solved; a value far from the data, such as a context, may be why: " + err.Error())
	}
	return err
}
