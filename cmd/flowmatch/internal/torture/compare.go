package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// namesIn returns the files below a folder.
func namesIn(dir string) (names []string) {
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return []string{err.Error()}
	}
	return names
}

// differences returns in what the folders of two runs differ, but for time and memory.
func differences(want, got string) (out []string) {
	a, b := namesIn(want), namesIn(got)
	if !slices.Equal(a, b) {
		return []string{fmt.Sprintf("the folder holds %v, want %v", b, a)}
	}
	for _, name := range a {
		x, errX := content(filepath.Join(want, name))
		y, errY := content(filepath.Join(got, name))
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			out = append(out, fmt.Sprintf("%s differs (%v, %v)", name, errX, errY))
		}
	}
	return out
}

// content returns what a file holds, without what a clock or the memory says.
func content(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(file) {
	case ".jsonl":
		return lines(b)
	case ".json":
		return steady(b)
	case ".safetensors":
		return checkpoint(b)
	}
	return b, nil
}

// unsteady are the keys of what differs from run to run.
var unsteady = []string{"seconds", "examples_per_second", "peak_mib", "ms_per_step", "measure_seconds", "Seconds"}

// steady returns JSON without what is unsteady.
func steady(b []byte) ([]byte, error) {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, err
	}
	return json.Marshal(without(v))
}

// lines is steady of each line.
func lines(b []byte) (out []byte, err error) {
	for line := range bytes.Lines(b) {
		text, err := steady(line)
		if err != nil {
			return nil, err
		}
		out = append(append(out, text...), '\n')
	}
	return out, nil
}

// without removes what is unsteady, wherever it is.
func without(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			if slices.Contains(unsteady, k) || strings.Contains(k, "_by_second") || strings.HasPrefix(k, "seconds_") {
				delete(v, k)
				continue
			}
			v[k] = without(sub)
		}
	case []any:
		for i := range v {
			v[i] = without(v[i])
		}
	}
	return v
}

// checkpoint returns a safetensors file with its header steady, and in it the progress of the
// training.
func checkpoint(b []byte) ([]byte, error) {
	if len(b) < 8 || binary.LittleEndian.Uint64(b) > uint64(len(b)-8) {
		return nil, fmt.Errorf("%d bytes are no checkpoint", len(b))
	}
	size := binary.LittleEndian.Uint64(b)
	var header map[string]any
	if err := json.Unmarshal(b[8:8+size], &header); err != nil {
		return nil, err
	}
	meta, ok := header["__metadata__"].(map[string]any)
	if text, has := meta["train"].(string); ok && has {
		progress, err := steady([]byte(text))
		if err != nil {
			return nil, err
		}
		meta["train"] = string(progress)
	}
	text, err := json.Marshal(header)
	return append(text, b[8+size:]...), err
}
