package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"time"
	"unicode/utf8"

	"flowmatch/internal/filelock"
)

// longestBase is up to how many bytes of a name stand in that of its temporary file, for
// which file systems have room for 255.
const longestBase = 200

// temporary is what the name of a temporary file looks like.
var temporary = regexp.MustCompile(`^\..*\.tmp-[0-9a-f]{16}$`)

// createTemp makes a temporary file beside path, and holds its lock: nobody sweeps it. The
// permissions are left to the umask; os.CreateTemp would force 0600.
func createTemp(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	if len(base) > longestBase {
		end := longestBase
		for end > longestBase-utf8.UTFMax && !utf8.RuneStart(base[end]) {
			end--
		}
		base = base[:end]
	}
	for {
		temp := filepath.Join(dir, fmt.Sprintf(".%s.tmp-%016x", base, rand.Uint64()))
		f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// It is not locked where a sweep looked at it before this line, and removes it.
		state, err := try(f)
		if err == nil && state != filelock.Held && filelock.Is(f, temp) {
			return f, nil
		}
		f.Close()
		os.Remove(temp)
		if err != nil {
			return nil, err
		}
	}
}

// rename closes a temporary file and gives it its name, if that may be under the lock,
// which closing it gives back. Windows renames no file that is open: there its age tells a
// sweep that it is in use; see fresh.
func rename(f *os.File, path string) error {
	if runtime.GOOS == "windows" {
		now := time.Now() // for flushing it may have taken long
		if err := os.Chtimes(f.Name(), now, now); err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Rename(f.Name(), path))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return f.Close()
}

// Sweep removes the temporary files that killed processes left in dir. What it cannot
// remove, as in a folder that is only read, stays, and so does all where there are no locks:
// another process may be writing it.
func Sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Type().IsRegular() && temporary.MatchString(e.Name()) {
			sweep(filepath.Join(dir, e.Name()))
		}
	}
}

// sweep removes a temporary file that no process writes.
func sweep(temp string) {
	f, err := os.OpenFile(temp, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if state, err := try(f); err != nil || state != filelock.Taken {
		return
	}
	if runtime.GOOS == "windows" { // which removes no file that is open
		if fresh(f) {
			return
		}
		f.Close()
	}
	os.Remove(temp)
}

// fresh says whether a file may be one that has been closed, and is about to get its name.
func fresh(f *os.File) bool {
	info, err := f.Stat()
	return err != nil || time.Since(info.ModTime()) < time.Minute
}

// try is [filelock.Try]; tests have it say that there are no locks.
var try = filelock.Try

// writing are the temporary files that this process writes.
var writing sync.Map

// Abandon removes the temporary files that this process is writing: for one that ends without waiting
// for its writers, whose files keep their old content.
func Abandon() {
	writing.Range(func(temp, _ any) bool {
		os.Remove(temp.(string))
		return true
	})
}

// swept are the folders that this process has swept.
var swept sync.Map

// sweepOnce sweeps a folder that this process writes to for the first time.
func sweepOnce(dir string) {
	if abs, err := filepath.Abs(dir); err == nil {
		if _, before := swept.LoadOrStore(abs, true); !before {
			Sweep(dir)
		}
	}
}
