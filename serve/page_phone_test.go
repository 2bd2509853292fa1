package serve

import (
	"fmt"
	"testing"

	"flowmatch/internal/browser"
)

// On a phone an address and a tab lead to their pane, though the panes above only get their pictures meanwhile.
func TestTheLectureIsOpenedAtAPaneInABrowser(t *testing.T) {
	p := browser.Open(t, browser.Options{Width: 390, Height: 844})
	url := lecturing(t, nil) + "/lecture?lang=en"
	there := func(id string, tab int) {
		t.Helper()
		p.Wait(`!document.querySelector("[data-busy]")`)
		p.Eval(`new Promise((f) => setTimeout(f, 1500)).then(() => 0)`, nil)
		var top float64
		var marked string
		p.Eval(fmt.Sprintf(`document.getElementById(%q).getBoundingClientRect().top`, id), &top)
		p.Eval(`document.querySelector(".contents [aria-current] b").textContent`, &marked)
		if top < 60 || top > 200 || marked != fmt.Sprint(tab) {
			t.Errorf("%s is %g pixels from the top, and tab %s is marked; want about 130 and %d", id, top, marked, tab)
		}
	}
	p.Go(url + "#transport")
	there("transport", 8)
	p.Go("about:blank")
	p.Go(url)
	p.Wait(`!document.querySelector("[data-busy]")`)
	p.Click(`.contents a[href="#transport"]`)
	there("transport", 8)
	p.Click(`.contents a[href="#fields"]`)
	there("fields", 4)
	complaints(t, p)
}
