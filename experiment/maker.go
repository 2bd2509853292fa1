package experiment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/child"
	"flowmatch/train"
)

// Files in the folder of a cell of kind tables: what its model leaves, and beside each FILE.json, what it took.
const (
	tableSamplesFile = "samples.csv"
	filledFile       = "filled.csv"
)

// leftover is what became of a file that a model leaves.
type leftover struct {
	Versions map[string]string `json:"versions,omitempty"` // of a peer
	Threads  int               `json:"threads"`
	Spent    usage             `json:"usage"`
	Over     string            `json:"over,omitempty"` // the limit that it would have gone over; there is no file
}

// makeTabular has a model make its files, unless it has already, and measures them.
func (c Cell) makeTabular(ctx context.Context, _ Grid, o RunOptions, r *Result) error {
	d, err := c.divide()
	if err != nil {
		return err
	}
	if err := d.write(c.rowsDir()); err != nil {
		return err
	}
	done, err := c.resumeMeasures(r)
	if err != nil {
		return err
	}
	for _, task := range c.measures {
		if slices.Contains(done, task) || !c.Tabular.does(task) {
			continue
		}
		if err := c.tabular(ctx, d, task, o, r); ends(ctx, err) || errors.Is(err, ErrPeers) {
			return err
		} else if err != nil {
			r.lack(task, err)
		}
		done = append(done, task)
		if err := writeJSON(filepath.Join(c.Dir, measuredFile), measured{done, *r}); err != nil {
			return err
		}
	}
	return nil
}

// rowsDir is the folder of the division of a cell.
func (c Cell) rowsDir() string {
	return filepath.Join(c.shared, "rows-seed-"+strconv.FormatUint(c.Tabular.Seed, 10))
}

// tabular has the model do one task, and measures what it leaves.
func (c Cell) tabular(ctx context.Context, d division, task string, o RunOptions, r *Result) error {
	report := func(what string) {
		if o.Measuring != nil {
			o.Measuring(c, what)
		}
	}
	name, prefix := tableSamplesFile, ""
	if task == taskImputation {
		name, prefix = filledFile, "impute_"
	}
	file := filepath.Join(c.Dir, name)
	var m leftover
	if ok, err := readJSON(file+".json", &m); err != nil {
		return err
	} else if !ok {
		report(task + ", which " + c.Method + " makes")
		if m, err = c.leave(ctx, d, task, file, o); err != nil {
			return err
		}
	}
	if m.Versions != nil {
		r.Libraries = m.Versions
	}
	r.set("threads", float64(m.Threads))
	if m.Over != "" {
		if r.Over == nil {
			r.Over = map[string]string{}
		}
		r.Over[task] = m.Over
		return nil
	}
	if m.Spent.Seconds > 0 { // not of what is no program
		r.set(prefix+"seconds", m.Spent.Seconds)
		r.set(prefix+"cpu_seconds", m.Spent.CPU)
		if m.Spent.Memory > 0 {
			r.set(prefix+"memory", float64(m.Spent.Memory)/1e6)
		}
	}
	report(task)
	start := time.Now()
	defer func() { r.set("measure_seconds", r.Values["measure_seconds"]+time.Since(start).Seconds()) }()
	if task == taskImputation {
		return c.judgeFilled(d, file, r)
	}
	return c.judgeSamples(ctx, d, file, r)
}

// leave has the model make a file, and writes what it took.
func (c Cell) leave(ctx context.Context, d division, task, file string, o RunOptions) (m leftover, err error) {
	m.Threads = threads()
	left := allowance{60 * c.Tabular.Minutes, 1e9 * c.Tabular.Gigabytes}
	switch {
	case c.Peer != "":
		m.Versions, m.Spent, err = c.askPeer(ctx, d, task, file, left, o)
	case c.Tabular.Model == modelData:
		err = copyFile(file, filepath.Join(c.rowsDir(), learntFile))
	case c.Tabular.Model == modelMean:
		err = d.fillByMeans(file)
	default:
		m.Spent, err = c.runOwn(ctx, d, task, file, left, o)
	}
	var over overLimit
	switch {
	case ctx.Err() != nil:
		return m, fmt.Errorf("%w; what %s had learnt is lost (%w)", train.ErrInterrupted, c.Method, ctx.Err())
	case errors.As(err, &over):
		m.Over = over.what
	case err != nil:
		return m, err
	}
	return m, writeJSON(file+".json", m)
}

// copyFile copies a file.
func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	return atomicfile.WriteBytes(to, text)
}

// TableJob is what this program is asked for as another one would be: to learn from a table, and then to draw
// samples or to fill in its holes.
type TableJob struct {
	Table   string // file to learn from
	Dir     string // folder of the run
	Out     string // file to write
	Impute  bool   // holes are to be filled in
	N       int    // samples, or how often holes are filled in
	Seed    uint64
	Options []string // settings of the training, key=value
}

