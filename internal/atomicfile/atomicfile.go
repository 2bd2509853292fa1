// Package atomicfile replaces a file whole or not at all.
//
// There are only a few types: none of its own. [WriteFile] is the one verb: it
// hands the caller a writer, and the file appears under its name only once
// everything was written and reached the disk. [Check] and [Fits] tell beforehand whether it could.
//
// # Caveats
//
// Two writers of one path do not corrupt it, but the later one wins. A process
// killed in the middle leaves a hidden file .NAME.tmp-RANDOM beside the old
// one: the next process that writes there removes it, or calls [Sweep], but for file systems
// without locks. The lines are
// our own because the usual library for this, google/renameio, does not build on
// Windows.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// bufferSize is large enough that an encoder's small writes cost no system call each.
const bufferSize = 1 << 16

// WriteFile creates or replaces the file at path with what write writes.
//
// The content goes to a temporary file in the same directory (so that renaming
// it stays within one file system), is flushed to disk, and is then renamed over
// path. When write or any step fails, the file at path keeps its old content,
// the temporary file is removed, and the error is returned; an error of write
// stays visible to errors.Is and errors.As. A panic in write cleans up as well.
//
// The writer is buffered and valid only during the call. A replaced file keeps
// its permissions, a new one has 0666 less the umask. A symbolic link is kept:
// the file it points to is replaced. What exists but is no regular file (a pipe,
// a terminal, /dev/null) is written to directly, for there is nothing to keep.
func WriteFile(path string, write func(w io.Writer) error) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return replace(path, 0, write)
	case err != nil:
		return fmt.Errorf("atomicfile: %w", err)
	case info.IsDir():
		return fmt.Errorf("atomicfile: %s is a directory; name a file in it", path)
	case !info.Mode().IsRegular():
		return through(path, write)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	return replace(target, info.Mode().Perm(), write)
}

// replace writes a temporary file beside path and renames it over path.
// perm 0 leaves the permissions to the umask.
func replace(path string, perm fs.FileMode, write func(w io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	sweepOnce(dir)
	f, err := createTemp(path)
	if err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	temp := f.Name()
	writing.Store(temp, true)
	done := false
	defer func() {
		writing.Delete(temp)
		if !done { // an error, or a panic of write passing through
			f.Close()
			os.Remove(temp)
		}
	}()
	if perm != 0 {
		if err := f.Chmod(perm); err != nil {
			return fmt.Errorf("atomicfile: %s: %w", path, err)
		}
	}
	was := "is not written"
	if perm != 0 {
		was = "is left as it was"
	}
	if err := fill(f, write); err != nil {
		return fmt.Errorf("atomicfile: %s %s: %w", path, was, err)
	}
	// Without Sync a crash soon after the rename may leave an empty file.
	if err := f.Sync(); err != nil {
		return fmt.Errorf("atomicfile: %s %s: %w", path, was, err)
	}
	if err := rename(f, path); err != nil {
		return fmt.Errorf("atomicfile: %s %s: %w", path, was, err)
	}
	done = true
	syncDir(dir)
	return nil
}

// through writes to what is there, a pipe or a device.
func through(path string, write func(w io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	err = fill(f, write)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("atomicfile: %s: %w", path, err)
	}
	return nil
}

// fill runs write on a buffer over w and flushes it.
func fill(w io.Writer, write func(w io.Writer) error) error {
	b := bufio.NewWriterSize(w, bufferSize)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}

// syncDir makes the rename itself durable. It is a best effort: the content is
// safe either way, and some systems (Windows) refuse to sync a directory.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // best effort, see above
		d.Close()
	}
}

// WriteBytes is WriteFile of content that is there already.
func WriteBytes(path string, content []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Check reports why WriteFile could not write path: its name is too long, or its folder takes
// no new files. It leaves nothing behind.
func Check(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return nil // written to directly, or refused by WriteFile
	case err == nil:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return fmt.Errorf("atomicfile: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("atomicfile: %w", err)
	}
	f, err := createTemp(path)
	if err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	return nil
}
