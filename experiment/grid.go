package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"

	"flowmatch/internal/choice"
	"flowmatch/internal/settings"
	"flowmatch/run"
)

// Grid is an experiment file.
type Grid struct {
	Title string `yaml:"title"`
	// Finding is what came out, in one or two sentences that stand above everything else. It is
	// a template, as Notes.
	Finding  string   `yaml:"finding"`
	Question string   `yaml:"question"` // what is asked and how, in Markdown
	Seeds    []uint64 `yaml:"seeds"`
	// Kind is empty for runs of `flowmatch train`, neural_ode for fits of trajectories, whose
	// settings are those of [Neural], tables for rows like those of a table, by this and by other
	// programs, whose settings are those of [Tabular], or tokens for runs of sequences of tokens.
	Kind string `yaml:"kind"`
	// Base is the run file that all cells share; a task, then a method, then a seed
	// change it.
	Base    map[string]any `yaml:"base"`
	Tasks   []Variant      `yaml:"tasks"`
	Methods []Variant      `yaml:"methods"`
	Skip    []Skip         `yaml:"skip"`
	// Measure names what is measured of each run; see [Measures]. MeasureFirst is measured of
	// the runs of the first seed besides: what is dear.
	Measure      []string `yaml:"measure"`
	MeasureFirst []string `yaml:"measure_first"`
	// Search, if there is one, gives each method the best value of a setting.
	Search *Search `yaml:"search"`
	// Classifier is that whose features images are compared by; measures of features need it.
	Classifier *Classifier `yaml:"classifier"`

	Tables   []Table   `yaml:"tables"`
	Pictures []Picture `yaml:"pictures"`
	// Notes stand below tables and pictures, in Markdown. They are a template of the grid's own
	// figures, with the functions of [WriteClaims] less the name of the experiment:
	// {{v "moons" "FM" "w2"}}.
	Notes string `yaml:"notes"`

	given settings.Given // where the file says what; empty: there is no file
}

// Variant is a task or a method: settings of the run file, by dotted keys such as
// train.lr.
type Variant struct {
	Name string         `yaml:"name"`
	Set  map[string]any `yaml:"set"`
	// Teacher, of a method, is an earlier method whose run of the same task and seed this
	// one learns from.
	Teacher string `yaml:"teacher"`
	// Peer, of a method, is the Python library that trains in place of this program, on
	// the same points; see [Peers].
	Peer string `yaml:"peer"`
}

// Skip is a combination that makes no sense, and why.
type Skip struct {
	Task   string `yaml:"task"` // empty: every task
	Method string `yaml:"method"`
	Why    string `yaml:"why"`
}

// Picture is a picture of a page.
type Picture struct {
	// Kind is samples, times, stages, nfe, posterior, density, curves, values or dots; of kind neural_ode
	// orbits, curves or dots; of kind tables
	// rows or dots:
	//
	// Of images there are a few in the place of a panel of points.
	//
	//	samples  samples of each method beside data
	//	times    rows of methods, columns of t: where the points are on their paths
	//	stages   rows of methods, columns of snapshots: samples as training goes on
	//	nfe      rows of methods, columns of NFE: samples of the midpoint rule
	//	posterior  samples of one method given the first observation of its simulator, beside
	//	         the reference: all pairs of parameters
	//	density  the learnt density of one method, log p, of points on a sphere beside those held out
	//	orbits   columns of methods: the trajectory on its fit, and their distance over time
	//	curves   lines of the curves named, by method, the mean over the seeds with a band of
	//	         one standard deviation
	//	values   lines through the values NAME_N of the curves named, against N
	//	rows     of kind tables: one or two columns, of the data and of the samples of each method
	//	dots     a panel for each of the tasks, with a row for each method and in it the values
	//	         named by curves, mean and standard deviation
	Kind    string   `yaml:"kind"`
	File    string   `yaml:"file"` // name without ending
	Caption string   `yaml:"caption"`
	Lead    bool     `yaml:"lead"`    // stands below the finding; of none that does, the first
	Task    string   `yaml:"task"`    // empty: the first; not of kind dots
	Tasks   []string `yaml:"tasks"`   // of kind dots; empty: all
	Methods []string `yaml:"methods"` // empty: all
	// Curves names those of kinds curves and values, a line for each curve and method; of kind
	// dots values, a dot for each.
	Curves  []string `yaml:"curves"`
	Columns []string `yaml:"columns"` // of kind rows: one or two
	XName   string   `yaml:"x"`
	YName   string   `yaml:"y"`
	// LinearX and LinearY are those of plot.LineOptions.
	LinearX bool `yaml:"linear_x"`
	LinearY bool `yaml:"linear_y"`
}

