package serve

import (
	"path/filepath"
	"testing"

	"flowmatch/internal/browser"
)

// An address that is none still shows which runs there are, and the switch of language fits on one line of a phone.
func TestAnAddressThatIsNoneShowsTheRunsInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = append(o.Runs, imageRun(t)) })
	p := browser.Open(t, browser.Options{Width: 390, Height: 844})
	p.Go(h.URL + "/#%")
	p.Wait(`document.querySelector(".error")?.textContent.includes("no run called %")`)
	p.Wait(`document.querySelectorAll(".runs a").length === 2`)
	p.Wait(`(() => {
		const words = document.createRange();
		words.selectNodeContents(document.querySelector(".language"));
		return words.getClientRects().length === 1 &&
			document.documentElement.scrollWidth <= document.documentElement.clientWidth;
	})()`)
	complaints(t, p)
}

// The ends of an axis of whole numbers are whole numbers.
func TestAxesOfWholeNumbersInABrowser(t *testing.T) {
	_, h := serving(t, nil)
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	p.Wait(`document.querySelector("h1")`)
	var got string
	p.Eval(`import("/static/runs/bars.js").then(({histogram}) => JSON.stringify([[0, 1, 2, 2], [3, 3]].map((v) => {
		const of = histogram({kind: "integer", step: 1}, v);
		return [of.ends, of.own];
	})))`, &got)
	if want := "[[[0,2],[0.25,0.25,0.5]],[[3,3],[1]]]"; got != want {
		t.Errorf("the ends and shares are %s, want %s", got, want)
	}
}

// One is one, marks are those of what is drawn, and an axis of few powers has marks between them.
func TestWordsAndMarksAreThoseOfWhatIsThereInABrowser(t *testing.T) {
	line := trained(t, filepath.Join(t.TempDir(), "line"), "data.name=gmm", "data.dim=1", "conditional=false")
	_, h := serving(t, func(o *Options) { o.Runs = append(o.Runs, line) })
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/#line")
	p.Wait(`document.querySelector(".facts")?.textContent.includes("1 dimension") &&
		!document.querySelector(".facts").textContent.includes("1 dimensions")`)
	p.Go(h.URL + "/#moons/flow")
	p.Wait(`document.querySelector(".legend")?.textContent.includes("Particles") &&
		!document.querySelector(".legend").textContent.includes("Trajectories")`)
	p.Eval(`[...document.querySelectorAll("label")].find((l) => l.textContent.includes("Trajectories")).click()`, nil)
	p.Wait(`document.querySelector(".legend").textContent.includes("Trajectories")`)
	var got string
	p.Eval(`import("/static/ui/chart.js").then(({ticks}) => JSON.stringify([[10, 1, 1000], [10, 0.3, 1.5],
		[10, 1.1, 1.4], [2, 1, 16]].map((a) => ticks(...a).map((v) => Number(v.toPrecision(6))))))`, &got)
	if want := "[[1,10,100,1000],[0.5,1,1.5],[1.1,1.2,1.3,1.4],[1,2,4,8,16]]"; got != want {
		t.Errorf("the marks of axes are %s, want %s", got, want)
	}
	complaints(t, p)
}
