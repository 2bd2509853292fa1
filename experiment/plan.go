package experiment

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	Neural       *Neural // in place of Config, of a grid of kind neural_ode
	Dir          string  // folder of the run, below the grid's
	Teacher      string  // folder of the run that this one learns from; empty: none

	asked asked
}

// asked is what a grid says of a cell: the base, and the settings that change it. Plans
// are fingerprints of it, so that its JSON must stay as it is.
type asked struct {
	Base     map[string]any
	Settings []string // key=value with a value in JSON, and those of a command
	Teacher  string   // the method
}

// Plan returns the cells of the grid in the order in which they run, with folders
// below dir. set are settings, key=value, that come on top of the grid's. The error is
// [ErrGrid] with every combination that cannot run, and why.
func (g Grid) Plan(dir string, set []string) ([]Cell, error) {
	var cells []Cell
	var errs []error
	for i := range g.Tasks {
		for _, seed := range g.Seeds {
			for k := range g.Methods {
				if g.skips(g.Tasks[i].Name, g.Methods[k].Name) {
					continue
				}
				c, err := g.cell(set, dir, i, k, seed)
				if err != nil && seed == g.Seeds[0] {
					errs = append(errs, fmt.Errorf("task %s, method %s: %w", c.Task, c.Method, err))
				}
				cells = append(cells, c)
			}
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(append([]error{ErrGrid}, errs...)...)
	}
	return cells, nil
}

// errSeed is the error of a setting that makes all seeds of a grid one.
var errSeed = errors.New("the seed of a run is one of the grid's seeds; remove seed from the settings")

func (g Grid) skips(task, method string) bool {
	return slices.ContainsFunc(g.Skip, func(s Skip) bool {
		return (s.Task == "" || s.Task == task) && s.Method == method
	})
}

// cell returns the cell of task number i and method number k.
func (g Grid) cell(set []string, dir string, i, k int, seed uint64) (Cell, error) {
	task, method := g.Tasks[i], g.Methods[k]
	folder := func(method string) string {
		return filepath.Join(dir, slug(task.Name), slug(method), "seed-"+strconv.FormatUint(seed, 10))
	}
	c := Cell{Task: task.Name, Method: method.Name, Seed: seed, Dir: folder(method.Name)}
	var err error
	if method.Teacher != "" {
		if g.skips(task.Name, method.Teacher) {
			return c, fmt.Errorf("its teacher %s is skipped", method.Teacher)
		}
		if c.Teacher, err = filepath.Abs(folder(method.Teacher)); err != nil {
			return c, fmt.Errorf("experiment: %w", err)
		}
	}
	if c.asked, err = g.asked(task, method, seed, set); err != nil {
		return c, err
	}
	layers := g.layers("", g.Base)
	layers = append(layers, g.changes(fmt.Sprintf("tasks[%d]", i), task)...)
	layers = append(layers, g.changes(fmt.Sprintf("methods[%d]", k), method)...)
	layers = append(layers, settings.Values(g.where("seeds"), "seed", seed))
	layers = append(layers, settings.Settings(set)...)
	if c.Teacher != "" {
		layers = append(layers, settings.Values("teacher", "train.teacher", c.Teacher))
	}
	if g.Kind == kindNeural {
		n, _, err := settings.Load[Neural](layers...)
		c.Neural = &n
		if err == nil && n.Seed != seed {
			err = errSeed
		}
		return c, err
	}
	if c.Config, _, err = settings.Load[run.Config](layers...); err != nil {
		return c, err
	}
	if c.Config.Seed != seed {
		return c, errSeed
	}
	if every := c.Config.Train.SnapshotEvery; g.looksBack() && (every == 0 || every > c.Config.Train.Steps) {
		return c, errNoSnapshots
	}
	return c, nil
}

// looksBack says whether anything is measured or drawn of the snapshots of a run.
func (g Grid) looksBack() bool {
	return slices.Contains(g.Measure, "stages") ||
		slices.ContainsFunc(g.Pictures, func(p Picture) bool { return p.Kind == "stages" })
}

// asked returns what the grid says of a cell.
func (g Grid) asked(task, method Variant, seed uint64, set []string) (asked, error) {
	a := asked{Base: g.Base, Settings: []string{}, Teacher: method.Teacher}
	for _, v := range []Variant{task, method} {
		from := len(a.Settings)
		for key, value := range v.Set {
			text, err := json.Marshal(value)
			if err != nil {
				return a, fmt.Errorf("%s: %w", key, err)
			}
			a.Settings = append(a.Settings, key+"="+string(text))
		}
		slices.Sort(a.Settings[from:])
	}
	a.Settings = append(append(a.Settings, "seed="+strconv.FormatUint(seed, 10)), set...)
	return a, nil
}

// changes returns the settings of a task or a method, which stands at a key of the grid.
func (g Grid) changes(at string, v Variant) []settings.Layer {
	var out []settings.Layer
	for _, key := range slices.Sorted(maps.Keys(v.Set)) {
		from := cmp.Or(g.given.Where(at+".set."+key), "set of "+v.Name)
		out = append(out, settings.Values(from, key, v.Set[key]))
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
