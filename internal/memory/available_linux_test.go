package memory

import (
	"os"
	"path/filepath"
	"testing"
)

// tree writes files under a folder of its own.
func tree(t *testing.T, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheTightestControlGroupCounts(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64 // -1: no limit
	}{
		"version 2": {map[string]string{"self": "0::/a/b\n", "a/b/memory.max": "max\n", "a/memory.max": "1000\n",
			"a/memory.current": "700\n", "a/memory.stat": "anon 3\ninactive_file 200\n"}, 500},
		"version 2, at the top of a container": {map[string]string{"self": "0::/docker/xyz\n", "memory.max": "1000\n",
			"memory.current": "100\n"}, 900},
		"version 1": {map[string]string{"self": "5:cpu:/\n4:memory:/x\n", "memory/x/memory.limit_in_bytes": "4000\n",
			"memory/x/memory.usage_in_bytes": "3000",
			"memory/x/memory.stat":           "inactive_file 9\ntotal_inactive_file 500\n"}, 1500},
		"version 1, without a limit": {map[string]string{"self": "4:memory:/\n",
			"memory/memory.limit_in_bytes": "9223372036854771712\n"}, -1},
		"more used than allowed": {map[string]string{"self": "0::/\n", "memory.max": "10\n",
			"memory.current": "70\n"}, 0},
		"none": {map[string]string{"self": ""}, -1},
	} {
		dir := tree(t, c.files)
		got := int64(-1)
		for _, g := range groups(filepath.Join(dir, "self"), dir) {
			if left, ok := g.left(); ok && (got < 0 || left < got) {
				got = left
			}
		}
		if got != c.want {
			t.Errorf("%s: %d bytes left, want %d", name, got, c.want)
		}
	}
}
