package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/internal/browser"
	"flowmatch/run"
)

// spaceRun returns the folder of a run on a space, of 60 rows that row writes.
func spaceRun(t *testing.T, name, space, columns string, row func(i int) string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString(columns + "\n")
	for i := range 60 {
		text.WriteString(row(i) + "\n")
	}
	file := filepath.Join(t.TempDir(), name+".csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.ParseConfig(fmt.Appendf(nil, "%sdata: {path: %q}\nnet: {hidden: [8]}\n"+
		"train: {steps: 5, batch: 8}\neval: {solver: rk4, steps: 4}", space, file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fitted(t, cfg, filepath.Join(t.TempDir(), name))
}

// Angles come round: nothing crosses a picture where they do, distances are the shorter way, and a space is called
// what it is. Columns of unlike sizes have a picture of both, and a single column has none.
func TestSpacesAreShownAsTheyAreInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) {
		o.Runs = []string{
			placesRun(t),
			spaceRun(t, "angles", "space: torus\n", "phi,psi", func(i int) string {
				return fmt.Sprintf("%d,%d", (i*37)%360-180, 170+i%20)
			}),
			spaceRun(t, "turn", "space: torus\n", "direction", func(i int) string { return fmt.Sprint(6 * i) }),
			spaceRun(t, "ball", "space: poincare\n", "u,v", func(i int) string {
				return fmt.Sprintf("%.2f,%.2f", float64(i)/100, float64(i%7)/20)
			}),
			spaceRun(t, "unlike", "", "mass,speed", func(i int) string {
				return fmt.Sprintf("%d,%.5f", 1000+i*i%977, 0.01+float64(i*7%13)/1e4)
			}),
		}
	})
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	for _, c := range []struct{ run, is string }{{"places", "points on a sphere"}, {"angles", "2 angles"},
		{"ball", "points in the hyperbolic ball of dimension 2"}, {"unlike", "2 dimensions"}} {
		show(p, c.run, "flow")
		var facts string
		p.Eval(`document.querySelector(".facts").textContent`, &facts)
		if !strings.HasPrefix(facts, "in training"+c.is) {
			t.Errorf("%s is %q, want %s", c.run, facts, c.is)
		}
		if n, blank := pictures(p, "#pane-flow"); n != 1 || len(blank) > 0 {
			t.Errorf("%s: of %d pictures, %q show nothing", c.run, n, blank)
		}
		var shape float64
		p.Eval(`(({ clientWidth, clientHeight }) => clientWidth / clientHeight)(
			document.querySelector("canvas.plane"))`, &shape)
		if shape < 0.25 || shape > 4 {
			t.Errorf("%s: the picture is %.3g times as wide as high", c.run, shape)
		}
	}
	show(p, "places", "compare")
	p.Wait(`/on average .*°, at most .*°/.test(document.querySelector(".reading").textContent)`)
	p.Eval(`location.hash = "#turn"`, nil)
	p.Wait(`document.querySelector("h1").textContent === "turn" && document.querySelectorAll(".tabs a").length === 2 &&
		document.querySelector(".facts").textContent.includes("1 angle")`)
	complaints(t, p)
}

