package experiment

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/schema"
	"flowmatch/internal/choice"
	"flowmatch/nn"
	"flowmatch/run"
)

// Check reports the first cell that is not done whose run cannot begin, or be measured: its
// engine or its data are not there, or do not go with its settings or with the pictures of the
// grid. Cells one after the other that have the same data open them once. Files that are not there are
// told first, before any data are made or read.
func Check(g Grid, cells []Cell) error {
	var last opened
	var todo []Cell
	for _, c := range cells {
		done, err := c.done(g)
		if err != nil {
			return err
		}
		if !done {
			todo = append(todo, c)
		}
	}
	for _, check := range []func(Cell) error{Cell.filesAreThere, func(c Cell) error { return last.check(g, c) }} {
		for _, c := range todo {
			if err := check(c); err != nil {
				return fmt.Errorf("task %s, method %s, seed %d: %w", c.Task, c.Method, c.Seed, err)
			}
		}
	}
	return nil
}

// filesAreThere reports a file of data that is not; of patterns it knows nothing.
func (c Cell) filesAreThere() error {
	files := c.Config.Data.Files()
	if c.Tokens != nil {
		files = []string{c.Tokens.Data.Path}
	}
	for _, path := range files {
		if strings.ContainsAny(path, "*?[{") {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	return nil
}

// done says whether a cell has its result. The error is that of a folder which it cannot use.
func (c Cell) done(g Grid) (bool, error) {
	if len(c.options) > 0 { // it is not known yet which
		return false, nil
	}
	plan, err := c.plan(g.Classifier)
	if err != nil {
		return false, err
	}
	r, err := c.load(plan)
	return r != nil, err
}

// opened is an engine and data that were opened, and what they were opened by.
type opened struct {
	engine string
	by     string // the settings that say what the data are
	set    *data.Set
	seen   map[string]bool // simulators whose observations were read, and tables
}

// checkRows reports the table of a cell that cannot be divided, or that its peer does not take.
func (o *opened) checkRows(g Grid, c Cell) error {
	by, err := json.Marshal([]any{c.Task, c.Tabular.File, c.Tabular.Target, c.Tabular.Held, c.Peer != ""})
	if err != nil || o.seen[string(by)] {
		return err
	}
	d, err := c.divide()
	if err != nil {
		return err
	}
	for _, p := range g.Pictures {
		for _, name := range p.Columns {
			if err := choice.Check("column", name, d.schema.Names()); err != nil && p.filled(g).Task == c.Task {
				return fmt.Errorf("picture %s: %w", p.File, err)
			}
		}
	}
	for _, col := range d.schema.Columns {
		if c.Peer != "" && col.Kind == schema.Date {
			return fmt.Errorf("%s: column %s is of dates, which the peers do not take; skip the task, or leave the "+
				"column out of the file", c.Tabular.File, choice.Quote(col.Name))
		}
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[string(by)] = true
	return nil
}

// check reports a cell that cannot be made.
func (o *opened) check(g Grid, c Cell) error {
	if c.Tabular != nil {
		return o.checkRows(g, c)
	}
	if c.Tokens != nil {
		return o.ofTokens(c)
	}
	backend := c.Config.Backend
	if c.Neural != nil {
		backend = c.Neural.Backend
	}
	if o.engine != backend {
		if _, err := nn.Open(backend); err != nil {
			return err
		}
		o.engine = backend
	}
	if c.Neural != nil {
		return nil
	}
	of := run.Config{Seed: c.Seed, Data: c.Config.Data, Space: c.Config.Space, Condition: c.Config.Condition}
	by, err := json.Marshal(of)
	if err != nil {
		return err
	}
	if o.set == nil || o.by != string(by) {
		if o.set, err = of.Open(); err != nil {
			return err
		}
		o.by = string(by)
	}
	if err := c.Config.Check(o.set); err != nil {
		return err
	}
	if err := c.measurable(g, o.set); err != nil || !c.observed() || o.seen[c.Config.Data.Simulator] {
		return err
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[c.Config.Data.Simulator] = true
	_, err = c.observations()
	return err
}

// measurable reports data that a cell cannot be measured on, or drawn.
func (c Cell) measurable(g Grid, set *data.Set) error {
	held, key := set.Test, "data.test"
	if c.Trial {
		held, key = set.Val, "data.val"
	}
	if c.need(func(n needs) bool { return n.held }) && (held == nil || held.Len() == 0) {
		return fmt.Errorf("no points of %s are held out to measure it on; see %s", set.Name, key)
	}
	if c.need(func(n needs) bool { return n.simulator }) && c.Config.Data.Simulator == "" {
		return fmt.Errorf("measures %s: %w", strings.Join(c.measures, ", "), errNoSimulator)
	}
	if slices.Contains(c.measures, "bpd") && !set.Dequantized {
		return fmt.Errorf("the measure bpd is for dequantised images, and %s has none; leave it out", set.Name)
	}
	for _, p := range g.Pictures {
		if c.Trial || !p.shows(g, c) {
			continue
		}
		err := flat(set.Dim)
		switch {
		case p.Kind == kindPosterior:
			err = c.posed(p)
		case p.Kind == kindDensity && set.Space != nil:
			err = nil
		case set.Image() != nil:
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shows says whether a picture is drawn of the run of a cell.
func (p Picture) shows(g Grid, c Cell) bool {
	p = p.filled(g)
	return !p.fromResults() && p.Task == c.Task && slices.Contains(p.Methods, c.Method) && c.Seed == g.Seeds[0]
}
