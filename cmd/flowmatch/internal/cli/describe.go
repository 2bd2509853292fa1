package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data"
	"flowmatch/data/schema"
	"flowmatch/internal/choice"
	"flowmatch/run"
)

// describeResult is what a table holds.
type describeResult struct {
	File    string         `json:"file"`
	Rows    int            `json:"rows"`
	Header  bool           `json:"header"`              // the first line of a text names the columns
	Split   string         `json:"delimiter,omitempty"` // of the fields of a text
	Columns []columnResult `json:"columns"`
	Dim     int            `json:"dim"` // coordinates of a row, in the units of the model
	Notes   []string       `json:"notes,omitempty"`
	Missing int            `json:"missing"` // values of columns that are learnt
	Kinds   map[string]int `json:"kinds"`   // columns of each kind
}

// columnResult is one column.
type columnResult struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`
	Missing   int      `json:"missing"`
	Marker    string   `json:"marker,omitempty"` // how missing values are written
	Levels    []string `json:"levels,omitempty"`
	Lo        string   `json:"lo,omitempty"` // the smallest value and the largest, as the file writes them
	Hi        string   `json:"hi,omitempty"`
	Step      float64  `json:"step,omitempty"` // of the grid of the values; absent: they are on none
	Value     string   `json:"value,omitempty"`
	Transform string   `json:"transform,omitempty"`
	Plan      string   `json:"plan"` // what is done with it in training
	Note      string   `json:"note,omitempty"`

	extent string
}

func (d describeResult) text(w io.Writer) {
	fmt.Fprintf(w, "file\t%s\n", d.File)
	head := ""
	if d.Split != "" {
		names := "no header"
		if d.Header {
			names = "named by the first line"
		}
		head = fmt.Sprintf(", %s, fields separated by %q", names, d.Split)
	}
	fmt.Fprintf(w, "rows\t%d\n", d.Rows)
	fmt.Fprintf(w, "columns\t%d%s\n", len(d.Columns), head)
	for _, c := range d.Columns {
		missing := ""
		if c.Missing > 0 {
			missing = fmt.Sprintf("%d missing", c.Missing)
		}
		var about []string
		for _, s := range []string{c.extent, missing, c.Plan, c.Note} {
			if s != "" && (s != c.Plan || !strings.HasPrefix(c.Note, s)) {
				about = append(about, s)
			}
		}
		fmt.Fprintf(w, "%s\t%s: %s\n", shown(c.Name), c.Kind, strings.Join(about, "; "))
	}
	fmt.Fprintf(w, "model\t%d coordinates a row\n", d.Dim)
	for _, note := range d.Notes {
		fmt.Fprintf(w, "note\t%s\n", note)
	}
}

// shown is a name as it is, or quoted where it would not be read as a name.
func shown(name string) string {
	if q := choice.Quote(name); q != `"`+name+`"` || name == "" {
		return q
	}
	return name
}

func (a *app) describeCommand() *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "describe FILE",
		Short: "Say what the columns of a table are, and how they would be learnt",
		Long: `Say what the columns of a table are: their kinds, ranges, levels and missing values, and
what training does with each. The kinds are real, integer, binary, category, ordered,
date, identifier (left out) and constant (kept aside, and put back into samples).

--set says what the file does not, as in the data section of a run file: data.kinds,
data.levels, data.transforms, data.exclude, data.columns, data.delimiter, data.header.
Values that do not fit their column are listed, at most twenty of them.`,
		Example: `  flowmatch data describe people.csv
  flowmatch data describe people.csv --set data.kinds.zip=category --json
  flowmatch data describe people.csv --set data.exclude=[name,phone]`,
		Args: arguments("FILE"),
		RunE: a.do(func(_ *cobra.Command, args []string) (result, error) { return describe(args[0], set) }),
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "change a setting of the data section, as data.key=value")
	completeSettings(cmd)
	return cmd
}

func describe(file string, set []string) (result, error) {
	for _, s := range set {
		if !strings.HasPrefix(s, "data.") {
			return nil, usagef("--set %s is no setting of the data; want data.KEY=VALUE", s)
		}
	}
	c, err := tableRun(file, set, "")
	if err != nil {
		return nil, err
	}
	if !c.Data.Typed() {
		return nil, usagef("--set data.schema=%s leaves nothing to describe; leave it out", c.Data.Schema)
	}
	d, err := c.Data.Describe("")
	if err != nil {
		_, inFile := errors.AsType[*data.FileError](err)
		_, ofPath := errors.AsType[*fs.PathError](err)
		if !inFile && !ofPath { // but of a setting
			return nil, usageError{err}
		}
		return nil, ofFile(err)
	}
	r := describeResult{File: file, Rows: d.Schema.N, Header: d.Header, Split: d.Schema.Delimiter,
		Dim: d.Schema.Dim(), Notes: d.Notes, Kinds: map[string]int{}}
	for _, c := range d.Schema.Columns {
		r.Columns = append(r.Columns, columnOf(c))
		r.Kinds[string(c.Kind)]++
		if c.Learnt() {
			r.Missing += c.Missing
		}
	}
	return r, nil
}

func columnOf(c schema.Column) columnResult {
	r := columnResult{Name: c.Name, Kind: string(c.Kind), Missing: c.Missing, Marker: c.Marker, Levels: c.Levels,
		Step: c.Step, Value: c.Value, Plan: c.Plan(), Note: c.Note, extent: c.Range()}
	if c.Code != nil {
		r.Transform = c.Code.Transform
	}
	r.Lo, r.Hi = c.Ends()
	return r
}

// tableRun returns the settings of a training on a table.
func tableRun(file string, set []string, backend string) (run.Config, error) {
	return readRun(run.TableConfig, file, set, backend)
}
