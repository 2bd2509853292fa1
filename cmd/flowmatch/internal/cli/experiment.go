package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/bench"
	"flowmatch/experiment"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/filelock"
	"flowmatch/run"
	"flowmatch/train"
)

type experimentResult struct {
	Name    string              `json:"name"`
	Runs    int                 `json:"runs"` // with the trials of a search
	Made    int                 `json:"made"` // of them in this session
	Folder  string              `json:"folder"`
	Page    string              `json:"page,omitempty"`
	Seconds float64             `json:"seconds"`
	Results []experiment.Result `json:"results,omitempty"`
	Missing []string            `json:"missing,omitempty"` // what could not be measured or drawn, and why
	Checked bool                `json:"checked,omitempty"` // by --check: every run can begin, and none did
	Shard   string              `json:"shard,omitempty"`   // the runs are those of a shard, without a page
}

func (e experimentResult) text(w io.Writer) {
	fmt.Fprintf(w, "experiment\t%s\n", e.Name)
	if e.Checked {
		fmt.Fprintf(w, "check\tok: %d runs can begin; none did\n", e.Runs)
		return
	}
	fmt.Fprintf(w, "runs\t%d, of which %d were made now, in %s\n", e.Runs, e.Made, e.Folder)
	if e.Shard != "" {
		fmt.Fprintf(w, "shard\t%s; the same command without --shard writes the page once all are made\n", e.Shard)
	}
	if e.Page != "" {
		fmt.Fprintf(w, "page\t%s\n", e.Page)
	}
	for _, why := range e.Missing {
		fmt.Fprintf(w, "not measured\t%s\n", why)
	}
	fmt.Fprintf(w, "seconds\t%.1f\n", e.Seconds)
}

// mostSeeds is far more than an experiment can have.
const mostSeeds = 10000

type experimentFlags struct {
	grid                   string // name or file
	out, docs, data, peers string
	set                    []string
	seeds                  int
	shard                  string
	check, allowMissing    bool
}

// experimentLong is the help of experiment.
func experimentLong() string {
	return `Run a grid of training runs (tasks times methods times seeds) and write a page of
tables (mean ± standard deviation over the seeds) and pictures. README.md in the same
folder uses these figures to answer what is claimed of flow matching.

A grid may search first: a short trial for each value of a setting, such as the
learning rate, so that each method has its best one. The page shows the trials.

Known experiments: ` + strings.Join(experiment.Known(), ", ") + `.
For your own grid, give the path of its file. Every run is checked before the first one
starts: the settings, the data files, and the names of what tables and pictures show.
An interrupted grid continues at the first run, or its first measurement, that is
not done. A training that diverges does not end the grid. What could not be measured is
on the page, and the exit code is then 1, unless --allow-missing is given.

With --shard 3/16 it makes the third of sixteen shares of the runs and no page, for jobs
that know nothing of each other. They may share one --out, or have one each, of which the
contents are then copied into one. The same command without --shard then finds all runs,
and writes the page. Started by mpirun, ranks share the runs so, and rank 0 writes the page.

The experiments peers, sbi-peers and tokens also train the same flows with Python
libraries, by the interpreter of --peers. scripts/setup-peers.sh DIR installs them; then
PYTHON is DIR/bin/python. So does tables, where other methods make samples of tables and
fill in their holes; its tables are in the DIR of --data, and scripts/sklearn-tables.py
DIR writes four of them.

The experiments sbi and sbi-peers read observations and their posteriors: the DIR of
--data is the folder sbibm/tasks of github.com/sbi-benchmark/sbibm.`
}