// runOwn runs this program as its users do: it trains, and then samples or imputes.
func (c Cell) runOwn(ctx context.Context, d division, task, file string, left allowance, o RunOptions) (s usage,
	err error) {
	if o.Commands == nil {
		return s, errors.New("experiment: RunOptions.Commands is nil; cells of kind tables need it")
	}
	j := TableJob{Table: filepath.Join(c.rowsDir(), learntFile), Dir: filepath.Join(c.Dir, task), Out: file,
		N: d.train().N, Seed: c.Seed, Options: c.Tabular.Options}
	if task == taskImputation {
		j.Table, j.N, j.Impute = filepath.Join(c.rowsDir(), holesFile), c.Tabular.Fills, true
	}
	if err := os.RemoveAll(j.Dir); err != nil { // of a run that was stopped
		return s, fmt.Errorf("experiment: %w", err)
	}
	commands, err := o.Commands(j)
	if err != nil {
		return s, err
	}
	for _, args := range commands {
		took, err := left.watch(ctx, func(ctx context.Context, started func(*exec.Cmd)) error {
			return runProgram(ctx, args, started)
		})
		s = s.plus(took)
		if left.seconds -= took.Seconds; err != nil {
			return s, err
		}
	}
	return s, nil
}

// runProgram runs a program with its arguments, whose last words are in the error where it fails.
func runProgram(ctx context.Context, args []string, started func(*exec.Cmd)) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	child.Group(cmd)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	started(cmd)
	if err := cmd.Wait(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("%s ends with %w: %s", strings.Join(args[:min(2, len(args))], " "), err,
			strings.Join(lines[max(0, len(lines)-lastWords):], "\n"))
	}
	return nil
}

// order is what a peer of tables is asked for, in one line.
type order struct {
	Seed    uint64        `json:"seed"`
	Model   string        `json:"model"`
	Task    string        `json:"task"`
	Table   string        `json:"table"` // file to learn from
	Out     string        `json:"out"`   // file to write
	N       int           `json:"n"`     // samples, or how often holes are filled in
	Target  string        `json:"target"`
	Threads int           `json:"threads"`
	Columns []orderColumn `json:"columns"`
}

// orderColumn is a column as our schema found it.
type orderColumn struct {
	Name   string   `json:"name"`
	Kind   string   `json:"kind"`
	Levels []string `json:"levels,omitempty"`
}

// askPeer has the program of a peer make a file.
func (c Cell) askPeer(ctx context.Context, d division, task, file string, left allowance, o RunOptions) (
	versions map[string]string, s usage, err error) {
	which, err := peerByName(c.Peer)
	if err != nil {
		return nil, s, err
	}
	if o.Peers == nil {
		return nil, s, fmt.Errorf("%w: %s makes this method, and there is no Python interpreter", ErrPeers, c.Peer)
	}
	q := order{Seed: c.Seed, Model: c.Tabular.Model, Task: task, N: d.train().N, Target: d.target, Threads: threads()}
	from := learntFile
	if task == taskImputation {
		from, q.N = holesFile, c.Tabular.Fills
	}
	for _, col := range d.schema.Columns {
		q.Columns = append(q.Columns, orderColumn{col.Name, string(col.Kind), col.Levels})
	}
	if q.Table, err = filepath.Abs(filepath.Join(c.rowsDir(), from)); err == nil {
		q.Out, err = filepath.Abs(file)
	}
	if err != nil {
		return nil, s, fmt.Errorf("experiment: %w", err)
	}
	s, err = left.watch(ctx, func(ctx context.Context, started func(*exec.Cmd)) error {
		t, err := o.Peers.start(ctx, which)
		if err != nil {
			return err
		}
		started(t.command)
		versions = t.versions
		_, err = t.ask(q, nil)
		return err
	})
	return versions, s, err
}

// fillByMeans fills in the holes by the mean of a column, or its most frequent level.
func (d *division) fillByMeans(file string) error {
	train := d.train()
	known := make([]map[float64]int, train.D)
	sum, n := make([]float64, train.D), make([]float64, train.D)
	for i := range train.N {
		for k, v := range train.Row(i) {
			if known[k] == nil {
				known[k] = map[float64]int{}
			}
			if !math.IsNaN(v) && !d.holes[i][k] {
				known[k][v]++
				sum[k], n[k] = sum[k]+v, n[k]+1
			}
		}
	}
	fill := make([]string, train.D)
	for k, col := range d.schema.Columns {
		if len(col.Levels) == 0 {
			fill[k] = strconv.FormatFloat(sum[k]/n[k], 'g', -1, 64)
			continue
		}
		most := 0
		for level := range col.Levels {
			if known[k][float64(level)] > known[k][float64(most)] {
				most = level
			}
		}
		fill[k] = col.Levels[most]
	}
	rows := d.filled(fill)
	for i := range rows {
		rows[i] = append([]string{"1"}, rows[i]...)
	}
	text, err := csvText(append([]string{fillColumn}, d.schema.Names()...), rows)
	if err != nil {
		return fmt.Errorf("experiment: %w", err)
	}
	return atomicfile.WriteBytes(file, text)
}