// ErrGrid is returned for a grid that cannot be run.
var ErrGrid = errors.New("experiment: bad grid")

// kindNeural is the kind of a grid of [Neural] cells, kindTables that of [Tabular] ones.
const kindNeural, kindTables = "neural_ode", "tables"

// kinds are those that Grid.Kind takes.
var kinds = []string{kindNeural, kindTables, kindTokens}

// defaultDigits is the default of Table.Digits.
const defaultDigits = 3

// Read reads an experiment file.
func Read(file string) (Grid, error) {
	text, err := settings.ReadFile(file)
	if err != nil {
		return Grid{}, fmt.Errorf("experiment: %w", err)
	}
	g, err := Parse(text)
	if err != nil {
		return g, fmt.Errorf("%s: %w", file, err)
	}
	return g, nil
}

// Parse reads the text of an experiment file, strictly: errors name the line, the key and
// what would be right.
func Parse(text []byte) (Grid, error) {
	g, err := parse(text)
	if err != nil {
		return g, fmt.Errorf("%w: %w", ErrGrid, err)
	}
	return g, nil
}

// loose are the settings of the cells in the form that plans are a fingerprint of: that of
// goccy/go-yaml, for which 1e-3 is text and 0.001 a number. So the results of earlier
// versions of the program stay valid; and text that writes a number is checked as it is
// written, before it is one.
type loose struct {
	Kind           string
	Base           map[string]any
	Tasks, Methods []struct{ Set map[string]any }
	Search         struct {
		Values []any
		Set    map[string]any
	}
}

func parse(text []byte) (g Grid, err error) {
	if err := settings.Bounded(text); err != nil {
		return g, err
	}
	var l loose
	looseErr := yaml.Unmarshal(text, &l)
	if l.Kind != "" {
		if err := choice.Check("kind", l.Kind, kinds); err != nil {
			return g, err
		}
	}
	switch l.Kind {
	case kindNeural:
		g, err = load[Neural](text)
	case kindTables:
		g, err = load[Tabular](text)
	case kindTokens:
		g, err = load[run.TokenConfig](text)
	default:
		g, err = load[run.Config](text)
	}
	if err != nil {
		return g, err
	}
	if looseErr != nil {
		return g, errors.New(yaml.FormatError(looseErr, false, true))
	}
	var errs []error
	g.Base = l.Base
	for i := range g.Tasks {
		errs = append(errs, g.sameNumbers(fmt.Sprintf("tasks[%d].set", i), g.Tasks[i].Set, l.Tasks[i].Set))
		g.Tasks[i].Set = l.Tasks[i].Set
	}
	for i := range g.Methods {
		errs = append(errs, g.sameNumbers(fmt.Sprintf("methods[%d].set", i), g.Methods[i].Set, l.Methods[i].Set))
		g.Methods[i].Set = l.Methods[i].Set
	}
	if s := g.Search; s != nil {
		errs = append(errs, g.sameNumbers("search.values", s.Values, l.Search.Values),
			g.sameNumbers("search.set", s.Set, l.Search.Set))
		s.Values, s.Set = l.Search.Values, l.Search.Set
	}
	return g, errors.Join(errs...)
}

// file is a grid as a file has it, whose base is read as what it is of.
type file[B any] struct {
	Base B `yaml:"base"` // in place of Grid.Base
	Grid `yaml:",inline"`
}

// Defaults returns f with every unset field of the grid filled in.
func (f file[B]) Defaults() file[B] {
	f.Grid = f.Grid.Defaults()
	return f
}

// load reads a grid whose base is a B; Grid.Base is left out.
func load[B any](text []byte) (Grid, error) {
	f, given, err := settings.Load[file[B]](settings.File(text))
	f.given = given
	return f.Grid, err
}