func (a *app) experimentCommand() *cobra.Command {
	var f experimentFlags
	cmd := &cobra.Command{
		Use:   "experiment NAME|FILE.yaml",
		Short: "Run a grid of training runs and write a page of the results",
		Long:  experimentLong(),
		Example: `  flowmatch experiment couplings
  flowmatch experiment couplings --seeds 1 --set train.steps=500 --out runs/try --docs /tmp
  flowmatch experiment digits --data DIR
  flowmatch experiment digits --data DIR --set train.steps=20000 --set eval.samples=1000 --seeds 5 --out runs/long
  flowmatch experiment sbi --data DIR
  flowmatch experiment mine.yaml --check
  flowmatch experiment peers --peers DIR/bin/python
  flowmatch experiment tables --data DIR --peers DIR/bin/python
  flowmatch experiment tokens --data DIR --peers DIR/bin/python
  flowmatch experiment couplings --shard 3/16 --out runs/couplings
  flowmatch experiment couplings --json`,
		Args:              arguments("NAME"),
		ValidArgsFunction: nameArgument(experiment.Known(), true),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			f.grid = args[0]
			if cmd.Flags().Changed("seeds") && (f.seeds < 1 || f.seeds > mostSeeds) {
				return nil, usagef("--seeds is %d; it must be from 1 to %d, or left out for those of the grid", f.seeds,
					mostSeeds)
			}
			return a.sharedExperiment(cmd.Context(), f)
		}),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "folder of the runs (default: runs/NAME)")
	fl.StringVar(&f.docs, "docs", filepath.Join("docs", "results"), "folder of the page and its pictures")
	fl.StringArrayVar(&f.set, "set", nil, "change a setting of every run, as key=value")
	fl.StringVar(&f.data, "data", "", "folder of the data files that the grid names (default: the current one)")
	fl.IntVar(&f.seeds, "seeds", 0, "number of seeds: the first ones of the grid, or all of them and the numbers after")
	fl.StringVar(&f.shard, "shard", "", "make only this share of the runs, such as 3/16, and no page")
	fl.StringVar(&f.peers, "peers", "", "Python interpreter with the libraries of the grid's peers")
	fl.BoolVar(&f.check, "check", false, "check the grid and stop")
	fl.BoolVar(&f.allowMissing, "allow-missing", false, "exit with 0 even if something could not be measured")
	cmd.MarkFlagsMutuallyExclusive("check", "allow-missing")
	cmd.MarkFlagsMutuallyExclusive("shard", "allow-missing")
	completeSettings(cmd)
	return cmd
}

// readGrid reads an experiment by its name or file.
func readGrid(arg string) (name string, g experiment.Grid, err error) {
	if strings.HasSuffix(arg, ".yaml") || strings.HasSuffix(arg, ".yml") {
		g, err = experiment.Read(arg)
		return strings.TrimSuffix(filepath.Base(arg), filepath.Ext(arg)), g, err
	}
	text, err := experiment.KnownText(arg)
	if err != nil {
		return arg, g, fmt.Errorf("%w, or a file that ends in .yaml", err)
	}
	g, err = experiment.Parse(text)
	return arg, g, err
}

func (a *app) experiment(ctx context.Context, f experimentFlags) (_ result, err error) {
	name, g, err := readGrid(f.grid)
	if err != nil {
		return nil, usageError{err}
	}
	if f.peers != "" && !g.HasPeers() {
		return nil, usagef("--peers is %q; no method of %s has a peer: leave it out", f.peers, name)
	}
	g.Seeds = f.seedsOf(g)
	if f.out == "" {
		f.out = filepath.Join("runs", name)
	}
	cells, err := a.checkedCells(name, g, f)
	if err != nil {
		return nil, err
	}
	res := experimentResult{Name: name, Runs: len(cells), Folder: f.out, Shard: f.shard}
	if f.check {
		res.Checked = true
		return res, nil
	}
	start := time.Now()
	o := a.cellHooks(ctx, g, &res)
	o.Commands = tableCommands
	if o.Peers, err = a.startPeers(ctx, g, cells, f.peers); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Peers.Close()) }()
	lock, err := lockGrid(f.lockDir())
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if f.shard != "" {
		f.docs = f.out
	}
	if err := os.MkdirAll(f.docs, 0o777); err != nil { // before hours of training, not after them
		return nil, fmt.Errorf("--docs %s: %w", f.docs, err)
	}
	res.Results, err = experiment.Run(ctx, g, cells, o)
	if errors.Is(err, train.ErrInterrupted) || err != nil && ctx.Err() != nil { // in training, or in a measure
		return nil, fmt.Errorf("%w\n%d of %d runs are done; the same command continues",
			err, len(res.Results), len(cells))
	}
	if err != nil {
		return nil, err
	}
	if f.shard == "" {
		err = a.writeResults(ctx, name, g, cells, &res, f)
	}
	res.Seconds = time.Since(start).Seconds()
	if err == nil && len(res.Missing) > 0 && !f.allowMissing {
		err = partial{errors.New("not everything could be measured or drawn; the page says what is missing, and why. " +
			"The flag --allow-missing takes it as it is")}
	}
	return res, err
}

