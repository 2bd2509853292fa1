package experiment

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"flowmatch/internal/atomicfile"
)

var update = flag.Bool("update", false, "write the committed pages anew, and the pictures that need results only")

// The pictures that are made of results alone can be drawn of the committed ones; with -update
// they are. The others need the runs.
func TestThePicturesOfResultsAreDrawn(t *testing.T) {
	for _, name := range Known() {
		g, _ := known(t, name)
		for _, p := range g.Pictures {
			if !p.fromResults() {
				continue
			}
			t.Run(name+"/"+p.File, func(t *testing.T) {
				made(t, name)
				results, err := ReadResults(filepath.Join(docs, name+".json"))
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if err := p.filled(g).drawResults(&b, results); err != nil {
					t.Fatal(err)
				}
				if !*update {
					return
				}
				if err := os.MkdirAll(filepath.Join(docs, name), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := atomicfile.WriteBytes(filepath.Join(docs, name, p.File+".png"), b.Bytes()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Lines through values stand at the numbers in their names, in rising order, with the spread of
// the seeds.
func TestValuesAreLinesAgainstTheirNumbers(t *testing.T) {
	results := []Result{
		{Task: "a", Method: "m", Seed: 1, Values: map[string]float64{"w2_10": 1, "w2_2": 4, "w2_data": 9, "w2": 7}},
		{Task: "a", Method: "m", Seed: 2, Values: map[string]float64{"w2_10": 3, "w2_2": 4}},
		{Task: "b", Method: "m", Seed: 1, Values: map[string]float64{"w2_1": 8}},
	}
	p := Picture{Kind: "values", Task: "a", Methods: []string{"m", "n"}, Curves: []string{"w2"}}
	got := p.values(results)
	if len(got) != 1 || len(got[0].X) != 2 || got[0].X[0] != 2 || got[0].X[1] != 10 || got[0].Y[0] != 4 ||
		got[0].Y[1] != 2 || got[0].SD[0] != 0 {
		t.Errorf("got %+v, want the points (2, 4) and (10, 2)", got)
	}
	if f := p.floors(results); len(f) != 1 || f[0].Y != 9 {
		t.Errorf("levels %+v, want the W2 between data, 9", f)
	}
}
