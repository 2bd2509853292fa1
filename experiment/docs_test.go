package experiment

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"flowmatch/internal/atomicfile"
)

// docs is the folder of the pages that are committed.
var docs = filepath.Join("..", "docs", "results")

// notMade are experiments whose page waits for a run of hours: it says so, and has no
// figures. Take the name out when the page is made.
var notMade []string

// made skips an experiment whose page is not made yet.
func made(t *testing.T, name string) {
	t.Helper()
	if !slices.Contains(notMade, name) {
		return
	}
	if _, err := os.Stat(filepath.Join(docs, name+".json")); err == nil {
		t.Fatalf("there are results of %s; take it out of notMade", name)
	}
	t.Skipf("the page of %s is not made yet: flowmatch experiment %s", name, name)
}

// known returns the grid of a name, with its cells.
func known(t *testing.T, name string) (Grid, []Cell) {
	t.Helper()
	text, err := KnownText(name)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	cells, err := g.Plan(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, cells
}

// What a page says that is in no result: when and where it was made.
var provenance = regexp.MustCompile(
	`(?m)^Written on (\S+): .* mean ± standard deviation over the seeds\. (.*), \d+ of them used;`)

// command is what a page says that makes it again.
var command = regexp.MustCompile("```sh\n(flowmatch experiment .*)\n```\n")

// The committed pages are what the committed results render to, with the grids and the
// code as they are.
func TestThePagesOfResultsRenderAsTheyAre(t *testing.T) {
	for _, name := range Known() {
		t.Run(name, func(t *testing.T) {
			made(t, name)
			g, _ := known(t, name)
			results, err := ReadResults(filepath.Join(docs, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(docs, name+".md"))
			if err != nil {
				t.Fatal(err)
			}
			made := provenance.FindSubmatch(want)
			if made == nil {
				t.Fatalf("%s.md does not say when and where it was made", name)
			}
			p := Page{
				Name: name, Date: string(made[1]), Machine: string(made[2]), Pictures: map[string]Drawn{},
				Command: string(command.FindSubmatch(want)[1]),
			}
			for _, pic := range g.Pictures {
				p.Pictures[pic.File] = Drawn{File: name + "/" + pic.File + ".png"}
				if _, err := os.Stat(filepath.Join(docs, name, pic.File+".png")); err != nil {
					t.Error(err)
				}
			}
			var got bytes.Buffer
			if err := p.Write(&got, g, results); err != nil {
				t.Fatal(err)
			}
			rendered(t, name+".md", got.Bytes(), want)
		})
	}
}

func TestThePageOfClaimsRendersAsItIs(t *testing.T) {
	text, err := Claims()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(docs, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := WriteClaims(&got, text, docs); err != nil {
		t.Fatal(err)
	}
	rendered(t, "README.md", got.Bytes(), want)
}

// rendered compares a page with the committed one, which it replaces with -update.
func rendered(t *testing.T, name string, got, want []byte) {
	t.Helper()
	if !*update {
		same(t, name, got, want)
	} else if err := atomicfile.WriteBytes(filepath.Join(docs, name), got); err != nil {
		t.Error(err)
	}
}

// same compares pages line by line.
func same(t *testing.T, name string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	g, w := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(g), len(w)) {
		if !bytes.Equal(g[i], w[i]) {
			t.Errorf("%s, line %d: got\n%s\nwant\n%s", name, i+1, g[i], w[i])
		}
	}
	t.Errorf("%s: %d lines, want %d", name, len(g), len(w))
}

// A plan is a fingerprint of what a grid says of a cell. One that changed would have every
// result made again, those that are committed among them.
func TestPlansOfCommittedResultsAreValid(t *testing.T) {
	for _, name := range Known() {
		t.Run(name, func(t *testing.T) {
			made(t, name)
			g, cells := known(t, name)
			results, err := ReadResults(filepath.Join(docs, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != len(cells) {
				t.Fatalf("%d results of %d cells", len(results), len(cells))
			}
			for i, c := range cells {
				r := results[i]
				c, err := c.settled(g.Search, results[:i])
				if err != nil {
					t.Fatal(err)
				}
				plan, err := c.plan(g.Classifier)
				if err != nil {
					t.Fatal(err)
				}
				if r.Task != c.Task || r.Method != c.Method || r.Seed != c.Seed || r.Plan != plan ||
					r.Trial != c.Trial || r.Value != c.Value {
					t.Fatalf("cell %d: %s, %s, seed %d, %q, plan %s; the grid has %s, %s, seed %d, %q, plan %s",
						i, r.Task, r.Method, r.Seed, r.Value, r.Plan, c.Task, c.Method, c.Seed, c.Value, plan)
				}
			}
		})
	}
}
