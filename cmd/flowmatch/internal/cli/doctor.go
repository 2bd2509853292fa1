package cli

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/cpu"

	"flowmatch/internal/diskcache"
	"flowmatch/internal/memory"
	"flowmatch/nn"
)

type doctorResult struct {
	versionResult
	Cores    int                `json:"cores"`
	Threads  int                `json:"threads"` // GOMAXPROCS
	Features []string           `json:"cpu_features"`
	Default  string             `json:"default_backend"`
	Backends []nn.BackendStatus `json:"backends"`
	Cache    cacheResult        `json:"cache"`
}

// cacheResult is the folder of copies of data that are read from disk.
type cacheResult struct {
	Dir     string `json:"dir"`
	Entries int    `json:"entries"`
	Bytes   int64  `json:"bytes"`
	Limit   int64  `json:"limit"`           // bytes
	Error   string `json:"error,omitempty"` // why there is none
}

func cacheStatus() cacheResult {
	c, err := diskcache.Open()
	if err != nil {
		return cacheResult{Dir: c.Dir, Limit: c.Limit, Error: err.Error()}
	}
	entries, bytes := c.Usage()
	return cacheResult{Dir: c.Dir, Entries: entries, Bytes: bytes, Limit: c.Limit}
}

func (c cacheResult) String() string {
	if c.Error != "" {
		return "none: " + c.Error
	}
	return fmt.Sprintf("%s: %d copies of data, %s of at most %s; remove the folder to empty it", c.Dir, c.Entries,
		memory.Size(float64(c.Bytes)), memory.Size(float64(c.Limit)))
}

func (d doctorResult) text(w io.Writer) {
	fmt.Fprintf(w, "flowmatch\t%s\n", d.Flowmatch)
	fmt.Fprintf(w, "Go\t%s %s\n", d.Go, d.Platform)
	fmt.Fprintf(w, "cores\t%d, of which %d are used\n", d.Cores, d.Threads)
	features := strings.Join(d.Features, " ")
	if features == "" {
		features = "none of those that matter here"
	}
	fmt.Fprintf(w, "CPU features\t%s\n", features)
	for _, b := range d.Backends {
		state := "not available"
		if b.Available {
			state = "available"
		}
		if b.Name == d.Default {
			state += ", the default"
		}
		fmt.Fprintf(w, "backend %s\t%s: %s\n", b.Name, state, b.Detail)
		if len(b.FallBack) > 0 {
			fmt.Fprintf(w, "\tuses the backend go for: %s\n", strings.Join(b.FallBack, ", "))
		}
	}
	fmt.Fprintf(w, "cache\t%v\n", d.Cache)
}

// cpuFeatures names the vector instructions that matter to an engine.
func cpuFeatures() []string {
	names := []string{}
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"avx", cpu.X86.HasAVX}, {"avx2", cpu.X86.HasAVX2}, {"fma", cpu.X86.HasFMA},
		{"avx512f", cpu.X86.HasAVX512F}, {"avx512vl", cpu.X86.HasAVX512VL}, {"avx512bf16", cpu.X86.HasAVX512BF16},
		{"asimd", cpu.ARM64.HasASIMD}, {"sve", cpu.ARM64.HasSVE}, {"sve2", cpu.ARM64.HasSVE2},
	} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Report the processor, the backends and the cache folder, and why a backend is not available",
		Example: "  flowmatch doctor\n  flowmatch doctor --json",
		Args:    arguments(),
		RunE: a.do(func(*cobra.Command, []string) (result, error) {
			return doctorResult{
				versionResult: thisVersion(),
				Cores:         runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), Features: cpuFeatures(),
				Default: nn.DefaultBackend, Backends: nn.Backends(),
				Cache: cacheStatus(),
			}, nil
		}),
	}
}
