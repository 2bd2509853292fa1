package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// EnvVar names the environment variable that forces sizes, such as "tile=2M,rows=256". Those that it
// leaves out stay as they are.
const EnvVar = "FLOWMATCH_SIZES"

// Sizes are by how much the engine goes through tensors at a time. No result depends on them: they
// say what is in cache when it is read again.
type Sizes struct {
	Tile    int `json:"tile"`    // bytes that the tensors of a tile of rows may take
	Rows    int `json:"rows"`    // least rows of a tile for which a product is worth reading its weights
	Strip   int `json:"strip"`   // floats of a strip of element-wise work
	Block   int `json:"block"`   // rows of a product's left side that are packed together
	Columns int `json:"columns"` // columns of its right side that are
	Pixels  int `json:"pixels"`  // floats of the rows of an image that a convolution goes through together
}

// size is a field of Sizes: its key, its bounds, and what it must be a multiple of.
type size struct {
	key         string
	at          func(*Sizes) *int
	least, most int
	multiple    int
	bytes       bool
}

var sizes = []size{
	{"tile", func(s *Sizes) *int { return &s.Tile }, 64 << 10, 1 << 30, 64, true},
	{"rows", func(s *Sizes) *int { return &s.Rows }, 16, 1 << 16, 16, false},
	{"strip", func(s *Sizes) *int { return &s.Strip }, 256, 1 << 16, 16, false},
	{"block", func(s *Sizes) *int { return &s.Block }, 28, 1 << 16, 1, false},
	{"columns", func(s *Sizes) *int { return &s.Columns }, 64, 1 << 16, 64, false},
	{"pixels", func(s *Sizes) *int { return &s.Pixels }, 1 << 10, 1 << 28, 1, false},
}

// String is the form that [EnvVar] has.
func (s Sizes) String() string {
	var out []string
	for _, f := range sizes {
		out = append(out, f.key+"="+f.text(*f.at(&s)))
	}
	return strings.Join(out, ",")
}

func (f size) text(n int) string {
	if f.bytes && n%1024 == 0 {
		return strconv.Itoa(n/1024) + "K"
	}
	return strconv.Itoa(n)
}

// Valid reports a size that is out of bounds.
func (s Sizes) Valid() error {
	for _, f := range sizes {
		if n := *f.at(&s); n < f.least || n > f.most || n%f.multiple != 0 {
			return fmt.Errorf("machine: %s=%s; want %s", f.key, f.text(n), f.want())
		}
	}
	return nil
}

// want says what a size may be.
func (f size) want() string {
	text := fmt.Sprintf("a whole number from %s to %s", f.text(f.least), f.text(f.most))
	if f.multiple > 1 {
		text += fmt.Sprintf(", a multiple of %d", f.multiple)
	}
	if f.bytes {
		text += " (bytes, or with K or M)"
	}
	return text
}

// With returns s with the sizes that text sets.
func (s Sizes) With(text string) (Sizes, error) {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		f := find(key)
		switch {
		case !ok || f == nil:
			return s, fmt.Errorf("machine: %q; want sizes such as %q, of %s", part, s.String(), keys())
		case seen[key]:
			return s, fmt.Errorf("machine: %s is there twice in %q", key, text)
		}
		seen[key] = true
		n, err := f.parse(value)
		if err != nil {
			return s, err
		}
		*f.at(&s) = n
	}
	return s, s.Valid()
}

func find(key string) *size {
	for i := range sizes {
		if sizes[i].key == key {
			return &sizes[i]
		}
	}
	return nil
}

func keys() string {
	var out []string
	for _, f := range sizes {
		out = append(out, f.key)
	}
	return strings.Join(out, ", ")
}

// parse reads a number; one of bytes may end in K or M.
func (f *size) parse(text string) (int, error) {
	digits, unit := text, 1
	if f.bytes {
		if d, ok := strings.CutSuffix(text, "K"); ok {
			digits, unit = d, 1<<10
		} else if d, ok := strings.CutSuffix(text, "M"); ok {
			digits, unit = d, 1<<20
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > f.most/unit {
		return 0, fmt.Errorf("machine: %s=%q; want %s", f.key, text, f.want())
	}
	return n * unit, nil
}

// Forced returns s with what the environment sets, and whether it sets anything.
func (s Sizes) Forced() (Sizes, bool, error) {
	text := os.Getenv(EnvVar)
	if text == "" {
		return s, false, nil
	}
	f, err := s.With(text)
	if err != nil {
		return s, true, fmt.Errorf("%s=%q: %w", EnvVar, text, err)
	}
	return f, true, nil
}
