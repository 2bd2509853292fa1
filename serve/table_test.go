package serve

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/client"
	"flowmatch/data/dataset"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/run"
)

// people are rows of a table with columns of several kinds, of which ages may be missing.
func people(n int) string {
	var b strings.Builder
	b.WriteString("id,age,city,height,country\n")
	for i := range n {
		age := fmt.Sprint(20 + i*7%50)
		if i%5 == 0 {
			age = "NA"
		}
		fmt.Fprintf(&b, "%d,%s,%s,%.2f,DE\n", 1000+i, age, []string{"Rome", "Oslo", "Bern"}[i%3],
			1.5+float64(i*31%97)/200)
	}
	return b.String()
}

// tableOf returns the folder of a run on a table.
func tableOf(t testing.TB, set ...string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "people.csv")
	if err := os.WriteFile(file, []byte(people(200)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := run.TableConfig(file, append([]string{"train.steps=60", "net.hidden=[16, 16]", "train.batch=32",
		"train.shown=0.5"}, set...))
	if err != nil {
		t.Fatal(err)
	}
	return fitted(t, cfg, filepath.Join(dir, "people"))
}

// fitted trains a run into a folder, and returns that.
func fitted(t testing.TB, cfg run.Config, dir string) string {
	t.Helper()
	if _, err := run.Train(t.Context(), cfg, dir, run.TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ask posts a request and decodes its answer.
func ask[A any](t *testing.T, url string, body any) (out A) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	code, text, _ := post(t, url, string(b))
	if err := json.Unmarshal([]byte(text), &out); err != nil || code != http.StatusOK {
		t.Fatal(url, code, text, err)
	}
	return out
}

func TestTablesAreConditionedOnAnyColumns(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.Runs = []string{tableOf(t)} })
	url, r := h.URL+"/v1/models/people/", s.entries[0].current.Load()
	sch := r.Model.Spec().Schema
	given := client.Rows{{"city": "Rome", "height": 1.7}, {"age": 30.0, "city": nil}}
	got := ask[client.Samples](t, url+"sample", client.SampleRequest{N: 4, Given: given, Complete: true})
	if fmt.Sprint(got.Columns) != "[age city height country]" || len(got.X) != 8 {
		t.Fatalf("columns %v, %d rows", got.Columns, len(got.X))
	}
	for i, row := range got.X {
		if i < 4 && (row[1] != "Rome" || row[2] != 1.7) || i >= 4 && row[0] != 30.0 || row[0] == nil || row[3] != "DE" {
			t.Errorf("row %d is %v", i, row)
		}
	}
	// They are those of the model, as the command line draws them.
	some, err := dataset.ParseSome("city=Rome,height=1.70", sch)
	if err != nil {
		t.Fatal(err)
	}
	settings := r.Config.Eval
	settings.Solve.Control = "point"
	how, err := settings.Sampler()
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := r.Model.Sample(t.Context(), model.SampleOptions{N: 4, Seed: r.Config.Seed, Sampler: how,
		Given: flow.Given{Shown: sch.Shown(some.X, false)}})
	if err != nil {
		t.Fatal(err)
	}
	want := run.RowsOf(r.Model.Spec(), run.Drawn{X: drawn.X})
	var file strings.Builder
	if err := want.CSV(&file); err != nil {
		t.Fatal(err)
	}
	code, text, head := post(t, url+"sample", `{"n": 4, "given": {"city": "Rome", "height": 1.7}}`, "Accept",
		"text/csv")
	if code != http.StatusOK || text != file.String() || head.Get(client.HeadSeed) != fmt.Sprint(r.Config.Seed) {
		t.Errorf("CSV: %d %v\n%s\nwant\n%s", code, head, text, file.String())
	}
	if code, text, _ := post(t, url+"sample", `{"n": 4}`, "Accept", "application/x-npy"); code !=
		http.StatusNotAcceptable || !strings.Contains(text, `column \"city\" is category`) {
		t.Errorf("NPY: %d %s", code, text)
	}
}

func TestLogDensitiesOfRows(t *testing.T) {
	s, h := serving(t, func(o *Options) { o.Runs = []string{tableOf(t)} })
	url, r := h.URL+"/v1/models/people/logp", s.entries[0].current.Load()
	rows := []map[string]any{{"age": nil, "city": "Oslo", "height": 1.6}, {"age": 41.0, "city": "Bern", "height": 1.8}}
	points, err := dataset.PointsOf(rows, r.Model.Spec().Schema, seed.Rand(9, "flowmatch/logp", 0))
	if err != nil {
		t.Fatal(err)
	}
	solver, err := r.Config.Eval.DensitySolver()
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := r.Model.LogProb(t.Context(), points, model.LikelihoodOptions{Solver: solver})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dataset.PointsOf([]map[string]any{{"age": 41.5, "city": "Bern", "height": 1.8}}, r.Model.Spec().Schema,
		seed.Rand(9, "flowmatch/logp", 0)); err == nil {
		t.Error("an age between those of the data is taken")
	}
	noise := uint64(9)
	same := client.Point{Named: rows[0]}
	twice := ask[client.LogP](t, url, client.LogPRequest{X: []client.Point{same, {Named: rows[1]}, same}, Seed: &noise})
	if *twice.LogP[0] != *twice.LogP[2] || *twice.LogP[0] == *twice.LogP[1] {
		t.Errorf("equal rows have log-densities %v and %v", *twice.LogP[0], *twice.LogP[2])
	}
	for _, x := range [][]client.Point{
		{{Named: rows[0]}, {Named: rows[1]}},
		{{Values: []any{nil, "Oslo", 1.6, "DE"}}, {Values: []any{41.0, "Bern", 1.8, "DE"}}},
	} {
		got := ask[client.LogP](t, url, client.LogPRequest{X: x, Seed: &noise})
		for i, v := range got.LogP {
			if math.Abs(*v-want[i]) > 1e-9 {
				t.Errorf("row %d: %v, want %v", i, *v, want[i])
			}
		}
	}
}

