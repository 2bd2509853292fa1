package table

import (
	"testing"

	"flowmatch/data/internal/datatest"
)

func TestUCISetsThatAreNotThereAreErrors(t *testing.T) {
	_, err := ReadUCI("powr", t.TempDir())
	datatest.WantError(t, "unknown", err, `unknown UCI set "powr"; did you mean "power"?`)
	_, err = ReadUCI("power", t.TempDir())
	datatest.WantError(t, "empty folder", err, "data.npy")
	_, err = ReadUCI("power", datatest.WriteTemp(t, "data.npy", nil))
	datatest.WantError(t, "a file", err, "data.npy is a file; power wants the folder")
}
