package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"flowmatch/internal/choice"
)

// strictJSON is the JSON of requests and answers. A key that an object has twice is an error, not the last of its
// values, and what a Go type cannot hold is said in words of the request.
var strictJSON = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decode}

func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
		return fmt.Errorf("%s is %s, which is out of range", wrong.Field, wrong.Value)
	}
	if err != nil {
		return err
	}
	switch v.(type) {
	case *any, *inferBody: // other types are those of a body that was decoded before, to be checked
		return once(data)
	}
	return nil
}

// once returns an error that names a key which an object of valid JSON has twice.
func once(data []byte) error {
	var open []map[string]bool // the keys of each object that is open, nil of a list
	for k := 0; k < len(data); k++ {
		switch data[k] {
		case '{':
			open = append(open, map[string]bool{})
		case '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := k + 1
			for ; data[end] != '"'; end++ {
				if data[end] == '\\' {
					end++
				}
			}
			text := data[k : end+1]
			k = end
			if rest := bytes.TrimLeft(data[end+1:], " \t\r\n"); len(rest) == 0 || rest[0] != ':' {
				continue
			}
			var name string
			if err := json.Unmarshal(text, &name); err != nil {
				return err
			}
			keys := open[len(open)-1]
			if keys[name] {
				return fmt.Errorf("the key %s stands there twice; leave one out", choice.Quote(name))
			}
			keys[name] = true
		}
	}
	return nil
}
