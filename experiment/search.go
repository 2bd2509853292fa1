package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"flowmatch/internal/choice"
	"flowmatch/nn"
	"flowmatch/ode"
)

// Search is a small search before the runs of a method and a task: a trial for each value
// of one setting, of which the runs take the best. So methods that a page compares are each
// at their own best value, by the same search, which the page shows.
//
// Trials are runs of their own, and measured on the validation points, so that the held-out
// ones stay unseen.
type Search struct {
	Key    string `yaml:"key"`    // the setting, dotted, such as train.lr
	Values []any  `yaml:"values"` // what is tried, in order
	// By is the value that decides, such as nll: the least mean over the seeds wins.
	// val_loss, which needs no measure, compares the values of one method by its own objective.
	By      string   `yaml:"by"`
	Measure []string `yaml:"measure"` // what is measured of a trial; see [Measures]
	Seeds   []uint64 `yaml:"seeds"`   // of the trials; default the first of the grid's
	// Share is how much of the steps of a run a trial takes, in (0, 1]; default 1.
	Share float64 `yaml:"share"`
	// Set are settings of trials alone, below those of a command.
	Set     map[string]any `yaml:"set"`
	Methods []string       `yaml:"methods"` // for which there is a search; empty: all
	Tasks   []string       `yaml:"tasks"`   // for which there is a search; empty: all
	// On are methods whose trials decide for all methods of a task together, by the least sum
	// of their means; empty: each method has trials, and a best value, of its own.
	On   []string `yaml:"on"`
	Text string   `yaml:"text"` // Markdown, above the table of the search
}

// try is a value of a search that a cell is planned with.
type try struct {
	value any
	trial bool // else a run that takes the value
}

// text is how folders, pages and progress write the value.
func (t try) text() string { return fmt.Sprint(t.value) }

// Defaults returns s with every unset field filled in, save the seeds, which are those of
// the grid.
func (s Search) Defaults() Search {
	s.Share = cmp.Or(s.Share, 1)
	return s
}

// of says whether there is a search for a method on a task.
func (s *Search) of(task, method string) bool { return s.ofTask(task) && s.ofMethod(method) }

// ofMethod says whether there is a search for a method on some task.
func (s *Search) ofMethod(name string) bool {
	return s != nil && (len(s.Methods) == 0 || slices.Contains(s.Methods, name))
}

// ofTask says whether there is a search for some method on a task.
func (s *Search) ofTask(name string) bool {
	return s != nil && (len(s.Tasks) == 0 || slices.Contains(s.Tasks, name))
}

// by is the value that decides the search; empty: there is none.
func (g Grid) by() string {
	if g.Search == nil {
		return ""
	}
	return g.Search.By
}

// seeds are those of the trials.
func (s *Search) seeds(g Grid) []uint64 {
	if len(s.Seeds) > 0 {
		return s.Seeds
	}
	return g.Seeds[:1]
}

// stepsKey is the setting that a share is of.
func (g Grid) stepsKey() string {
	if g.Kind == kindNeural {
		return "steps"
	}
	return "train.steps"
}

// search reports what is wrong with the search of a grid.
func (f *faults) search(g Grid, measures, tasks, methods []string) {
	s := g.Search
	if s == nil {
		return
	}
	if s.Key == "" || s.By == "" || len(s.Measure) == 0 && !among(s.By, g.recorded().values) {
		f.add("search: it needs a key, measure, and by: the value of these measures that decides, or val_loss, " +
			"which needs none")
	}
	if len(s.Values) < 2 {
		f.add("search: there are %d values of %s; it needs at least two to choose from", len(s.Values), s.Key)
	}
	texts := make([]string, len(s.Values))
	for i, v := range s.Values {
		texts[i] = try{value: v}.text()
	}
	f.folders("search value", texts)
	if !(s.Share > 0 && s.Share <= 1) {
		f.add("search: share is %g; it must be above 0, and at most 1", s.Share)
	}
	for i, seed := range s.Seeds {
		if slices.Contains(s.Seeds[:i], seed) {
			f.add("search: seed %d is there twice; each seed is one trial", seed)
		}
	}
	f.known("search", "measure", measures, s.Measure...)
	f.known("search", "method", methods, s.Methods...)
	f.known("search", "method", methods, s.On...)
	f.known("search", "task", tasks, s.Tasks...)
	for _, name := range s.On {
		if !s.ofMethod(name) {
			f.add("search: on names %s, which is not one of search.methods", name)
		}
	}
	if s.By != "" && len(s.Measure) > 0 {
		if err := g.values().check(s.By, s.Measure...); err != nil {
			f.add("search: by: %w", err)
		}
	}
	if _, ok := s.Set[g.stepsKey()]; ok && s.Share < 1 {
		f.add("search: both share and %s in set say how many steps a trial takes; leave one out", g.stepsKey())
	}
	f.overruled(g)
}

