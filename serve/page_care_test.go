package serve

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"flowmatch/internal/browser"
)

// posteriorRun returns the folder of a run whose points are given two numbers.
func posteriorRun(t *testing.T, dir string, set ...string) string {
	t.Helper()
	return trained(t, filepath.Join(dir, "posterior"), append([]string{"data.name=", "data.simulator=two_moons",
		"conditional=false", "data.n=2000", "data.val=0", "data.test=0"}, set...)...)
}

// between returns the address of a service, before which each request comes to first: true means that it was
// answered there.
func between(t *testing.T, to *httptest.Server, first func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !first(w, r) {
			to.Config.Handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(h.Close)
	return h.URL
}

// The map of a density is that of the run's own solver, which the readings have: on paths that bend late, on noise
// of many times the width of the data, and on narrow posteriors.
func TestMapsOfDensitiesAgreeWithReadingsInABrowser(t *testing.T) {
	dir := t.TempDir()
	one := func(name string) string {
		return trained(t, filepath.Join(dir, name), "path.name="+name, "conditional=false", "net.hidden=[32, 32]",
			"train.steps=600", "train.batch=128", "data.n=2000")
	}
	_, h := serving(t, func(o *Options) {
		o.Runs = []string{one("vp"), one("ve"), posteriorRun(t, dir, "net.hidden=[32, 32]", "train.steps=600")}
	})
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	const compare = `(async () => {
		const { boxOf, lattice, Marginals, paths } = await import("/static/runs/scene.js");
		const model = await (await fetch("/v1/models/%s")).json();
		const given = Object.fromEntries((model.given ?? []).map((n) => [n, 0]));
		const conditions = { class: "", guided: null, of: () => (model.given ? { given } : {}) };
		const of = new Marginals(model, conditions, true);
		const box = boxOf(await paths(model.name, { n: 200, seed: 1, times: [0, 1], ...conditions.of() }, [0, 1]));
		const area = ((box[1] - box[0]) * (box[3] - box[2])) / 30 ** 2;
		const map = await of.density(box, 30, %g);
		const own = (await of.logp(lattice(box, 30), %[2]g, {})).map(Math.exp);
		return map.reduce((sum, v, i) => sum + Math.abs(v - own[i]) * area, 0);
	})()`
	for _, name := range []string{"vp", "ve", "posterior"} {
		for _, at := range []float64{0.5, 1} {
			var misplaced float64
			p.Eval(fmt.Sprintf(compare, name, at), &misplaced)
			if misplaced > 0.05 {
				t.Errorf("%s at t = %g: the map misplaces a mass of %.3f", name, at, misplaced)
			}
		}
	}
}

// set moves a control of the pane, found by its label, to a value.
func set(p *browser.Page, name, value string) {
	p.Eval(fmt.Sprintf(`(() => {
		const all = [...document.querySelectorAll(".pane .control")];
		const input = all.find((c) => c.textContent.startsWith(%q)).querySelector("input");
		input.value = %q;
		input.dispatchEvent(new Event(input.type === "range" ? "input" : "change", {bubbles: true}));
	})()`, name, value), nil)
}

// A time that is moved while the particles of another context are on their way leaves nothing of the box before.
func TestAFieldIsThatOfItsPictureInABrowser(t *testing.T) {
	_, plain := serving(t, func(o *Options) { o.Runs = []string{posteriorRun(t, t.TempDir())} })
	var hold atomic.Bool
	var fields atomic.Int64
	goOn := make(chan struct{})
	url := between(t, plain, func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/field") {
			fields.Add(1)
		}
		if strings.HasSuffix(r.URL.Path, "/stream") && r.Method == http.MethodPost && hold.CompareAndSwap(true, false) {
			<-goOn
		}
		return false
	})
	p := browser.Open(t, browser.Options{})
	picture := func() (all string) {
		still(p)
		set(p, "Time", "0.5")
		still(p)
		p.Eval(`document.querySelector("canvas.plane").toDataURL()`, &all)
		return all
	}
	p.Go(url + "/#posterior/flow")
	p.Wait(`document.querySelector(".status")?.dataset.done > 0`)
	still(p)
	hold.Store(true)
	set(p, "x1", "30")
	p.Wait(`document.querySelector(".status").textContent.includes("Computing")`)
	was := fields.Load()
	set(p, "Time", "0.5")
	p.Wait(`(({ busy, done }) => busy === "1" && done > 20)(document.querySelector(".status").dataset)`)
	if fields.Load() == was {
		t.Fatal("no field was asked for while the particles were on their way: the test tests nothing")
	}
	close(goOn)
	raced := picture()
	p.Go(url + "/?again#posterior/flow")
	p.Wait(`document.querySelector(".status")?.dataset.done > 0`)
	still(p)
	set(p, "x1", "30")
	if alone := picture(); raced != alone {
		t.Error("the picture has something of the context before")
	}
	complaints(t, p)
}

