package experiment

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// Table is a table of a page: a row for each method. With Value its columns are the
// tasks; with Values they are values, and with Reach what it takes to come as far, and
// there is one table for each task. With Ranks they are values, too, in one table for all tasks.
type Table struct {
	Title  string   `yaml:"title"`
	Text   string   `yaml:"text"` // Markdown, above the table; a template, as Grid.Notes
	Value  string   `yaml:"value"`
	Values []Column `yaml:"values"`
	Reach  *Reach   `yaml:"reach"`
	// Ranks are columns of the mean rank of each method over the tasks, in the place of values.
	Ranks   []RankColumn `yaml:"ranks"`
	Tasks   []string     `yaml:"tasks"`   // empty: all
	Methods []string     `yaml:"methods"` // empty: all
	Digits  int          `yaml:"digits"`  // significant; default 3
	// Less says that less is better: the least mean of a column is printed in bold, and those
	// that are as good within the spread over the seeds.
	Less bool `yaml:"less"`
	// Error is a value that stands behind ± in the place of the deviation over the seeds, such
	// as a standard error over observations: its mean over the seeds.
	Error string `yaml:"error"`
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
	// Beside says that they are further columns, in the rows of the methods.
	Beside bool `yaml:"beside"`
	// Rows has for each method (of ours or another name) the figure by column.
	Rows map[string]map[string]string `yaml:"rows"`
}

// tables reports what is wrong with tables.
func (f *faults) tables(g Grid, tasks, methods []string) {
	for i, t := range g.Tables {
		at := fmt.Sprintf("tables[%d]", i)
		given := 0
		for _, is := range []bool{t.Value != "", len(t.Values) > 0, t.Reach != nil, len(t.Ranks) > 0} {
			if is {
				given++
			}
		}
		if given != 1 {
			f.add("%s: table %q: give either value or values or reach or ranks", at, t.Title)
		}
		f.reach(t, methods)
		if t.Digits < 0 {
			f.add("%s: table %q: digits is %d; it must be at least 1", at, t.Title, t.Digits)
		}
		for _, name := range t.figures() {
			if err := g.values().check(name); err != nil {
				f.add("%s: table %q: %w", at, t.Title, err)
			}
		}
		f.published(t, tasks, methods)
		f.known("table "+t.Title, "task", tasks, t.Tasks...)
		f.known("table "+t.Title, "method", methods, t.Methods...)
	}
}

