package serve

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"flowmatch/internal/browser"
)

// paged are the panes of each run of the tests of the page, in their order.
var paged = []struct {
	run   string
	panes []string
}{
	{"moons", []string{"flow", "compare", "rows", "training"}},
	{"five", []string{"flow", "compare", "rows", "training"}},
	{"people", []string{"rows", "impute", "training"}},
	{"pixels", []string{"images", "interpolate", "complete", "training"}},
	{"bounded", []string{"rows", "training"}},
	{"posterior", []string{"flow", "compare", "rows", "training"}},
	{"ve", []string{"flow", "compare", "rows", "training"}},
	{"inpaint", []string{"complete", "training"}},
	{"larger", []string{"enlarge", "training"}},
	{"places", []string{"globe", "flow", "compare", "rows", "training"}},
	{"text", []string{"tokens", "bound", "training"}},
	{"pieces", []string{"tokens", "bound", "training"}},
	{"cars", []string{"tokens", "bound", "training"}},
}

// everyKind serves a run of each kind that pages tell apart, and returns the address.
func everyKind(t *testing.T) string {
	dir := t.TempDir()
	inpaint, larger, pieces := filepath.Join(dir, "inpaint"), filepath.Join(dir, "larger"), filepath.Join(dir, "pieces")
	painted := imageRun(t, "condition.kind=inpaint", "condition.mask=center", "train.label_dropout=0")
	if err := errors.Join(os.Rename(painted, inpaint), os.Rename(largerRun(t), larger),
		os.Rename(textRun(t, "data.tokens=bpe", "data.vocabulary=264"), pieces)); err != nil {
		t.Fatal(err)
	}
	_, h := serving(t, func(o *Options) {
		o.Runs = []string{
			trained(t, filepath.Join(dir, "moons"), "train.label_dropout=0.2"),
			trained(t, filepath.Join(dir, "five"), "data.name=gmm", "data.dim=5", "conditional=false",
				"train.steps=20"),
			tableOf(t), imageRun(t), boundedRun(t), posteriorRun(t, dir),
			trained(t, filepath.Join(dir, "ve"), "path.name=ve", "conditional=false"), inpaint, larger,
			placesRun(t), textRun(t), pieces, carsRun(t).Dir,
		}
	})
	return h.URL
}

func TestThePageOfRunsInABrowser(t *testing.T) {
	url := everyKind(t)
	for _, c := range []struct {
		name string
		test func(t *testing.T, url string)
	}{
		{"every pane opens", everyPaneOpens},
		{"controls move pictures", controlsMovePictures},
		{"a flow is played and read by hand", flowIsPlayed},
		{"images are completed by painting", imagesAreCompleted},
		{"rows are pasted, filled in and downloaded", rowsAreFilledIn},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, url) })
	}
}

// show opens a pane of a run, and waits until it has computed what it shows. The pane before is no more looked at.
func show(p *browser.Page, run, pane string) {
	p.Eval(fmt.Sprintf(`(() => {
		const before = location.hash;
		location.hash = "#%s/%s";
		if (location.hash !== before) document.querySelector(".pane")?.setAttribute("data-before", "");
	})()`, run, pane), nil)
	p.Wait(fmt.Sprintf(`document.querySelector("h1")?.textContent === %q &&
		document.querySelector("#pane-%s:not([data-before]) .status")`, run, pane))
	still(p)
}

// still waits until nothing of the pane is under way, and something is done.
func still(p *browser.Page) {
	p.Eval(`new Promise((f) => setTimeout(f, 40)).then(() => 0)`, nil) // sliders wait a moment before they ask
	p.Wait(`[...document.querySelectorAll(".pane .status")].every((e) => e.dataset.busy === "0" && e.dataset.done > 0)`)
	p.Eval(`new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame)).then(() => 0)`, nil)
}

// seen is all that the pane shows beside its controls: pictures and words.
func seen(p *browser.Page) (all string) {
	p.Eval(`[...document.querySelectorAll(".pane canvas")].map((c) => c.toDataURL()).join() +
		[...document.querySelectorAll(
			".reading, .sequence, .pane td, .pane .notice, .pane dd, .pieces")].map((e) => e.textContent).join()`,
		&all)
	return all
}

