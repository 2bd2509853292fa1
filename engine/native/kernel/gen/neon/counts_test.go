package main

import (
	"strings"
	"testing"

	"flowmatch/engine/native/kernel/gen/arm64"
)

// loopOf counts the instructions and the multiply-adds of the loop of a function that begins at
// a label.
func loopOf(t *testing.T, assembly, function, label string) (all, multiplyAdds int) {
	t.Helper()
	_, text, found := strings.Cut(assembly, "TEXT ·"+function+"NEON(SB)")
	if !found {
		t.Fatalf("no function %s", function)
	}
	text, _, _ = strings.Cut(text, "TEXT")
	_, text, found = strings.Cut(text, "\n"+label+":\n")
	if !found {
		t.Fatalf("%s has no label %s", function, label)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasSuffix(line, ":") {
			continue
		}
		all++
		if strings.Contains(line, "// fmla ") {
			multiplyAdds++
		}
		if line == "BGE "+label {
			return all, multiplyAdds
		}
	}
	t.Fatalf("%s: no loop at %s", function, label)
	return 0, 0
}

// TestCountsOfInstructions has the figures of docs/design/neon.md: those of two steps along k in a
// product, and of a turn in a loop over vectors.
func TestCountsOfInstructions(t *testing.T) {
	f := arm64.NewFile("kernel", "test", "constants")
	if err := kernels(f); err != nil {
		t.Fatal(err)
	}
	assembly := string(f.Assembly())
	for _, k := range []struct {
		function, label   string
		all, multiplyAdds int
	}{
		{"mul6x16", "packed", 62, 48},
		{"mul6x16", "row", 72, 48},
		{"mul12x8", "packed", 62, 48},
		{"mul12x8", "row", 84, 48},
		{"mul1x16", "row", 20, 8},
		{"exp", "by4", 120, 24},
		{"silu", "by3", 100, 24},
		{"tanh", "by2", 106, 22},
		{"mulAdd", "by4", 26, 4},
	} {
		all, multiplyAdds := loopOf(t, assembly, k.function, k.label)
		if all != k.all || multiplyAdds != k.multiplyAdds {
			t.Errorf("%s, %s: %d instructions, of which %d multiply-adds; want %d and %d", k.function, k.label,
				all, multiplyAdds, k.all, k.multiplyAdds)
		}
	}
}

// Registers suffice for as many vectors in a turn as the formulas ask for.
func TestUnrolling(t *testing.T) {
	f := arm64.NewFile("kernel", "test", "constants")
	if err := kernels(f); err != nil {
		t.Fatal(err)
	}
	assembly := string(f.Assembly())
	for function, label := range map[string]string{"exp": "by4", "expm1": "by4", "sigmoid": "by4", "silu": "by3",
		"erf": "by2", "sin": "by2", "log1p": "by2", "adam": "by1"} {
		loopOf(t, assembly, function, label)
	}
}
