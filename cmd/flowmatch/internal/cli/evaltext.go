package cli

import (
	"fmt"
	"io"

	"flowmatch/eval"
	"flowmatch/report"
)

type evalResult struct {
	eval.Report
	HTML string `json:"html,omitempty"` // the file of the report
}

func (r evalResult) text(w io.Writer) {
	for _, s := range report.Sections(r.Report) {
		writeLines(w, s.Lines)
		if s.Lines == nil { // the error says why
			fmt.Fprintf(w, "%s\t–\n", s.Part)
		}
	}
	if r.HTML != "" {
		fmt.Fprintf(w, "report\t%s\n", r.HTML)
	}
}

// writeLines writes lines of a report.
func writeLines(w io.Writer, lines []report.Line) {
	for _, l := range lines {
		if l.Under {
			fmt.Fprint(w, "  ")
		}
		fmt.Fprintf(w, "%s\t%s\n", l.Name, l.Value)
	}
}