func everyPaneOpens(t *testing.T, url string) {
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/")
	p.Wait(`document.querySelectorAll(".runs a").length === 13 && document.querySelector("#pane-flow")`)
	p.Resize(390, 844) // a phone
	for _, of := range paged {
		for _, pane := range of.panes {
			show(p, of.run, pane)
			n, blank := pictures(p, "#pane-"+pane)
			words := pane == "impute" || pane == "tokens" || pane == "bound" // of a table and of texts
			if len(blank) > 0 || n == 0 && !words {
				t.Errorf("%s/%s: of %d pictures, %q show nothing", of.run, pane, n, blank)
			}
			var wrong, wide int
			p.Eval(`document.querySelectorAll(".error").length`, &wrong)
			p.Eval(`document.documentElement.scrollWidth`, &wide)
			if wrong > 0 || wide > 390 {
				t.Errorf("%s/%s: %d errors, %d pixels wide of 390", of.run, pane, wrong, wide)
			}
		}
		var tabs []string
		p.Eval(`[...document.querySelectorAll(".tabs a")].map((a) => a.id.slice(4))`, &tabs)
		if got, want := fmt.Sprint(tabs), fmt.Sprint(of.panes); got != want {
			t.Errorf("%s has the panes %s, want %s", of.run, got, want)
		}
	}
	p.Click(".language")
	p.Wait(`document.querySelector(".tabs a").textContent === "词元"`)
	var missing []string
	p.Eval(`import("/static/ui/lang.js").then((m) => m.missing())`, &missing)
	if len(missing) > 0 {
		t.Errorf("texts in one language alone: %q", missing)
	}
	p.Eval(`location.hash = "#nothing"`, nil)
	p.Wait(`document.querySelector(".error")?.textContent.includes("nothing")`)
	complaints(t, p)
}

// change moves control k of the pane, and returns its name; empty: it is none that moves.
const change = `(() => {
	const c = document.querySelectorAll(".pane .control")[%d];
	if (!c || c.hidden) return "";
	const name = c.textContent;
	const fire = (el, event) => el.dispatchEvent(new Event(event, {bubbles: true}));
	const range = c.querySelector("input[type=range]");
	const select = c.querySelector("select");
	const other = c.querySelector("input[type=radio]:not(:checked):not(:disabled)");
	const text = c.querySelector("input[type=number], input[type=text]");
	const box = c.querySelector("input[type=checkbox]");
	if (range) {
		const middle = (Number(range.min) + Number(range.max)) / 2;
		range.value = middle + (range.value > middle ? -0.3 : 0.3) * (range.max - range.min);
		fire(range, "input");
	} else if (select) {
		select.selectedIndex = (select.selectedIndex + 1) %% select.options.length;
		fire(select, "change");
	} else if (text) {
		text.value = parseFloat(text.placeholder) || Number(text.value) + 1; // a number that the data have
		fire(text, "change");
	} else if (other ?? box) {
		(other ?? box).click();
	} else {
		return "";
	}
	return name;
})()`

func controlsMovePictures(t *testing.T, url string) {
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/")
	for _, of := range []struct {
		run, pane string
		least     int
	}{
		{"moons", "flow", 8}, {"moons", "compare", 7}, {"five", "flow", 6}, {"people", "rows", 6},
		{"pixels", "images", 6}, {"pixels", "interpolate", 6}, {"bounded", "rows", 2}, {"posterior", "flow", 8},
		{"posterior", "compare", 8}, {"posterior", "rows", 4}, {"ve", "flow", 7},
		{"places", "globe", 3}, {"places", "flow", 6}, {"text", "tokens", 5}, {"text", "bound", 2},
	} {
		show(p, of.run, of.pane)
		moved, was := 0, seen(p)
		for k := range 16 {
			var name string
			p.Eval(fmt.Sprintf(change, k), &name)
			if name == "" {
				continue
			}
			still(p)
			now := seen(p)
			if now == was {
				t.Errorf("%s/%s: %q changes nothing", of.run, of.pane, name)
			}
			var box bool
			p.Eval(fmt.Sprintf(`document.querySelectorAll(".pane .control")[%d].matches(".toggle")`, k), &box)
			if box { // back, for others move what it hides
				p.Eval(fmt.Sprintf(change, k), nil)
				still(p)
				now = seen(p)
			}
			moved, was = moved+1, now
		}
		if moved < of.least {
			t.Errorf("%s/%s: %d controls, want at least %d", of.run, of.pane, moved, of.least)
		}
	}
	complaints(t, p)
}

// The time plays, and log p is read by the mouse and by the arrow keys.
func flowIsPlayed(t *testing.T, url string) {
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/")
	show(p, "moons", "flow")
	const reading = `document.querySelector(".reading").textContent`
	p.Click("canvas.plane")
	p.Wait(reading + `.includes("log")`)
	var before string
	p.Eval(reading, &before)
	p.Eval(`document.querySelector("canvas.plane").focus()`, nil)
	for range 5 {
		p.Type("\u0304") // the arrow up
	}
	p.Wait(fmt.Sprintf(reading+` !== %q`, before))
	p.Click("button.round")
	p.Wait(`(() => { const v = document.querySelector(".slider input").value; return v > 0.2 && v < 1; })()`)
	p.Click("button.round")
	still(p)
	complaints(t, p)
}

// What is painted over is filled in, by the mouse and by the keyboard.
func imagesAreCompleted(t *testing.T, url string) {
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/")
	show(p, "pixels", "complete")
	p.Wait(`document.querySelector(".easel").width % 8 === 0`)
	p.Click(".side .buttons button") // clear
	const easel = `document.querySelector(".easel").toDataURL()`
	var clean, painted, more string
	p.Eval(easel, &clean)
	p.Click(".side > button.primary")
	p.Wait(`document.querySelector(".error")`) // nothing is missing
	p.Click(".easel")
	p.Eval(easel, &painted)
	p.Type("\u0302\u0302\u0302 ") // left, and space
	p.Eval(easel, &more)
	if clean == painted || painted == more {
		t.Error("the brush paints nothing")
	}
	p.Click(".side > button.primary")
	p.Wait(`document.querySelectorAll(".paint .tiles canvas").length === 6 && !document.querySelector(".error")`)
	p.Wait(`document.querySelector(".warnings").textContent.includes("approximation")`)
	complaints(t, p)
}

