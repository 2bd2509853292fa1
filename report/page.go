package report

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path/filepath"

	"flowmatch/eval"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/run"
)

//go:embed page.html
var pageText string

// pageTemplate escapes all that it is given by where it stands.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Page is a report of a run.
type Page struct {
	Run    *run.Run    // whose pictures are drawn
	Report eval.Report // what was measured of it
}

// content is what the template shows.
type content struct {
	Title    string
	Summary  []Line
	Sections []Section
	Columns  []column
	Patterns []eval.Pattern
	Groups   []group
	Settings string // run.yaml
}

// group are pictures under one head.
type group struct {
	Title, Note string
	Big         bool // each picture takes the whole width
	Pictures    []picture
}

// Write writes the page. Pictures are drawn for it, twice: for light and for dark pages. One that cannot be drawn is
// said on the page, and is no error; that of ctx is one. When ctx ends, no further picture is begun.
func (p Page) Write(ctx context.Context, w io.Writer) error {
	c := content{Title: filepath.Base(p.Run.Dir)}
	all := Sections(p.Report)
	c.Summary, c.Sections = append(all[0].Lines, p.training()...), all[1:]
	c.Groups = p.groups(ctx)
	if m := p.Report.Marginals; m != nil {
		c.Columns, c.Patterns = columns(ctx, m), m.Patterns
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	settings, err := atomicfile.Read(filepath.Join(p.Run.Dir, run.ConfigFile))
	if c.Settings = string(settings); err != nil {
		c.Settings = choice.Spoken(err)
	}
	if err := pageTemplate.Execute(w, c); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// training says what the run was trained on, and which of its weights are looked at.
func (p Page) training() []Line {
	var l lines
	r := p.Run
	if set, err := r.Data(); err == nil {
		rows := 0
		if set.TrainSet != nil {
			rows = set.TrainSet.Len()
		}
		val, test := set.Val.Len(), set.Test.Len()
		switch {
		case rows > 0:
			l.head("points", "%d of %d numbers: %d to train on, %d to validate on, %d held out", rows+val+test, set.Dim,
				rows, val, test)
		default:
			l.head("points", "of %d numbers, drawn afresh for each batch: %d to validate on, %d held out", set.Dim, val,
				test)
		}
		if s := set.Schema; s != nil {
			l.head("rows", "%d, of %d columns", s.N, len(s.Columns))
			for _, line := range s.Lines() {
				l.add("", "%s", line)
			}
		}
		for _, note := range set.Notes {
			l = append(l, Line{Name: "note", Value: note, Doubt: true})
		}
	} else {
		l = append(l, Line{Name: "warning", Value: choice.Spoken(err), Doubt: true})
	}
	net := r.Model.Net()
	l.head("network", "%d parameters", net.NumWeights())
	which := "the last"
	if r.Best {
		which = "those of the best validation"
	}
	events, err := run.ReadMetrics(filepath.Join(r.Dir, run.MetricsFile))
	if err != nil {
		l.head("model", "the averaged weights of step %d: %s", r.Step, which)
		return append(l, Line{Name: "warning", Value: choice.Spoken(err), Doubt: true})
	}
	for _, e := range events {
		if e.Step == r.Step && e.ValLoss != nil {
			which += fmt.Sprintf(", validation loss %.6g", *e.ValLoss)
		}
	}
	l.head("model", "the averaged weights of step %d: %s", r.Step, which)
	if n := len(events); n > 0 {
		l.head("training", "%d steps in %.1f s, loss %.6g", events[n-1].Step, events[n-1].Seconds, events[n-1].Loss)
	}
	if why := run.Overfits(events, r.Step, r.Best); why != "" {
		l = append(l, Line{Name: "warning", Value: why, Doubt: true})
	}
	return l
}
