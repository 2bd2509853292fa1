package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"flowmatch/run"
)

// entry is a run that is served, by its name.
type entry struct {
	name string
	dir  string
	open func() (*run.Run, error)
	// openTokens is open of a run of tokens.
	openTokens func() (*run.TokenRun, error)
	files      []string // whose change means another state of the run
	journal    *run.Journal
	current    atomic.Pointer[served] // nil of a run whose training has saved nothing yet, and of one of tokens
	tokens     atomic.Pointer[servedTokens]

	mu     sync.Mutex // of the last try to open it
	tried  string     // its stamp
	when   time.Time
	failed error
	said   string // the error that was logged last
}

// served is a state of a run.
type served struct {
	*run.Run
	name  string
	stamp string
	since time.Time
}

// servedTokens is a state of a run of tokens.
type servedTokens struct {
	*run.TokenRun
	name  string
	stamp string
	since time.Time
}

// state is the stamp and the step of what answers; there may be nothing.
func (e *entry) state() (stamp string, step int, ok bool) {
	if r := e.current.Load(); r != nil {
		return r.stamp, r.Step, true
	}
	if r := e.tokens.Load(); r != nil {
		return r.stamp, r.Step, true
	}
	return "", 0, false
}

// newEntry opens the run of a folder. Its error is one that waiting does not mend, such as a folder without a run.
func newEntry(name, dir string, o run.OpenOptions) (*entry, error) {
	e := &entry{name: name, dir: dir, open: func() (*run.Run, error) { return run.OpenWith(dir, o) },
		openTokens: func() (*run.TokenRun, error) { return run.OpenTokens(dir, o) }, journal: run.NewJournal(dir)}
	for _, f := range []string{run.ConfigFile, run.CheckpointFile, run.BestFile} {
		e.files = append(e.files, filepath.Join(dir, f))
	}
	_, err := e.refresh()
	for _, lasting := range []error{run.ErrNoRun, run.ErrForeign, run.ErrPath} {
		if errors.Is(err, lasting) {
			return nil, err
		}
	}
	return e, nil
}

// openRuns opens the runs of folders. Those that cannot be read yet are served once they can be; it fails if all are
// such, and none of them is being trained.
func openRuns(dirs []string, o run.OpenOptions, log *slog.Logger) (all []*entry, err error) {
	names, err := nameRuns(dirs)
	if err != nil {
		return nil, err
	}
	var wrong []error
	for k, dir := range dirs {
		e, err := newEntry(names[k], dir, o)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		if e.failed != nil && !(errors.Is(e.failed, run.ErrNoCheckpoint) && run.IsTraining(dir)) {
			wrong = append(wrong, e.failed)
		}
	}
	if len(wrong) == len(all) {
		return nil, errors.Join(wrong...)
	}
	for _, e := range all {
		if e.failed != nil {
			e.said = e.failed.Error()
			log.Warn("the run is served once it can be read", "model", e.name, "error", e.failed)
		}
	}
	return all, nil
}

// untrained is why a run answers no requests yet, and unreadable why one does not whose checkpoint is there.
const (
	untrained  = "its training has not saved a checkpoint yet"
	unreadable = "its checkpoint cannot be read now; the log of the service says why"
)

// why says why a run answers no requests yet.
func (e *entry) why() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil || notYet(e.failed) {
		return untrained
	}
	return unreadable
}

// stamp tells one state of the files from another.
func (e *entry) stamp() string {
	text := ""
	for _, f := range e.files {
		if info, err := os.Stat(f); err == nil {
			text += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
		}
	}
	return text
}

// tryAgain is when files that could not be opened are tried once more, unchanged: memory or handles may have been
// short. An attempt makes an engine, which is dear.
const tryAgain = time.Minute

// refresh opens the run again if its files have changed, and says whether it did. With an error the state
// before stays.
func (e *entry) refresh() (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	stamp := e.stamp()
	if is, _, ok := e.state(); ok && is == stamp {
		return false, nil
	}
	if e.failed != nil && e.tried == stamp && time.Since(e.when) < tryAgain {
		return false, e.failed
	}
	e.tried, e.when = stamp, time.Now()
	e.failed = e.take(stamp)
	return e.failed == nil, e.failed
}

// take opens the run, and makes it the state that answers.
func (e *entry) take(stamp string) error {
	if run.IsTokens(e.dir) {
		return e.takeTokens(stamp)
	}
	r, err := e.open()
	if err != nil {
		return err
	}
	if was := e.current.Load(); was != nil && !alike(was.Run, r) || e.tokens.Load() != nil {
		return fmt.Errorf("serve: %s holds another model now, of other columns, classes or contexts", r.Dir)
	}
	e.current.Store(&served{r, e.name, stamp, time.Now()})
	return nil
}

// takeTokens is take of a run of tokens.
func (e *entry) takeTokens(stamp string) error {
	r, err := e.openTokens()
	if err != nil {
		return err
	}
	was := e.tokens.Load()
	if e.current.Load() != nil || was != nil && (!was.Model.Spec().Vocabulary.Equal(r.Model.Spec().Vocabulary) ||
		was.Model.Spec().Net.Length != r.Model.Spec().Net.Length) {
		return fmt.Errorf("serve: %s holds another model now, of other tokens or another length", r.Dir)
	}
	e.tokens.Store(&servedTokens{r, e.name, stamp, time.Now()})
	return nil
}

// alike says whether requests for one run fit another.
func alike(a, b *run.Run) bool {
	was, is := a.Model.Spec(), b.Model.Spec()
	return a.Model.Dim() == b.Model.Dim() && slices.Equal(was.ColumnNames(), is.ColumnNames()) &&
		was.Net.Classes == is.Net.Classes && slices.Equal(was.ClassNames, is.ClassNames) &&
		slices.Equal(was.ContextColumns, is.ContextColumns)
}

// nameRuns returns the names of the runs of folders: each that of its folder. The error names folders of
// one name.
func nameRuns(dirs []string) (names []string, err error) {
	for _, dir := range dirs {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("serve: %w", err)
		}
		name := filepath.Base(abs)
		if k := slices.Index(names, name); k >= 0 {
			return nil, fmt.Errorf("serve: %s and %s would both be called %s; rename one of the folders", dirs[k], dir,
				name)
		}
		names = append(names, name)
	}
	return names, nil
}

// watch looks every so often for changed files of runs, until ctx ends.
func watch(ctx context.Context, entries []*entry, every time.Duration, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		for _, e := range entries {
			changed, err := e.refresh()
			_, step, serves := e.state()
			switch {
			case changed:
				e.said = ""
				log.Info("the run has a new state", "model", e.name, "step", step)
			case err != nil && e.said != err.Error() && (serves || !notYet(err)):
				e.said = err.Error()
				text := "the run is served once it can be read"
				if serves {
					text = "the new state of the run cannot be read; the one before stays"
				}
				log.Warn(text, "model", e.name, "error", err)
			}
		}
	}
}

// notYet says of an error that a training may have yet to write what is missing.
func notYet(err error) bool {
	return errors.Is(err, run.ErrNoRun) || errors.Is(err, run.ErrNoCheckpoint)
}
