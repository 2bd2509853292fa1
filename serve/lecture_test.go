package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"flowmatch/internal/browser"
)

// lectureIDs are the panes, in the order of the lecture.
var lectureIDs = []string{"ode", "density", "marginal", "fields", "objective", "gaussian", "diffusion", "transport"}

// lecturing returns the address of a service of the lecture alone.
func lecturing(t *testing.T, change func(*Options)) string {
	t.Helper()
	o := Options{Lecture: true}
	if change != nil {
		change(&o)
	}
	_, h := started(t, o)
	return h.URL
}

// opened opens a pane, and waits until its first picture is there.
func opened(p *browser.Page, id string) {
	p.Eval(fmt.Sprintf(`document.getElementById(%q).scrollIntoView({behavior: "instant"})`, id), nil)
	p.Wait(fmt.Sprintf(`document.querySelector("#%s .figure")?.dataset.shown > 0`, id))
	p.Eval(`new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame)).then(() => 0)`, nil)
}

// picture is a digest of what the canvases of a pane show.
func picture(p *browser.Page, id string) (digest string) {
	p.Eval(fmt.Sprintf(`[...document.querySelectorAll("#%s canvas")].map((c) => c.toDataURL()).join()`, id), &digest)
	return digest
}

// settled waits until a pane has shown what it was asked for, and returns its picture.
func settled(p *browser.Page, id string) string {
	const still = `new Promise((done) => {
		const look = () => {
			if (document.querySelector("#%s .figure").dataset.busy === undefined) done(0); else setTimeout(look, 10);
		};
		look();
	})`
	p.Eval(fmt.Sprintf(still, id), nil)
	p.Eval(`new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame)).then(() => 0)`, nil)
	return picture(p, id)
}

func complaints(t *testing.T, p *browser.Page) {
	t.Helper()
	if found := p.Problems(); len(found) > 0 {
		t.Errorf("the browser complains: %q", found)
	}
}

// Every pane opens, and each of its controls changes what is seen.
func TestControlsOfTheLectureMoveItsPicturesInABrowser(t *testing.T) {
	p := browser.Open(t, browser.Options{})
	p.Go(lecturing(t, nil) + "/lecture?lang=en")
	for _, id := range lectureIDs {
		opened(p, id)
		settled(p, id) // a pane may show its pictures again, and a chart is blank for a moment then
		if n, blank := pictures(p, "#"+id); n == 0 || len(blank) > 0 {
			t.Errorf("%s: of %d pictures, %q show nothing", id, n, blank)
		}
		var controls int
		p.Eval(fmt.Sprintf(`document.querySelectorAll("#%s .controls > *").length`, id), &controls)
		if controls < 3 {
			t.Errorf("%s: %d controls", id, controls)
		}
		for k := range controls {
			before := settled(p, id) + words(p, id)
			const change = `(() => {
				const c = document.querySelector("#%s .controls").children[%d];
				const range = c.querySelector("input[type=range]");
				if (range) {
					if (range.disabled) return "";
					const middle = (Number(range.min) + Number(range.max)) / 2;
					range.value = middle + (range.value > middle ? -0.3 : 0.3) * (range.max - range.min);
					range.dispatchEvent(new Event("input", {bubbles: true}));
					return range.labels[0].textContent;
				}
				const other = c.querySelector("input[type=radio]:not(:checked)");
				(other ?? c).click();
				return c.textContent;
			})()`
			var name string
			p.Eval(fmt.Sprintf(change, id, k), &name)
			if after := settled(p, id) + words(p, id); after == before && name != "" {
				t.Errorf("%s: %q changes nothing", id, name)
			}
		}
	}
	complaints(t, p)
}

// words are the numbers below the pictures of a pane.
func words(p *browser.Page, id string) (text string) {
	const js = `[...document.querySelectorAll("#%s dd, #%[1]s .bars")].map((e) => e.textContent).join()`
	p.Eval(fmt.Sprintf(js, id), &text)
	return text
}

