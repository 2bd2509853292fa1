package experiment

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"flowmatch/internal/settings"
	"flowmatch/run"
)

// Cell is one run of a grid.
type Cell struct {
	Task, Method string
	Seed         uint64
	Config       run.Config
	Neural       *Neural          // in place of Config, of a grid of kind neural_ode
	Tabular      *Tabular         // likewise, of kind tables
	Tokens       *run.TokenConfig // likewise, of kind tokens
	Dir          string           // folder of the run, below the grid's
	Teacher      string           // folder of the run that this one learns from; empty: none
	Peer         string           // the library that trains it; empty: this program
	// Trial says that the cell is a trial of the grid's search. Value is what it, or a run
	// that takes the best, has for Search.Key; empty: no search, or not decided yet.
	Trial bool
	Value string

	asked    asked
	measures []string
	files    string // folder of the data files, of observations too
	shared   string // folder of what the cells of a task share
	options  []Cell // of a run that awaits the end of a search: itself with each value
}

// asked is what a grid says of a cell: the base, and the settings that change it. Plans
// are fingerprints of it, so that its JSON must stay as it is.
type asked struct {
	Base     map[string]any
	Settings []string // key=value with a value in JSON, and those of a command
	Teacher  string   // the method
	Peer     string   `json:",omitempty"` // the library and its version
}

// Plan returns the cells of the grid in the order in which they run, with folders
// below dir; the trials of a search come before the first run that they are for. set are
// settings, key=value, that come on top of the grid's. The error is [ErrGrid] with every
// combination that cannot run, and why.
func (g Grid) Plan(dir string, set []string) ([]Cell, error) {
	var cells []Cell
	var errs []error
	if err := g.Search.idle(g, set); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGrid, err)
	}
	for i := range g.Tasks {
		for _, seed := range g.Seeds {
			for k := range g.Methods {
				if g.skips(g.Tasks[i].Name, g.Methods[k].Name) {
					continue
				}
				some, err := place{g, dir, set, i, k}.cells(seed)
				if err != nil && seed == g.Seeds[0] {
					errs = append(errs, fmt.Errorf("task %s, method %s: %w", g.Tasks[i].Name, g.Methods[k].Name, err))
				}
				cells = append(cells, some...)
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(append([]error{ErrGrid}, errs...)...)
	}
	return cells, nil
}

// DataIn puts the data of cells that are not absolute paths below a folder, in which
// observations of simulators are read, too. It says whether there are such; plans do not depend
// on where the data are.
func DataIn(dir string, cells []Cell) (found bool, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return false, fmt.Errorf("experiment: %w", err)
	}
	for i := range cells {
		if t := cells[i].Tabular; t != nil && !filepath.IsAbs(t.File) {
			t.File, found = filepath.Join(dir, t.File), true
		}
		if t := cells[i].Tokens; t != nil && !filepath.IsAbs(t.Data.Path) {
			t.Data.Path, found = filepath.Join(dir, t.Data.Path), true
		}
		d := &cells[i].Config.Data
		for _, path := range []string{d.Path, d.TestPath, d.ContextPath, d.TestContextPath} {
			found = found || path != "" && !filepath.IsAbs(path)
		}
		*d = d.In(dir)
		cells[i].files = dir
		found = found || cells[i].observed()
		if _, err := DataIn(dir, cells[i].options); err != nil {
			return found, err
		}
	}
	return found, nil
}

// errSeed is the error of a setting that makes all seeds of a grid one.
var errSeed = errors.New("the seed of a run is one of the grid's seeds; remove seed from the settings")

func (g Grid) skips(task, method string) bool {
	return slices.ContainsFunc(g.Skip, func(s Skip) bool {
		return (s.Task == "" || s.Task == task) && s.Method == method
	})
}

// place is where cells stand in a grid, planned below dir with the settings of a command:
// at task number task and method number method.
type place struct {
	g            Grid
	dir          string
	set          []string
	task, method int
}

// cells returns the run of a seed, after the trials of a search that come before it.
func (p place) cells(seed uint64) (cells []Cell, err error) {
	s := p.g.Search
	if !s.of(p.g.Tasks[p.task].Name, p.g.Methods[p.method].Name) {
		c, err := p.cell(seed, nil)
		return []Cell{c}, err
	}
	var options []Cell
	for _, v := range s.Values {
		if seed == p.g.Seeds[0] {
			trials, err := p.trials(v)
			if err != nil {
				return nil, fmt.Errorf("trial of %s %v: %w", s.Key, v, err)
			}
			cells = append(cells, trials...)
		}
		c, err := p.cell(seed, &try{v, false})
		if err != nil {
			return nil, fmt.Errorf("%s %v: %w", s.Key, v, err)
		}
		options = append(options, c)
	}
	c := options[0]
	c.Value, c.options = "", options
	return append(cells, c), nil
}

