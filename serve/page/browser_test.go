package page

import (
	"fmt"
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
	const model = `{"name": "moons", "step": 0, "untrained": "not yet"}`
	for path, answer := range map[string]string{
		"/v1/models": "[" + model + "]", "/v1/models/moons": model,
		"/v1/models/moons/run":            `{"name": "moons", "steps": 9, "data": "moons", "settings": "seed: 1"}`,
		"/v1/models/moons/metrics":        `{"metrics": [], "training": false}`,
		"/v1/models/moons/metrics/stream": "event: end\ndata: {\"training\": false}\n\n",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer sesame" {
				http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
				return
			}
			w.Write([]byte(answer))
		})
	}
	h := httptest.NewServer(mux)
	defer h.Close()
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	p.Wait(`document.querySelector("dialog[open] input")`)
	p.Problems() // the browser itself reports the 401
	const enter = `(() => {
		const input = document.querySelector("dialog input");
		input.value = %q;
		input.dispatchEvent(new Event("input"));
		document.querySelector("dialog button").click();
	})()`
	p.Eval(fmt.Sprintf(enter, "令牌"), nil)
	p.Wait(`document.querySelector("dialog[open] input").validationMessage.includes("ASCII")`)
	p.Eval(fmt.Sprintf(enter, "open"), nil)
	p.Wait(`document.querySelector("dialog[open]")?.textContent.includes("does not know")`)
	p.Wait(`sessionStorage.length === 0`) // a wrong token is not kept
	p.Problems()
	p.Click("dialog input")
	p.Type("sesame\r")
	p.Wait(`document.body.textContent.includes("seed: 1")`)
	p.Wait(`document.querySelectorAll(".pages a").length === 2`)
	p.Click(".language")
	p.Wait(`document.documentElement.lang === "zh-Hans" && document.querySelector("h1").textContent === "moons" &&
		document.querySelector(".tabs").textContent === "训练"`)
	p.Click(".tool:not(.language)")
	p.Wait(`document.documentElement.dataset.theme === "dark"`)
	if found := p.Problems(); len(found) > 0 {
		t.Errorf("the browser complains: %q", found)
	}
	p.Go(h.URL + "/")
	p.Wait(`document.documentElement.lang === "zh-Hans" && document.documentElement.dataset.theme === "dark"`)
	p.Wait(`document.body.textContent.includes("moons")`) // the token is remembered
}
