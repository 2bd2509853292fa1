package dataset

import (
	"fmt"

	"flowmatch/data"
	"flowmatch/internal/choice"
)

// unseen notes the classes that no point of the training part is of.
func unseen(label []int32, train []int, names []string) []string {
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
