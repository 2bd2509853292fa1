package serve

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/run"
)

// grid returns the middles of n by n cells of a square around 0 of half the side, and the area of a cell.
func grid(n int, half float64) (x []client.Point, area float64) {
	side := 2 * half / float64(n)
	for i := range n {
		for k := range n {
			x = append(x, client.Point{Values: []any{-half + side*(float64(i)+0.5), -half + side*(float64(k)+0.5)}})
		}
	}
	return x, side * side
}

// TestFieldsAreThoseOfTheModel: for one label and for one each, with guidance.
func TestFieldsAreThoseOfTheModel(t *testing.T) {
	dir := trained(t, filepath.Join(t.TempDir(), "moons"), "train.label_dropout=0.2")
	s, h := serving(t, func(o *Options) { o.Runs = []string{dir} })
	c, m := &client.Client{URL: h.URL}, s.entries[0].current.Load().Model
	x, _ := grid(3, 1)
	points, err := pointsOf(m, x, 0)
	if err != nil {
		t.Fatal(err)
	}
	scale := 2.5
	for _, r := range []client.FieldRequest{
		{X: x, T: 0.25, Label: client.Labels{"1"}},
		{X: x, T: 1, Label: client.Labels{"0", "1", "0", "1", "0", "1", "0", "1", "0"}},
		{X: x, T: 0, Label: client.Labels{"1"}, Guidance: &scale},
	} {
		got, err := c.Field(t.Context(), "moons", r)
		if err != nil {
			t.Fatal(err)
		}
		var given flow.Given
		for _, l := range r.Label {
			given.Label = append(given.Label, map[client.Text]int32{"0": 0, "1": 1}[l])
		}
		want, _, err := m.Velocity(t.Context(), points, r.T, model.VelocityOptions{Given: given, Guidance: r.Guidance})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range got.V {
			if !reflect.DeepEqual(v, want.Row(i)) {
				t.Errorf("at %v velocity %d is %v, want %v", r.T, i, v, want.Row(i))
			}
		}
	}
	if _, text, _ := get(t, h.URL+"/metrics"); !strings.Contains(text, "flowmatch_solve_nfe_sum 4\n") {
		t.Error("two solves and a guided one are not counted as 4 evaluations")
	}
}

// TestDensitiesAtATimeAreDensities: their integral over the plane is 1, and at time 1 they are log p.
func TestDensitiesAtATimeAreDensities(t *testing.T) {
	_, h := serving(t, nil)
	c := &client.Client{URL: h.URL}
	x, area := grid(48, 5)
	one, zero := 1.0, 0.0
	for _, at := range []float64{0, 0.5, 1} {
		r := client.LogPRequest{X: x, T: &at, Label: client.Labels{"1"}, How: client.How{Solver: "rk4", Steps: 8}}
		got, err := c.LogP(t.Context(), "moons", r)
		if err != nil {
			t.Fatal(err)
		}
		mass := 0.0
		for _, v := range got.LogP {
			if v != nil {
				mass += math.Exp(*v) * area
			}
		}
		if math.Abs(mass-1) > 0.03 {
			t.Errorf("at %v the mass is %v", at, mass)
		}
	}
	r := client.LogPRequest{X: x[:5], Label: client.Labels{"1"}}
	want, err := c.LogP(t.Context(), "moons", r)
	if err != nil {
		t.Fatal(err)
	}
	r.T = &one
	if got, err := c.LogP(t.Context(), "moons", r); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("at 1 log p is %v, want %v (%v)", got, want, err)
	}
	r.T = &zero
	if got, err := c.LogP(t.Context(), "moons", r); err != nil || reflect.DeepEqual(got.LogP, want.LogP) {
		t.Errorf("log p of noise is that of data (%v)", err)
	}
}