// Distances, velocities on maps and the pieces of paths have values that are known.
func TestTheGeometryOfThePageInABrowser(t *testing.T) {
	_, h := serving(t, nil)
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	p.Wait(`document.querySelector("h1")`)
	const js = `(async () => {
		const { Space, pieces } = await import("/static/runs/spaces.js");
		const of = (space, columns, settings = "") =>
			new Space({ model: { space, columns, dim: 3 }, run: { settings } });
		const places = of("sphere of dimension 2", ["latitude", "longitude"]);
		const radians = of("sphere of dimension 2", ["lon", "lat"], "space:\n  units: radians\n");
		const vectors = of("sphere of dimension 2", ["x", "y", "z"]);
		const torus = of("torus of dimension 2", ["a", "b"]);
		const turns = of("rotations of space", ["w", "x", "y", "z"]);
		const ball = of("Poincaré ball of dimension 2", ["u", "v"]);
		const both = of("product of sphere of dimension 2, torus of dimension 1", ["lat", "lon", "hour"]);
		const flat = new Space({ model: { columns: ["a", "b"], dim: 2 }, run: {} });
		const matrices = of("symmetric positive definite matrices of order 2", ["a", "b", "c"]);
		const round = (v) => (v === null ? null : Array.isArray(v) ? v.map(round) : Math.round(1e6 * v) / 1e6);
		return JSON.stringify(round([
			places.distance([0, 170], [0, -170]), places.distance([90, 12], [0, 77]),
			radians.distance([Math.PI - 0.1, 0], [0.1 - Math.PI, 0]), vectors.distance([1, 0, 0], [0, 0, 1]),
			torus.distance([179, 0], [-178, 4]), turns.distance([1, 0, 0, 0], [-1, 0, 0, 0]),
			turns.distance([1, 0, 0, 0], [Math.SQRT1_2, 0, Math.SQRT1_2, 0]), ball.distance([0, 0], [0.5, 0]),
			both.distance([0, 0, 170], [0, 0, -170]), flat.distance([0, 0], [3, 4]),
			matrices.distance([1, 0, 1], [2, 0, 1]),
			places.map.velocity([0, 90], [-1, 0, 2]), places.map.velocity([60, 0], [0, 1, 0]),
			torus.map.velocity([90, 0], [-1, 0, 0, 2]), places.pair, radians.pair, both.periods,
			pieces([[170, 0, -170, 10, -160, 10]], [360, 0]),
		]));
	})()`
	var got string
	p.Eval(js, &got)
	want := "[20,90,0.2,1.570796,5,0,1.570796,1.098612,0.349066,5,null," +
		"[114.591559,57.29578],[0,114.591559],[57.29578,114.591559],[1,0],[0,1],[0,360,360]," +
		"[[170,0,190,10],[-190,0,-170,10,-160,10]]]"
	if got != want {
		t.Errorf("the geometry is\n%s, want\n%s", got, want)
	}
	complaints(t, p)
}

// What the page itself says is Chinese in Chinese, and what the service says has a lead.
func TestErrorsInChineseInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = []string{tableOf(t), textRun(t)} })
	p := browser.Open(t, browser.Options{Language: "zh-CN"})
	p.Go(h.URL + "/?lang=zh")
	for _, c := range []struct{ run, pane, text, want string }{
		{"people", "impute", "a,b\n1,2", "第一行必须是列名"},
		{"people", "impute", "age,city\n30,Atlantis\n", "服务答复（英文）："},
		{"text", "bound", "the cat", "一段有 12 个词元，而此文本只有 7 个"},
		{"text", "bound", "the cat sat on Δ", "此模型不认识字符 Δ"},
	} {
		show(p, c.run, c.pane)
		p.Eval(fmt.Sprintf(`document.querySelector("textarea").value = %q`, c.text), nil)
		p.Click(".card .buttons button.primary")
		p.Wait(fmt.Sprintf(`document.querySelector(".pane .error")?.textContent.includes(%q)`, c.want))
		p.Click(".language")
		p.Wait(`!/\p{Script=Han}/u.test(document.querySelector(".pane .error").textContent)`)
		p.Click(".language")
	}
	p.Problems() // the browser itself reports a 422
}

// A text is cut into pieces as long as the sequences, and each has its bits a token.
func TestTextsHaveBoundsInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = []string{textRun(t)} })
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/")
	show(p, "text", "bound")
	p.Wait(`document.querySelectorAll(".pieces li").length === 3`) // the example
	p.Eval(`document.querySelector("textarea").value = "the cat sat on the mat, a"`, nil)
	p.Click(".card .buttons button.primary")
	p.Wait(`document.querySelectorAll(".pieces li").length === 2 &&
		document.querySelector(".pane").textContent.includes("no whole piece: 1.")`)
	still(p)
	answer := ask[struct {
		Bits float64 `json:"bits_per_token"`
	}](t, h.URL+"/v1/models/text/bound", map[string]any{"texts": []string{"the cat sat ", "on the mat, "}, "draws": 16,
		"seed": 1})
	p.Wait(fmt.Sprintf(`document.querySelector(".reading").textContent.includes("2 pieces: at most %.2f ±")`,
		answer.Bits))
	var mean float64
	p.Eval(`((v) => (v[0] + v[1]) / 2)([...document.querySelectorAll(".pieces .number")].map((e) => +e.textContent))`,
		&mean)
	if d := mean - answer.Bits; d < -0.01 || d > 0.01 {
		t.Errorf("the pieces have %.3f bits on average, and all %.3f", mean, answer.Bits)
	}
	complaints(t, p)
}
