package page

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"flowmatch/internal/browser"
)

// The page of runs shows what the service says, asks for the token where one is needed, and switches
// language and theme.
func TestThePageOfRunsInABrowser(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/", handler(t, Options{Runs: true, Lecture: true}))
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer sesame" {
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`[{"name": "moons", "step": 50, "dim": 2, "weights": 1234}]`))
	})
	h := httptest.NewServer(mux)
	defer h.Close()
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	p.Wait(`document.querySelector("dialog[open] input")`)
	p.Problems() // the browser itself reports the 401
	p.Click("dialog input")
	p.Type("sesame\r")
	p.Wait(`document.body.textContent.includes("moons")`)
	p.Wait(`document.querySelectorAll(".pages a").length === 2`)
	p.Click(".language")
	p.Wait(`document.documentElement.lang === "zh-Hans" && document.querySelector("h1").textContent.includes("模型")`)
	p.Click(".tool:not(.language)")
	p.Wait(`document.documentElement.dataset.theme === "dark"`)
	if found := p.Problems(); len(found) > 0 {
		t.Errorf("the browser complains: %q", found)
	}
	p.Go(h.URL + "/")
	p.Wait(`document.documentElement.lang === "zh-Hans" && document.documentElement.dataset.theme === "dark"`)
	p.Wait(`document.body.textContent.includes("moons")`) // the token is remembered
}
