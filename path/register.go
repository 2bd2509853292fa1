package path

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"flowmatch/internal/absent"
	"flowmatch/internal/choice"
)

// registry holds the schedules of [Register].
var registry struct {
	sync.RWMutex
	makers map[string]func(Config) (Scheduler, error)
}

// Register gives a schedule of your own a name, so that a [Config], and with it a run
// file or a checkpoint, can name it. A program that opens such files registers the same
// names first. build gets the settings of Config.Params, and returns an error for one
// that it does not know or cannot use; what it returns must pass [Check].
//
// A name that is taken, an empty name and a nil build are errors. Safe for concurrent use.
func Register(name string, build func(Config) (Scheduler, error)) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("path: Register: a schedule needs a name")
	case build == nil:
		return fmt.Errorf("path: Register: schedule %q has no function that makes it", name)
	case slices.Contains(builtin(), name):
		return fmt.Errorf("path: Register: the name %q is that of a schedule of this package; choose another", name)
	}
	registry.Lock()
	defer registry.Unlock()
	if registry.makers[name] != nil {
		return fmt.Errorf(
			"path: Register: the name %q is taken by a schedule that was registered before; choose another",
			name)
	}
	if registry.makers == nil {
		registry.makers = map[string]func(Config) (Scheduler, error){}
	}
	registry.makers[name] = build
	return nil
}

func registeredNames() []string {
	registry.RLock()
	defer registry.RUnlock()
	return slices.Sorted(maps.Keys(registry.makers))
}

// registered makes the schedule of a name that is none of this package's.
func (c Config) registered() (Scheduler, error) {
	registry.RLock()
	maker := registry.makers[c.Name]
	registry.RUnlock()
	if maker == nil {
		return nil, fmt.Errorf("path: %w", choice.Check("schedule", c.Name, Names()))
	}
	if c.Betas != "" {
		return nil, fmt.Errorf("path: betas = %s: schedule %s does not use it: the settings of a registered schedule "+
			"are params", choice.Quote(c.Betas), c.Name)
	}
	for _, f := range c.fields() {
		if f.v != nil {
			return nil, fmt.Errorf("path: %s = %g: schedule %s does not use it: "+
				"the settings of a registered schedule are params", f.name, *f.v, c.Name)
		}
	}
	s, err := maker(c)
	switch {
	case err != nil:
		return nil, fmt.Errorf("path: schedule %s: %w", c.Name, err)
	case absent.Is(s):
		return nil, fmt.Errorf("path: schedule %s: what was registered made none", c.Name)
	}
	if err := Check(s); err != nil {
		return nil, fmt.Errorf("path: schedule %s: %w", c.Name, err)
	}
	return s, nil
}
