package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"

	"flowmatch/run"
)

// Grid is an experiment file.
type Grid struct {
	Title    string   `yaml:"title"`
	Question string   `yaml:"question"` // what is asked and how; heads the page, in Markdown
	Seeds    []uint64 `yaml:"seeds"`
	// Kind is empty for runs of `flowmatch train`, or neural_ode for fits of
	// trajectories, whose settings are those of [Neural].
	Kind string `yaml:"kind"`
	// Base is the run file that all cells share; a task, then a method, then a seed
	// change it.
	Base    map[string]any `yaml:"base"`
	Tasks   []Variant      `yaml:"tasks"`
	Methods []Variant      `yaml:"methods"`
	Skip    []Skip         `yaml:"skip"`
	// Measure names what is measured of each run; see [Measures].
	Measure  []string  `yaml:"measure"`
	Tables   []Table   `yaml:"tables"`
	Pictures []Picture `yaml:"pictures"`
	Notes    string    `yaml:"notes"` // ends the page, in Markdown
}

// Variant is a task or a method: settings of the run file, by dotted keys such as
// train.lr. Teacher, of a method, is an earlier method whose run of the same task
// and seed this one learns from.
type Variant struct {
	Name    string         `yaml:"name"`
	Set     map[string]any `yaml:"set"`
	Teacher string         `yaml:"teacher"`
}

// Skip is a combination that makes no sense, and why.
type Skip struct {
	Task   string `yaml:"task"` // empty: every task
	Method string `yaml:"method"`
	Why    string `yaml:"why"`
}

// Table is a table of a page: a row for each method. With Value its columns are the
// tasks; with Values they are values, and there is one table for each task.
type Table struct {
	Title   string   `yaml:"title"`
	Text    string   `yaml:"text"` // Markdown, above the table
	Value   string   `yaml:"value"`
	Values  []Column `yaml:"values"`
	Tasks   []string `yaml:"tasks"`   // empty: all
	Methods []string `yaml:"methods"` // empty: all
	Digits  int      `yaml:"digits"`  // significant; 0 means 3
	// Less says that the least mean of a column is printed in bold.
	Less bool `yaml:"less"`
	// Floor is a value of the task itself, such as w2_data, in a row below the methods.
	Floor     string      `yaml:"floor"`
	Published []Published `yaml:"published"`
}

// Column is a column of values and its heading.
type Column struct {
	Value string `yaml:"value"`
	Title string `yaml:"title"`
}

// Published are figures of the literature that stand below ours.
type Published struct {
	Name   string `yaml:"name"`   // stands in the row, such as "Tong et al."
	Source string `yaml:"source"` // where from, and how it is known
	// Rows has for each method (of ours or another name) the figure by column.
	Rows map[string]map[string]string `yaml:"rows"`
}

// Picture is a picture of a page.
type Picture struct {
	// Kind is samples, times, stages, nfe (see the functions of these names) or
	// curves.
	Kind    string   `yaml:"kind"`
	File    string   `yaml:"file"` // name without ending
	Caption string   `yaml:"caption"`
	Task    string   `yaml:"task"`    // empty: the first
	Methods []string `yaml:"methods"` // empty: all
	// Curves names the curves of kind curves; a line for each curve and method.
	Curves []string `yaml:"curves"`
	XName  string   `yaml:"x"`
	YName  string   `yaml:"y"`
	// LinearX and LinearY are those of plot.LineOptions.
	LinearX bool `yaml:"linear_x"`
	LinearY bool `yaml:"linear_y"`
}

// Cell is one run of a grid.
type Cell struct {
	Task, Method string
	Seed         uint64
	Config       run.Config
	Neural       *Neural // in the place of Config, of a grid of kind neural_ode
	Dir          string  // folder of the run, below the grid's
	Teacher      string  // folder of the run that this one learns from; empty: none

	asked any // what was said of it: the base, and the settings that change it
}

// kindNeural is the kind of a grid of [Neural] cells.
const kindNeural = "neural_ode"

// ErrGrid is returned for a grid that cannot be run.
var ErrGrid = errors.New("experiment: bad grid")

// Read reads an experiment file.
func Read(file string) (Grid, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Grid{}, fmt.Errorf("experiment: %w", err)
	}
	g, err := Parse(text)
	if err != nil {
		return g, fmt.Errorf("%s: %w", file, err)
	}
	return g, nil
}

// Parse reads the text of an experiment file. Unknown keys are errors.
func Parse(text []byte) (Grid, error) {
	var g Grid
	if err := yaml.UnmarshalWithOptions(text, &g, yaml.Strict()); err != nil {
		return g, fmt.Errorf("%w: %s", ErrGrid, yaml.FormatError(err, false, true))
	}
	return g, g.validate()
}

// faults gathers what is wrong with a grid.
type faults []error

func (f *faults) add(format string, args ...any) {
	*f = append(*f, fmt.Errorf("%w: "+format, append([]any{ErrGrid}, args...)...))
}

// known reports a name that is not one of those there are.
func (f *faults) known(where, what string, all []string, names ...string) {
	for _, n := range names {
		if n != "" && !slices.Contains(all, n) {
			f.add("%s: there is no %s %q; it must be one of %s", where, what, n, strings.Join(all, ", "))
		}
	}
}