// trials returns those of a value that the runs of the method are the first to wait for.
func (p place) trials(v any) (cells []Cell, err error) {
	s := p.g.Search
	for _, name := range s.deciders(p.g.Methods[p.method].Name) {
		at := p
		at.method = slices.Index(names(p.g.Methods), name)
		if len(s.On) > 0 && p.method != p.g.firstSearched(p.task) || p.g.skips(p.g.Tasks[p.task].Name, name) {
			continue
		}
		for _, seed := range s.seeds(p.g) {
			c, err := at.cell(seed, &try{v, true})
			if err != nil {
				return nil, err
			}
			cells = append(cells, c)
		}
	}
	return cells, nil
}

// firstSearched is the number of the first method of a task for which there is a search.
func (g Grid) firstSearched(task int) int {
	return slices.IndexFunc(g.Methods, func(m Variant) bool {
		return g.Search.of(g.Tasks[task].Name, m.Name) && !g.skips(g.Tasks[task].Name, m.Name)
	})
}

// cell returns one cell, with a value of the search or (t is nil) without.
func (p place) cell(seed uint64, t *try) (Cell, error) {
	task, method := p.g.Tasks[p.task], p.g.Methods[p.method]
	c := Cell{Task: task.Name, Method: method.Name, Seed: seed, Peer: method.Peer, measures: p.g.measuresOf(seed)}
	c.shared = filepath.Join(p.dir, slug(task.Name))
	switch p.g.Kind {
	case kindNeural:
		c.Neural = new(Neural)
	case kindTables:
		c.Tabular = new(Tabular)
	case kindTokens:
		c.Tokens = new(run.TokenConfig)
	}
	c.Dir = p.folder(method.Name, seed)
	if t != nil {
		c.Value, c.Trial = t.text(), t.trial
	}
	if c.Trial {
		c.Dir = filepath.Join(filepath.Dir(c.Dir), "search", slug(c.Value), filepath.Base(c.Dir))
		c.measures = p.g.Search.Measure
	}
	var err error
	if method.Teacher != "" {
		if p.g.skips(task.Name, method.Teacher) {
			return c, fmt.Errorf("its teacher %s is skipped", method.Teacher)
		}
		if c.Teacher, err = filepath.Abs(p.folder(method.Teacher, seed)); err != nil {
			return c, fmt.Errorf("experiment: %w", err)
		}
	}
	if c.asked, err = p.asked(seed, t); err != nil {
		return c, err
	}
	layers := p.layers(seed, t)
	if c.Teacher != "" {
		layers = append(layers, settings.Values("teacher", "train.teacher", c.Teacher))
	}
	if err := c.read(layers); err != nil {
		return c, err
	}
	if c.Trial && p.g.Search.Share < 1 { // of the steps of a run, wherever these are set
		steps := max(1, int(math.Round(p.g.Search.Share*float64(c.Steps()))))
		if err := c.read(append(layers, settings.Values("search.share", p.g.stepsKey(), steps))); err != nil {
			return c, err
		}
	}
	return c, p.g.check(c)
}

// folder is that of the run of a method.
func (p place) folder(method string, seed uint64) string {
	return filepath.Join(p.dir, slug(p.g.Tasks[p.task].Name), slug(method), "seed-"+strconv.FormatUint(seed, 10))
}

// layers are the settings of a cell.
func (p place) layers(seed uint64, t *try) []settings.Layer {
	g := p.g
	out := g.layers("", g.Base)
	task, method := g.Tasks[p.task], g.Methods[p.method]
	out = append(out, g.changes(fmt.Sprintf("tasks[%d]", p.task), task.Name, task.Set)...)
	out = append(out, g.changes(fmt.Sprintf("methods[%d]", p.method), method.Name, method.Set)...)
	out = append(out, settings.Values(g.where("seeds"), "seed", seed))
	if t != nil && t.trial {
		out = append(out, g.changes("search", "search", g.Search.Set)...)
	}
	out = append(out, settings.Settings(p.set)...)
	if t != nil {
		out = append(out, settings.Values(g.where("search.values"), g.Search.Key, t.value))
	}
	return out
}

// read reads the settings of a cell.
func (c *Cell) read(layers []settings.Layer) error {
	if c.Neural != nil {
		n, _, err := settings.Load[Neural](layers...)
		c.Neural = &n
		return err
	}
	if c.Tabular != nil {
		t, _, err := settings.Load[Tabular](layers...)
		c.Tabular = &t
		return err
	}
	if c.Tokens != nil {
		t, _, err := settings.Load[run.TokenConfig](layers...)
		c.Tokens = &t
		return err
	}
	var err error
	c.Config, _, err = settings.Load[run.Config](layers...)
	return err
}

