package serve

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"flowmatch/internal/browser"
)

// A training goes on in its pane after the service was away, and after it ended and was taken up again.
func TestAWatchedTrainingGoesOnInABrowser(t *testing.T) {
	_, h := serving(t, nil)
	const away, resumed = 1, 3
	var phase atomic.Int64 // 0: it is watched, then away, 2: it is over, then resumed
	const metrics = `{"name": "moons", "steps": 40, "training": %v, "metrics": [{"step": %d, "loss": 1, "seconds": 1}]}`
	url := between(t, h, func(w http.ResponseWriter, r *http.Request) bool {
		now := phase.Load()
		last := fmt.Sprintf(metrics, now != 2, 20+now)
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/v1/models":
			if now != resumed {
				return false
			}
			fmt.Fprint(w, `[{"name": "moons", "step": 1234}]`)
		case "/v1/models/moons/metrics":
			fmt.Fprint(w, last)
		case "/v1/models/moons/metrics/stream":
			if now == away {
				panic(http.ErrAbortHandler)
			}
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "event: metrics\ndata: %s\n\n", last)
			if now == 2 {
				fmt.Fprint(w, "event: end\ndata: {\"training\": false}\n\n")
			}
		default:
			return false
		}
		return true
	})
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/#moons/training")
	p.Wait(`document.body.textContent.includes("step 20 of 40")`)
	phase.Store(away)
	p.Wait(`document.querySelector("#pane-training .error")?.textContent.includes("does not answer")`)
	phase.Store(2)
	p.Wait(`document.body.textContent.includes("step 22 of 40") && !document.querySelector("#pane-training .error")`)
	p.Wait(`document.querySelector(".facts .live[hidden]")`)
	phase.Store(resumed)
	p.Wait(`document.body.textContent.includes("step 23 of 40") &&
		document.querySelector(".facts .live:not([hidden])")`)
	p.Wait(`document.querySelector(".facts .step").textContent === "step 1,234"`)
}

// A view says that its run has a newer state, and is made anew when asked to.
func TestANewerStateIsSaidInABrowser(t *testing.T) {
	_, h := serving(t, nil)
	var newer atomic.Bool
	url := between(t, h, func(w http.ResponseWriter, r *http.Request) bool {
		if !newer.Load() || r.URL.Path != "/v1/models" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `[{"name": "moons", "step": 1234}]`)
		return true
	})
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/#moons/flow")
	p.Wait(`document.querySelector("#pane-flow canvas")`)
	newer.Store(true)
	p.Wait(`document.querySelector(".newer:not([hidden])")?.textContent.includes("step 1,234")`)
	p.Wait(`document.querySelector(".facts .step").textContent === "step 1,234"`)
	newer.Store(false)
	p.Click(".newer button")
	p.Wait(`document.querySelector(".newer")?.hidden && document.querySelector("#pane-flow canvas")`)
	complaints(t, p)
}
