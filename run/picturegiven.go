package run

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"flowmatch/data"
)

// context finds the one context that a picture of a kind is of, if it is of one: that of the
// options or, of a density and a field, that of the first held-out point.
func (a *artist) context(kind string) error {
	spec := a.Model.Spec()
	if a.Truth != nil && len(a.Truth) != a.Model.Dim() {
		return fmt.Errorf("run: a truth of %d numbers for points of dimension %d", len(a.Truth), a.Model.Dim())
	}
	given := a.Given
	switch {
	case given.N > 1:
		return fmt.Errorf("run: a picture of %d contexts; it can be of one", given.N)
	case given.N == 0 && (kind == "density" || kind == "field") && spec.ContextColumns != nil:
		p, err := a.prompt(1)
		if a.data() == nil {
			return errors.New("run: the picture needs a context, and held-out ones cannot be opened; give one")
		}
		if err != nil {
			return err
		}
		given = p.Given.Context.Clone()
		if spec.ContextStandardizer != nil {
			spec.ContextStandardizer.Invert(given)
		}
		if len(a.Label) != 1 { // the class that was held out with the context, not another
			a.Label = p.Given.Label
		}
	case given.N == 0:
		return nil
	}
	var err error
	if a.one, err = a.Model.Contexts(given); err != nil {
		return err
	}
	if a.about = about(spec.ContextColumns, given.X); a.Given.N == 0 {
		a.about += ", the first held out"
	}
	single := kind == "density" || kind == "field" // and so of one class
	if len(a.Label) != 1 && single && spec.Net.Classes > 0 {
		a.Label = []int32{0}
	}
	class := ""
	if len(a.Label) == 1 && int(a.Label[0]) < spec.Net.Classes {
		class = data.NameClasses(spec.ClassNames, spec.Net.Classes)[a.Label[0]]
		a.about += ", class " + class
	} else if spec.Net.Classes > 0 {
		a.about += ", every class in turn"
	}
	if a.Told != nil {
		a.Told(slices.Clone(given.X), class)
	}
	return nil
}

// mostNamed is how many numbers of a context a title names.
const mostNamed = 4

// about says what is given.
func about(names []string, context []float64) string {
	var parts []string
	for k, v := range context[:min(mostNamed, len(context))] {
		name := fmt.Sprintf("number %d", k+1)
		if k < len(names) {
			name = names[k]
		}
		parts = append(parts, fmt.Sprintf("%s = %.4g", name, v))
	}
	if more := len(context) - mostNamed; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return "given " + strings.Join(parts, ", ")
}

// beside returns the data that a picture shows beside the model; nil where they cannot be opened, or
// where the picture is of one context, which the data are not of.
func (a *artist) beside() *data.Set {
	if a.one.N > 0 {
		return nil
	}
	return a.data()
}
