package train

import (
	"fmt"
	"math"
)

// TableShown is the share of the rows of which columns are shown by default: train.shown of a table in the
// place of a run file.
const TableShown = 0.5

// ForTable returns the settings of a run file that suit a table of so many rows to train on,
// each of so many coordinates, as "key=value".
//
// The network grows with the rows: one that is wide learns few rows by heart. Steps are so many that
// each row is seen some hundreds of times, at least 2,000 and at most 20,000; of few rows the
// validation on held rows ends the training before, where there are some. asked are the steps that are
// asked for; 0: none are.
func ForTable(rows, held, coordinates, asked int) []string {
	const (
		batch        = 256
		least, most  = 2000, 20000
		passes       = 400
		validations  = 40 // of the whole training
		patience     = 16
		narrow, wide = 64, 256
	)
	steps := min(max(least, passes*rows/batch), most)
	if steps -= steps % 100; asked > 0 {
		steps = asked
	}
	// A power of two about the root of all numbers of the table.
	width := 1 << int(math.Round(math.Log2(math.Sqrt(float64(rows*coordinates))/2)))
	width = min(max(narrow, width), wide)
	settings := []string{
		fmt.Sprintf("train.steps=%d", steps),
		fmt.Sprintf("train.batch=%d", batch),
		fmt.Sprintf("net.hidden=[%d, %d, %d]", width, width, width),
	}
	if held > 0 {
		settings = append(settings, fmt.Sprintf("train.val_every=%d", max(1, steps/validations)),
			fmt.Sprintf("train.patience=%d", patience))
	}
	return settings
}
