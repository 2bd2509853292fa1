package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"flowmatch/internal/filelock"
	"flowmatch/train"
)

// IsTraining says whether a training holds the lock of a folder; false where the system has no locks.
func IsTraining(dir string) bool { return filelock.IsHeld(dir) }

// FolderConfig returns the settings of the run in a folder, whether or not it has a checkpoint yet. The error
// is [ErrNoRun] of a folder without a run.
func FolderConfig(dir string) (Config, error) { return readRunConfig(dir) }

// Journal reads the metrics of a run as its training writes them. Its methods may be called at the same
// time.
type Journal struct {
	dir string

	mu     sync.Mutex
	file   fs.FileInfo // what was read of
	read   int64       // bytes of it
	events []train.Event
}

// NewJournal returns the journal of a run's folder.
func NewJournal(dir string) *Journal { return &Journal{dir: dir} }

// mostJournal bounds the bytes of metrics that are read: tens of millions of steps in the usual intervals.
const mostJournal = 64 << 20

// Events returns all that there is so far, in order; none where nothing was written yet. What is returned is
// not to be changed. A file that was replaced, as a resumed training does, is read anew.
func (j *Journal) Events() ([]train.Event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	name := filepath.Join(j.dir, MetricsFile)
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		j.file, j.read, j.events = nil, 0, nil
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("run: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("run: %s is no file", name)
	case info.Size() > mostJournal:
		return nil, fmt.Errorf("run: %s has %d bytes; at most %d are read", name, info.Size(), mostJournal)
	}
	if j.file == nil || !os.SameFile(j.file, info) || info.Size() < j.read {
		j.read, j.events = 0, nil
	}
	j.file = info
	if info.Size() == j.read {
		return j.events, nil
	}
	return j.events, j.more(name)
}

// more reads the lines that were written since.
func (j *Journal) more(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, j.read, mostJournal-j.read))
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1] // the last line may be under way
	events := j.events                     // of which readers see the start
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		var e train.Event
		if err := json.Unmarshal(bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff")), &e); err != nil {
			return fmt.Errorf("run: %s, line %d: %w", name, len(events)+1, err)
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("run: %s: %w", name, err)
	}
	j.read, j.events = j.read+int64(len(b)), events
	return nil
}

// Public returns the settings as the text of a run file that says nothing of where files are: paths are the
// names of files alone.
func (c Config) Public() ([]byte, error) {
	for _, path := range c.paths() {
		if *path != "" {
			*path = filepath.Base(filepath.ToSlash(*path))
		}
	}
	c.Backend, _, _ = strings.Cut(c.Backend, ":") // behind it is a library
	text, err := marshal(c)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return text, nil
}
