package serve

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"flowmatch/internal/browser"
)

// The keyboard keeps its place: the skip link leaves the run alone, tabs and the list keep the focus.
func TestTheKeyboardKeepsItsPlaceInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = append(o.Runs, imageRun(t)) })
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/#moons/rows")
	p.Wait(`document.querySelector("#pane-rows .status")?.dataset.done > 0`)
	p.Eval(`document.querySelector(".skip").focus()`, nil)
	p.Type("\r")
	p.Wait(`document.activeElement.id === "content"`)
	p.Wait(`location.hash === "#moons/rows" && document.querySelector("#pane-rows")`)
	p.Eval(`document.querySelector("#tab-training").focus()`, nil)
	p.Type("\r")
	p.Wait(`document.querySelector("#pane-training") && document.activeElement.id === "tab-training"`)
	p.Eval(`document.querySelector(".runs a:last-child").focus()`, nil)
	p.Type("\r")
	p.Wait(`document.querySelector("h1").textContent === "pixels"`)
	p.Wait(`document.activeElement === document.querySelector(".runs a[aria-current]")`)
	complaints(t, p)
}

// The list of runs is asked for every 15 s, and is the same list unless something changed.
func TestTheListOfRunsKeepsTheFocusInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = append(o.Runs, imageRun(t)) })
	var asked atomic.Int64
	url := between(t, h, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/models" {
			asked.Add(1)
		}
		return false
	})
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/#moons/rows")
	p.Wait(`document.querySelector("#pane-rows .status")?.dataset.done > 0`)
	p.Eval(`document.querySelector(".runs a:last-child").focus()`, nil)
	for asked.Load() < 2 {
		p.Eval(`new Promise((f) => setTimeout(f, 200)).then(() => 0)`, nil)
	}
	p.Eval(`new Promise((f) => setTimeout(f, 200)).then(() => 0)`, nil)
	p.Wait(`document.activeElement === document.querySelector(".runs a:last-child")`)
}

// A reading is of the time that is shown, and dollar signs of an address are no equations.
func TestReadingsAndNamesAreWhatTheySayInABrowser(t *testing.T) {
	_, h := serving(t, nil)
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/#moons/flow")
	p.Wait(`document.querySelector(".status")?.dataset.done > 0`)
	still(p)
	p.Click("canvas.plane")
	p.Wait(`document.querySelector(".reading").textContent.includes("time 1.00")`)
	set(p, "Time", "0.1")
	p.Wait(`document.querySelector(".reading").textContent.includes("time 0.10")`)
	for _, name := range []string{`a$\text$`, `a$\foo$`} {
		p.Eval(fmt.Sprintf(`location.hash = encodeURIComponent(%q)`, name), nil)
		p.Wait(fmt.Sprintf(`document.querySelector(".error")?.textContent.includes(%q)`, name))
	}
	var ticks string
	p.Eval(`import("/static/ui/plane.js").then(({ tick }) => [[19, 0.5], [20, 0.5], [21, 0.5], [21, 0.05], [22, 0.05],
		[0, 5], [-3, 2], [12, 10], [5, 2000], [-1, 0.002]].map((a) => tick(...a)).join(" "))`, &ticks)
	if want := "9.5 10.0 10.5 1.05 1.10 0 −6 120 10000 −0.002"; ticks != want {
		t.Errorf("ticks are %q, want %q", ticks, want)
	}
	complaints(t, p)
}

// What is given stands in the request as it stands in the page.
func TestWhatIsGivenIsSentInABrowser(t *testing.T) {
	_, h := serving(t, nil)
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/#moons/flow")
	p.Wait(`document.querySelector(".status")?.dataset.done > 0`)
	var got string
	p.Eval(`import("/static/runs/controls.js").then(({ Conditions, seed }) => {
		const names = Array.from({ length: 30 }, (_, k) => "c" + k);
		const run = { context_center: names.map((_, k) => k) };
		const of = new Conditions({ model: { given: names }, run }, () => {});
		const change = (input, value) => ((input.value = value), input.dispatchEvent(new Event("change")));
		change(of.given[3].input, "");
		change(of.given[29].input, "2.5");
		const number = seed(() => {});
		change(number.el.querySelector("input"), "-3");
		const { given } = of.of();
		return [given.c3, given.c28, given.c29, number.value, number.el.querySelector("input").value].join();
	})`, &got)
	if got != "3,28,2.5,0,0" {
		t.Errorf("given and seeds are %s, want 3,28,2.5,0,0", got)
	}
}

// Panes that were closed are forgotten: a change of the theme draws no picture that is not in the page.
func TestClosedPanesAreForgottenInABrowser(t *testing.T) {
	dir := t.TempDir()
	_, h := serving(t, func(o *Options) { o.Runs = append(o.Runs, trained(t, filepath.Join(dir, "other"))) })
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	for _, pane := range []string{"flow", "compare", "rows", "training", "flow"} {
		show(p, "moons", pane)
	}
	var painted []int
	p.Eval(`Promise.all(["ui/plane", "ui/chart", "runs/bars"].map((m) => import("/static/" + m + ".js"))).then(
		([{ Plane }, { Chart }, { Bars }]) => {
			const counts = [0, 0];
			for (const [kind, draw] of [[Plane, "paint"], [Chart, "make"], [Bars, "paint"]]) {
				const own = kind.prototype[draw];
				kind.prototype[draw] = function () {
					counts[this.el.isConnected ? 0 : 1]++;
					own.call(this);
				};
			}
			document.querySelector(".tool:not(.language)").click();
			document.querySelector(".language").click();
			return counts;
		})`, &painted)
	if painted[0] == 0 || painted[1] > 0 {
		t.Errorf("%d pictures of the page were drawn and %d of closed panes", painted[0], painted[1])
	}
	complaints(t, p)
}

