package lecture

import (
	"cmp"
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

// Options says how much is computed at a time. A zero field has the default that is named beside it.
type Options struct {
	Turns   int // requests that are computed at a time; default the number of cores
	Waiting int // requests that wait for a turn besides; default 64
}

// Handler answers GET requests below Root with JSON. Errors are problems (RFC 9457), as those of the models are: a
// query that cannot be answered gets 400, and a detail that names the parameter, its value and what would be right.
// One that finds no room to wait gets 429, one whose time is over 504, and one that a page of another site sends
// through its reader's browser 403.
func Handler(o Options) http.Handler { return handler(o, panes) }

func handler(o Options, panes map[string]pane) http.Handler {
	o.Turns, o.Waiting = cmp.Or(o.Turns, runtime.GOMAXPROCS(0)), cmp.Or(o.Waiting, 64)
	mux, turns, here := http.NewServeMux(), make(chan struct{}, o.Turns), make(chan struct{}, o.Turns+o.Waiting)
	for name, p := range panes {
		mux.HandleFunc("GET "+Root+name, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
				fail(w, http.StatusForbidden, "a page of another site asks; open the lecture itself")
				return
			}
			select {
			case here <- struct{}{}:
				defer func() { <-here }()
			default:
				w.Header().Set("Retry-After", "1")
				fail(w, http.StatusTooManyRequests, "too many requests are waiting; try again later")
				return
			}
			select {
			case turns <- struct{}{}:
				defer func() { <-turns }()
				answer(w, r, p)
			case <-r.Context().Done():
				end(w, r)
			}
		})
	}
	return mux
}

// problem is what an answer without a picture says.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func fail(w http.ResponseWriter, status int, detail string) {
	say(w, "application/problem+json", status, problem{http.StatusText(status), status, detail})
}

func say(w http.ResponseWriter, kind string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		fail(w, http.StatusInternalServerError, "the answer is no JSON")
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(body) // who went away needs no answer
}

// end answers a request whose context has ended: its time is over, or who asked went away.
func end(w http.ResponseWriter, r *http.Request) {
	if errors.Is(r.Context().Err(), context.DeadlineExceeded) {
		fail(w, http.StatusGatewayTimeout, "the request took too long; try again later")
	}
}

func answer(w http.ResponseWriter, r *http.Request, p pane) {
	q := newQuery(r.URL.Query())
	got, err := p(r.Context(), q)
	switch {
	case q.err() != nil:
		fail(w, http.StatusBadRequest, q.err().Error())
	case err != nil && r.Context().Err() != nil:
		end(w, r)
	case err != nil:
		fail(w, http.StatusInternalServerError, err.Error())
	default:
		say(w, "application/json", http.StatusOK, got)
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