// checkedCells plans the runs of an experiment, and checks them.
func (a *app) checkedCells(name string, g experiment.Grid, f experimentFlags) ([]experiment.Cell, error) {
	cells, err := g.Plan(f.out, f.set)
	if err != nil {
		return nil, usageError{err}
	}
	if f.shard != "" {
		s, err := experiment.ParseShard(f.shard)
		if err != nil {
			return nil, usagef("--shard: %w", err)
		}
		cells = s.Cells(g, cells)
	}
	files, err := experiment.DataIn(f.data, cells)
	if err != nil {
		return nil, err
	}
	if !files && f.data != "" && f.shard == "" {
		return nil, usagef("--data is for grids that name data files by relative paths; %s names none", name)
	}
	a.status("checking %d runs", len(cells))
	err = experiment.Check(g, cells)
	if errors.Is(err, fs.ErrNotExist) && files && f.data == "" {
		err = fmt.Errorf("%w; --data DIR says where the data files are", err)
	}
	return cells, err
}

// lockDir is the folder whose lock a grid holds. Each shard has its own, for several may share one
// folder of runs.
func (f experimentFlags) lockDir() string {
	if f.shard == "" {
		return f.out
	}
	return filepath.Join(f.out, "shard-"+strings.ReplaceAll(f.shard, "/", "-of-"))
}

// seedsOf returns so many seeds as the flags ask for.
func (f experimentFlags) seedsOf(g experiment.Grid) []uint64 {
	seeds := slices.Clone(g.Seeds)
	if f.seeds == 0 {
		return seeds
	}
	for len(seeds) < f.seeds {
		seeds = append(seeds, slices.Max(seeds)+1)
	}
	return seeds[:f.seeds]
}

// lockGrid takes the lock of the folder of a grid.
func lockGrid(dir string) (*filelock.Folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	lock, err := filelock.LockFolder(dir)
	if errors.Is(err, filelock.ErrHeld) {
		err = fmt.Errorf("%w; wait until it ends, stop it, or give another --out", err)
	}
	return lock, err
}

// startPeers makes ready the peers that cells wait for; nil where there are none.
func (a *app) startPeers(ctx context.Context, g experiment.Grid, cells []experiment.Cell,
	python string) (*experiment.Peers, error) {
	names, err := experiment.UndonePeers(g, cells)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, nil
	}
	if python == "" {
		return nil, usagef("methods of this experiment are trained by %s: give --peers PYTHON, an interpreter "+
			"that has them; scripts/setup-peers.sh DIR installs them, and then it is DIR/bin/python",
			strings.Join(names, " and "))
	}
	a.status("starting the other libraries")
	p, err := experiment.StartPeers(ctx, python, names)
	return p, asUsage(err, experiment.ErrPeers)
}

// tableCommands are the command lines of a job of tables, as a user would write them.
func tableCommands(j experiment.TableJob) ([][]string, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	number := strconv.FormatUint(j.Seed, 10)
	first := []string{program, "train", j.Table, "--out", j.Dir, "--set", "seed=" + number, "--quiet"}
	for _, option := range j.Options {
		first = append(first, "--set", option)
	}
	second := []string{program, "sample", j.Dir}
	if j.Impute {
		second = []string{program, "impute", j.Dir, "--data", j.Table}
	}
	return [][]string{first, append(second, "--n", strconv.Itoa(j.N), "--seed", number, "--out", j.Out, "--quiet")}, nil
}