// A click, a drag and the arrow keys move what the pictures are of; play moves the time.
func TestPicturesOfTheLectureAreMovedByHandInABrowser(t *testing.T) {
	p := browser.Open(t, browser.Options{})
	p.Go(lecturing(t, nil) + "/lecture?lang=en")
	for _, id := range []string{"density", "marginal", "fields", "gaussian"} {
		opened(p, id)
		before := settled(p, id)
		p.Click("#" + id + " canvas.plane")
		clicked := settled(p, id)
		if clicked == before {
			t.Errorf("%s: a click changes nothing", id)
		}
		p.Eval(fmt.Sprintf(`document.querySelector("#%s canvas.plane").focus()`, id), nil)
		for range 12 {
			p.Type("\u0304") // the arrow up
		}
		if settled(p, id) == clicked {
			t.Errorf("%s: the arrow keys change nothing", id)
		}
	}
	opened(p, "diffusion")
	p.Click("#diffusion button.round")
	p.Eval(`new Promise((done) => { // the pause comes from the page, in time on any machine
		const look = () => {
			if (document.querySelector("#diffusion .slider input").value <= 0.6) return setTimeout(look, 10);
			document.querySelector("#diffusion button.round").click();
			done(0);
		};
		look();
	})`, nil)
	var a, b float64
	p.Eval(`Number(document.querySelector("#diffusion .slider input").value)`, &a)
	p.Eval(`new Promise((f) => setTimeout(f, 200)).then(() => 0)`, nil)
	p.Eval(`Number(document.querySelector("#diffusion .slider input").value)`, &b)
	if a != b || a >= 1 {
		t.Errorf("the time is %g and %g after the pause", a, b)
	}
	complaints(t, p)
}

// Both languages have all texts, and the page holds no key and no TeX.
func TestTheLectureIsWholeInBothLanguagesInABrowser(t *testing.T) {
	for lang, want := range map[string]string{"en": "A flow carries a density", "zh": "流携带概率密度"} {
		p := browser.Open(t, browser.Options{})
		p.Go(lecturing(t, nil) + "/lecture?lang=" + lang)
		for _, id := range lectureIDs {
			opened(p, id)
		}
		var text string
		p.Eval(`document.body.innerText`, &text)
		if !strings.Contains(text, want) {
			t.Errorf("%s: no %q", lang, want)
		}
		for _, id := range lectureIDs {
			if regexp.MustCompile(`\b` + id + `\.[a-z]`).MatchString(text) {
				t.Errorf("%s: a key of %s is shown", lang, id)
			}
		}
		if strings.ContainsAny(text, "$\\") {
			t.Errorf("%s: TeX is shown", lang)
		}
		var missing []string
		p.Eval(`import("/static/ui/lang.js").then((l) => l.missing())`, &missing)
		if len(missing) > 0 {
			t.Errorf("texts of one language only: %q", missing)
		}
		// The switch changes the words in place, and is remembered.
		p.Click(".language")
		p.Wait(`document.documentElement.lang === ` + map[string]string{"en": `"zh-Hans"`, "zh": `"en"`}[lang])
		complaints(t, p)
	}
}

// Nothing sticks out at any width from a small phone on, and the keyboard reaches all controls.
func TestTheLectureFitsPhonesAndKeyboardsInABrowser(t *testing.T) {
	p := browser.Open(t, browser.Options{Width: 390, Height: 844})
	p.Go(lecturing(t, nil) + "/lecture?lang=en")
	for _, id := range lectureIDs {
		opened(p, id)
	}
	for _, lang := range []string{"en", "zh"} {
		for _, width := range []int{360, 375, 390, 768, 1280} {
			p.Resize(width, 844)
			var over []string
			p.Eval(`new Promise((f) => setTimeout(f, 150)).then(() => {
				const width = document.documentElement.clientWidth;
				if (document.documentElement.scrollWidth <= width) return [];
				return [...document.querySelectorAll("body *")]
					.filter((e) => e.getBoundingClientRect().right > width + 1).slice(0, 8)
					.map((e) => e.tagName + "." + e.className);
			})`, &over)
			if len(over) > 0 {
				t.Errorf("%s at %d pixels: %q stick out", lang, width, over)
			}
		}
		p.Click(".language")
	}
	// From the top, the tab key comes by every control.
	p.Eval(`(document.activeElement.blur(), scrollTo(0, 0))`, nil)
	const mark = `document.querySelectorAll("button, input[type=range], a[href], canvas[tabindex]")`
	p.Eval(`window.reached = new Set(),
		document.addEventListener("focusin", (e) => window.reached.add(e.target)), 0`, nil)
	var all int
	p.Eval(mark+`.length`, &all)
	for range 2 * all { // groups of radios and scrolling equations are stops, too
		p.Type("\t")
	}
	var left []string
	p.Eval(`[...`+mark+`].filter((e) => !window.reached.has(e))
		.map((e) => e.closest("[id]").id + " " + e.outerHTML.slice(0, 80))`, &left)
	if len(left) > 0 {
		t.Errorf("%d of %d controls are not reached: %q", len(left), all, left)
	}
	complaints(t, p)
}

