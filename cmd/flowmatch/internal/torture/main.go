// Command torture does to the program what users, machines and strangers do: it kills it at
// random moments, fills its disk, and gives it damaged files. It prints what it tried and
// what it found, and fails where it found something. scripts/torture.sh runs it.
//
//	go run ./cmd/flowmatch/internal/torture -bin ./flowmatch -short
package main

import (
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"time"
)

// campaign is one kind of disturbance.
type campaign struct {
	name string
	run  func(t *torturer, r *report)
}

// campaigns are run in this order. A new one is a line here.
func campaigns() []campaign {
	return []campaign{
		{"kills: train", killTraining},
		{"kills: sample", killSampling},
		{"kills: experiment", killExperiment},
		{"disk full", fillDisk},
		{"mutants", readMutants},
		{"bombs", dropBombs},
		{"goroutines", shareModel},
		{"service: swaps", swapUnder},
		{"service: overload", overload},
		{"service: malformed", malformed},
	}
}

// report is what a campaign has tried and found.
type report struct {
	tried   int
	what    string   // what was tried so often
	notes   []string // figures beside it
	faults  []string
	skipped string // why it did not run
}

func (r *report) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// torturer is what campaigns work with.
type torturer struct {
	bin, dir string // the program, and a folder for all that is made
	short    bool
	rng      *rand.Rand
}

// often returns a number of attempts: of the short form, or of the long one.
func (t *torturer) often(short, long int) int {
	if t.short {
		return short
	}
	return long
}

func main() {
	var t torturer
	flag.StringVar(&t.bin, "bin", "", "the program")
	flag.BoolVar(&t.short, "short", false, "a minute, in place of ten")
	seed := flag.Uint64("seed", 1, "of all that is random but the time")
	only := flag.String("only", "", "run the campaigns whose names have this")
	flag.Parse()
	t.rng = rand.New(rand.NewPCG(*seed, *seed))
	var err error
	if t.dir, err = os.MkdirTemp("", "torture"); err == nil && t.bin == "" {
		err = fmt.Errorf("name the program")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(2)
	}
	faults := t.all(os.Stdout, *only)
	os.RemoveAll(t.dir)
	if faults > 0 {
		fmt.Printf("%d faults; seed %d\n", faults, *seed)
		os.Exit(1)
	}
}

// all runs the campaigns and returns how many faults they found.
func (t *torturer) all(w io.Writer, only string) (faults int) {
	fmt.Fprintf(w, "%s/%s, %d cores\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	for _, c := range campaigns() {
		if !strings.Contains(c.name, only) {
			continue
		}
		var r report
		start := time.Now()
		c.run(t, &r)
		if r.skipped != "" {
			fmt.Fprintf(w, "%-18s skipped: %s\n", c.name, r.skipped)
			continue
		}
		fmt.Fprintf(w, "%-18s %d %s, %d faults, %.0f s", c.name, r.tried, r.what, len(r.faults),
			time.Since(start).Seconds())
		for _, n := range r.notes {
			fmt.Fprintf(w, "; %s", n)
		}
		fmt.Fprintln(w)
		for _, f := range r.faults {
			fmt.Fprintf(w, "  fault: %s\n", f)
		}
		faults += len(r.faults)
	}
	return faults
}