// What the reader brings stays, whatever is on its way.
func TestWhatTheReaderBringsStaysInABrowser(t *testing.T) {
	_, plain := serving(t, func(o *Options) { o.Runs = []string{tableOf(t), imageRun(t)} })
	var hold, fail atomic.Bool
	goOn, more := make(chan struct{}), make(chan struct{})
	url := between(t, plain, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/sample") {
			return false
		}
		if hold.CompareAndSwap(true, false) {
			if strings.Contains(r.URL.Path, "pixels") {
				<-more
			} else {
				<-goOn
			}
		}
		if fail.CompareAndSwap(true, false) {
			http.Error(w, `{"detail": "out of order"}`, http.StatusInternalServerError)
			return true
		}
		return false
	})
	p := browser.Open(t, browser.Options{})
	hold.Store(true)
	p.Go(url + "/#people/impute")
	p.Wait(`document.querySelector(".status")?.dataset.busy === "1"`)
	p.Click("textarea")
	p.Type("city,age")
	close(goOn)
	p.Wait(`document.querySelector(".status").dataset.busy === "0"`)
	var text string
	p.Eval(`document.querySelector("textarea").value`, &text)
	if text != "city,age" {
		t.Errorf("the rows are %q", text)
	}
	complaints(t, p)
	bringAnImage(t, p, &hold, more)
	fail.Store(true)
	p.Eval(`location.hash = "#people/rows"`, nil)
	p.Wait(`document.querySelector(".error")?.textContent.includes("out of order")`)
	fail.Store(true)
	p.Problems() // the browser itself reports the 500
	p.Eval(`location.hash = "#pixels/complete"`, nil)
	p.Wait(`document.querySelector(".easel") && document.querySelector(".error")?.textContent.includes("out of order")`)
	p.Click(".side > button.primary")
	p.Wait(`document.querySelector(".error")?.textContent.includes("no image to complete yet")`)
}

// bringAnImage takes a file to paint on while an image is drawn, which then comes too late.
func bringAnImage(t *testing.T, p *browser.Page, hold *atomic.Bool, goOn chan struct{}) {
	const easel = `document.querySelector(".easel").toDataURL()`
	hold.Store(true)
	p.Eval(`location.hash = "#pixels/complete"`, nil)
	p.Wait(`document.querySelector("#pane-complete .status")?.dataset.busy === "1"`)
	p.Eval(`new Promise((done) => {
		const canvas = document.createElement("canvas");
		const g = canvas.getContext("2d");
		g.fillStyle = "#808080";
		g.fillRect(0, 0, canvas.width, canvas.height);
		canvas.toBlob((blob) => {
			const files = new DataTransfer();
			files.items.add(new File([blob], "grey.png", { type: "image/png" }));
			const input = document.querySelector("input[type=file]");
			input.files = files.files;
			input.dispatchEvent(new Event("change"));
			done(0);
		});
	})`, nil)
	p.Wait(`(() => { // all of the upper half is grey
		const c = document.querySelector(".easel").cloneNode();
		c.getContext("2d").drawImage(document.querySelector(".easel"), 0, 0);
		const { data } = c.getContext("2d").getImageData(0, 0, c.width, 1);
		return data.every((v, k) => v === (k % 4 === 3 ? 255 : 128));
	})()`)
	var brought, after string
	p.Eval(easel, &brought)
	close(goOn)
	p.Wait(`document.querySelector(".status").dataset.busy === "0"`)
	p.Eval(`new Promise((f) => setTimeout(f, 100)).then(() => 0)`, nil)
	if p.Eval(easel, &after); after != brought {
		t.Error("the image that was drawn replaces the one of the reader")
	}
	complaints(t, p)
}

// Columns beyond the first fold out, and none is left out.
func TestManyColumnsFoldOutInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) {
		o.Runs = []string{trained(t, filepath.Join(t.TempDir(), "wide"), "data.name=gmm", "data.dim=30",
			"conditional=false", "train.steps=5")}
	})
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	show(p, "wide", "rows")
	p.Wait(`document.querySelectorAll(".card > .marginals > .marginal").length === 24`)
	p.Click(".marginals summary")
	p.Wait(`document.querySelectorAll(".marginals details .marginal canvas").length === 6`)
	p.Wait(`document.querySelector(".marginals details canvas").clientWidth > 100`)
	if n, blank := pictures(p, "#pane-rows"); n != 30 || len(blank) > 0 {
		t.Errorf("of %d pictures, %q show nothing; want 30 and none", n, blank)
	}
	complaints(t, p)
}