func rowsAreFilledIn(t *testing.T, url string) {
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/")
	show(p, "people", "impute")
	p.Wait(`document.querySelectorAll("td.filled").length > 0`) // the example
	p.Wait(`!/\d{7}/.test(document.querySelector("textarea").value)`)
	paste := func(text string) {
		p.Eval(fmt.Sprintf(`document.querySelector("textarea").value = %q`, text), nil)
		p.Click(".card .buttons button.primary")
		still(p)
	}
	for text, want := range map[string]string{
		"a,b\n1,2":                    "The first line must be names",
		"age,city\n":                  "no rows",
		"age,city,age\n1,Rome,2":      "has age twice",
		"age,city\n30":                "has 1 fields",
		"age,city\nold,Rome":          "is no number",
		"age,city,height\n,Paris,1.7": "Paris",
	} {
		paste(text)
		var got string
		p.Eval(`document.querySelector(".pane .error")?.textContent ?? ""`, &got)
		if !strings.Contains(got, want) {
			t.Errorf("of %q: %q, want %q", text, got, want)
		}
		p.Wait(`document.querySelector(".scroll.stale td.filled")`) // what is left of the rows before
	}
	p.Problems() // the browser itself reports a 422
	paste("city;age\nRome;\nOslo;NA\n")
	p.Wait(`!document.querySelector(".stale")`)
	var filled, kept int
	p.Eval(`document.querySelectorAll("td.filled").length`, &filled)
	p.Eval(`[...document.querySelectorAll("td")].filter((e) => e.textContent === "Rome").length`, &kept)
	if filled != 2 || kept != 1 {
		t.Errorf("%d fields are filled in, %d kept; want 2 and 1", filled, kept)
	}
	show(p, "people", "rows")
	p.Eval(`(() => {
		const make = URL.createObjectURL;
		URL.createObjectURL = (blob) => {
			blob.text().then((text) => (window.saved = text));
			return make(blob);
		};
	})()`, nil)
	p.Click(".row button")
	p.Wait(`window.saved`)
	var csv string
	p.Eval(`window.saved`, &csv)
	lines := strings.Split(strings.TrimSpace(csv), "\n")
	if len(lines) != 1001 || lines[0] != "age,city,height,country" {
		t.Errorf("the file has %d lines, of which the first is %q", len(lines), lines[0])
	}
	complaints(t, p)
}

// A service that is busy is asked again after its Retry-After, and what is superseded is aborted.
func TestThePageInABrowserWaitsForABusyServiceAndDropsWhatIsSuperseded(t *testing.T) {
	var refused, aborted, held atomic.Int64
	_, plain := serving(t, nil)
	url := between(t, plain, func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/stream") && r.Method == http.MethodPost {
			switch {
			case refused.Add(1) == 1:
				w.Header().Set("Retry-After", "1")
				http.Error(w, `{"detail": "busy"}`, http.StatusTooManyRequests)
				return true
			case held.Load() == 1:
				held.Store(2)
				var body [1]byte
				for { // the end of the connection is seen once the body is read
					if _, err := r.Body.Read(body[:]); err != nil {
						break
					}
				}
				<-r.Context().Done()
				aborted.Add(1)
				return true
			}
		}
		return false
	})
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/#moons/flow")
	p.Wait(`document.querySelector(".status")?.textContent.includes("asked again in 1 s")`)
	p.Wait(`document.querySelector("canvas.plane")`)
	still(p)
	p.Problems() // the browser itself reports the 429
	held.Store(1)
	p.Click(".boxed") // another seed
	p.Wait(`document.querySelector(".status").textContent.includes("Computing")`)
	p.Click(".boxed")
	still(p)
	if held.Load() != 2 || aborted.Load() != 1 {
		t.Errorf("held is %d and %d requests were aborted; want 2 (one was held) and 1", held.Load(), aborted.Load())
	}
	complaints(t, p)
}

// A run that has only begun shows its losses, and the rest of it as soon as there is a checkpoint.
func TestThePageInABrowserWatchesATraining(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "young")
	release, ended := heldAt(t, dir, 21, 2)
	s, h := serving(t, func(o *Options) { o.Runs = []string{dir} })
	go watch(t.Context(), s.entries, s.o.Watch, s.o.Log)
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	p.Wait(`document.querySelector("#pane-training .u-legend") && document.body.textContent.includes("step 20 of 40")`)
	p.Wait(`document.querySelector(".facts .live:not([hidden])") && document.querySelectorAll(".tabs a").length === 1`)
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	p.Wait(`document.querySelectorAll(".tabs a").length === 4 && document.querySelector("#pane-flow canvas")`)
	complaints(t, p)
}
