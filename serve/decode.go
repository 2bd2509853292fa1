package serve

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON is the JSON of requests and answers. What a Go type cannot hold is said in words of the request; what
// JSON readers pass over, [scan] has found before.
var strictJSON = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decode}

func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if wrong, is := errors.AsType[*json.UnmarshalTypeError](err); is && wrong.Field != "" {
		return fmt.Errorf("%s is %s, which is out of range", wrong.Field, wrong.Value)
	}
	return err
}