// With tokens, the page is there without one, and what it computes needs one.
func TestTheLectureAsksForTheTokenInABrowser(t *testing.T) {
	url := lecturing(t, func(o *Options) { o.Tokens = []string{"sesame"} })
	for path, want := range map[string]int{
		"/lecture": http.StatusOK, "/": http.StatusOK, "/static/ui/ui.css": http.StatusOK, "/page.json": http.StatusOK,
		"/lecture/api/gaussian": http.StatusUnauthorized, "/v1/models": http.StatusUnauthorized,
		"/static/../v1/models": http.StatusUnauthorized, "/static/%2e%2e/v1/models": http.StatusNotFound,
		"/metrics": http.StatusUnauthorized, "/lecture/": http.StatusUnauthorized,
	} {
		if code, _, _ := get(t, url+path); code != want {
			t.Errorf("%s: %d, want %d", path, code, want)
		}
	}
	if code, body, _ := get(t, url+"/lecture/api/gaussian?t=2", "Authorization", "Bearer sesame"); code != 400 ||
		!strings.Contains(body, `t is \"2\"; it must be a number from 0 to 1`) {
		t.Errorf("%d %s", code, body)
	}
	p := browser.Open(t, browser.Options{})
	p.Go(url + "/lecture?lang=en")
	p.Wait(`document.querySelector("dialog[open] input")`)
	p.Problems() // the browser itself reports a 401
	p.Click("dialog input")
	p.Type("open\r")
	p.Wait(`document.querySelector("dialog[open]")?.textContent.includes("does not know")`)
	p.Click("dialog input")
	p.Type("sesame\r")
	p.Wait(`document.querySelector("#ode .figure")?.dataset.shown > 0`)
}

// The lecture needs no run, and stands beside those that there are.
func TestTheLectureStandsBesideRuns(t *testing.T) {
	url := lecturing(t, nil)
	if code, body, _ := get(t, url+"/v1/models"); code != http.StatusOK || strings.TrimSpace(body) != "[]" {
		t.Errorf("the models of the lecture alone: %d %s", code, body)
	}
	if code, body, _ := post(t, url+"/v1/models/moons/sample", `{"n": 1}`); code != http.StatusNotFound ||
		!strings.Contains(body, "only the lecture is served") {
		t.Errorf("a model of the lecture alone: %d %s", code, body)
	}
	s, h := serving(t, func(o *Options) { o.Lecture, o.Workers = true, 8 })
	if turns := s.lectures().Turns; turns != 4 {
		t.Errorf("the lecture takes %d of 8 workers from the models", turns)
	}
	for path, want := range map[string]string{"/": "static/runs/main.js", "/lecture": "static/lecture/main.js",
		"/page.json": `"runs":true`, "/v1/models": "moons", "/lecture/api/fields?t=0.5": `"weights"`} {
		if code, body, _ := get(t, h.URL+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.100s; want %s", path, code, body, want)
		}
	}
	_, h = serving(t, nil)
	for _, path := range []string{"/lecture", "/lecture/api/fields"} {
		if code, _, _ := get(t, h.URL+path); code != http.StatusNotFound {
			t.Errorf("%s without the lecture: %d", path, code)
		}
	}
	late := lecturing(t, func(o *Options) { o.Timeout = time.Nanosecond })
	if code, body, _ := get(t, late+"/lecture/api/ode"); code != http.StatusGatewayTimeout {
		t.Errorf("a request whose time is over: %d %q", code, body)
	}
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "no run to serve") {
		t.Errorf("a server of nothing: %v", err)
	}
}

// With FLOWMATCH_PICTURES=DIR, every pane is written into that folder in each language and theme, as
// windows and phones show it: to be looked at.
func TestPicturesOfTheLectureInABrowser(t *testing.T) {
	if os.Getenv("FLOWMATCH_PICTURES") == "" {
		t.Skip("FLOWMATCH_PICTURES is not set")
	}
	photographed(t, lecturing(t, nil)+"/lecture", func(p *browser.Page, to string) {
		p.Eval(`new Promise((f) => setTimeout(f, 500)).then(() => 0)`, nil)
		write(t, to+"top.png", p.Picture(""))
		for _, id := range lectureIDs {
			opened(p, id)
			settled(p, id)
			write(t, to+id+"-window.png", p.Picture(""))
			write(t, to+id+".png", p.Picture("#"+id))
		}
	})
}

func write(t *testing.T, name string, body []byte) {
	t.Helper()
	if !bytes.HasPrefix(body, []byte("\x89PNG")) {
		t.Fatalf("%s is no PNG", name)
	}
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}