func TestRowsAreImputed(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs = []string{tableOf(t)} })
	rows := client.Rows{
		{"age": nil, "city": "Oslo", "height": 1.6, "note": "kept"}, {"age": 41.0, "city": "Bern", "height": nil},
		{"age": 20.0, "city": "Rome", "height": 1.5},
	}
	noise := uint64(3)
	request := client.ImputeRequest{Rows: rows, N: 2, Seed: &noise}
	got := ask[client.Imputed](t, h.URL+"/v1/models/people/impute", request)
	if len(got.Rows) != 2 || got.Missing["age"] != 1 || got.Missing["height"] != 1 || len(got.Missing) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, all := range got.Rows {
		for i, row := range all {
			for name, v := range rows[i] {
				if v != nil && row[name] != v {
					t.Errorf("%s of row %d was %v and is %v", name, i, v, row[name])
				}
			}
			if row["age"] == nil || row["height"] == nil {
				t.Errorf("row %d is %v", i, row)
			}
		}
	}
	if got.Rows[0][0]["age"] == got.Rows[1][0]["age"] && got.Rows[0][1]["height"] == got.Rows[1][1]["height"] {
		t.Error("both draws are the same")
	}
	again := ask[client.Imputed](t, h.URL+"/v1/models/people/impute", request)
	if fmt.Sprint(again) != fmt.Sprint(got) {
		t.Error("the same request is answered otherwise")
	}
}

func TestBadRowsAreToldWhatIsWrong(t *testing.T) {
	_, h := serving(t, func(o *Options) { o.Runs, o.MaxPoints = []string{tableOf(t)}, 100 })
	for _, c := range []struct{ path, body, want string }{
		{"sample", `{"n": 1, "given": {"city": "Room"}}`, `did you mean \"Rome\"`},
		{"sample", `{"n": 1, "given": {"cty": "Rome"}}`, `did you mean \"city\"`},
		{"sample", `{"n": 1, "given": {"id": 3}}`, "is an identifier"},
		{"sample", `{"n": 1, "given": {"country": "DE"}}`, "in all rows"},
		{"sample", `{"n": 1, "given": {"age": 400}}`, "out of the range of the data"},
		{"sample", `{"n": 1, "given": {"age": [1]}}`, "neither a number nor a text"},
		{"sample", `{"n": 1, "given": []}`, "given: there is no row"},
		{"sample", `{"n": 1, "logp": true}`, "logp: "},
		{"sample", `{"n": 60, "given": [{"age": 30}, {"age": 31}]}`, "at most 100"},
		{"logp", `{"x": [{"age": 30, "city": "Rome"}]}`, `row 1, column \"height\": there is no value`},
		{"logp", `{"x": [{"age": 30.5, "city": "Rome", "height": 1.7}]}`, `\"30.5\" is between the values of the data`},
		{"complete", `{"x": [["Rome", null]]}`, "ask /impute"},
		{"logp", `{"x": [[30, "Rome"]]}`, "has 2 values; a point of the model has 4"},
		{"logp", `{"x": [[30, "Rome", 1.5, "DE"]], "given": {"age": 3}}`, "given: "},
		{"impute", `{"rows": []}`, "rows: there is none"},
		{"impute", `{"rows": {"x": 1}}`, "none of the columns"},
		{"impute", `{"rows": {"city": "Room"}}`, "none of the levels"},
		{"impute", `{"rows": {"age": null}, "n": 1000000000000}`, "at most 100"},
	} {
		code, text, _ := post(t, h.URL+"/v1/models/people/"+c.path, c.body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(text, c.want) {
			t.Errorf("%s %s: %d %s; want %q", c.path, c.body, code, text, c.want)
		}
	}
	_, h = serving(t, func(o *Options) { o.Runs = []string{tableOf(t, "train.shown=0")} })
	for path, body := range map[string]string{
		"sample": `{"n": 1, "given": {"age": 30}}`, "impute": `{"rows": {"age": null}}`,
	} {
		code, text, _ := post(t, h.URL+"/v1/models/people/"+path, body)
		if code != http.StatusUnprocessableEntity || !strings.Contains(text, "train.shown") {
			t.Errorf("%s of a run without train.shown: %d %s", path, code, text)
		}
	}
}
