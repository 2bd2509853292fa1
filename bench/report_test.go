package bench

import (
	"errors"
	"strings"
	"testing"
	"text/tabwriter"
)

// madeUp is a report with one of everything.
func madeUp() Report {
	mib := func(n int64) int64 { return n << 20 }
	point := func(axis, line string, at int, seconds float64) Result {
		return Result{Case: axis, Group: "scaling", Unit: "step", Seconds: seconds, Point: &Point{axis, line, at}}
	}
	return Report{
		Flowmatch: "v1 abc", Go: "go1.26", Platform: "linux/amd64", CPU: "Slide Rule 3000", Cores: 2, Threads: 2, Load: 0.25,
		Backend: "go", Date: "2026-01-02", Seconds: 301, Versions: map[string]string{"torch": "2.1", "jax": "0.9"},
		Results: []Result{
			{
				Case: "train A", Group: "train", Unit: "step", Seconds: 0.5e-3, Backend: "go", Threads: 2, Rounds: 3,
				Peers: []Time{{"torch", 1e-3}, {"jax", 0.8e-3}}, Ratio: 0.625, Target: 1,
				Memory: []Memory{{"flowmatch", mib(20), mib(50)}, {"torch", mib(500), mib(600)}},
			},
			{
				Case: "train B", Group: "train", Unit: "step", Seconds: 0.25, Backend: "go", Threads: 2, Rounds: 1,
				Peers: []Time{{"torch", 0.125}}, Ratio: 2, Target: 1, Notes: []string{"with_jax.py: no"},
			},
			{Case: "sample A", Group: "sample", Unit: "solve", Seconds: 12.34e-3, NFE: 74, Backend: "go", Threads: 2, Rounds: 3},
			point("batch", "narrow", 64, 1e-3), point("batch", "narrow", 256, 4e-3), point("batch", "wide", 256, 64e-3),
			point("threads", "narrow", 1, 2e-3), point("threads", "narrow", 2, 1e-3),
		},
	}
}

func TestThePageOfAReport(t *testing.T) {
	const want = `Measured on 2026-01-02 in 6 minutes: Slide Rule 3000, 2 cores, 2 threads, load 0.25 before, linux/amd64; go1.26, flowmatch v1 abc; backend go.
Peers: jax 0.9, torch 2.1, with as many threads (XLA uses every core).

A time is the mean of a round, the least of the rounds; rounds of ours and of each peer alternate. Compilation is not timed.

## Training

TEXT

| case, ms per step | flowmatch | torch | jax | ratio | target |
| --- | ---: | ---: | ---: | ---: | ---: |
| train A | 0.500 | 1.00 | **0.800** | 0.62 | 1, met |
| train B | 250 | **125** | - | 2.00 | 1, missed |

## Sampling

TEXT

| case, ms per solve | NFE | flowmatch |
| --- | ---: | ---: |
| sample A | 74 | 12.3 |

## Memory

What a new process holds that does the case and nothing else: at its start, with the libraries imported, and at most. The difference is the work's own.

| case, MiB | flowmatch start | peak | of that the work | torch start | peak | of that the work |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| train A | 20 | 50 | 30 | 500 | 600 | 100 |

## How cost grows

The time of a training step as one size varies. A slope is the power with which the time grew from the row above: 1 is in proportion; on threads, -1 is the perfect gain.

### Batch

![time of a training step by examples in a batch](img/b.png)

| examples in a batch | narrow, ms | slope | wide, ms | slope |
| --- | ---: | ---: | ---: | ---: |
| 64 | 1.00 | - | - | - |
| 256 | 4.00 | 1.00 | 64.0 | - |

### Threads

| threads (GOMAXPROCS) | narrow, ms | slope |
| --- | ---: | ---: |
| 1 | 2.00 | - |
| 2 | 1.00 | -1.00 |

## Not measured

- train B: with_jax.py: no
`
	var b strings.Builder
	if err := madeUp().Markdown(&b, map[string]string{"batch": "img/b.png"}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, c := range chapters {
		got = strings.ReplaceAll(got, c.text, "TEXT")
	}
	_, body, _ := strings.Cut(got, "```\n\n")
	if !strings.HasPrefix(got, "# Performance\n") || body != want {
		t.Errorf("the page is\n%s\nwant it to end in\n%s", got, want)
	}
}

func TestTheTextOfAReport(t *testing.T) {
	const want = `case      time           NFE  best peer            ratio  backend  threads  rounds
train A   0.500 ms/step  -    jax        0.800 ms  0.62   go       2        3
train B   250 ms/step    -    torch      125 ms    2.00   go       2        1
sample A  12.3 ms/solve  74   -                    -      go       2        3

memory of  process    at its start  at most
train A    flowmatch  20 MiB        50 MiB
train A    torch      500 MiB       600 MiB

not measured  why
train B       with_jax.py: no
`
	r := madeUp()
	r.Results = r.Results[:3]
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	r.Text(w)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("the text is\n%s\nwant\n%s", b.String(), want)
	}
}

func TestAReportTellsTheMachine(t *testing.T) {
	if r := NewReport("v1"); r.Flowmatch != "v1" || r.CPU == "" || r.Cores < 1 || r.Threads < 1 || r.Memory.Start == 0 {
		t.Errorf("report %+v", r)
	}
}

func TestTimesHaveThreeDigits(t *testing.T) {
	for seconds, want := range map[float64]string{12.3456: "12346", 0.12345: "123", 0.0123456: "12.3", 1.23456e-3: "1.23", 1.23456e-4: "0.123"} {
		if got := milliseconds(seconds); got != want {
			t.Errorf("%g s is %s ms, want %s", seconds, got, want)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAPageThatCannotBeWrittenIsAnError(t *testing.T) {
	if err := madeUp().Markdown(full{}, nil); err == nil {
		t.Error("no error")
	}
}
