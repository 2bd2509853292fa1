package schema

import (
	"fmt"
	"strings"

	"flowmatch/internal/choice"
)

// Lines tell what the columns are, in three lines: how many of each kind, what is missing, left
// out and kept aside, and the transforms that were chosen.
func (s *Schema) Lines() []string {
	kinds, transforms := map[string][]string{}, map[string][]string{}
	var missing []string
	for _, c := range s.Columns {
		kinds[string(c.Kind)] = append(kinds[string(c.Kind)], c.Name)
		if c.Learnt() && c.Missing > 0 {
			missing = append(missing, fmt.Sprintf("%s %d", choice.Quote(c.Name), c.Missing))
		}
		if c.Code != nil && c.Code.Transform != "" {
			transforms[c.Code.Transform] = append(transforms[c.Code.Transform], c.Name)
		}
	}
	var what, how []string
	for _, k := range Kinds() {
		if names := kinds[k]; len(names) > 0 && k != string(Identifier) && k != string(Constant) {
			what = append(what, fmt.Sprintf("%d %s (%s)", len(names), k, choice.List(names)))
		}
	}
	for _, t := range Transforms() {
		if names := transforms[t]; len(names) > 0 {
			how = append(how, fmt.Sprintf("%s (%s)", t, choice.List(names)))
		}
	}
	none := func(what []string) string {
		if len(what) == 0 {
			return "none"
		}
		return choice.List(what)
	}
	missed := "none"
	if len(missing) > 0 {
		missed = strings.Join(missing, ", ")
	}
	lines := []string{
		"columns: " + strings.Join(what, ", "),
		fmt.Sprintf("missing values: %s; left out: %s; constant: %s", missed, none(kinds[string(Identifier)]),
			none(kinds[string(Constant)])),
	}
	if len(how) > 0 {
		lines = append(lines, "transforms: "+strings.Join(how, ", "))
	}
	return lines
}

// Range tells the range of a column, or its levels.
func (c Column) Range() string {
	switch {
	case c.Kind == Constant:
		return choice.Quote(c.Value)
	case c.Kind == Identifier:
		return ""
	case c.Kind.levels():
		return fmt.Sprintf("%d levels: %s", len(c.Levels), choice.List(c.Levels))
	}
	text := c.write(c.Lo) + " to " + c.write(c.Hi)
	if c.Step > 0 && c.Step != 1 && c.Kind != Date {
		text += fmt.Sprintf(", in steps of %.6g", c.Step)
	}
	if c.Values != nil {
		text += fmt.Sprintf(", %d values", len(c.Values))
	}
	return text
}

// Ends returns the smallest value of a column of numbers or dates and the largest, as the file writes
// them; empty of others.
func (c Column) Ends() (lo, hi string) {
	if !c.Learnt() || !c.Kind.number() {
		return "", ""
	}
	return c.write(c.Lo), c.write(c.Hi)
}

// Plan tells what is done with a column when it is learnt.
func (c Column) Plan() string {
	var does []string
	switch k := c.Code; {
	case c.Kind == Identifier:
		return "left out"
	case c.Kind == Constant:
		return "kept aside, and put back into samples"
	case c.Kind.number() && k != nil:
		does = append(does, "transform "+k.Transform)
		if c.onGrid() {
			does = append(does, "noise of a step of the grid")
		}
	case c.Kind.levels():
		does = append(does, "a coordinate a level")
		if len(c.Levels) == 2 && c.Missing == 0 {
			does[0] = "one coordinate"
		}
	}
	if c.Missing > 0 {
		does = append(does, "missing is a level of its own")
	}
	return strings.Join(does, ", ")
}