// TestNoiseInThePlaceOfASeed: the noise of a seed makes the samples of that seed, in any order, and is where a
// stream begins.
func TestNoiseInThePlaceOfASeed(t *testing.T) {
	_, h := serving(t, nil)
	c := &client.Client{URL: h.URL}
	noise := uint64(4)
	r := client.SampleRequest{N: 3, Seed: &noise, Label: client.Labels{"1"}, With: []string{"noise", "nfe"}}
	want, err := c.Sample(t.Context(), "moons", r)
	if err != nil || len(want.Noise) != 3 || want.NFE < 6 {
		t.Fatalf("%+v, %v", want, err)
	}
	back := client.SampleRequest{N: 3, Label: client.Labels{"1"}}
	for i := range want.Noise {
		back.Noise = append(back.Noise, want.Noise[2-i])
	}
	got, err := c.Sample(t.Context(), "moons", back)
	if err != nil || got.NFE != 0 || got.Noise != nil || got.Seed != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	if file, err := c.SampleFile(t.Context(), "moons", back, client.CSV); err != nil || file.Seed != nil {
		t.Errorf("a file of given noise: %+v, %v", file, err)
	}
	back.Noise, back.Seed = nil, &noise
	if file, err := c.SampleFile(t.Context(), "moons", back, client.CSV); err != nil || *file.Seed != noise {
		t.Errorf("a file of a seed: %+v, %v", file, err)
	}
	for i := range want.X {
		if !reflect.DeepEqual(got.X[2-i], want.X[i]) {
			t.Errorf("sample %d of its noise is %v, want %v", i, got.X[2-i], want.X[i])
		}
	}
	fixed := client.SampleRequest{N: 2, With: []string{"nfe"}, How: client.How{Solver: "rk4", Steps: 5}}
	if got, err = c.Sample(t.Context(), "moons", fixed); err != nil || got.NFE != 20 {
		t.Errorf("5 steps of rk4 are %d evaluations (%v)", got.NFE, err)
	}
	streamed, err := c.Stream(t.Context(), "moons", client.StreamRequest{SampleRequest: fixed},
		func(client.State) error { return nil })
	if err != nil || streamed.NFE < 20 || !reflect.DeepEqual(streamed.X, got.X) {
		t.Errorf("the stream ends in %+v, want %+v (%v)", streamed, got, err)
	}
}

// TestPointsAreCompleted: what is known of them stays, and the rest is drawn beside it, again the same.
func TestPointsAreCompleted(t *testing.T) {
	s, h := serving(t, nil)
	c, m := &client.Client{URL: h.URL}, s.entries[0].current.Load().Model
	half := 0.5
	r := client.CompleteRequest{X: [][]*float64{{&half, nil}, {nil, &half}}, N: 3, Label: client.Labels{"1"}}
	got, err := c.Complete(t.Context(), "moons", r)
	if err != nil || len(got.X) != 3 || len(got.Warnings) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	settings := s.entries[0].current.Load().Config.Eval
	how, err := settings.Sampler()
	if err != nil {
		t.Fatal(err)
	}
	known := &model.Hold{X: flow.NewBatch(6, 2), Known: make([]bool, 12)}
	for i := range 6 {
		known.Known[2*i+i%2] = true
		known.X.X[2*i+i%2] = half
	}
	by := how.(model.ODE)
	by.Hold = known
	want, err := m.SampleFrom(t.Context(), m.SourcePoints(6, got.Seed), model.SampleOptions{
		Given: flow.Given{Label: []int32{1}}, Sampler: by})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		x := got.X[i/2][i%2]
		if x[i%2] != half || math.Abs(x[1-i%2]-want.X.Row(i)[1-i%2]) > 1e-3 {
			t.Errorf("point %d is %v, want %v", i, x, want.X.Row(i))
		}
	}
	if again, err := c.Complete(t.Context(), "moons", r); err != nil || !reflect.DeepEqual(again, got) {
		t.Errorf("another time %v (%v)", again, err)
	}
}

