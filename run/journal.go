package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// FolderTokenConfig is [FolderConfig] of a run of tokens.
func FolderTokenConfig(dir string) (TokenConfig, error) { return readTokenConfig(dir) }

// Journal reads the metrics of a run as its training writes them. Its methods may be called at the same
// time.
type Journal struct {
	dir string

	mu     sync.Mutex
	file   fs.FileInfo // what was read of
	read   int64       // bytes of it
	tail   []byte      // the last of them
	events []train.Event
}

// NewJournal returns the journal of a run's folder.
func NewJournal(dir string) *Journal { return &Journal{dir: dir} }

// mostJournal bounds the bytes of metrics that are read: tens of millions of steps in the usual intervals.
const mostJournal = 64 << 20

// tailBytes are kept to know a file again: a few lines, whose times no two trainings share.
const tailBytes = 512

// Events returns all that there is so far, in order; none where nothing was written yet. What is returned is
// not to be changed. A file that was replaced, as a resumed training does, is read anew.
func (j *Journal) Events() ([]train.Event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	name := filepath.Join(j.dir, MetricsFile)
	f, info, err := openJournal(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		j.forget()
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer f.Close()
	if !j.goesOn(f, info) {
		j.forget()
	}
	j.file = info
	if info.Size() == j.read {
		return j.events, nil
	}
	return j.events, j.more(f, name)
}

// openJournal opens a file of metrics, which may be replaced at any time: what is said of it is of the file that
// is open.
func openJournal(name string) (*os.File, fs.FileInfo, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() { // to open one might wait for ever
		return nil, nil, fmt.Errorf("run: %s is no file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("run: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = fmt.Errorf("run: %w", err)
	case info.Size() > mostJournal:
		err = fmt.Errorf("run: %s has %d bytes; at most %d are read", name, info.Size(), mostJournal)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// goesOn says whether a file is the one that was read, with more or no lines since. Systems give the number of a
// file that is gone to the next one, so that the bytes are compared, too.
func (j *Journal) goesOn(f *os.File, info fs.FileInfo) bool {
	if j.file == nil || !os.SameFile(j.file, info) || info.Size() < j.read {
		return false
	}
	now := make([]byte, len(j.tail))
	_, err := f.ReadAt(now, j.read-int64(len(now)))
	return (err == nil || errors.Is(err, io.EOF)) && bytes.Equal(now, j.tail)
}

func (j *Journal) forget() { j.file, j.read, j.tail, j.events = nil, 0, nil, nil }

// more reads the lines that were written since.
func (j *Journal) more(f *os.File, name string) error {
	b, err := io.ReadAll(io.NewSectionReader(f, j.read, mostJournal-j.read))
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1] // the last line may be under way
	events, err := parseEvents(j.events, b, name)
	if err != nil {
		return err
	}
	j.read, j.events = j.read+int64(len(b)), events // of which readers see the start
	j.tail = append(j.tail, b...)
	j.tail = slices.Clone(j.tail[max(0, len(j.tail)-tailBytes):])
	return nil
}

// Public returns the settings as the text of a run file that says nothing of where files are: paths are the
// names of files alone.
func (c Config) Public() ([]byte, error) {
	c.Backend, _, _ = strings.Cut(c.Backend, ":") // behind it is a library
	return public(&c, c.paths())
}

// Public is [Config.Public] of a run of tokens.
func (c TokenConfig) Public() ([]byte, error) {
	c.Backend, _, _ = strings.Cut(c.Backend, ":")
	return public(&c, c.paths())
}

func public(c any, paths map[string]*string) ([]byte, error) {
	for _, path := range paths {
		if *path != "" {
			*path = filepath.Base(filepath.ToSlash(*path))
		}
	}
	text, err := marshal(c)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return text, nil
}
