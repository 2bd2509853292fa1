package experiment

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Page is what a page says beside the grid and its results.
type Page struct {
	Name    string // of the experiment, as the command takes it
	Date    string
	Machine string // processor, cores, system
	// Pictures are those drawn, by Picture.File, each with its path as the page links it.
	Pictures map[string]Drawn
	// Command is what makes the page again; default flowmatch experiment NAME.
	Command string
}

// Write writes the page of a grid, in Markdown. With a finding it begins with that and the
// leading picture, and ends with how it was measured; without, the question heads it.
func (p Page) Write(w io.Writer, g Grid, results []Result) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# %s\n", g.Title)
	finding, err := g.fill(g.Finding, results)
	if err != nil {
		return err
	}
	lead := g.lead()
	if finding == "" {
		p.howMeasured(&b, g, results)
	} else {
		line("**%s**\n", strings.TrimSpace(finding))
		p.picture(&b, g, lead, results)
		line("[How it was measured](#how-it-was-measured)")
	}
	if len(g.Tables) == 0 {
		g.Tables = plain(results)
	}
	for _, t := range g.Tables {
		if t.Text, err = g.fill(t.Text, results); err != nil {
			return err
		}
		t.write(&b, g, results)
	}
	for k := range g.Pictures {
		if finding == "" || k != lead {
			b.WriteByte('\n')
			p.picture(&b, g, k, results)
		}
	}
	p.gaps(&b, g, results)
	notes, err := g.fill(g.Notes, results)
	if err != nil {
		return err
	}
	if notes != "" {
		line("\n## Notes\n\n%s", strings.TrimSpace(notes))
	}
	if finding != "" {
		line("\n## How it was measured\n")
		p.howMeasured(&b, g, results)
	}
	_, err = io.WriteString(w, blankLines.ReplaceAllString(strings.TrimRight(b.String(), "\n"), "\n\n")+"\n")
	return err
}

// blankLines are more than one blank line.
var blankLines = regexp.MustCompile("\n{3,}")

// lead returns the picture that stands below the finding: the one that says so, or the first.
func (g Grid) lead() int {
	return max(0, slices.IndexFunc(g.Pictures, func(p Picture) bool { return p.Lead }))
}

// picture writes picture k with its caption, if it was drawn.
func (p Page) picture(b *strings.Builder, g Grid, k int, results []Result) {
	if k >= len(g.Pictures) {
		return
	}
	pic := g.Pictures[k]
	if drawn := p.Pictures[pic.File]; drawn.File != "" {
		caption := strings.TrimSpace(pic.Caption)
		fmt.Fprintf(b, "![%s](%s)\n\n%s\n", cmp.Or(alt.Replace(caption), pic.File), drawn.File, caption)
		footnote(b, pic.doubts(g, results))
		b.WriteByte('\n')
	}
}

// alt makes a caption one that stands for its picture where that cannot be seen.
var alt = strings.NewReplacer("\n", " ", "[", "(", "]", ")")

// howMeasured writes what was asked, the command that makes the page, and what was run.
func (p Page) howMeasured(b *strings.Builder, g Grid, results []Result) {
	if g.Question != "" {
		fmt.Fprintf(b, "%s\n\n", strings.TrimSpace(g.Question))
	}
	fmt.Fprintf(b, "```sh\n%s\n```\n\n", cmp.Or(p.Command, "flowmatch experiment "+p.Name))
	fmt.Fprintf(b, "%s\n", p.provenance(g, results))
	if slices.ContainsFunc(g.Tables, func(t Table) bool { return t.Less }) {
		fmt.Fprintf(b, "\n%s\n", boldRule)
	}
	if g.Search != nil {
		g.Search.write(b, g, results)
	}
}

