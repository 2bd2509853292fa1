package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Slug names the machine of a report in the name of a file: processor, cores and platform.
func (r Report) Slug() string {
	var b strings.Builder
	for _, c := range strings.ToLower(fmt.Sprintf("%s %d cores %s", r.CPU, r.Cores, r.Platform)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		} else if s := b.String(); s != "" && !strings.HasSuffix(s, "-") {
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}

// Reports reads the reports of a folder, by the names of the files; a folder that is not there has none.
func Reports(dir string) (out []Report, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		var r Report
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, fmt.Errorf("bench: %s is no report: %w", file, err)
		}
		if want := r.Slug() + ".json"; filepath.Base(file) != want {
			return nil, fmt.Errorf("bench: %s is the report of another machine; its name would be %s", file, want)
		}
		out = append(out, r)
	}
	return out, nil
}
