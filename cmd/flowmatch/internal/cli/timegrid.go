package cli

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/table"
	"flowmatch/ode"
	"flowmatch/timegrid"
)

// gridFlags are the flags of where given steps lie between noise and data.
type gridFlags struct {
	shift   float64
	spacing string
	file    string
	read    timegrid.Config // what the file has
}

// gridNames are their names.
var gridNames = []string{"shift", "spacing", "time-grid"}

func (f *gridFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.Float64Var(&f.shift, "shift", 1, "shift of given steps towards the noise, or below 1 towards the data: the "+
		"factor of noise to data at each time (default: that of the run file)")
	fl.StringVar(&f.spacing, "spacing", "", "spacing of given steps: "+strings.Join(timegrid.Spacings(), ", ")+
		" (default: that of the run file)")
	fl.StringVar(&f.file, "time-grid", "", "file with the times of steps, as a column: shares of the time that rise "+
		"from 0 (noise) to 1 (data), or levels of noise that fall from 1 to 0")
	for _, flag := range gridNames {
		for _, other := range []string{"rtol", "atol", "control"} {
			cmd.MarkFlagsMutuallyExclusive(flag, other)
		}
	}
	cmd.MarkFlagsMutuallyExclusive("time-grid", "steps")
	cmd.MarkFlagsMutuallyExclusive("time-grid", "spacing")
	complete(cmd, "spacing", timegrid.Spacings()...)
}

// given says whether any of them is.
func (f *gridFlags) given(cmd *cobra.Command) bool {
	return slices.ContainsFunc(gridNames, cmd.Flags().Changed)
}

// check reports values that make no grid of so many steps (0: of any number), and reads the file.
func (f *gridFlags) check(cmd *cobra.Command, steps int) error {
	set := cmd.Flags().Changed
	switch {
	case set("shift") && !(f.shift > 0):
		return usagef("--shift is %g; it must be above 0", f.shift)
	case set("spacing") && f.spacing == "":
		return usagef("--spacing is empty; leave it out for that of the run file")
	case set("time-grid"):
		if err := f.open(); err != nil {
			return err
		}
	}
	if !f.given(cmd) {
		return nil
	}
	c := ode.Config{Solver: ode.Euler.Name, Steps: steps, TimeGrid: f.over(cmd, nil)}
	if err := c.Validate(); err != nil {
		return usagef("%s: %w", f.typed(cmd), err)
	}
	return nil
}

// typed names the flags that are given.
func (f *gridFlags) typed(cmd *cobra.Command) string {
	var names []string
	for _, name := range gridNames {
		if cmd.Flags().Changed(name) {
			names = append(names, "--"+name)
		}
	}
	return strings.Join(names, " and ")
}

// open reads the file.
func (f *gridFlags) open() error {
	t, err := table.Read(f.file, table.Options{Header: new(false)})
	if named, err2 := table.Read(f.file, table.Options{Header: new(true)}); err != nil && err2 == nil {
		t, err = named, nil // the first line is a name
	}
	switch {
	case err != nil:
		return asUsage(ofFile(err), fs.ErrNotExist)
	case t.X.D != 1:
		return usagef("--time-grid %s has %d columns; it must have one, of times or of levels", f.file, t.X.D)
	case t.X.N > 0 && t.X.X[0] == 1:
		f.read = timegrid.Config{Sigmas: t.X.X}
	default:
		f.read = timegrid.Config{Times: t.X.X}
	}
	if err := f.read.Validate(); err != nil {
		return usagef("--time-grid %s: %w", f.file, err)
	}
	return nil
}

// over returns the grid of the flags over that of a run file, or nil; nil: no flag is given.
func (f *gridFlags) over(cmd *cobra.Command, of *timegrid.Config) *timegrid.Config {
	if !f.given(cmd) {
		return nil
	}
	var g timegrid.Config
	set := cmd.Flags().Changed
	switch {
	case set("time-grid"):
		g = f.read
	case of != nil && of.Times == nil: // which no shift and no spacing changes
		g = *of
	}
	if set("shift") {
		g.Shift, g.Mu, g.Tokens = &f.shift, nil, nil
		g.BaseShift, g.MaxShift, g.BaseTokens, g.MaxTokens = nil, nil, nil, nil
	}
	if set("spacing") && f.spacing != g.Spacing {
		g.Spacing, g.Sigmas = f.spacing, nil
		g.Rho, g.Alpha, g.Beta = nil, nil, nil
	}
	return &g
}
