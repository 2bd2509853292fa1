package serve

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"flowmatch/internal/choice"
)

// longest is how many characters of what an error says of a field are answered: its message
// names what is right, and may quote the request.
const longest = 400

// shortErrors is a transformer of answers: an error quotes the start of a request, not all of it.
func shortErrors(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	for _, d := range e.Errors {
		if d.Message == validation.MsgExpectedMatchExactlyOneSchema {
			d.Message = "expected " + forms(d.Location)
		}
		d.Location = choice.Cut(d.Location)
		if utf8.RuneCountInString(d.Message) > longest {
			d.Message = choice.Cut(d.Message)
		}
		text, isText := d.Value.(string)
		if !isText && d.Value != nil {
			b, err := json.Marshal(d.Value)
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if cut := choice.Cut(text); cut != text {
			d.Value = cut
		}
	}
	return e, nil
}

// forms are those that what is at a place of a body may have, where JSON has it in several.
func forms(location string) string {
	key, _, _ := strings.Cut(strings.TrimPrefix(location, "body."), "[")
	switch key {
	case "label":
		return "a class by its name or number, or a list of these"
	case "given", "rows":
		return "an object by the names of columns, or a list of these"
	case "x":
		return "a point: a list of its values, or an object by the names of columns"
	}
	return "a value of another form; the OpenAPI document has those that there are"
}
