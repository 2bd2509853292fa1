package serve

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/internal/browser"
	"flowmatch/model"
)

// largerRun returns the folder of a run that makes images of 4 x 8 pixels from images of 2 x 4.
func largerRun(t *testing.T) string {
	return imageRun(t, "condition.kind=superres", "condition.factor=2", "train.label_dropout=0", "train.steps=60",
		"train.lr=0.02") // enough to tell small images apart
}

// A run of condition superres with classes is given the small image, enlarged, and the class of each image.
func TestImagesAreEnlarged(t *testing.T) {
	s, h := serving(t, func(o *Options) {
		o.Runs, o.MaxPoints = []string{largerRun(t)}, 5
	})
	c := &client.Client{URL: h.URL}
	low := [][]float64{{-1, -0.5, 0, 1, 1, 0.5, 0, -1}, {0, 0, 0, 0, 1, 1, 1, 1}}
	got, err := c.Sample(t.Context(), "pixels", client.SampleRequest{Condition: low, N: 2,
		Label: client.Labels{"1", "0"}})
	if err != nil {
		t.Fatal(err)
	}
	x, err := got.Numbers()
	if err != nil {
		t.Fatal(err)
	}
	m := s.entries[0].current.Load().Model
	small, context := flow.NewBatch(4, 8), flow.NewBatch(4, 32)
	for i := range small.N {
		copy(small.Row(i), low[i/2])
	}
	if err := m.Conditioner().Enlarge(context, small); err != nil {
		t.Fatal(err)
	}
	how, err := s.entries[0].current.Load().Config.Eval.Sampler()
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.SampleFrom(t.Context(), m.SourcePoints(4, *got.Seed), model.SampleOptions{Sampler: how,
		Given: flow.Given{Label: []int32{1, 1, 0, 0}, Context: context}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if !slices.Equal(x[i], want.X.Row(i)) {
			t.Errorf("image %d is %v, want %v", i, x[i], want.X.Row(i))
		}
	}
	const one = `[[0, 0, 0, 0, 0, 0, 0, 0]]`
	for _, r := range []struct{ body, want string }{
		{`{"n": 1, "condition": []}`, "condition"}, {`{"n": 6, "condition": ` + one + `}`, "at most 5"},
		{`{"n": 1, "condition": ` + one + `, "guidance": 2}`, "train.label_dropout"},
		{`{"n": 1}`, "give some, small or whole"},
	} {
		code, text, _ := post(t, h.URL+"/v1/models/pixels/sample", r.body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(text, r.want) {
			t.Errorf("%s: %d %s; want %q", r.body, code, text, r.want)
		}
	}
}

// A small image is painted, and large ones are drawn of it.
func TestImagesAreEnlargedInABrowser(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = []string{largerRun(t)} })
	p := browser.Open(t, browser.Options{})
	p.Go(h.URL + "/#pixels/enlarge")
	const tiles = `[...document.querySelectorAll(".paint .tiles canvas")].map((c) => c.toDataURL()).join()`
	p.Wait(`document.querySelectorAll(".paint .tiles canvas").length === 6`) // of the ring
	still(p)
	var ring, cleared, painted, easel string
	p.Eval(tiles, &ring)
	p.Click(".side .buttons button") // clear
	p.Click(".side > button.primary")
	p.Wait(tiles + ` !== ` + quoted(ring))
	still(p)
	p.Eval(tiles, &cleared)
	p.Eval(`document.querySelector(".easel").toDataURL()`, &easel)
	p.Eval(`document.querySelector(".easel").focus()`, nil)
	p.Type("\u0302 ") // left, and space
	p.Wait(`document.querySelector(".easel").toDataURL() !== ` + quoted(easel))
	p.Click(".side > button.primary")
	p.Wait(tiles + ` !== ` + quoted(cleared))
	still(p)
	if p.Eval(tiles, &painted); painted == ring || painted == cleared {
		t.Error("what is painted changes nothing")
	}
	complaints(t, p)
}

// quoted is a text as JavaScript has it.
func quoted(s string) string { return "`" + s + "`" }
