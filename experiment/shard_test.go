package experiment_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"flowmatch/experiment"
)

// Every cell of every grid is in one shard, behind the trials and the teacher that it needs.
func TestShardsAreDisjointAndComplete(t *testing.T) {
	for _, name := range experiment.Known() {
		text, err := experiment.KnownText(name)
		if err != nil {
			t.Fatal(err)
		}
		g, err := experiment.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		cells, err := g.Plan("runs", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, of := range []int{1, 3, 7} {
			in, n := map[string]int{}, 0
			for number := 1; number <= of; number++ {
				own := experiment.Shard{Number: number, Of: of}.Cells(g, cells)
				n += len(own)
				for _, c := range own {
					dir, err := filepath.Abs(c.Dir)
					if err != nil {
						t.Fatal(err)
					}
					in[dir] = number
					if c.Teacher != "" && in[c.Teacher] != number {
						t.Errorf("%s, shard %d/%d: %s comes without its teacher", name, number, of, c.Dir)
					}
				}
			}
			if n != len(cells) || len(in) != len(cells) {
				t.Errorf("%s: %d shards have %d cells, %d of them different, want all %d", name, of, n, len(in),
					len(cells))
			}
			tasks := map[string]int{}
			for _, c := range cells {
				dir, _ := filepath.Abs(c.Dir)
				was, seen := tasks[c.Task]
				if g.Search != nil && len(g.Search.Tasks) == 0 && seen && was != in[dir] {
					t.Errorf("%s: a search over %s is in shards %d and %d", name, c.Task, was, in[dir])
				}
				tasks[c.Task] = in[dir]
			}
		}
	}
}

func TestShardsAreRead(t *testing.T) {
	for text, want := range map[string]experiment.Shard{"3/16": {3, 16}, "1/1": {1, 1}} {
		if s, err := experiment.ParseShard(text); err != nil || s != want || fmt.Sprint(s) != text {
			t.Errorf("%s is read as %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "3", "0/4", "5/4", "-1/4", "a/b", "1/", "1/2/3"} {
		if _, err := experiment.ParseShard(text); !errors.Is(err, experiment.ErrShard) {
			t.Errorf("%q: %v, want ErrShard", text, err)
		}
	}
}

// The results of the shards are those of one run, which finds them in a merged folder.
func TestShardsMakeTheResultsOfOneRun(t *testing.T) {
	parts, whole := t.TempDir(), t.TempDir()
	g, cells := plan(t, searched, whole)
	want, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const merged = "merged"
	for number := 1; number <= 2; number++ {
		dir := filepath.Join(parts, fmt.Sprint(number))
		g, cells := plan(t, searched, dir)
		if _, err := experiment.Run(t.Context(), g, experiment.Shard{Number: number, Of: 2}.Cells(g, cells),
			experiment.RunOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); err == nil {
			if err := os.CopyFS(filepath.Join(parts, merged), os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	g, cells = plan(t, searched, filepath.Join(parts, merged))
	got, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{
		Cell: func(_, _ int, c experiment.Cell, done bool) {
			if !done {
				t.Errorf("%s was not made by a shard", c.Dir)
			}
		}})
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d results, want %d (%v)", len(got), len(want), err)
	}
	for i, r := range got {
		for _, value := range []string{"w2", "nll", "val_loss"} {
			if r.Values[value] != want[i].Values[value] {
				t.Errorf("result %d: %s is %g, of one run %g", i, value, r.Values[value], want[i].Values[value])
			}
		}
	}
}