// A note that the service is busy goes away with the answer, of every kind of request.
func TestTheNoteOfABusyServiceGoesAwayInABrowser(t *testing.T) {
	_, plain := serving(t, nil)
	var mu sync.Mutex
	refused := map[string]bool{}
	url := between(t, plain, func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		what := filepath.Base(r.URL.Path)
		if (what != "field" && what != "logp") || refused[what] {
			return false
		}
		refused[what] = true
		w.Header().Set("Retry-After", "1")
		http.Error(w, `{"detail": "busy"}`, http.StatusTooManyRequests)
		return true
	})
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/#moons/flow")
	p.Wait(`document.querySelector(".status")?.textContent.includes("asked again in 1 s")`)
	still(p)
	p.Wait(`document.querySelector(".status").textContent === ""`)
	if len(refused) != 2 {
		t.Errorf("refused were %v, want field and logp", refused)
	}
	p.Problems() // the browser itself reports the 429
}

// dying serves a training that has no checkpoint, and returns what ends it as a crash would.
func dying(t *testing.T) (h *httptest.Server, kill func()) {
	t.Helper()
	dir := t.TempDir()
	live, dead := filepath.Join(dir, "live"), filepath.Join(dir, "dead")
	left := filepath.Join(dir, "left") // what lies there after it
	release, ended := heldAt(t, live, 21, 2)
	if err := os.CopyFS(left, os.DirFS(live)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(live, dead); err != nil {
		t.Fatal(err)
	}
	_, h = serving(t, func(o *Options) { o.Runs = append(o.Runs, dead) })
	t.Cleanup(func() {
		release()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h, func() {
		if err := errors.Join(os.Remove(dead), os.Rename(left, dead)); err != nil {
			t.Fatal(err)
		}
	}
}

// A training that ends before its first checkpoint is not opened again and again, and said to be over.
func TestADeadTrainingIsOpenedOnceInABrowser(t *testing.T) {
	plain, kill := dying(t)
	var opened, looked atomic.Int64
	url := between(t, plain, func(_ http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/v1/models/dead/run":
			opened.Add(1)
		case "/v1/models/dead":
			looked.Add(1)
		}
		return false
	})
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/#dead")
	p.Wait(`document.querySelector("#pane-training .u-legend") && document.body.textContent.includes("step 20 of 40")`)
	p.Wait(`document.querySelector(".facts .live:not([hidden])")`)
	kill()
	p.Wait(`!document.querySelector(".facts .live:not([hidden])")`)
	for was := looked.Load(); looked.Load() < was+3; { // it looks for a checkpoint every two seconds
		p.Eval(`new Promise((f) => setTimeout(f, 100)).then(() => 0)`, nil)
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("the run was opened %d times", n)
	}
	var listed string
	p.Eval(`document.querySelector(".runs a:last-child").textContent`, &listed)
	if !strings.Contains(listed, "no checkpoint yet") {
		t.Errorf("the list says %q", listed)
	}
	complaints(t, p)
}
