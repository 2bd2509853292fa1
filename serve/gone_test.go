package serve

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A slider that moves on leaves many requests behind, and none of them is a fault of the service.
func TestClientsThatGoAwayAreNoErrors(t *testing.T) {
	lines, to := io.Pipe()
	defer lines.Close()
	_, h := serving(t, func(o *Options) { o.Log = slog.New(slog.NewJSONHandler(to, nil)) })
	ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+"/v1/models/moons/sample",
		strings.NewReader(`{"n": 50000, "solver": "euler", "steps": 20000}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := http.DefaultClient.Do(r); err == nil {
		got.Body.Close()
		t.Fatalf("answered with %d before it was left", got.StatusCode)
	}
	var line struct {
		Level, Msg string
		Status     int
	}
	if err := json.NewDecoder(lines).Decode(&line); err != nil {
		t.Fatal(err)
	}
	if line.Level != "INFO" || line.Msg != "request" || line.Status != statusGone {
		t.Errorf("logged as %+v, want INFO and %d", line, statusGone)
	}
}