// sameNumbers reports text that one reader of YAML takes for a number: 010, which is eight
// to some and ten to others.
func (g Grid) sameNumbers(at string, strict, loose any) error {
	switch strict := strict.(type) {
	case map[string]any:
		other, ok := loose.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(strict)) {
			if err := g.sameNumbers(at+"."+key, strict[key], other[key]); ok && err != nil {
				return err
			}
		}
	case []any:
		other, ok := loose.([]any)
		for i := 0; ok && i < min(len(strict), len(other)); i++ {
			if err := g.sameNumbers(at, strict[i], other[i]); err != nil {
				return err
			}
		}
	case string:
		if _, ok := loose.(string); !ok {
			return fmt.Errorf("%s: %s is %s; write a number without leading zeros, or text in quotes",
				g.where(at), at, strict)
		}
	}
	return nil
}

// where is where the file gives a key, as errors begin.
func (g Grid) where(key string) string { return cmp.Or(g.given.Where(key), key) }

// Defaults returns g with every unset field filled in, except those of the runs.
func (g Grid) Defaults() Grid {
	g.Tables = slices.Clone(g.Tables)
	for i := range g.Tables {
		g.Tables[i].Digits = cmp.Or(g.Tables[i].Digits, defaultDigits)
	}
	if g.Search != nil {
		g.Search = new(g.Search.Defaults())
	}
	if g.Classifier != nil {
		g.Classifier = new(g.Classifier.Defaults())
	}
	return g
}

// faults gathers what is wrong with a grid.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

// known reports a name that is not one of those there are.
func (f *faults) known(where, what string, all []string, names ...string) {
	for _, n := range names {
		if n == "" {
			continue
		}
		if len(all) == 0 {
			f.add("%s: there is no %s %q, nor any other", where, what, n)
		} else if err := choice.Check(what, n, all); err != nil {
			f.add("%s: %w", where, err)
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

// Validate reports everything that is wrong with the names of a grid; [Grid.Plan] reports
// what is wrong with its settings.
func (g Grid) Validate() error {
	var f faults
	if g.Title == "" {
		f.add("title is missing")
	}
	for i, seed := range g.Seeds {
		if slices.Contains(g.Seeds[:i], seed) {
			f.add("seeds: %d is there twice; each seed is one run", seed)
		}
	}
	if len(g.Seeds) == 0 || len(g.Tasks) == 0 || len(g.Methods) == 0 || len(g.Measure) == 0 {
		f.add("it needs at least one of each of seeds, tasks, methods and measure")
	}
	tasks, methods := names(g.Tasks), names(g.Methods)
	f.folders("task", tasks)
	f.folders("method", methods)
	for i, m := range g.Methods {
		f.known("teacher of "+m.Name, "earlier method", methods[:i], m.Teacher)
		f.known("peer of "+m.Name, "peer", peerNames(), m.Peer)
		if m.Peer != "" && m.Teacher != "" {
			f.add("method %s: a peer learns from no teacher; remove one of the two", m.Name)
		}
	}
	for _, t := range g.Tasks {
		if t.Teacher != "" || t.Peer != "" {
			f.add("task %s: teacher and peer are for methods", t.Name)
		}
	}
	for _, s := range g.Skip {
		f.known("skip", "task", tasks, s.Task)
		f.known("skip", "method", methods, s.Method)
		if s.Why == "" {
			f.add("skip of %s, %s: say why", s.Task, s.Method)
		}
	}
	measures, pictures := namesOf(g.all()), f.pictureKinds(g)
	f.known("kind", "kind", kinds, g.Kind)
	f.known("measure", "measure", measures, g.Measure...)
	f.known("measure_first", "measure", measures, g.MeasureFirst...)
	for _, name := range g.MeasureFirst {
		if slices.Contains(g.Measure, name) {
			f.add("measure_first: %s is measured of every run; leave it out", name)
		}
	}
	f.search(g, measures, tasks, methods)
	f.classifier(g)
	f.templates(g)
	f.tables(g, tasks, methods)
	f.pictures(g, pictures, tasks, methods)
	return errors.Join(f...)
}

// pictureKinds returns the kinds of pictures of a grid's kind, some of which have no search.
func (f *faults) pictureKinds(g Grid) []string {
	switch g.Kind {
	case kindNeural:
		return []string{"orbits", "curves", "dots"}
	case kindTables:
		if g.Search != nil {
			f.add("search: a grid of kind tables has none: its methods have their own defaults")
		}
		return []string{kindRows, kindDots}
	case kindTokens:
		if g.Search != nil {
			f.add("search: a grid of kind tokens has none so far; leave it out")
		}
		return []string{kindDots}
	}
	return pictureKinds()
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
