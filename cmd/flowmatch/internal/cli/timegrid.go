package cli

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data/table"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/timegrid"
)

// gridFlags are the flags of where given steps lie between noise and data.
type gridFlags struct {
	shift   shift
	spacing string
	file    string
	read    timegrid.Config // what the file has
}

// shift is the value of --shift: a factor, or that of an image's number of patches.
type shift struct {
	factor float64
	auto   bool
	tokens int // of the run, where auto; 0: not known yet
}

// autoShift is how --shift asks for that of the number of patches.
const autoShift = "auto"

// String implements [pflag.Value].
func (s *shift) String() string {
	if s.auto {
		return autoShift
	}
	return strconv.FormatFloat(s.factor, 'g', -1, 64)
}

// Type implements [pflag.Value].
func (s *shift) Type() string { return "factor" }

// Set implements [pflag.Value].
func (s *shift) Set(text string) error {
	if text == autoShift {
		s.auto = true
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("it must be a number above 0, or %s", autoShift)
	}
	*s = shift{factor: v}
	return nil
}

// check reports a factor that is none.
func (s *shift) check() error {
	if !s.auto && !(s.factor > 0 && !math.IsInf(s.factor, 0)) {
		return usagef("--shift is %g; it must be above 0, or %s", s.factor, autoShift)
	}
	return nil
}

// see counts the patches of the run's images, where they decide on the shift.
func (s *shift) see(r *run.Run) error {
	if !s.auto {
		return nil
	}
	d := r.Model.Spec().Net.DiT
	if d == nil || d.Tokens() == 0 {
		return usagef("--shift %s is for transformers (net.dit), whose patches it counts, and %s has none; give a "+
			"number", autoShift, r.Dir)
	}
	s.tokens = d.Tokens()
	return nil
}

// set puts it into a grid, in the place of the shift there.
func (s *shift) set(g *timegrid.Config) {
	if s.auto {
		tokens := max(1, s.tokens)
		g.Shift, g.Mu, g.Tokens = nil, nil, &tokens
		return
	}
	factor := s.factor
	g.Shift, g.Mu, g.Tokens = &factor, nil, nil
	g.BaseShift, g.MaxShift, g.BaseTokens, g.MaxTokens = nil, nil, nil, nil
}

// gridNames are their names.
var gridNames = []string{"shift", "spacing", "time-grid"}

func (f *gridFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.Var(&f.shift, "shift", "shift of given steps towards the noise, or below 1 towards the data: the factor of "+
		"noise to data at each time; or "+autoShift+", by the number of patches of a transformer of images (default: "+
		"that of the run file)")
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
	case set("shift") && f.shift.check() != nil:
		return f.shift.check()
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
		f.shift.set(&g)
	}
	if set("spacing") && f.spacing != g.Spacing {
		g.Spacing, g.Sigmas = f.spacing, nil
		g.Rho, g.Alpha, g.Beta = nil, nil, nil
	}
	return &g
}
