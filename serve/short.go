package serve

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

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
