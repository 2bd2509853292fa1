package machine

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"flowmatch/internal/atomicfile"
)

// Tuned is what a measurement has found for a CPU and a version of the program.
type Tuned struct {
	CPU     string `json:"cpu"`
	Version string `json:"version"`
	Threads int    `json:"threads"`
	Date    string `json:"date"`
	Sizes   Sizes  `json:"sizes"`
}

// Choice is the sizes in use, and why.
type Choice struct {
	Sizes Sizes  `json:"sizes"`
	From  string `json:"from"` // [FromModel], [FromTuning], [FromEnvironment] or [FromOptions]
	File  string `json:"file"` // of the measurement in use; "" if none is
	Note  string `json:"note"` // why a file that is there is not in use; "" if none is there
}

// Where a choice comes from.
const (
	FromModel       = "machine"
	FromTuning      = "measurement"
	FromEnvironment = "environment"
	FromOptions     = "options"
)

// Version is that of the program, as its build says: module, version and commit.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Path + " " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			version += " " + s.Value
		}
	}
	return version
}

// File is where the measurement of a CPU is kept.
func File(cpu string) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("machine: there is no folder for caches: %w", err)
	}
	sum := sha256.Sum256([]byte(cpu))
	return filepath.Join(dir, "flowmatch", fmt.Sprintf("sizes-%x.json", sum[:6])), nil
}

// maxFile is more than a file of a measurement has.
const maxFile = 1 << 16

// Load reads a measurement. Where it is not one of this CPU, version and number of threads, or damaged,
// the error says so; without a file it is fs.ErrNotExist.
func Load(file, cpu, version string, threads int) (t Tuned, err error) {
	f, err := atomicfile.Open(file)
	if err != nil {
		return t, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("%s is damaged: %w", file, err)
	}
	if err := t.Sizes.Valid(); err != nil {
		return t, fmt.Errorf("%s is damaged: %w", file, err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"CPU", t.CPU, cpu}, {"version", t.Version, version}, {"threads", fmt.Sprint(t.Threads), fmt.Sprint(threads)},
	} {
		if c.got != c.want {
			return t, fmt.Errorf("%s is of another %s: %q, and this is %q", file, c.what, c.got, c.want)
		}
	}
	return t, nil
}

// Save keeps a measurement in the file of its CPU, whole or not at all, and returns its name.
func (t Tuned) Save() (file string, err error) {
	if file, err = File(t.CPU); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return "", err
	}
	return file, atomicfile.WriteFile(file, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(t)
	})
}

// Decide returns the sizes to use: those that the environment forces, else those that a measurement has
// found, else those that suit the machine. The only error is that of the environment.
func Decide(m Model, threads int) (Choice, error) {
	c := Choice{Sizes: Choose(m, threads), From: FromModel}
	if file, err := File(m.CPU.Name); err == nil {
		switch t, err := Load(file, m.CPU.Name, Version(), threads); {
		case err == nil:
			c.Sizes, c.From, c.File = t.Sizes, FromTuning, file
		case !errors.Is(err, fs.ErrNotExist):
			c.Note = err.Error()
		}
	}
	s, forced, err := c.Sizes.Forced()
	if err != nil {
		return c, err
	}
	if forced {
		c.Sizes, c.From = s, FromEnvironment
	}
	return c, nil
}
