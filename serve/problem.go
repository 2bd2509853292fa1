package serve

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// problems makes the errors that net/http writes as texts what all others are: problems (RFC 9457) or, of the Open
// Inference Protocol, its own.
func problems(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := &problemWriter{ResponseWriter: w, r: r}
		next.ServeHTTP(to, r)
		if to.code != 0 && !to.told {
			to.tell("")
		}
	})
}

// problemWriter writes one answer.
type problemWriter struct {
	http.ResponseWriter
	r    *http.Request
	code int // of an error that is a text; 0: there is none
	told bool
}

// WriteHeader keeps the status of a text.
func (w *problemWriter) WriteHeader(code int) {
	if code >= http.StatusBadRequest && strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		w.code = code
		return
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (w *problemWriter) Write(b []byte) (int, error) {
	if w.code == 0 {
		return w.ResponseWriter.Write(b)
	}
	if !w.told {
		w.tell(strings.TrimSpace(string(b)))
	}
	return len(b), nil
}

// Unwrap is for http.ResponseController.
func (w *problemWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// tell writes the error.
func (w *problemWriter) tell(text string) {
	w.told = true
	switch allow := w.Header().Get("Allow"); {
	case w.code == http.StatusNotFound:
		text = "there is nothing at this path; GET /openapi.json says where there is something"
	case w.code == http.StatusMethodNotAllowed:
		text = fmt.Sprintf("this path takes %s", cmp.Or(allow, "another method"))
	}
	w.Header().Del("Content-Length")
	err := huma.NewError(w.code, text)
	if strings.HasPrefix(w.r.URL.Path, "/v2") {
		protocolError(w.ResponseWriter, err)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.ResponseWriter.WriteHeader(w.code)
	json.NewEncoder(w.ResponseWriter).Encode(err) // who went away needs no answer
}
