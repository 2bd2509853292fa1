package run

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
)

// ErrForeign is returned where a run's folder that was not made here names a path outside of
// it, or a library to load: neither is followed unless it is given by who opens the run.
var ErrForeign = errors.New("run: the run was not made here, so paths out of its folder are not followed")

// keyLength is how many bytes the user's key has.
const keyLength = 32

// located is what a run file of any kind says of files and libraries.
type located interface {
	paths() map[string]*string
	engine() string
}

func (c *Config) engine() string { return c.Backend }

// readLocated reads the run.yaml of a folder, whatever it is of.
func readLocated(dir string) (located, error) {
	if IsTokens(dir) {
		c, err := readTokenConfig(dir)
		return &c, err
	}
	c, err := readRunConfig(dir)
	return &c, err
}

// checkForeign reports a path of cfg, the run.yaml of dir with what was given beside it, that
// must not be followed: one outside of dir whose key is not given, unless the folder was
// made here. library is whether the library of a backend is meant, rather than the paths.
func checkForeign(cfg located, dir string, given []string, library bool) error {
	out := outside(cfg, dir)
	for _, key := range slices.Sorted(maps.Keys(out)) {
		if slices.Contains(given, key) || (key == "backend") != library {
			continue
		}
		if madeHere(dir) {
			return nil
		}
		return fmt.Errorf("%w: %s is %s in %s; if you trust it, give %s yourself", ErrForeign, key,
			choice.Quote(out[key]), filepath.Join(dir, ConfigFile), key)
	}
	return nil
}

// named returns the keys of the paths that c names as other settings do.
func (c *Config) named(known *Config) (keys []string) {
	if known == nil {
		return nil
	}
	paths := known.paths()
	for key, path := range c.paths() {
		if *path != "" && *path == *paths[key] {
			keys = append(keys, key)
		}
	}
	return keys
}

// madeHere says whether what the run.yaml of a folder names outside of it was written there
// with the key of this user.
func madeHere(dir string) bool {
	cfg, err := readLocated(dir)
	if err != nil {
		return false
	}
	text, err := atomicfile.Read(filepath.Join(dir, versionsFile))
	if err != nil {
		return false
	}
	var v versions
	if err := json.Unmarshal(text, &v); err != nil {
		return false
	}
	seal, err := sealOf(outside(cfg, dir), false)
	return err == nil && seal != "" && hmac.Equal([]byte(seal), []byte(v.Paths))
}

// outside returns the settings that name a file outside of a folder, or a library.
func outside(c located, dir string) map[string]string {
	out := map[string]string{}
	for key, path := range c.paths() {
		if *path != "" && !within(dir, *path) {
			out[key] = *path
		}
	}
	if _, library, ok := strings.Cut(c.engine(), ":"); ok && strings.ContainsAny(library, `/\.`) {
		out["backend"] = c.engine()
	}
	return out
}

// within says whether a path, or all that it matches as a pattern, lies in a folder with all
// that is below it, wherever links lead.
func within(dir, path string) bool {
	if slices.Contains(strings.Split(filepath.ToSlash(path), "/"), "..") {
		return false // which behind a link is not where it seems
	}
	if !inside(dir, path) {
		return false
	}
	for !exists(path) && path != filepath.Dir(path) { // a pattern: all below what is no part of it
		path = filepath.Dir(path)
	}
	return keepsInside(dir, path, map[string]bool{})
}

// inside says whether a path is in a folder, wherever links of either lead.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(real(dir), real(path))
	return err == nil && filepath.IsLocal(rel)
}

// keepsInside says whether no link below a path leads out of a folder. What was seen before is
// passed over.
func keepsInside(dir, path string, seen map[string]bool) bool {
	path = real(path)
	if seen[path] {
		return true
	}
	seen[path] = true
	err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Type().IsRegular() {
			return nil // what cannot be read here cannot be read as data
		}
		if !inside(dir, file) || !keepsInside(dir, file, seen) {
			return fs.ErrPermission
		}
		return nil
	})
	return err == nil
}

// real returns a path without links, as far as it is there.
func real(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	if dir := filepath.Dir(path); dir != path {
		return filepath.Join(real(dir), filepath.Base(path))
	}
	return path
}

// sealOf signs what a run names outside of its folder with the key of the user; "" where
// that is nothing.
func sealOf(out map[string]string, create bool) (string, error) {
	if len(out) == 0 {
		return "", nil
	}
	key, err := userKey(create)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(out) // keys in order
	if err != nil {
		return "", fmt.Errorf("run: %w", err)
	}
	h := hmac.New(sha256.New, key)
	h.Write(text) // never fails
	return hex.EncodeToString(h.Sum(nil)), nil
}

// unsealed returns what will not be followed in the folder of a training, and why, where it
// cannot be sealed.
func (s *session) unsealed() (keys []string, why error) {
	return unsealed(&s.cfg, s.dir)
}

func unsealed(c located, dir string) (keys []string, why error) {
	out := outside(c, dir)
	if _, err := sealOf(out, true); err != nil {
		return slices.Sorted(maps.Keys(out)), named{err}
	}
	return nil, nil
}

// userKey returns the key of this user on this machine.
func userKey(create bool) ([]byte, error) {
	folder, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	file := filepath.Join(folder, "flowmatch", "key")
	key, err := os.ReadFile(file)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return nil, fmt.Errorf("run: %w", err)
		}
		key, err = os.ReadFile(file)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("run: %w", err)
	case len(key) != keyLength:
		return nil, fmt.Errorf("run: %s has %d bytes; a key has %d: remove it", file, len(key), keyLength)
	}
	return key, nil
}

// makeKey makes a key that only the user can read. The first of two that make it at once wins.
func makeKey(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(file), "key")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	key := make([]byte, keyLength)
	_, err = rand.Read(key)
	if err == nil {
		_, err = temp.Write(key)
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return os.Rename(temp.Name(), file) // where there are no hard links
	}
	return nil
}