// boundedRun returns the folder of a run of two columns within a box.
func boundedRun(t *testing.T) string {
	t.Helper()
	dir, text := t.TempDir(), "a,b\n"
	for i := range 200 {
		text += fmt.Sprintf("%.3f,%.3f\n", float64(i*37%101)/101, float64(i*53%103)/103)
	}
	file := filepath.Join(dir, "box.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.ParseConfig(fmt.Appendf(nil, "data: {path: %q, bounds: {a: [0, 1]}, val: 20, test: 20}\n"+
		"net: {hidden: [16]}\ntrain: {steps: 20, batch: 32}\n", file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fitted(t, cfg, filepath.Join(dir, "bounded"))
}

func TestBadRequestsOfAPageAreToldWhatIsWrong(t *testing.T) {
	bounded := boundedRun(t)
	_, h := serving(t, func(o *Options) {
		o.Runs, o.MaxPoints = append(o.Runs, tableOf(t), imageRun(t), bounded), 1000
	})
	many := `[` + strings.Repeat(`[0, 0],`, 1000) + `[0, 0]]`
	for _, c := range []struct{ path, body, want string }{
		{"moons/field", `{"x": [[0, 0]], "t": 2, "label": 0}`, "body.t"},
		{"moons/field", `{"x": [[0, 0]], "t": 0.5}`, "one for all points, or one for each"},
		{"moons/field", `{"x": [[0]], "t": 0.5, "label": 0}`, "1 values; a point of the model has 2"},
		{"moons/field", `{"x": [[0, 0]], "t": 0.5, "label": 0, "guidance": 2}`, "train.label_dropout"},
		{"moons/field", `{"x": ` + many + `, "t": 0.5, "label": 0}`, "at most 1000"},
		{"moons/field", `{"x": [[1e300, 0]], "t": 0.5, "label": 0}`, "no finite number"},
		{"people/field", `{"x": [[30, "Rome", 1.7, "DE"]], "t": 0.5}`, "levels or a grid"},
		{"people/logp", `{"x": [[30, "Rome", 1.7, "DE"]], "t": 0.5}`, "t: the rows"},
		{"moons/logp", `{"x": [[0, 0]], "label": 0, "t": -1}`, "body.t"},
		{"moons/sample", `{"n": 2, "noise": [[0, 0]]}`, "1 points for 2 samples"},
		{"moons/sample", `{"n": 1, "noise": [[0]]}`, "a source point of the model has 2"},
		{"moons/sample", `{"n": 1, "noise": [[0, 0]], "seed": 3}`, "seed: the source points"},
		{"moons/sample", `{"n": 1, "noise": []}`, "body.noise"},
		{"moons/sample", `{"n": 1, "noise": [[1e308, 0]]}`, "not finite"},
		{"moons/sample", `{"n": 1, "with": ["x"]}`, "body.with"},
		{"bounded/sample", `{"n": 1, "noise": [[0, 0]]}`, "within its bounds"},
		{"bounded/sample", `{"n": 1, "with": ["noise"]}`, "within its bounds"},
		{"bounded/complete", `{"x": [[0, null]]}`, "within its bounds"},
		{"moons/complete", `{"x": [[0, null, 1]]}`, "3 values; a point of the model has 2"},
		{"moons/complete", `{"x": [[0, null]], "n": 1001}`, "at most 1000"},
		{"moons/complete", `{"x": [[0, null]], "label": ["0", "1"]}`, "2 classes for 1 points"},
		{"moons/complete", `{"x": [[0, null]], "solver": "average"}`, "average velocities"},
		{"people/complete", `{"x": [[0, null]]}`, "/impute"},
	} {
		code, body, _ := post(t, h.URL+"/v1/models/"+c.path, c.body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			t.Errorf("%s %.80s: %d %s; want 422 and %q", c.path, c.body, code, body, c.want)
		}
	}
	code, body, _ := post(t, h.URL+"/v1/models/moons/sample", `{"n": 1, "with": ["nfe"]}`, "Accept", client.CSV)
	if code != http.StatusUnprocessableEntity || !strings.Contains(body, "with: ") {
		t.Errorf("a file with more: %d %s", code, body)
	}
	for path, want := range map[string]int{"none/run": 404, "none/metrics": 404, "none/metrics/stream": 404,
		"moons/metrics?points=1": 422, "moons/metrics?after=-1": 422, "moons/metrics?points=1000000": 422} {
		if code, body, _ := get(t, h.URL+"/v1/models/"+path); code != want {
			t.Errorf("%s: %d %s; want %d", path, code, body, want)
		}
	}
}

// TestCompletionsFarFromTheTrainingSaySo: as samples do.
func TestCompletionsFarFromTheTrainingSaySo(t *testing.T) {
	dir, text := t.TempDir(), "a,b,c\n"
	for i := range 200 {
		text += fmt.Sprintf("%d,%d,%d\n", i*37%101, i*53%103, i%10)
	}
	file := filepath.Join(dir, "given.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.ParseConfig(fmt.Appendf(nil, "data: {path: %q, context: [c], val: 20, test: 20}\n"+
		"net: {residual: {width: 8, blocks: 1}}\ntrain: {steps: 5, batch: 32}\n", file), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, h := serving(t, func(o *Options) { o.Runs = []string{fitted(t, cfg, filepath.Join(dir, "far"))} })
	c, half := &client.Client{URL: h.URL}, 50.0
	for value, warnings := range map[float64]int{5: 1, 1000: 2} {
		r := client.CompleteRequest{X: [][]*float64{{&half, nil}}, Given: client.Rows{{"c": value}}}
		got, err := c.Complete(t.Context(), "far", r)
		if err != nil || len(got.Warnings) != warnings {
			t.Errorf("c=%v: %+v, %v; want %d warnings", value, got, err, warnings)
		}
	}
}

// TestImagesAreCompletedAsTheyWereTrainedTo: a run of condition inpaint is given what is known for its context.
func TestImagesAreCompletedAsTheyWereTrainedTo(t *testing.T) {
	s, h := serving(t, func(o *Options) {
		o.Runs = []string{imageRun(t, "condition.kind=inpaint", "condition.mask=center", "train.label_dropout=0")}
	})
	m := s.entries[0].current.Load().Model
	row, known, x := make([]*float64, 32), make([]bool, 32), flow.NewBatch(1, 32)
	for d := range row {
		x.X[d] = -1 + float64(d)/16
		if known[d] = d < 20; known[d] {
			row[d] = &x.X[d]
		} else {
			x.X[d] = 0
		}
	}
	c := &client.Client{URL: h.URL}
	half := client.CompleteRequest{X: [][]*float64{row}, Label: client.Labels{"1"}}
	got, err := c.Complete(t.Context(), "pixels", half)
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "condition.mask") {
		t.Fatalf("%+v, %v", got, err)
	}
	context, err := m.ContextKnown(x, known)
	if err != nil {
		t.Fatal(err)
	}
	how, err := s.entries[0].current.Load().Config.Eval.Sampler()
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.SampleFrom(t.Context(), m.SourcePoints(1, got.Seed), model.SampleOptions{Sampler: how,
		Given: flow.Given{Label: []int32{1}, Context: context}})
	if err != nil {
		t.Fatal(err)
	}
	for d, v := range got.X[0][0] {
		if known[d] && v != x.X[d] || !known[d] && v != want.X.X[d] {
			t.Errorf("value %d is %v", d, v)
		}
	}
	var models []client.Model
	if models, err = c.Models(t.Context()); err != nil || models[0].Condition != "inpaint, mask center" {
		t.Errorf("%+v, %v", models, err)
	}
	for path, body := range map[string]string{
		"sample": `{"n": 1}`, "field": `{"t": 0, "x": [[0` + strings.Repeat(", 0", 31) + `]]}`,
	} {
		code, text, _ := post(t, h.URL+"/v1/models/pixels/"+path, body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(text, "(inpaint, mask center); give some") {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
}

func TestARunSaysWhatItIs(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = append(o.Runs, tableOf(t)) })
	c := &client.Client{URL: h.URL}
	r, err := c.Run(t.Context(), "moons")
	if err != nil || r.Step != 50 || r.Steps != 50 || r.Training || r.Data != "moons" || r.Kind != "synthetic" ||
		!strings.Contains(r.Settings, "name: moons") || r.Logged != 50 || r.Left != nil {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = c.Run(t.Context(), "people")
	if err != nil || len(r.Columns) != 4 || strings.Contains(r.Settings, os.TempDir()) ||
		!strings.Contains(r.Settings, "path: people.csv") || r.Data != "people.csv" {
		t.Fatalf("%+v, %v", r, err)
	}
	age, city, country := r.Columns[0], r.Columns[1], r.Columns[3]
	if *age.Low != 21 || *age.High != 69 || !age.Missing || age.Step != 1 || len(city.Levels) != 3 || city.Of != 3 ||
		country.Value != "DE" || country.Kind != "constant" {
		t.Errorf("columns %+v", r.Columns)
	}
	all, err := c.Metrics(t.Context(), "moons", 0, 0)
	if err != nil || len(all.Metrics) == 0 || all.Lines != len(all.Metrics) || all.Steps != 50 {
		t.Errorf("%+v, %v", all, err)
	}
	if last, err := c.Metrics(t.Context(), "moons", 50, 0); err != nil || len(last.Metrics) != 0 {
		t.Errorf("after the last step %+v, %v", last, err)
	}
	watched := 0
	if err := c.Watch(t.Context(), "moons", 0, func(m client.Metrics) error {
		watched += len(m.Metrics)
		return nil
	}); err != nil || watched != len(all.Metrics) {
		t.Errorf("%d metrics of a training that is over, %v", watched, err)
	}
}

func TestThePageCanBeLeftOut(t *testing.T) {
	for _, without := range []bool{false, true} {
		_, h := serving(t, func(o *Options) { o.NoPage = without })
		for _, path := range []string{"/", "/static/runs/main.js", "/page.json"} {
			if code, _, _ := get(t, h.URL+path); (code == http.StatusOK) == without {
				t.Errorf("%s: %d, with NoPage %v", path, code, without)
			}
		}
		if code, _, _ := get(t, h.URL+"/v1/models"); code != http.StatusOK {
			t.Errorf("with NoPage %v there is no API", without)
		}
	}
}
