// Package diskcache keeps files that took long to make in the user's cache folder, within a size.
//
// An entry is all files of one name but for their endings. The entries that were not used for longest make
// room for a new one. Whatever is kept can be made again: anybody may empty the folder of the entries at any time.
// No other file is counted or removed.
package diskcache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
)

// DirVar names the environment variable with the folder, and SizeVar that with the bytes that it may hold, such
// as 20GB.
const (
	DirVar  = "FLOWMATCH_CACHE"
	SizeVar = "FLOWMATCH_CACHE_SIZE"
)

// defaultLimit is what the folder may hold where SizeVar says nothing.
const defaultLimit = 50e9

// ErrNoRoom is returned for an entry that is larger than the folder may be.
var ErrNoRoom = errors.New("more than the cache may hold")

// Cache is a folder of entries. The zero value is none.
type Cache struct {
	Dir   string // the folder that the user names; entries are in one below it, for it may hold files of others
	Limit int64  // bytes
}

// Folder returns the folder of the entries, which are all that is in it.
func (c Cache) Folder() string { return filepath.Join(c.Dir, "copies") }

// Open returns the cache that the environment names, or flowmatch in the user's cache folder. It makes no folder.
func Open() (Cache, error) {
	c := Cache{Dir: os.Getenv(DirVar), Limit: defaultLimit}
	if c.Dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return c, fmt.Errorf("there is no cache folder (%w); name one in %s", err, DirVar)
		}
		c.Dir = filepath.Join(user, "flowmatch")
	}
	if text := os.Getenv(SizeVar); text != "" {
		limit, err := size(text)
		if err != nil {
			return c, fmt.Errorf("%s: %w", SizeVar, err)
		}
		c.Limit = limit
	}
	return c, nil
}

// size reads a number of bytes such as 20GB or 500 MB.
func size(text string) (int64, error) {
	number, unit := strings.TrimSpace(text), 1.0
	for name, bytes := range map[string]float64{"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12} {
		if rest, ok := strings.CutSuffix(strings.ToLower(number), strings.ToLower(name)); ok {
			number, unit = strings.TrimSpace(rest), bytes
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0 && v*unit <= 1<<60) {
		return 0, fmt.Errorf("%s is no size; want one such as 20GB or 500MB", choice.Quote(text))
	}
	return int64(v * unit), nil
}

// Path returns where a file of the cache is.
func (c Cache) Path(name string) string { return filepath.Join(c.Folder(), name) }

// Write makes a file of an entry, whole or not at all. need is how many bytes it is expected to have; older
// entries make room for it. A file that grows beyond what the cache may hold is [ErrNoRoom].
func (c Cache) Write(name string, need int64, write func(io.Writer) error) error {
	if need > c.Limit {
		return c.tooLarge(need)
	}
	if err := os.MkdirAll(c.Folder(), 0o777); err != nil {
		return c.failed(err)
	}
	c.evict(name, need)
	if err := atomicfile.Fits(c.Path(name), float64(need)); err != nil {
		return c.failed(err)
	}
	w, own := &limited{left: c.Limit}, error(nil)
	err := atomicfile.WriteFile(c.Path(name), func(out io.Writer) error {
		w.w = out
		own = write(w)
		return own
	})
	switch {
	case errors.Is(w.err, ErrNoRoom):
		return c.tooLarge(c.Limit + 1)
	case w.err != nil:
		return c.failed(w.err)
	case own != nil:
		return own
	case err != nil:
		return c.failed(err)
	}
	c.evict(name, 0)
	return nil
}

// tooLarge is the error of an entry of so many bytes.
func (c Cache) tooLarge(bytes int64) error {
	what := memory.Size(float64(bytes))
	if bytes > c.Limit {
		what = "over " + memory.Size(float64(c.Limit))
	}
	return fmt.Errorf("%w: it needs %s in %s; set %s higher", ErrNoRoom, what, c.Dir, SizeVar)
}

// failed is the error of a file that could not be written.
func (c Cache) failed(err error) error {
	return fmt.Errorf("the cache folder %s: %w; make room, or name a folder on another disk in %s", c.Dir, err, DirVar)
}

// limited is a writer that fails beyond a size, and keeps the error of the one below it.
type limited struct {
	w    io.Writer
	left int64
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= int64(len(b)); l.left < 0 {
		l.err = ErrNoRoom
		return 0, l.err
	}
	n, err := l.w.Write(b)
	if err != nil {
		l.err = err
	}
	return n, err
}

// Used marks an entry as used now.
func (c Cache) Used(name string) {
	now := time.Now()
	_ = os.Chtimes(c.Path(name), now, now) // a folder that is only read keeps its order
}

// entry is the files of one name.
type entry struct {
	name  string
	files []string
	bytes int64
	used  time.Time
}

// entries returns those of the folder; none where there is no folder.
func (c Cache) entries() (all []entry) {
	files, err := os.ReadDir(c.Folder())
	if err != nil {
		return nil
	}
	at := map[string]int{}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		name := stem(f.Name())
		i, there := at[name]
		if !there {
			i = len(all)
			at[name], all = i, append(all, entry{name: name})
		}
		e := &all[i]
		e.files, e.bytes = append(e.files, f.Name()), e.bytes+info.Size()
		if info.ModTime().After(e.used) {
			e.used = info.ModTime()
		}
	}
	return all
}

// stem is the name of the entry of a file.
func stem(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// evict removes entries, those not used for longest first, until so many bytes more fit; never that of a file.
func (c Cache) evict(file string, need int64) {
	all, sum := c.entries(), need
	for _, e := range all {
		sum += e.bytes
	}
	slices.SortFunc(all, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range all {
		if sum <= c.Limit {
			return
		}
		if e.name == stem(file) {
			continue
		}
		for _, f := range e.files {
			_ = os.Remove(c.Path(f)) // one in use stays on Windows
		}
		sum -= e.bytes
	}
}

// Usage returns how many entries the cache has, and their bytes.
func (c Cache) Usage() (entries int, bytes int64) {
	all := c.entries()
	for _, e := range all {
		bytes += e.bytes
	}
	return len(all), bytes
}