// overruled reports settings that a search would replace.
func (f *faults) overruled(g Grid) {
	const fix = "which the search tries values of; leave it out there"
	key := g.Search.Key
	if _, ok := g.Search.Set[key]; ok {
		f.add("search: set has %s, %s", key, fix)
	}
	for _, v := range g.Tasks {
		if _, ok := v.Set[key]; ok && g.Search.ofTask(v.Name) {
			f.add("task %s sets %s, %s, or leave the task out of search.tasks", v.Name, key, fix)
		}
	}
	for _, m := range g.Methods {
		searched := g.Search.ofMethod(m.Name)
		if _, ok := m.Set[key]; ok && searched {
			f.add("method %s sets %s, %s, or leave the method out of search.methods", m.Name, key, fix)
		}
		if m.Teacher != "" && searched && slices.ContainsFunc(g.Search.Seeds, func(s uint64) bool {
			return len(g.Seeds) > 0 && s != g.Seeds[0]
		}) {
			f.add("search: method %s has a teacher, which only the first seed of the grid has by then; "+
				"leave search.seeds out", m.Name)
		}
	}
}

// lookUp returns the value at a path of keys of a section.
func lookUp(section map[string]any, path []string) (any, bool) {
	v, ok := section[path[0]]
	if len(path) == 1 || !ok {
		return v, ok
	}
	sub, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	return lookUp(sub, path[1:])
}

// idle reports settings of the base or of a command that the search would replace.
func (s *Search) idle(g Grid, set []string) error {
	if s == nil {
		return nil
	}
	for _, text := range set {
		key, _, _ := strings.Cut(text, "=")
		if key == s.Key || strings.HasPrefix(s.Key, key+".") {
			return fmt.Errorf("setting %s: the grid searches for its own %s; leave it out", choice.Quote(text), s.Key)
		}
	}
	_, given := lookUp(g.Base, strings.Split(s.Key, "."))
	if given && !slices.ContainsFunc(g.Methods, func(m Variant) bool { return !s.ofMethod(m.Name) }) &&
		!slices.ContainsFunc(g.Tasks, func(t Variant) bool { return !s.ofTask(t.Name) }) {
		return fmt.Errorf("%s: base sets %s, which the search tries values of for every method and task; "+
			"leave it out there", g.where("base."+s.Key), s.Key)
	}
	return nil
}

// hopeless says whether an error means that a value is no good, as too large a learning
// rate is: a trial may end so.
func hopeless(err error) bool {
	return slices.ContainsFunc([]error{nn.ErrDiverged, ode.ErrMaxNFE, ode.ErrStepTooSmall, ode.ErrNonFinite},
		func(e error) bool { return errors.Is(err, e) })
}

// errNoBest is returned where all trials of a method have failed.
var errNoBest = errors.New("experiment: the search found no value")

// settled returns the cell with the value that the trials have decided for.
func (c Cell) settled(s *Search, results []Result) (Cell, error) {
	if len(c.options) == 0 {
		return c, nil
	}
	best := s.best(results, c.Task, s.deciders(c.Method))
	for _, o := range c.options {
		if o.Value == best {
			return o, nil
		}
	}
	var why []string
	for _, r := range results {
		if r.Trial && r.Task == c.Task && slices.Contains(s.deciders(c.Method), r.Method) && r.Failed != "" {
			why = append(why, fmt.Sprintf("%s: %s", r.Value, r.Failed))
		}
	}
	return c, fmt.Errorf("%w of %s with a %s for task %s, method %s: %s", errNoBest, s.Key, s.By, c.Task, c.Method,
		cmp.Or(strings.Join(why, "; "), "no trial has one"))
}

// over returns the statistics of the trials of a value.
func (s *Search) over(results []Result, task, method, value string) summary {
	return summarize(results, s.By, func(r Result) bool {
		return r.Trial && r.Failed == "" && r.Task == task && r.Method == method && r.Value == value
	})
}

// deciders are the methods whose trials decide for a method.
func (s *Search) deciders(method string) []string {
	if len(s.On) > 0 {
		return s.On
	}
	return []string{method}
}

// best returns the value whose trials have the least sum of the means of methods, all of them,
// of those that are to be trusted or, where none is, of all; empty: none has.
func (s *Search) best(results []Result, task string, methods []string) string {
	return cmp.Or(s.least(results, task, methods, true), s.least(results, task, methods, false))
}