// cellHooks reports the progress of a grid, and counts the cells that are made.
func (a *app) cellHooks(ctx context.Context, g experiment.Grid, res *experimentResult) experiment.RunOptions {
	var p *training
	var steps, from int
	var classifies bool // which saves nothing on its way
	return experiment.RunOptions{
		Cell: func(k, n int, c experiment.Cell, done bool) {
			p, steps, from, classifies = nil, c.Steps(), 0, false
			a.leave.unsaved.Store(false)
			if !done {
				res.Made++
				what := fmt.Sprintf("%s, %s, seed %d", c.Task, c.Method, c.Seed)
				if c.Value != "" {
					what += fmt.Sprintf(", %s %s", g.Search.Key, c.Value)
				}
				if c.Trial {
					what += ", trial"
				}
				a.status("run %d/%d  %s", k+1, n, what)
			}
		},
		Resumed: func(step int) { from = step },
		Saved:   func(int) { a.leave.saved(ctx) },
		Step: func(step int, loss float64) {
			a.leave.unsaved.Store(!classifies)
			if p == nil {
				p = a.training(from, steps)
			}
			p.step(step, loss)
		},
		Measuring: func(_ experiment.Cell, measure string) {
			p = nil
			a.leave.unsaved.Store(false)
			a.status("measuring %s", measure)
		},
		Classifier: func(task string, n int) {
			p, steps, from, classifies = nil, n, 0, true
			a.leave.unsaved.Store(false)
			a.status("training the classifier of %s", task)
		},
	}
}

// writeResults writes the page of an experiment, its pictures and its figures.
func (a *app) writeResults(ctx context.Context, name string, g experiment.Grid, cells []experiment.Cell,
	res *experimentResult, f experimentFlags) error {
	docs, results := f.docs, res.Results
	a.status("writing the page")
	files, err := experiment.Draw(ctx, g, cells, results, filepath.Join(docs, name))
	if err != nil {
		return err
	}
	res.Missing = experiment.Missing(results)
	for _, k := range slices.Sorted(maps.Keys(files)) {
		drawn := files[k]
		for _, why := range drawn.Missing {
			res.Missing = append(res.Missing, fmt.Sprintf("picture %s, %s", k, why))
		}
		if drawn.File != "" {
			drawn.File = path.Join(name, filepath.Base(drawn.File))
			files[k] = drawn
		}
	}
	if err := experiment.WriteResults(filepath.Join(docs, name+".json"), results); err != nil {
		return err
	}
	machine := bench.NewReport(run.Version())
	p := experiment.Page{
		Name: name, Date: time.Now().Format(time.DateOnly), Pictures: files, Command: f.again(g),
		Machine: fmt.Sprintf("%s, %s/%s, %s, %d cores", machine.CPU, runtime.GOOS, runtime.GOARCH, runtime.Version(),
			machine.Cores),
	}
	page := filepath.Join(docs, name+".md")
	if err := atomicfile.WriteFile(page, func(w io.Writer) error { return p.Write(w, g, results) }); err != nil {
		return err
	}
	res.Page = page
	return writeClaims(name, docs)
}

// again returns the command that makes the page of an experiment again, wherever its file,
// its data, its runs and the libraries of its peers are.
func (f experimentFlags) again(g experiment.Grid) string {
	words := []string{"flowmatch experiment", filepath.Base(f.grid)}
	if f.data != "" {
		words = append(words, "--data DIR")
	}
	if g.HasPeers() { // even where none was left to train
		words = append(words, "--peers DIR/bin/python")
	}
	if f.seeds > 0 {
		words = append(words, fmt.Sprintf("--seeds %d", f.seeds))
	}
	for _, s := range f.set {
		if strings.ContainsAny(s, " \t\"'\\$`!*?[]{}()<>|&;~#") {
			s = "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
		words = append(words, "--set "+s)
	}
	return strings.Join(words, " ")
}

// writeClaims writes the page that sums up the experiments known by name, of which
// name must be one.
func writeClaims(name, docs string) error {
	if !slices.Contains(experiment.Known(), name) {
		return nil
	}
	text, err := experiment.Claims()
	if err != nil {
		return err
	}
	page := filepath.Join(docs, "README.md")
	return atomicfile.WriteFile(page, func(w io.Writer) error { return experiment.WriteClaims(w, text, docs) })
}
