package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/cpu"

	"flowmatch/bench"
	"flowmatch/engine/native/machine"
	"flowmatch/internal/diskcache"
	"flowmatch/internal/memory"
	"flowmatch/nn"
)

type doctorResult struct {
	versionResult
	Cores    int                `json:"cores"`
	Threads  int                `json:"threads"` // GOMAXPROCS
	Features []string           `json:"cpu_features"`
	NoTiles  string             `json:"tiles_error,omitempty"` // why tiles that the CPU has (AMX) are not used
	Default  string             `json:"default_backend"`
	Backends []nn.BackendStatus `json:"backends"`
	Machine  machine.Model      `json:"machine"`
	Sizes    *machine.Choice    `json:"sizes,omitempty"`       // nil where what forces them is wrong
	Wrong    string             `json:"sizes_error,omitempty"` // which this says
	Tuning   *bench.Tuning      `json:"tuning,omitempty"`      // what --tune has measured
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
		return cacheResult{Dir: c.Folder(), Limit: c.Limit, Error: err.Error()}
	}
	entries, bytes := c.Usage()
	return cacheResult{Dir: c.Folder(), Entries: entries, Bytes: bytes, Limit: c.Limit}
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
	if d.NoTiles != "" {
		fmt.Fprintf(w, "AMX\tnot used: %s\n", d.NoTiles)
	}
	m := d.Machine
	fmt.Fprintf(w, "CPU\t%s (%s)\n", m.CPU.Name, m.CPU.Source)
	fmt.Fprintf(w, "physical cores\t%d (%s), threads of each: %d (%s)\n", m.Core.N, m.Core.Source, m.SMT.N,
		m.SMT.Source)
	fmt.Fprintf(w, "L1 cache of data\t%v\nL2 cache\t%v\nL3 cache\t%v\n", m.L1, m.L2, m.L3)
	if d.Sizes != nil {
		fmt.Fprintf(w, "sizes\t%v\n\t%s\n", d.Sizes.Sizes, sizesFrom(*d.Sizes))
		if d.Sizes.Note != "" {
			fmt.Fprintf(w, "\tnot used: %s\n", d.Sizes.Note)
		}
	}
	if d.Wrong != "" {
		fmt.Fprintf(w, "sizes\tnone: %s\n", d.Wrong)
	}
	if d.Tuning != nil {
		d.tuning(w)
	}
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

// sizesFrom says where sizes come from.
func sizesFrom(c machine.Choice) string {
	switch c.From {
	case machine.FromEnvironment:
		return "forced by " + machine.EnvVar
	case machine.FromTuning:
		return "measured by flowmatch doctor --tune, in " + c.File
	}
	return "chosen for these caches"
}

// tuning writes what was tried, each the median of its time over that of what it was to replace.
func (d doctorResult) tuning(w io.Writer) {
	title := "\ntried\ttime in that of the sizes before, median and quartiles\n"
	for _, t := range d.Tuning.Trials {
		taken := ""
		if t.Taken {
			taken = ", taken"
		}
		fmt.Fprintf(w, "%s%v%s\n", title, t.Sizes, taken)
		for _, c := range t.Cases {
			fmt.Fprintf(w, "  %s\t%.3f [%.3f, %.3f], %d rounds\n", c.Case, c.Ratio.Median, c.Ratio.Low, c.Ratio.High,
				c.Rounds)
		}
		title = ""
	}
	fmt.Fprintln(w)
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
		{"amxtile", cpu.X86.HasAMXTile}, {"amxbf16", cpu.X86.HasAMXBF16},
		{"asimd", cpu.ARM64.HasASIMD}, {"sve", cpu.ARM64.HasSVE}, {"sve2", cpu.ARM64.HasSVE2},
	} {
		if f.has {
			names = append(names, f.name)
		}
	}
	return names
}

func (a *app) doctorCommand() *cobra.Command {
	tune := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Report the processor, caches, backends and cache folder, and why a backend is not available",
		Long: `Report the processor, its caches, the sizes by which the native engine goes through
tensors here, the backends, with the reason why one is not available, and the folder for
copies of data that are read from disk.

The sizes follow the caches. FLOWMATCH_SIZES=tile=4M,rows=256 forces some of them. No
result depends on them: samples, losses and weights have the same bits.

With --tune, other sizes are tried on training steps for under a minute, in turns with
those in use. Sizes that are clearly faster are kept in the user's folder for caches, for
this processor, number of threads and version of the program, and are used from then on.
Ctrl-C stops without keeping anything.`,
		Example: "  flowmatch doctor\n  flowmatch doctor --json\n  flowmatch doctor --tune",
		Args:    arguments(),
		RunE: a.do(func(cmd *cobra.Command, _ []string) (result, error) {
			var tuning *bench.Tuning
			if tune {
				found, err := a.tune(cmd.Context())
				if err != nil {
					return nil, err
				}
				tuning = &found
			}
			return a.doctor(tuning), nil
		}),
	}
	cmd.Flags().BoolVar(&tune, "tune", false, "try other sizes for under a minute, and keep what is clearly faster")
	return cmd
}

// doctor reports; after a tuning the sizes are those that it has found.
func (a *app) doctor(tuning *bench.Tuning) doctorResult {
	d := doctorResult{
		versionResult: thisVersion(),
		Cores:         runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), Features: cpuFeatures(),
		Default: nn.DefaultBackend, Backends: nn.Backends(), Machine: machine.Read(), Tuning: tuning,
		Cache: cacheStatus(),
	}
	if why := machine.Tiles(); why != nil && cpu.X86.HasAMXBF16 {
		d.NoTiles = why.Error()
	}
	if c, err := machine.Decide(d.Machine, d.Threads); err != nil {
		d.Wrong = err.Error()
	} else {
		d.Sizes = &c
	}
	return d
}

// tune finds sizes and keeps them.
func (a *app) tune(ctx context.Context) (t bench.Tuning, err error) {
	if text := os.Getenv(machine.EnvVar); text != "" {
		return t, usagef("--tune has no effect beside %s=%s, which forces sizes; unset it", machine.EnvVar, text)
	}
	m, threads, start := machine.Read(), runtime.GOMAXPROCS(0), time.Now()
	if _, err := machine.File(m.CPU.Name); err != nil { // before the time is spent
		return t, err
	}
	t, err = bench.Tune(ctx, machine.Choose(m, threads), func(doing string) {
		a.status("%5s  %s", time.Since(start).Round(time.Second), doing)
	})
	if err != nil {
		return t, err
	}
	_, err = machine.Tuned{CPU: m.CPU.Name, Version: machine.Version(), Threads: threads,
		Date: start.Format(time.DateOnly), Sizes: t.Sizes}.Save()
	return t, err
}
