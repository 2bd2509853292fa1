package lecture

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// holding returns panes of which "held" computes until it is let go or its context ends, and says when it begins.
func holding() (panes map[string]pane, begun, goOn chan struct{}) {
	begun, goOn = make(chan struct{}, 9), make(chan struct{})
	held := func(ctx context.Context, _ *query) (any, error) {
		begun <- struct{}{}
		select {
		case <-goOn:
			return 1, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("stopped at t=0.5: %w", context.Cause(ctx))
		}
	}
	return map[string]pane{"held": held}, begun, goOn
}

// get asks for the held pane.
func get(ctx context.Context, h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, Root+"held", nil))
	return w
}

// TestSoManyRequestsWait: one is computed, one waits, and another is sent away at once.
func TestSoManyRequestsWait(t *testing.T) {
	panes, begun, goOn := holding()
	h := handler(Options{Turns: 1, Waiting: 1}, panes)
	codes := make(chan int, 2)
	go func() { codes <- get(t.Context(), h).Code }()
	<-begun
	waits, leave := context.WithCancel(t.Context())
	defer leave()
	left := make(chan struct{})
	go func() {
		for waits.Err() == nil { // full may be there before it
			get(waits, h)
		}
		close(left)
	}()
	full := func() bool { // once the other waits; who finds room instead goes away at once
		gone, end := context.WithCancel(t.Context())
		end()
		w := get(gone, h)
		return w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "" &&
			strings.Contains(w.Body.String(), `"detail":"too many requests are waiting`)
	}
	for end := time.Now().Add(10 * time.Second); !full(); {
		if time.Now().After(end) {
			t.Fatal("a third request is not sent away")
		}
		time.Sleep(time.Millisecond)
	}
	leave() // who goes away makes room
	<-left
	go func() { codes <- get(t.Context(), h).Code }()
	close(goOn)
	for range 2 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("a request that may wait: %d", code)
		}
	}
}

// TestRequestsWhoseTimeIsOver: those that wait and those that are computed are told so. Who went away is told nothing.
func TestRequestsWhoseTimeIsOver(t *testing.T) {
	late := fmt.Errorf("the time of the request is over")
	for name, c := range map[string]struct {
		waits bool
		end   func(context.Context) (context.Context, context.CancelFunc)
		code  int
		body  string
	}{
		"computing, late":      {false, lateBy(nil), 504, "took too long"},
		"computing, for cause": {false, lateBy(late), 504, "took too long"},
		"waiting, late":        {true, lateBy(nil), 504, "took too long"},
		"waiting, for cause":   {true, lateBy(late), 504, "took too long"},
		"computing, gone":      {false, gone, 200, ""},
		"waiting, gone":        {true, gone, 200, ""},
	} {
		panes, begun, goOn := holding()
		h := handler(Options{Turns: 1}, panes)
		ended := make(chan struct{})
		if c.waits {
			go func() {
				get(t.Context(), h)
				close(ended)
			}()
			<-begun
		} else {
			close(ended)
		}
		ctx, cancel := c.end(t.Context())
		w := get(ctx, h)
		cancel()
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.body) || c.body == "" && w.Body.Len() > 0 {
			t.Errorf("%s: %d %s; want %d %s", name, w.Code, w.Body, c.code, c.body)
		}
		close(goOn)
		<-ended
	}
}

// lateBy ends a context by its deadline.
func lateBy(cause error) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeoutCause(ctx, 10*time.Millisecond, cause)
	}
}

// gone ends a context as who goes away does.
func gone(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	time.AfterFunc(10*time.Millisecond, cancel)
	return ctx, cancel
}

// TestPagesOfOtherSitesMakeNobodyCompute: a browser says so of what they ask for.
func TestPagesOfOtherSitesMakeNobodyCompute(t *testing.T) {
	for site, want := range map[string]int{
		"": http.StatusOK, "none": http.StatusOK, "same-origin": http.StatusOK, "same-site": http.StatusOK,
		"cross-site": http.StatusForbidden,
	} {
		r, w := httptest.NewRequest(http.MethodGet, Root+"pairs", nil), httptest.NewRecorder()
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		if Handler(Options{}).ServeHTTP(w, r); w.Code != want {
			t.Errorf("from %q: %d, want %d", site, w.Code, want)
		}
	}
}
