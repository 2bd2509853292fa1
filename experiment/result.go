package experiment

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/digest"
	"flowmatch/internal/stat"
)

// Result is what was measured of a cell.
type Result struct {
	Task   string `json:"task"`
	Method string `json:"method"`
	Seed   uint64 `json:"seed"`
	// Plan identifies the run file and the measures.
	Plan    string `json:"plan"`
	Version string `json:"version"` // of the program
	// Libraries are the versions of what trained in place of the program, by name; nil:
	// the program did.
	Libraries map[string]string `json:"libraries,omitempty"`
	// Values are figures by name; what does not apply to a run is not there.
	Values map[string]float64 `json:"values"`
	// Curves are figures along an axis, by name.
	Curves map[string]Curve `json:"curves,omitempty"`
	// Trial and Value are those of the [Cell]; Failed is why it has no figures, such as a loss
	// that grew without bound.
	Trial  bool   `json:"trial,omitempty"`
	Value  string `json:"value,omitempty"`
	Failed string `json:"failed,omitempty"`
	// Over says of measures, by their names, the limit of the grid that the run would have gone over.
	Over map[string]string `json:"over,omitempty"`
	// Missing says of measures, by their names, why something of what they record is not there.
	Missing map[string]string `json:"missing,omitempty"`
	// Doubts says of values and curves, by their names, why they are not to be trusted; of
	// all others nothing is known to speak against them. See [flowmatch/eval.Check].
	Doubts map[string]string `json:"doubts,omitempty"`
}

// Curve is a figure Y as X varies, such as an error as NFE grows. X increases.
type Curve struct {
	X []float64 `json:"x"`
	Y []float64 `json:"y"`
}

// set records a value; one that is not finite does not exist.
func (r *Result) set(name string, v float64) {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		r.Values[name] = v
	}
}

// setSome records the values that are there.
func (r *Result) setSome(values map[string]*float64) {
	for name, v := range values {
		if v != nil {
			r.set(name, *v)
		}
	}
}

// add records a point of a curve.
func (r *Result) add(name string, x, y float64) {
	if math.IsNaN(y) || math.IsInf(y, 0) {
		return
	}
	c := r.Curves[name]
	r.Curves[name] = Curve{append(c.X, x), append(c.Y, y)}
}

// Files in the folder of a run: what it is made from, what is measured so far, and its
// result.
const (
	planFile     = "plan.json"
	measuredFile = "measured.json"
	resultFile   = "result.json"
)

// plan is a fingerprint of what a result depends on: what the grid says of the cell,
// and what is measured, by which classifier. Defaults are the program's, whose version the
// result has.
func (c Cell) plan(by *Classifier) (string, error) {
	if !c.needsClassifier() {
		by = nil
	}
	text, err := json.Marshal(struct {
		Asked      asked
		Measures   []string
		Classifier *Classifier `json:",omitempty"`
	}{c.asked, c.measures, by})
	if err != nil {
		return "", fmt.Errorf("experiment: %w", err)
	}
	return digest.Short(string(text), 8), nil
}

// ErrStale is returned for a folder with the result of another run file.
var ErrStale = errors.New("experiment: the folder holds a run of other settings")

// load returns the result of a cell; nil when it is not done.
func (c Cell) load(plan string) (*Result, error) {
	var begun struct{ Plan string }
	if ok, err := readJSON(filepath.Join(c.Dir, planFile), &begun); err != nil {
		return nil, err
	} else if ok && begun.Plan != plan {
		return nil, fmt.Errorf("%w: %s; remove it, or run into another folder", ErrStale, c.Dir)
	}
	var r Result
	ok, err := readJSON(filepath.Join(c.Dir, resultFile), &r)
	if !ok || err != nil {
		return nil, err
	}
	return &r, nil
}

// begin leaves the plan in the folder of a run that begins, or goes on.
func (c Cell) begin(plan string) error {
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	return writeJSON(filepath.Join(c.Dir, planFile), struct{ Plan string }{plan})
}