// least is best of the values whose means are to be trusted, or of all.
func (s *Search) least(results []Result, task string, methods []string, trusted bool) string {
	best, least := "", math.Inf(1)
	for _, v := range s.Values {
		text, sum := try{value: v}.text(), 0.0
		for _, method := range methods {
			trials := 0
			for _, r := range results {
				if r.Trial && r.Task == task && r.Method == method && r.Value == text {
					trials++
				}
			}
			m := s.over(results, task, method, text)
			if m.n == 0 || m.n != trials || trusted && m.doubts > 0 {
				sum = math.Inf(1)
			}
			sum += m.mean
		}
		if sum < least {
			best, least = text, sum
		}
	}
	return best
}

// write writes what the trials came to, and which value each method has.
func (s *Search) write(w *strings.Builder, g Grid, results []Result) {
	fmt.Fprintf(w, "\n## Search for %s\n\n", s.Key)
	if s.Text != "" {
		fmt.Fprintf(w, "%s\n\n", strings.TrimSpace(s.Text))
	}
	fmt.Fprintf(w, "%s\n", s.sentence(g))
	for _, task := range g.Tasks {
		if !s.ofTask(task.Name) {
			continue
		}
		title := "\n"
		if len(g.Tasks) > 1 {
			title = fmt.Sprintf("\n%s:\n\n", task.Name)
		}
		fmt.Fprint(w, title)
		s.table(w, g, task.Name, results)
	}
	for _, r := range results {
		if r.Trial && r.Failed != "" {
			fmt.Fprintf(w, "\n%s%s failed with %s: %s\n", r.Method, onTask(r.Task), r.Value, r.Failed)
		}
	}
}

// sentence says how the search was made.
func (s *Search) sentence(g Grid) string {
	var b strings.Builder
	who, by := "Each method has", "that of the least `"+s.By+"`"
	if len(s.On) > 0 {
		who, by = "All methods of a task have", "that of the least sum of `"+s.By+"` of "+strings.Join(s.On, " and ")
	}
	fmt.Fprintf(&b, "%s the best of %d values of `%s` (bold): %s, on validation points, of a trial with ", who,
		len(s.Values), s.Key, by)
	if s.Share < 1 {
		fmt.Fprintf(&b, "%.2g of the steps and ", s.Share)
	}
	fmt.Fprintf(&b, "seed %s", strings.Trim(fmt.Sprint(s.seeds(g)), "[]"))
	var own []string
	for _, key := range slices.Sorted(maps.Keys(s.Set)) {
		own = append(own, fmt.Sprintf("`%s: %v`", key, s.Set[key]))
	}
	if len(own) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(own, ", "))
	}
	b.WriteString(".")
	var out []string
	for _, m := range g.Methods {
		if !s.ofMethod(m.Name) {
			out = append(out, m.Name)
		}
	}
	for _, t := range g.Tasks {
		if !s.ofTask(t.Name) {
			out = append(out, t.Name)
		}
	}
	if len(out) > 0 {
		fmt.Fprintf(&b, " Without a search: %s.", strings.Join(out, ", "))
	}
	return b.String()
}

// table writes the trials of one task.
func (s *Search) table(w *strings.Builder, g Grid, task string, results []Result) {
	head, rule := []string{"method"}, []string{"---"}
	for _, v := range s.Values {
		head, rule = append(head, try{value: v}.text()), append(rule, "---:")
	}
	row(w, head)
	row(w, rule)
	var ends []string
	for _, m := range g.Methods {
		if !s.of(task, m.Name) || g.skips(task, m.Name) || !slices.Contains(s.deciders(m.Name), m.Name) {
			continue
		}
		best, cells := s.best(results, task, s.deciders(m.Name)), []string{m.Name}
		for _, value := range head[1:] {
			text := Table{}.format(s.over(results, task, m.Name, value))
			if text == missing && slices.ContainsFunc(results, func(r Result) bool {
				return r.Task == task && r.Method == m.Name && r.Value == value && r.Failed != ""
			}) {
				text = "failed"
			}
			if value == best {
				text = "**" + text + "**"
			}
			cells = append(cells, text)
		}
		row(w, cells)
		if best != "" && (best == head[1] || best == head[len(head)-1]) {
			ends = append(ends, m.Name)
		}
	}
	if len(ends) > 0 {
		fmt.Fprintf(w, "\nAt the end of the values tried, so that one beyond it may be better still: %s.\n",
			strings.Join(ends, ", "))
	}
}
