package bench

import (
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"flowmatch/engine/native/machine"
	"flowmatch/internal/memory"
)

// Report is all that a run of the benchmark has measured.
type Report struct {
	Flowmatch   string            `json:"flowmatch"` // version, with the commit
	Go          string            `json:"go"`
	Platform    string            `json:"platform"`
	CPU         string            `json:"cpu"`
	Cores       int               `json:"cores"`
	Threads     int               `json:"threads"`              // GOMAXPROCS
	Load        float64           `json:"load"`                 // over the minute before: what else the machine did
	PeakFLOPS   float64           `json:"peak_flops,omitempty"` // that one core can do with the engine's instructions
	PeakAll     float64           `json:"peak_all,omitempty"`   // that all threads can do together
	Backend     string            `json:"backend"`
	Date        string            `json:"date"`
	Seconds     float64           `json:"seconds"` // that the run took
	Versions    map[string]string `json:"peers,omitempty"`
	Memory      Memory            `json:"memory"` // of this process
	Interrupted bool              `json:"interrupted,omitempty"`
	Note        string            `json:"note,omitempty"` // a sentence to stand with the figures, written by hand
	Results     []Result          `json:"results"`
}

// NewReport returns a report on this machine without results.
func NewReport(version string) Report {
	now, _ := memory.Process()
	return Report{
		Flowmatch: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		CPU: machine.Read().CPU.Name, Cores: runtime.NumCPU(), Threads: threads(), Load: load(),
		Memory: Memory{Start: now},
	}
}

// load returns the load average of the last minute where the system reports it.
func load() (l float64) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &l) // else it stays 0
	}
	return l
}

// Text writes the report as lines of cells ended by tabs, for a tabwriter.
func (r Report) Text(w io.Writer) {
	fmt.Fprint(w, "case\ttime\tNFE\tbest peer\t\tratio\tbackend\tthreads\trounds\n")
	for _, x := range r.Results {
		peer, seconds, ratio := "-", "", "-"
		if best, ok := x.best(); ok {
			peer, seconds, ratio = best.Variant, milliseconds(best.Seconds)+" ms", x.ratio()
		}
		fmt.Fprintf(w, "%s\t%s ms/%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n",
			x.Case, milliseconds(x.Seconds), x.Unit, count(x.NFE), peer, seconds, ratio, x.Backend, x.Threads, x.Rounds)
	}
	title := "\nmemory of\tprocess\tat its start\tat most\n"
	for _, x := range r.Results {
		for _, m := range x.Memory {
			fmt.Fprintf(w, "%s%s\t%s\t%s MiB\t%s MiB\n", title, x.Case, m.Who, mebibytes(m.Start), mebibytes(m.Peak))
			title = ""
		}
	}
	title = "\nnot measured\twhy\n"
	for _, x := range r.Results {
		for _, note := range x.Notes {
			fmt.Fprintf(w, "%s%s\t%s\n", title, x.Case, note)
			title = ""
		}
	}
}

// Line is a line of a picture of how cost grows.
type Line struct {
	Name    string
	At      []int
	Seconds []float64
}

// Axes returns the axes of the results of scaling.
func (r Report) Axes() []string {
	var out []string
	for _, x := range r.Results {
		if x.Point != nil && !slices.Contains(out, x.Point.Axis) {
			out = append(out, x.Point.Axis)
		}
	}
	return out
}

// Lines returns the results of scaling along an axis.
func (r Report) Lines(axis string) []Line {
	var out []Line
	for _, x := range r.Results {
		if x.Point == nil || x.Point.Axis != axis {
			continue
		}
		k := slices.IndexFunc(out, func(l Line) bool { return l.Name == x.Point.Line })
		if k < 0 {
			k, out = len(out), append(out, Line{Name: x.Point.Line})
		}
		out[k].At, out[k].Seconds = append(out[k].At, x.Point.At), append(out[k].Seconds, x.Seconds)
	}
	return out
}

// Multiple is how many times as long as flowmatch a library takes, by its fastest variant.
type Multiple struct {
	Library string // such as torch
	Times   float64
}

// Multiples are those of the libraries that do a case.
type Multiples struct {
	Case string
	Of   []Multiple
}

// Beside returns the times of other libraries in those of flowmatch, of each case that they do.
func (r Report) Beside() (out []Multiples) {
	for _, x := range r.Results {
		m := Multiples{Case: x.Case}
		for _, t := range x.Peers {
			library := t.Variant[:len(t.Variant)-len(strings.TrimLeftFunc(t.Variant, isLibrary))]
			k := slices.IndexFunc(m.Of, func(m Multiple) bool { return m.Library == library })
			if k < 0 {
				k, m.Of = len(m.Of), append(m.Of, Multiple{library, math.Inf(1)})
			}
			m.Of[k].Times = min(m.Of[k].Times, t.Seconds/x.Seconds)
		}
		if len(m.Of) > 0 {
			out = append(out, m)
		}
	}
	return out
}

// isLibrary says whether a letter belongs to the name of a library: what follows, as in
// torch.compile and torch fused, is how it was used.
func isLibrary(r rune) bool { return r != ' ' && r != '.' }

// milliseconds writes a time with three digits.
func milliseconds(seconds float64) string {
	ms := 1e3 * seconds
	switch {
	case ms >= 100:
		return strconv.FormatFloat(ms, 'f', 0, 64)
	case ms >= 10:
		return strconv.FormatFloat(ms, 'f', 1, 64)
	case ms >= 1:
		return strconv.FormatFloat(ms, 'f', 2, 64)
	}
	return strconv.FormatFloat(ms, 'f', 3, 64)
}

func mebibytes(n int64) string {
	if n == 0 {
		return "?"
	}
	return strconv.FormatInt((n+1<<19)>>20, 10)
}

func count(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// versions lists the libraries of the peers.
func (r Report) versions() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		out = append(out, name+" "+r.Versions[name])
	}
	return strings.Join(out, ", ")
}