// figures are the names of the values that a table shows.
func (t Table) figures() (all []string) {
	all = append(all, t.Value, t.Floor, t.Error)
	for _, c := range t.Values {
		all = append(all, c.Value)
	}
	for _, c := range t.Ranks {
		all = append(all, c.Value)
	}
	if t.Reach != nil {
		all = append(all, t.Reach.Value.Value, t.Reach.Cost.Value)
	}
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// published reports figures of the literature that no column would show.
func (f *faults) published(t Table, tasks, methods []string) {
	columns := tasks
	if len(t.Values) > 0 {
		columns = nil
		for _, c := range t.Values {
			columns = append(columns, cmp.Or(c.Title, c.Value))
		}
	}
	for _, p := range t.Published {
		if p.Name == "" || p.Source == "" {
			f.add("table %q: published figures need a name and a source", t.Title)
		}
		for _, m := range slices.Sorted(maps.Keys(p.Rows)) {
			if p.Beside {
				f.known(fmt.Sprintf("table %q, published beside, row %q", t.Title, m), "method", methods, m)
			}
			f.known(fmt.Sprintf("table %q, published, row %q", t.Title, m), "column", columns,
				slices.Sorted(maps.Keys(p.Rows[m]))...)
		}
	}
}

// write writes a table: columns of tasks, or one table of values for each task.
func (t Table) write(b *strings.Builder, g Grid, results []Result) {
	if len(t.Tasks) == 0 {
		t.Tasks = names(g.Tasks)
	}
	if len(t.Methods) == 0 {
		t.Methods = names(g.Methods)
	}
	fmt.Fprintf(b, "\n## %s\n\n", t.Title)
	if t.Text != "" {
		fmt.Fprintf(b, "%s\n\n", strings.TrimSpace(t.Text))
	}
	if len(t.Ranks) > 0 {
		t.rankRows(b, results)
		return
	}
	if t.Value != "" {
		columns := make([]column, len(t.Tasks))
		for k, task := range t.Tasks {
			columns[k] = column{task, task, t.Value}
		}
		t.grid(b, columns, results)
		return
	}
	for k, task := range t.Tasks {
		if len(t.Tasks) > 1 {
			if k > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(b, "%s:\n\n", task)
		}
		if t.Reach != nil {
			t.reach(b, task, results)
			continue
		}
		columns := make([]column, len(t.Values))
		for i, v := range t.Values {
			columns[i] = column{cmp.Or(v.Title, v.Value), task, v.Value}
		}
		t.grid(b, columns, results)
	}
}

// column is a column of a table: which value of which task.
type column struct{ title, task, value string }

// floored says whether a column is of the kind that a floor bounds: w2_data is the
// floor of w2, w2_1 and w2_20/ddim.
func (c column) floored(floor string) bool {
	kind, _, _ := strings.Cut(floor, "_")
	mine, _, _ := strings.Cut(c.value, "_")
	return kind == mine
}

// row writes a row of a table.
func row(b *strings.Builder, cells []string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }

// rows writes the head of a table and a row for each method, with published figures beside.
func (t Table) rows(b *strings.Builder, columns []column, results []Result) {
	head, rule := []string{"method"}, []string{"---"}
	for _, c := range columns {
		head, rule = append(head, c.title), append(rule, "---:")
	}
	for _, p := range t.Published {
		for _, c := range columns {
			if p.Beside {
				head, rule = append(head, c.title+", "+p.Name), append(rule, "---:")
			}
		}
	}
	row(b, head)
	row(b, rule)
	bold := t.bold(columns, results)
	for _, m := range t.Methods {
		cells := []string{m}
		for k, c := range columns {
			text := t.format(t.over(results, c, m))
			if text == missing {
				text = cmp.Or(beyond(results, c.task, m, c.value), missing)
			}
			if slices.Contains(bold[k], m) {
				text = "**" + text + "**"
			}
			cells = append(cells, text)
		}
		for _, p := range t.Published {
			for _, c := range columns {
				if p.Beside {
					cells = append(cells, cmp.Or(p.Rows[m][c.title], missing))
				}
			}
		}
		if slices.ContainsFunc(cells[1:], func(s string) bool { return s != missing }) {
			row(b, cells)
		}
	}
}

func (t Table) grid(b *strings.Builder, columns []column, results []Result) {
	t.rows(b, columns, results)
	if t.Floor != "" {
		cells := []string{"data to data"}
		for _, c := range columns {
			text := missing
			if c.floored(t.Floor) {
				text = t.format(overMethods(results, c.task, t.Floor))
			}
			cells = append(cells, text)
		}
		row(b, cells)
	}
	t.below(b, columns)
	footnote(b, doubts(results, t.Methods, columns))
	for _, p := range t.Published {
		fmt.Fprintf(b, "\n%s: %s\n", p.Name, strings.TrimSpace(p.Source))
	}
}

// below writes the published figures that stand in rows of their own.
func (t Table) below(b *strings.Builder, columns []column) {
	for _, p := range t.Published {
		if p.Beside {
			continue
		}
		for _, m := range slices.Sorted(maps.Keys(p.Rows)) {
			cells := []string{m + " (" + p.Name + ")"}
			for _, c := range columns {
				text, ok := p.Rows[m][c.title]
				if !ok {
					text = missing
				}
				cells = append(cells, text)
			}
			if slices.ContainsFunc(cells[1:], func(s string) bool { return s != missing }) {
				row(b, cells)
			}
		}
	}
}

// over returns the statistics of a column for a method, with what stands behind ±.
func (t Table) over(results []Result, c column, method string) summary {
	s := over(results, c.task, method, c.value)
	if t.Error != "" {
		s.std = over(results, c.task, method, t.Error).mean
	}
	return s
}

// leastDecimal is the size below which figures are written with an exponent, and mostDecimal that
// from which on they are, but for whole numbers. From mostWhole on, a float64 is always whole.
const leastDecimal, mostDecimal, mostWhole = 1e-3, 1e6, 1 << 53

// missing stands for a figure that does not exist.
const missing = "–"

// bold returns for each column the methods that lead it, where that is asked for.
func (t Table) bold(columns []column, results []Result) [][]string {
	out := make([][]string, len(columns))
	for k, c := range columns {
		if t.Less {
			out[k] = leaders(t.Methods, func(m string) summary { return t.over(results, c, m) })
		}
	}
	return out
}

// format writes mean ± std with the digits asked for, of the mean or, where that is
// near zero, of the deviation; without ± where all seeds agree. A mark behind it says that
// it is not to be trusted.
func (t Table) format(s summary) string {
	if s.n == 0 {
		return missing
	}
	digits := cmp.Or(t.Digits, defaultDigits)
	size := max(math.Abs(s.mean), s.std)
	number := func(v float64) string { return fmt.Sprintf("%.*e", digits-1, v) }
	whole := s.std == 0 && s.mean == math.Trunc(s.mean) && size < mostWhole
	if whole || leastDecimal <= size && size < mostDecimal {
		decimals := 0
		if !whole {
			decimals = max(0, digits-1-int(math.Floor(math.Log10(size))))
		}
		number = func(v float64) string { return fmt.Sprintf("%.*f", decimals, v) }
	}
	text := number(s.mean)
	if s.std != 0 {
		text += " ± " + number(s.std)
	}
	if s.doubts > 0 {
		text += mark
	}
	return text
}
