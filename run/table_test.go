package run

import (
	"path/filepath"
	"testing"

	"flowmatch/train"
)

// Columns are shown by default where there are some to show, and nothing that is set speaks against it.
func TestColumnsOfTablesAreShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.csv")
	for _, c := range []struct {
		name    string
		set     []string
		columns int
		want    float64
	}{
		{"a table", nil, 3, train.TableShown},
		{"one column", nil, 1, 0},
		{"as is said", []string{"train.shown=0.2"}, 3, 0.2},
		{"by transport", []string{"coupling.name=ot"}, 3, 0},
		{"by an objective that does not take it", []string{"train.objective=meanflow"}, 3, 0},
		{"of numbers", []string{"data.schema=numbers"}, 3, 0},
	} {
		cfg, err := SizedTable(file, c.set, 100, c.columns, 4)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Train.Shown != c.want {
			t.Errorf("%s: train.shown is %g, want %g", c.name, cfg.Train.Shown, c.want)
		}
	}
	for _, set := range []string{"coupling.name=ot", "data.schema=numbers"} {
		if _, err := TableConfig(file, []string{"train.shown=0.5", set}); err == nil {
			t.Errorf("train.shown beside %s: no error", set)
		}
	}
}