// gaps writes what could not be measured or drawn, and what was left out.
func (p Page) gaps(b *strings.Builder, g Grid, results []Result) {
	lacks := Missing(results)
	for _, pic := range g.Pictures {
		for _, why := range p.Pictures[pic.File].Missing {
			lacks = append(lacks, fmt.Sprintf("picture %s, %s", pic.File, why))
		}
	}
	if len(lacks) > 0 {
		fmt.Fprintf(b, "\n## What could not be measured\n\n- %s\n", strings.Join(lacks, "\n- "))
	}
	if len(g.Skip) > 0 {
		b.WriteString("\n## Left out\n\n")
		for _, s := range g.Skip {
			fmt.Fprintf(b, "- %s%s: %s\n", s.Method, onTask(s.Task), strings.TrimSpace(s.Why))
		}
	}
}

// headlines are the values that stand first in a table of everything, in order.
var headlines = []string{
	"gap", "nll", "bpd", "bpd_1", "bpd_20", "w2", "sliced_w2", "mmd", "fid", "kid", "precision", "recall", "nfe",
	"nll_nfe", "path_energy", "straightness", "seconds",
}

// plain returns the table of a grid that has none: the headlines that were measured, or
// where there is none of them all values.
func plain(results []Result) []Table {
	found := map[string]bool{}
	for _, r := range results {
		for name := range r.Values {
			found[name] = found[name] || !r.Trial
		}
	}
	shown := slices.DeleteFunc(slices.Clone(headlines), func(name string) bool { return !found[name] })
	if len(shown) < 2 { // seconds are always there
		all := slices.Sorted(maps.Keys(found))
		shown = slices.DeleteFunc(all, func(name string) bool { return !found[name] })
	}
	t := Table{Title: "What was measured", Digits: defaultDigits}
	for _, name := range shown {
		t.Values = append(t.Values, Column{Value: name, Title: strings.ReplaceAll(name, "_", " ")})
	}
	if found["w2_data"] {
		t.Floor = "w2_data"
	}
	if len(t.Values) == 0 {
		return nil
	}
	return []Table{t}
}

func onTask(task string) string {
	if task == "" {
		return ""
	}
	return " on " + task
}

// provenance says how the figures were made.
func (p Page) provenance(g Grid, results []Result) string {
	training, measuring, threads, trials, versions := 0.0, 0.0, 0.0, 0, []string{}
	var others []Result
	for _, r := range results {
		training += r.Values["seconds"]
		measuring += r.Values["measure_seconds"]
		if r.Libraries != nil {
			others = append(others, r)
		} else {
			threads = max(threads, r.Values["threads"])
		}
		if r.Trial {
			trials++
		}
		if !slices.Contains(versions, r.Version) {
			versions = append(versions, r.Version)
		}
	}
	minutes := func(seconds float64, what string) string {
		return fmt.Sprintf(", %.0f minutes of %s", math.Ceil(seconds/60), what)
	}
	made := fmt.Sprintf("%d runs", len(results)-trials)
	if trials > 0 {
		made += fmt.Sprintf(" and %d trials", trials)
	}
	made += minutes(training, "training")
	if measuring > 0 { // which results of earlier versions do not say
		made += minutes(measuring, "measuring")
	}
	return fmt.Sprintf("Written on %s: %s, seeds %s; "+
		"mean ± standard deviation over the seeds. %s, %.0f of them used; flowmatch %s.%s",
		p.Date, made, strings.Trim(fmt.Sprint(g.Seeds), "[]"), p.Machine, threads, strings.Join(versions, ", "),
		libraries(others, g.Kind == kindTables))
}

// libraries says what trained in place of the program, and on how many threads; all says that it took all that there
// are.
func libraries(results []Result, all bool) string {
	if len(results) == 0 {
		return ""
	}
	var names, threads []string
	for _, r := range results {
		for name, version := range r.Libraries {
			names = append(names, name+" "+version)
		}
		threads = append(threads, fmt.Sprintf("%.0f", r.Values["threads"]))
	}
	slices.Sort(names)
	slices.Sort(threads)
	text := fmt.Sprintf(" The peers: %s; threads: %s", strings.Join(slices.Compact(names), ", "),
		strings.Join(slices.Compact(threads), " or "))
	if all {
		return text + "."
	}
	return text + ", the faster of one and all."
}

// HasPeers reports whether Python libraries train methods of the grid.
func (g Grid) HasPeers() bool {
	return slices.ContainsFunc(g.Methods, func(m Variant) bool { return m.Peer != "" })
}