// Steps is how many steps a cell trains; 0 of kind tables, whose models say nothing of theirs.
func (c *Cell) Steps() int {
	if c.Neural != nil {
		return c.Neural.Steps
	}
	if c.Tokens != nil {
		return c.Tokens.Train.Steps
	}
	return c.Config.Train.Steps
}

// check reports settings that a cell of this grid cannot have.
func (g Grid) check(c Cell) error {
	if c.Neural != nil {
		switch {
		case c.Peer != "":
			return errPeerNeural
		case c.Neural.Seed != c.Seed:
			return errSeed
		}
		return nil
	}
	if c.Tabular != nil {
		return c.checkTabular()
	}
	if c.Tokens != nil {
		return c.checkTokens()
	}
	every, val := c.Config.Train.SnapshotEvery, c.Config.Data.Val
	switch {
	case c.Config.Seed != c.Seed:
		return errSeed
	case c.Config.Train.Steps == 0:
		return errors.New("train.steps is not set, and of images its default depends on how many there are; set it")
	case g.looksBack(c) && (every == 0 || every > c.Config.Train.Steps):
		return errNoSnapshots
	case c.Trial && val != nil && *val == 0:
		return errors.New("data.val is 0, and trials of a search are measured on validation points; " +
			"set it to a number of points")
	}
	if c.Peer != "" {
		if len(TableModels(c.Peer)) > 0 {
			return fmt.Errorf("the peer %s has models of tables; set kind: %s", c.Peer, kindTables)
		}
		check := c.checkPeer
		if c.learnsPosterior() {
			check = func() error { return c.checkPosteriorPeer(g) }
		}
		if err := check(); err != nil {
			return err
		}
	}
	return g.Classifier.check(g, c)
}

// looksBack says whether anything is measured or drawn of the snapshots of a cell.
func (g Grid) looksBack(c Cell) bool {
	return slices.ContainsFunc(c.measures, func(m string) bool { return m == "stages" || m == "feature_stages" }) ||
		!c.Trial && slices.ContainsFunc(g.Pictures, func(p Picture) bool { return p.Kind == "stages" })
}

// measuresOf are what is measured of the runs of a seed.
func (g Grid) measuresOf(seed uint64) []string {
	if len(g.MeasureFirst) == 0 || seed != g.Seeds[0] {
		return g.Measure
	}
	return append(slices.Clone(g.Measure), g.MeasureFirst...)
}

// asked returns what the grid says of a cell.
func (p place) asked(seed uint64, t *try) (asked, error) {
	task, method, s := p.g.Tasks[p.task], p.g.Methods[p.method], p.g.Search
	a := asked{Base: p.g.Base, Settings: []string{}, Teacher: method.Teacher}
	add := func(sets ...map[string]any) error {
		for _, set := range sets {
			from := len(a.Settings)
			for key, value := range set {
				text, err := json.Marshal(value)
				if err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
				a.Settings = append(a.Settings, key+"="+string(text))
			}
			slices.Sort(a.Settings[from:])
		}
		return nil
	}
	if err := add(task.Set, method.Set); err != nil {
		return a, err
	}
	if method.Peer != "" {
		peer, err := peerByName(method.Peer)
		if err != nil {
			return a, err
		}
		a.Peer = peer.name + " " + peer.version
	}
	a.Settings = append(append(a.Settings, "seed="+strconv.FormatUint(seed, 10)), p.set...)
	if t == nil {
		return a, nil
	}
	if t.trial {
		if err := add(s.Set, map[string]any{"search.share": s.Share}); err != nil {
			return a, err
		}
	}
	return a, add(map[string]any{s.Key: t.value})
}

// changes returns the settings of a task, a method or the search, which stand at a key of
// the grid.
func (g Grid) changes(at, name string, set map[string]any) []settings.Layer {
	var out []settings.Layer
	for _, key := range slices.Sorted(maps.Keys(set)) {
		from := cmp.Or(g.given.Where(at+".set."+key), "set of "+name)
		out = append(out, settings.Values(from, key, set[key]))
	}
	return out
}

// layers returns the values of a section of the grid as settings, each with the line that
// it is from; prefix is that of their keys, which stand below base in the grid.
func (g Grid) layers(prefix string, section map[string]any) []settings.Layer {
	var out []settings.Layer
	for _, key := range slices.Sorted(maps.Keys(section)) {
		if sub, ok := section[key].(map[string]any); ok && len(sub) > 0 {
			out = append(out, g.layers(prefix+key+".", sub)...)
		} else {
			out = append(out, settings.Values(g.where("base."+prefix+key), prefix+key, section[key]))
		}
	}
	return out
}
