package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/internal/browser"
)

// pictures returns how many canvases an element has, and the names of those that show nothing. A plane shows
// something if it looks otherwise without its layers, a chart if it has the colours of data, an image if it has
// more than one shade. Axes and labels alone are nothing.
func pictures(p *browser.Page, selector string) (all int, blank []string) {
	const look = `(async () => {
		const { Plane } = await import("/static/ui/plane.js");
		const { color } = await import("/static/ui/colors.js");
		const { redraw } = await import("/static/ui/redraw.js");
		const planes = new Map();
		const paint = Plane.prototype.paint;
		Plane.prototype.paint = function () {
			planes.set(this.canvas, this);
			paint.call(this);
		};
		redraw();
		await new Promise((f) => setTimeout(f, 50)); // charts are drawn a moment later
		Plane.prototype.paint = paint;
		const pixels = (c) => {
			const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
			return Array.from({ length: data.length / 4 }, (_, k) => data.slice(4 * k, 4 * k + 3).join());
		};
		const rgb = (name) => [1, 3, 5].map((k) => parseInt(color(name).slice(k, k + 2), 16)).join();
		const ofData = ["field", "data", "second", "third"].map(rgb);
		const shows = (c) => {
			const plane = planes.get(c);
			if (!plane) {
				const seen = pixels(c);
				return c.matches(".tile") ? new Set(seen).size > 1 : seen.filter((v) => ofData.includes(v)).length > 10;
			}
			const [full, layers] = [c.toDataURL(), plane.layers];
			plane.show([]);
			const bare = c.toDataURL();
			plane.show(layers);
			return full !== bare;
		};
		const all = [...document.querySelectorAll("%s canvas:not([aria-hidden])")];
		return [all.length, all.filter((c) => !shows(c)).map((c) => c.className + " " + (c.ariaLabel ?? ""))];
	})()`
	var found []any
	p.Eval(fmt.Sprintf(look, selector), &found)
	for _, name := range found[1].([]any) {
		blank = append(blank, name.(string))
	}
	return int(found[0].(float64)), blank
}

// views are what pictures for people are taken with.
var views = []struct {
	name, lang    string
	dark          bool
	width, height int
}{{"light", "en", false, 1280, 800}, {"dark", "en", true, 1280, 800}, {"zh", "zh", false, 1280, 800},
	{"phone", "en", true, 390, 844}, {"phone-zh", "zh", false, 390, 844}}

// photographed opens the page of an address in each view, for pictures that take writes to a folder. The environment
// variable FLOWMATCH_PICTURES names the folder, without it the test is skipped; FLOWMATCH_VIEWS may name some views.
func photographed(t *testing.T, url string, take func(p *browser.Page, to string)) {
	dir := os.Getenv("FLOWMATCH_PICTURES")
	for _, view := range views {
		if only := os.Getenv("FLOWMATCH_VIEWS"); only != "" && !slices.Contains(strings.Fields(only), view.name) {
			continue
		}
		p := browser.Open(t, browser.Options{Width: view.width, Height: view.height, Dark: view.dark})
		p.Go(url + "?lang=" + view.lang)
		take(p, filepath.Join(dir, view.name+"-"))
		complaints(t, p)
	}
}

// With FLOWMATCH_PICTURES=DIR, every pane of the page of runs is written into that folder.
func TestPicturesOfThePageInABrowser(t *testing.T) {
	if os.Getenv("FLOWMATCH_PICTURES") == "" {
		t.Skip("FLOWMATCH_PICTURES is not set")
	}
	url := everyKind(t)
	photographed(t, url+"/", func(p *browser.Page, to string) {
		var width int
		p.Eval(`innerWidth`, &width)
		p.Resize(width, 1600) // whole panes, whose time stays at the edge of the window
		for _, of := range paged {
			for _, pane := range of.panes {
				show(p, of.run, pane)
				write(t, to+of.run+"-"+pane+".png", p.Picture("#pane-"+pane))
			}
		}
	})
}