func (c Cell) store(r Result) error {
	if err := writeJSON(filepath.Join(c.Dir, resultFile), r); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(c.Dir, measuredFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// WriteResults writes results as one file, a line each, which [ReadResults] reads.
func WriteResults(file string, results []Result) error {
	lines := make([]string, len(results))
	for i, r := range results {
		text, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("experiment: %s: %w", file, err)
		}
		lines[i] = string(text)
	}
	return atomicfile.WriteBytes(file, []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"))
}

// ReadResults reads a file of WriteResults.
func ReadResults(file string) ([]Result, error) {
	var results []Result
	ok, err := readJSON(file, &results)
	if err == nil && !ok {
		err = fmt.Errorf("experiment: %w: %s", fs.ErrNotExist, file)
	}
	return results, err
}

// readJSON reads a file; ok is false when there is none.
func readJSON(file string, v any) (ok bool, err error) {
	text, err := atomicfile.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("experiment: %w", err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return false, fmt.Errorf("experiment: %s: %w; remove the file to make it again", file, err)
	}
	return true, nil
}

func writeJSON(file string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("experiment: %s: %w", file, err)
	}
	return atomicfile.WriteBytes(file, append(text, '\n'))
}

// summary is a mean over seeds, and the standard deviation; with how many of the runs have
// doubts about it, and what the first of them says.
type summary struct {
	mean, std float64
	n         int
	doubts    int
	why       string
}

// add counts the doubts of a run about a value or a curve.
func (s *summary) add(r Result, name string) {
	if why, ok := r.Doubts[name]; ok {
		if s.doubts == 0 {
			s.why = why
		}
		s.doubts++
	}
}

// over returns the statistics of a value of one method and task over the seeds.
func over(results []Result, task, method, value string) summary {
	return summarize(results, value, func(r Result) bool {
		return !r.Trial && r.Task == task && r.Method == method
	})
}

// overMethods is over for a value of the task, which is the same for every method:
// each seed counts once.
func overMethods(results []Result, task, value string) summary {
	seen := map[uint64]bool{}
	return summarize(results, value, func(r Result) bool {
		first := !r.Trial && r.Task == task && !seen[r.Seed]
		seen[r.Seed] = seen[r.Seed] || first
		return first
	})
}

// summarize returns the statistics of a value of the results that are asked for.
func summarize(results []Result, value string, asked func(Result) bool) summary {
	var v []float64
	var s summary
	for _, r := range results {
		if x, ok := r.Values[value]; ok && asked(r) {
			v = append(v, x)
			s.add(r, value)
		}
	}
	s.n = len(v)
	s.mean, s.std = meanStd(v)
	return s
}

// meanStd returns the mean of figures and their standard deviation.
func meanStd(v []float64) (mean, std float64) {
	mean, _ = stat.MeanStdErr(v)
	for _, x := range v {
		std += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(std / float64(max(1, len(v)-1)))
}

// curve returns the mean of a curve over the seeds, at the places that all have;
// seeds whose places differ (an adaptive solver's NFE) are averaged in both, place
// by place. sd is the standard deviation over the seeds, nil of one seed.
func curve(results []Result, task, method, name string) (mean Curve, sd []float64) {
	var all []Curve
	for _, r := range results {
		if c, ok := r.Curves[name]; ok && !r.Trial && r.Task == task && r.Method == method {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return Curve{}, nil
	}
	n := len(all[0].X)
	for _, c := range all {
		n = min(n, len(c.X))
	}
	mean, sd = Curve{make([]float64, n), make([]float64, n)}, make([]float64, n)
	x, y := make([]float64, len(all)), make([]float64, len(all))
	for i := range n {
		for k, c := range all {
			x[k], y[k] = c.X[i], c.Y[i]
		}
		mean.X[i] = stat.Mean(x)
		mean.Y[i], sd[i] = meanStd(y)
	}
	if len(all) == 1 {
		sd = nil // of one seed nothing is known of the spread
	}
	return mean, sd
}
