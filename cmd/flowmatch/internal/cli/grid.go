package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/run"
)

// layOut reads --grid, sets the number of samples and of columns, and returns the
// labels of the images.
func (f *sampleFlags) layOut(cmd *cobra.Command, r *run.Run) ([]int32, error) {
	if r.Model.Spec().Image() == nil {
		return nil, usagef("--grid is for images, and %s is a run of points; give --n", r.Dir)
	}
	rows, cols, err := f.gridSides(cmd, r.ClassColumns())
	if err != nil {
		return nil, err
	}
	if err := memory.Check("--grid "+f.grid, 4*8*float64(rows)*float64(cols)*float64(f.dim(r))); err != nil {
		return nil, err
	}
	f.n, f.cols = rows*cols, cols
	return r.GridLabels(rows, cols), nil
}

// gridSides reads --grid, whose columns are those of the classes where it has rows alone and there are some.
func (f *sampleFlags) gridSides(cmd *cobra.Command, classColumns int) (rows, cols int, err error) {
	first, second, both := strings.Cut(f.grid, "x")
	rows, err = strconv.Atoi(first)
	cols = rows
	switch {
	case err == nil && both:
		cols, err = strconv.Atoi(second)
	case classColumns > 0 && !cmd.Flags().Changed("label"):
		cols = classColumns
	}
	if err != nil || rows < 1 || cols < 1 || rows > 1<<20 || cols > 1<<20 {
		return 0, 0, usagef("--grid is %s; it must be rows and columns, as 8x10, or one number",
			choice.Quote(f.grid))
	}
	if cmd.Flags().Changed("n") && f.n != rows*cols {
		return 0, 0, usagef("--n is %d, and --grid %s has %d images; give one of them", f.n, f.grid, rows*cols)
	}
	return rows, cols, nil
}