// folders reports names that make no folders, or the same.
func (f *faults) folders(what string, names []string) {
	seen := map[string]string{}
	for _, n := range names {
		if other, twice := seen[slug(n)]; twice {
			f.add("%ss %q and %q would share a folder; rename one", what, other, n)
		}
		if seen[slug(n)] = n; slug(n) == "" {
			f.add("a %s has no name with letters or digits", what)
		}
	}
}

// validate reports everything that is wrong with the names of a grid.
func (g Grid) validate() error {
	var f faults
	if g.Title == "" {
		f.add("title is missing")
	}
	if len(g.Seeds) == 0 || len(g.Tasks) == 0 || len(g.Methods) == 0 || len(g.Measure) == 0 {
		f.add("it needs at least one of each of seeds, tasks, methods and measure")
	}
	tasks, methods := names(g.Tasks), names(g.Methods)
	f.folders("task", tasks)
	f.folders("method", methods)
	for i, m := range g.Methods {
		f.known("teacher of "+m.Name, "earlier method", methods[:i], m.Teacher)
	}
	for _, s := range g.Skip {
		f.known("skip", "task", tasks, s.Task)
		f.known("skip", "method", methods, s.Method)
		if s.Why == "" {
			f.add("skip of %s, %s: say why", s.Task, s.Method)
		}
	}
	measures, pictures := Measures(), pictureKinds()
	if g.Kind == kindNeural {
		measures, pictures = neuralMeasures(), []string{"orbits", "curves"}
	}
	f.known("kind", "kind", []string{kindNeural}, g.Kind)
	f.known("measure", "measure", measures, g.Measure...)
	for _, t := range g.Tables {
		if (t.Value == "") == (len(t.Values) == 0) {
			f.add("table %q: give either value or values", t.Title)
		}
		for _, p := range t.Published {
			if p.Name == "" || p.Source == "" {
				f.add("table %q: published figures need a name and a source", t.Title)
			}
		}
		f.known("table "+t.Title, "task", tasks, t.Tasks...)
		f.known("table "+t.Title, "method", methods, t.Methods...)
	}
	for _, p := range g.Pictures {
		f.known("picture "+p.File, "kind", pictures, p.Kind)
		f.known("picture "+p.File, "task", tasks, p.Task)
		f.known("picture "+p.File, "method", methods, p.Methods...)
		if slug(p.File) != p.File || p.File == "" {
			f.add("picture: file %q must be a name of small letters, digits and hyphens", p.File)
		}
		if (p.Kind == "curves") != (len(p.Curves) > 0) {
			f.add("picture %s: curves belong to the kind curves", p.File)
		}
	}
	return errors.Join(f...)
}

func names(v []Variant) []string {
	out := make([]string, len(v))
	for i := range v {
		out[i] = v[i].Name
	}
	return out
}

// slug makes a folder's name of a name.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// Plan returns the cells of the grid in the order in which they run, with folders
// below dir. It reports every combination that cannot run, and why.
func (g Grid) Plan(dir string, settings []string) ([]Cell, error) {
	base, err := yaml.Marshal(g.Base)
	if err != nil {
		return nil, fmt.Errorf("%w: base: %w", ErrGrid, err)
	}
	var cells []Cell
	var errs []error
	for _, task := range g.Tasks {
		for _, seed := range g.Seeds {
			for _, method := range g.Methods {
				if g.skips(task.Name, method.Name) {
					continue
				}
				c, err := g.cell(base, settings, dir, task, method, seed)
				if err != nil && seed == g.Seeds[0] {
					errs = append(errs, fmt.Errorf("task %s, method %s: %w", task.Name, method.Name, err))
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

func (g Grid) skips(task, method string) bool {
	return slices.ContainsFunc(g.Skip, func(s Skip) bool {
		return (s.Task == "" || s.Task == task) && s.Method == method
	})
}

func (g Grid) cell(base []byte, settings []string, dir string, task, method Variant, seed uint64) (Cell, error) {
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
	all := []string{}
	for _, v := range []Variant{task, method} {
		for key, value := range v.Set {
			text, err := json.Marshal(value)
			if err != nil {
				return c, fmt.Errorf("%s: %w", key, err)
			}
			all = append(all, key+"="+string(text))
		}
	}
	slices.Sort(all[:len(task.Set)])
	slices.Sort(all[len(task.Set):])
	all = append(append(all, "seed="+strconv.FormatUint(seed, 10)), settings...)
	c.asked = struct {
		Base     map[string]any
		Settings []string
		Teacher  string
	}{g.Base, slices.Clone(all), method.Teacher}
	if c.Teacher != "" {
		all = append(all, "train.teacher="+strconv.Quote(c.Teacher))
	}
	if g.Kind == kindNeural {
		c.Neural, err = neural(base, all)
		return c, err
	}
	if c.Config, err = run.ParseConfig(base, all); err != nil {
		return c, err
	}
	looksBack := slices.Contains(g.Measure, "stages") || slices.ContainsFunc(g.Pictures, func(p Picture) bool { return p.Kind == "stages" })
	if every := c.Config.Train.SnapshotEvery; looksBack && (every == 0 || every > c.Config.Train.Steps) {
		return c, errNoSnapshots
	}
	return c, nil
}
