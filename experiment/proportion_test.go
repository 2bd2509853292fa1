package experiment_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/experiment"
)

// Samples beside held-out points have the proportions of their classes: of two classes 16 apart
// in each of two columns, one of which is rare, as many of both would be at a W2 of 15 from the
// points.
func TestCurvesOfW2HaveTheClassesOfTheHeldOutPoints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rare.csv")
	var rows strings.Builder
	rows.WriteString("a,b,class\n")
	for i := range 1000 {
		class := i % 20 / 19 // one in twenty
		x := float64(16*class-8) + float64(i*i%101)/200
		fmt.Fprintf(&rows, "%g,%g,%d\n", x, x, class)
	}
	if err := os.WriteFile(file, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	g, cells := plan(t, `
title: Rare
question: Are classes in proportion?
seeds: [1]
base:
  conditional: true
  net: {hidden: [32]}
  train: {steps: 400, batch: 64, lr: 1e-2}
  eval: {solver: dopri5, rtol: 1e-2, atol: 1e-2, samples: 200}
tasks: [{name: rare, set: {data.path: `+file+`, data.label: class}}]
methods: [{name: FM, set: {path.name: condot}}]
measure: [solvers]
`, t.TempDir())
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if c := results[0].Curves["w2/dopri5"]; len(c.Y) == 0 || c.Y[len(c.Y)-1] > 3 {
		t.Errorf("W2 by NFE: %+v", c)
	}
}
