package lecture

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"runtime"
	"strconv"
)

// Root is where the answers are found: a request for the pane fields is GET /lecture/api/fields.
const Root = "/lecture/api/"

// pane computes the answer to a query.
type pane func(ctx context.Context, q *query) (any, error)

var panes = map[string]pane{
	"ode": odePane, "density": densityPane, "marginal": marginalPane, "fields": fieldsPane, "objective": objectivePane,
	"gaussian": gaussianPane, "diffusion": diffusionPane, "pairs": pairsPane, "cost": costPane,
}

// Handler answers GET requests below Root with JSON. A query that cannot be answered gets 400, and
// {"error": ...} that names the parameter, its value and what would be right. So many requests are
// computed at a time as there are cores; others wait.
func Handler() http.Handler {
	mux := http.NewServeMux()
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for name, p := range panes {
		mux.HandleFunc("GET "+Root+name, func(w http.ResponseWriter, r *http.Request) {
			select {
			case turns <- struct{}{}:
				defer func() { <-turns }()
			case <-r.Context().Done():
				return // who asked went away
			}
			answer(w, r, p)
		})
	}
	return mux
}

// failure is what an answer without a picture says.
type failure struct {
	Error string `json:"error"`
}

func answer(w http.ResponseWriter, r *http.Request, p pane) {
	w.Header().Set("Content-Type", "application/json")
	say := func(code int, v any) {
		body, err := json.Marshal(v)
		if err != nil {
			code, body = http.StatusInternalServerError, []byte(`{"error": "the answer is no JSON"}`)
		}
		w.WriteHeader(code)
		w.Write(body) // who went away needs no answer
	}
	q := newQuery(r.URL.Query())
	got, err := p(r.Context(), q)
	switch {
	case q.err() != nil:
		say(http.StatusBadRequest, failure{q.err().Error()})
	case errors.Is(err, context.Canceled):
	case err != nil:
		say(http.StatusInternalServerError, failure{err.Error()})
	default:
		say(http.StatusOK, got)
	}
}

// numbers are written with six digits: more is not to be seen in a picture. What is not finite is null.
type numbers []float64

// MarshalJSON implements json.Marshaler.
func (n numbers) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 8*len(n)+2), '[')
	for k, v := range n {
		if k > 0 {
			b = append(b, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			b = append(b, "null"...)
			continue
		}
		b = strconv.AppendFloat(b, v, 'g', 6, 64)
	}
	return append(b, ']'), nil
}
