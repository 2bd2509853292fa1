package run

import (
	"fmt"

	"flowmatch/train"
)

// How far, as a share of the least one, validation losses must lie above it, and how many of them at the
// end, for a training to have learnt its points by heart.
const overfitShare, overfitLosses = 0.05, 3

// Overfits says that the losses of a training rise on held-out points at its end while they fall on those
// that it trains on; empty: they do not. step is that of the weights that are kept, best that they are
// those of the least loss.
func Overfits(events []train.Event, step int, best bool) string {
	var seen []train.Event
	for _, e := range events {
		if e.ValLoss != nil {
			seen = append(seen, e)
		}
	}
	least := 0
	for i, e := range seen {
		if *e.ValLoss < *seen[least].ValLoss {
			least = i
		}
	}
	if len(seen)-least <= overfitLosses {
		return ""
	}
	from, end := seen[least], seen[len(seen)-1]
	for _, e := range seen[len(seen)-overfitLosses:] {
		if *e.ValLoss < (1+overfitShare)**from.ValLoss || e.Loss >= from.Loss {
			return ""
		}
	}
	does := fmt.Sprintf("the weights of step %d are kept", step)
	if !best {
		does = "set train.patience, so that those of the least loss are kept, or take fewer steps or a smaller network"
	}
	return fmt.Sprintf("the validation loss is least at step %d (%.4g) and rises to %.4g at step %d, while that of "+
		"training falls: the network learns its points by heart; %s", from.Step, *from.ValLoss, *end.ValLoss, end.Step,
		does)
}
