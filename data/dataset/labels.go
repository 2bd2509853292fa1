package dataset

import (
	"fmt"

	"flowmatch/data"
	"flowmatch/data/table"
	"flowmatch/internal/choice"
)

// mostLabels is from how many classes of a table on a label is noted that may be a number.
const mostLabels = 100

// manyLabels notes a column of labels that looks like one of numbers.
func manyLabels(t table.Table, name string) []string {
	if n := data.Classes(t.Label); n > mostLabels {
		return []string{fmt.Sprintf("label %s has %d values, each a class of its own: if they are amounts, "+
			"leave label out to learn the column with the others", choice.Quote(name), n)}
	}
	return nil
}

// unseen notes the classes that no point of the training part is of.
func unseen(label []int32, train []uint32, names []string) []string {
	seen := make([]bool, data.Classes(label))
	for _, i := range train {
		if label != nil {
			seen[label[i]] = true
		}
	}
	var missing []string
	names = data.NameClasses(names, len(seen))
	for k, there := range seen {
		if !there {
			missing = append(missing, names[k])
		}
	}
	if missing == nil {
		return nil
	}
	return []string{fmt.Sprintf("of the classes %s there is no point to train on: their samples mean nothing",
		choice.List(missing))}
}
