package coupling

import (
	"sync"

	"flowmatch/internal/assign"
)

// turnsFrom is from how many points on matches take turns: one such uses all cores for most of its time, and its
// matrix of costs takes 128 MiB and more.
const turnsFrom = 4096

// turns gives large matches a workspace one after the other, so that its memory is there once, however many batches
// are made ahead. What is not used for a while is collected.
type turns struct {
	mu   sync.Mutex
	kept sync.Pool
}

var large turns

// workspace calls solve with room for a match of n points.
func (t *turns) workspace(n, from int, solve func(w *assign.Workspace) error) error {
	if n < from {
		return solve(new(assign.Workspace))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok := t.kept.Get().(*assign.Workspace)
	if !ok {
		w = new(assign.Workspace)
	}
	defer t.kept.Put(w)
	return solve(w)
}
