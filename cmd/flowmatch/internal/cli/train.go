package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"flowmatch/data"
	"flowmatch/internal/memory"
	"flowmatch/run"
	"flowmatch/train"
)

type trainResult struct {
	Run          string   `json:"run"`
	Step         int      `json:"step"`           // steps taken
	Steps        int      `json:"steps"`          // steps asked for
	ResumedFrom  int      `json:"resumed_from"`   // 0: from the start
	StoppedEarly bool     `json:"stopped_early"`  // validation did not improve any more
	ModelStep    int      `json:"model_step"`     // steps behind the weights that the run is used with
	ModelBest    bool     `json:"model_best"`     // they are those of the best validation, not the last
	Loss         float64  `json:"loss"`           // mean over the last log interval
	ValLoss      *float64 `json:"val_loss"`       // of the last validation; null: none
	ModelValLoss *float64 `json:"model_val_loss"` // of the weights that the run is used with; null: not known
	NFE          float64  `json:"nfe,omitempty"`  // evaluations in a step's solve, mean like Loss; 0: nothing is solved
	Seconds      float64  `json:"seconds"`        // over all sessions
	Parameters   int      `json:"parameters"`     // of the network
	Backend      string   `json:"backend"`
	Data         string   `json:"data"`
	About        []string `json:"about"`               // what the data hold, a line each
	Condition    bool     `json:"condition,omitempty"` // it makes images from images
	Given        bool     `json:"given,omitempty"`     // it takes contexts
	// Skipped is how many images or rows were left out, as a warning says.
	Skipped  int      `json:"skipped,omitempty"`
	Images   bool     `json:"images,omitempty"`   // its points are images
	Changes  []change `json:"changes,omitempty"`  // settings that a resumed run has changed
	Warnings []string `json:"warnings,omitempty"` // settings that the training is too short for
	Ranks    *sums    `json:"ranks,omitempty"`    // of several ranks, what they sent
}

// change is a setting that is not what it was when the run began.
type change struct {
	Key  string `json:"key"`
	Was  string `json:"was"`
	Is   string `json:"is"`
	Note string `json:"note,omitempty"` // why the run is not one that never stopped
}

func (t trainResult) text(w io.Writer) {
	fmt.Fprintf(w, "run\t%s\n", t.Run)
	fmt.Fprintf(w, "data\t%s\n", t.Data)
	for _, line := range t.About {
		fmt.Fprintf(w, "\t%s\n", line)
	}
	fmt.Fprintf(w, "network\t%d parameters, backend %s\n", t.Parameters, t.Backend)
	writeSteps(w, t.Step, t.Steps, t.ResumedFrom, t.StoppedEarly)
	measured := ""
	if t.ModelValLoss != nil {
		measured = fmt.Sprintf(", validation loss %.6g", *t.ModelValLoss)
	}
	writeKept(w, t.ModelStep, t.ModelBest, measured)
	fmt.Fprintf(w, "loss\t%.6g\n", t.Loss)
	if t.ValLoss != nil {
		fmt.Fprintf(w, "validation loss\t%.6g\n", *t.ValLoss)
	}
	if t.NFE > 0 {
		fmt.Fprintf(w, "evaluations\t%.1f a solve\n", t.NFE)
	}
	fmt.Fprintf(w, "seconds\t%.1f\n", t.Seconds)
	if r := t.Ranks; r != nil {
		fmt.Fprintf(w, "ranks\t%d; each sent %.4g MB a step in %.3g ms, waiting included, and computed in %.3g ms of "+
			"them\n", r.Number, r.BytesPerStep/1e6, 1e3*r.SecondsPerStep, 1e3*r.HiddenPerStep)
	}
	for _, text := range t.Warnings {
		fmt.Fprintf(w, "warning\t%s\n", text)
	}
	fmt.Fprintf(w, "next\tflowmatch eval %s\n", quote(t.Run))
	if t.Condition {
		fmt.Fprintf(w, "\tflowmatch sample %s --condition test --n 12 --out samples.png\n", quote(t.Run))
		return
	}
	if t.Images {
		fmt.Fprintf(w, "\tflowmatch sample %s --grid 8 --out samples.png\n", quote(t.Run))
		return
	}
	given := ""
	if t.Given {
		given = " --given " + heldOut
	}
	fmt.Fprintf(w, "\tflowmatch sample %s%s --n 1000 --out samples.csv\n", quote(t.Run), given)
}

// writeSteps says how far a training has come.
func writeSteps(w io.Writer, step, steps, resumedFrom int, stoppedEarly bool) {
	text := fmt.Sprintf("%d of %d", step, steps)
	if resumedFrom > 0 {
		text += fmt.Sprintf(", resumed from %d", resumedFrom)
	}
	if stoppedEarly {
		text += ", stopped early"
	}
	fmt.Fprintf(w, "steps\t%s\n", text)
}

// writeKept says which weights a run is used with, and what was measured of them.
func writeKept(w io.Writer, step int, best bool, measured string) {
	which := "the last"
	if best {
		which = "the best validation"
	}
	fmt.Fprintf(w, "model\tthe averaged weights of step %d: %s%s\n", step, which, measured)
}

// resumeKeys lists what may change when a run is resumed, in lines of the help.
func resumeKeys() string {
	const width = 84
	var b strings.Builder
	line := " "
	for _, key := range run.ResumeKeys() {
		if strings.HasSuffix(key, ".") {
			key += "*"
		}
		if len(line)+len(key) > width {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + key + ","
	}
	return b.String() + strings.TrimSuffix(line, ",") + "."
}

type trainFlags struct {
	out, backend string
	set          []string
	resume       bool
}

func (a *app) trainCommand() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train (RUN.yaml | TABLE) --out DIR",
		Short: "Train a flow with the settings of a run file, or on a table",
		Long: `Train a flow with the settings of a run file, in a folder that then holds the whole run.
In the place of a run file stands a table (CSV, NPY, Parquet, Excel) where nothing is to
be said of it: the kinds of its columns are found (flowmatch data describe TABLE shows
them), and the settings suit its size. --set changes them; run.yaml in the folder has
all of them.

Ctrl-C saves and stops, as do SIGTERM, SIGHUP and Ctrl-\; a second signal kills. --resume
continues. A resumed run is bit-identical to an uninterrupted one, on the same backend,
processor features and number of cores (GOMAXPROCS). It must have the settings that it
began with, except
` + resumeKeys() + `
Changes are reported, and whether the run still equals an uninterrupted one: more
train.steps change the learning rates, unless train.schedule is constant. With the
folder's own run.yaml a run continues with the settings that it was trained with, also
from an earlier version. Two trainings in one folder are an error.

flowmatch config describes the keys of a run file.`,
		Example: `  flowmatch train run.yaml --out runs/first
  flowmatch train run.yaml --out runs/second --set train.lr=3e-4 --set seed=2
  flowmatch train people.csv --out runs/people
  flowmatch train people.csv --out runs/people --set data.exclude=[name] --set data.kinds.zip=category
  flowmatch train run.yaml --out runs/first --resume
  flowmatch train run.yaml --out runs/seen --set train.sample_every=500 --set train.tensorboard=true
  flowmatch train run.yaml --out runs/gpu --backend xla --json`,
		Args:              arguments("RUN.yaml"),
		ValidArgsFunction: runArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.train(cmd.Context(), args[0], f)
		}),
	}
	fl := cmd.Flags()
	fl.StringVar(&f.out, "out", "", "folder of the run")
	fl.StringArrayVar(&f.set, "set", nil, "change a setting of the run file, as key=value")
	fl.StringVar(&f.backend, "backend", "", backendUsage+"the run file)")
	fl.BoolVar(&f.resume, "resume", false, "continue from the last checkpoint of the folder")
	require(cmd, "out")
	completeSettings(cmd)
	complete(cmd, "backend", backendNames()...)
	must(cmd.MarkFlagDirname("out"))
	return cmd
}

func (a *app) train(ctx context.Context, file string, f trainFlags) (result, error) {
	if err := notAFolder(file); err != nil {
		return nil, err
	}
	if !isTable(file) && run.IsTokenFile(file, f.set) {
		return a.trainTokens(ctx, file, f)
	}
	read := run.ReadConfig
	if isTable(file) {
		read = a.sizedTable
	}
	if f.resume && sameFile(file, filepath.Join(f.out, run.ConfigFile)) {
		read = func(_ string, set []string) (run.Config, error) { return run.ReadResumed(f.out, set) }
	}
	cfg, err := readRun(read, file, f.set, f.backend)
	if err != nil {
		return nil, err
	}
	if isTable(file) { // which nothing but the folder needs to go on
		file = filepath.Join(f.out, run.ConfigFile)
		f.set, f.backend = nil, ""
	}
	res, _, err := a.trainRun(ctx, cfg, f.out, f.resume, resumeCommand(file, f, a.ranks.Size()))
	if err != nil {
		return nil, asUsage(advise(err, run.ErrExists, "give another --out, or --resume"), run.ErrChanged,
			run.ErrSettings, run.ErrInTheWay)
	}
	return res, nil
}

// notAFolder reports a folder in the place of a run file, with what to give instead.
func notAFolder(file string) error {
	info, err := os.Stat(file)
	if err != nil || !info.IsDir() {
		return nil // what is wrong with it is told where it is read
	}
	if run.Begun(file) {
		return usagef("%s is the folder of a run; to go on with its training: flowmatch train %s --out %s --resume",
			file, filepath.Join(file, run.ConfigFile), file)
	}
	return usagef("%s is a folder; give a table or a run file. To learn the pictures in it, write a run file with "+
		"data: {path: %s} and net: {unet: {}}; examples/folder.yaml is one", file, file)
}

// sameFile says whether two names are of one file.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// withBackend adds the backend of a command line to its settings; "": there is none.
func withBackend(set []string, backend string) []string {
	if backend == "" {
		return set
	}
	return append(slices.Clip(set), "backend="+strconv.Quote(backend))
}

// readRun reads a run file with the settings and the backend of a command line.
func readRun(read func(file string, set []string) (run.Config, error), file string, set []string,
	backend string) (run.Config, error) {
	cfg, err := read(file, withBackend(set, backend))
	if _, broken := errors.AsType[*data.FileError](err); broken {
		return cfg, err // a file of data, which says what is wrong with it
	}
	if err != nil {
		return cfg, usageError{err}
	}
	return cfg, checkBackend(cfg.Backend)
}

// trainRun trains with progress and sums up. again is the command that goes on with what was
// interrupted.
func (a *app) trainRun(ctx context.Context, cfg run.Config, dir string, resume bool,
	again string) (*trainResult, *run.Run, error) {
	cfg = cfg.Defaults()
	cfg.Data.Watch = a.reading()
	res := &trainResult{Run: dir}
	if a.follows() {
		_, err := run.Train(ctx, cfg, dir, a.followHooks(resume))
		return res, nil, err
	}
	if resume && !run.Begun(dir) {
		a.status("%s has no checkpoint: this training begins at step 0", dir)
	}
	r, err := run.Train(ctx, cfg, dir, a.trainHooks(ctx, cfg, resume, res, again))
	a.leave.unsaved.Store(false)
	if errors.Is(err, train.ErrInterrupted) {
		return nil, nil, fmt.Errorf("%w\ncontinue with: %s", err, again)
	}
	if err != nil {
		return nil, nil, err
	}
	events, err := run.ReadMetrics(filepath.Join(dir, run.MetricsFile))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range events {
		if e.Step == r.Step {
			res.ModelValLoss = e.ValLoss
		}
		res.Step, res.Loss, res.NFE, res.Seconds = e.Step, e.Loss, e.NFE, e.Seconds
		if e.ValLoss != nil {
			res.ValLoss = e.ValLoss
		}
	}
	res.StoppedEarly = res.Step < res.Steps
	if why := run.Overfits(events, r.Step, r.Best); why != "" && !likelihoodLoss(cfg.Train) {
		a.warn(&res.Warnings, why)
	}
	res.Ranks = a.sums(res.Step - res.ResumedFrom)
	net := r.Model.Net()
	res.ModelStep, res.ModelBest, res.Backend = r.Step, r.Best, net.Engine().Name()
	res.Parameters, res.Condition = net.NumWeights(), r.Model.Conditioner() != nil
	res.Given = r.Model.Spec().ContextColumns != nil
	return res, r, nil
}

// trainHooks reports the progress of a training, and what its result is to say of it.
func (a *app) trainHooks(ctx context.Context, cfg run.Config, resume bool, res *trainResult,
	again string) run.TrainOptions {
	var p *training
	weights := 0
	return run.TrainOptions{
		Resume: resume,
		Ranks:  a.ranks,
		Resumed: func(step int, changes []run.Change) {
			res.ResumedFrom, res.Changes = step, a.resumed(&res.Warnings, changes)
		},
		Opened: func(set *data.Set, is run.Config) {
			cfg = is
			a.opened(res, set, is)
		},
		Shared: func(s train.Sharing) { a.status("%v", s) },
		Estimated: func(e run.Estimate) {
			free := ""
			weights = e.Weights
			if e.Free > 0 {
				free = fmt.Sprintf(", of %s that there are", memory.Size(float64(e.Free)))
			}
			a.status("%d weights; training on batches of %d takes %s of memory%s", e.Weights, e.Batch,
				memory.Size(float64(e.Bytes)), free)
		},
		Warned:   func(w string) { a.warn(&res.Warnings, w) },
		Unsealed: func(keys []string, why error) { a.warn(&res.Warnings, unsealed(keys, why)) },
		Step: func(step int, loss float64) {
			a.leave.unsaved.Store(true)
			if p == nil {
				p = a.training(step, cfg.Train.Steps) // the clock starts now, with this step done
				p.nll, p.weights = likelihoodLoss(cfg.Train), weights
			}
			p.step(step, loss)
		},
		Event: func(e train.Event) {
			if p != nil { // that of a step whose validation was interrupted comes before all steps
				p.event(e)
			}
		},
		FellBack: func(f train.FellBack) {
			p = nil
			a.warn(&res.Warnings, f.String())
		},
		Undrawn: func(step int, err error) { a.status("no picture of step %d: %v", step, err) },
		Saved:   func(step int) { a.saved(ctx, step, again) },
	}
}

// saved notes that the state of a step is saved. again is the command that goes on with it.
func (a *app) saved(ctx context.Context, step int, again string) {
	if ctx.Err() != nil {
		a.leave.advice.Store(new(fmt.Sprintf("the state of step %d is saved\ncontinue with: %s", step, again)))
	}
	a.leave.saved(ctx)
}

// warn reports a warning, now and among those of a result.
func (a *app) warn(all *[]string, text string) {
	a.status("warning: %s", text)
	*all = append(*all, text)
}

// unsealed says what will not be followed in the folder of a run, and how it is opened.
func unsealed(keys []string, why error) string {
	give := make([]string, len(keys))
	for i, key := range keys {
		if give[i] = "--set " + key + "=FILE"; key == "backend" {
			give[i] = "--backend NAME"
		}
	}
	return fmt.Sprintf("the run cannot be marked as made here, because a key cannot be stored (%v): paths out of "+
		"its folder will not be followed; open it, and resume it, with %s", why, strings.Join(give, " "))
}

// opened reports what the data hold, what of the files is not in them, and settings that the
// training is too short for.
func (a *app) opened(res *trainResult, set *data.Set, is run.Config) {
	res.Steps = is.Train.Steps
	for _, w := range is.Warnings() {
		a.warn(&res.Warnings, w)
	}
	res.Data, res.Images, res.About = set.Name, set.Kind == data.KindImages, set.Describe()
	for _, line := range res.About {
		a.status("%s: %s", set.Name, line)
	}
	notes := set.Notes
	res.Skipped = set.Skipped
	if set.Skipped > 0 && res.Images {
		notes = append(notes, fmt.Sprintf("images left out because they cannot be decoded: %d", set.Skipped))
	}
	for _, note := range notes {
		a.warn(&res.Warnings, set.Name+": "+note)
	}
}

// resumed reports what has changed since a run began, and returns it.
func (a *app) resumed(warnings *[]string, changes []run.Change) (said []change) {
	for _, c := range changes {
		a.status("%v", c)
		if c.Note != "" {
			a.warn(warnings, fmt.Sprintf("%s has changed: %s", c.Key, c.Note))
		}
		said = append(said, change(c))
	}
	return said
}

// likelihoodLoss says whether the loss of training is a negative log-likelihood.
func likelihoodLoss(c train.Config) bool {
	k, err := train.KindOf(c.Objective)
	return err == nil && k.Solves && c.ML.Kinetic == 0 && c.ML.Jacobian == 0
}

// resumeCommand is the command line that goes on with an interrupted training of so many ranks.
func resumeCommand(file string, f trainFlags, ranks int) string {
	words := []string{"flowmatch"}
	if ranks > 1 {
		words = []string{"mpirun", "-np", strconv.Itoa(ranks), "flowmatch-mpi"}
	}
	words = append(words, "train", quote(file), "--out", quote(f.out))
	for _, s := range f.set {
		words = append(words, "--set", quote(s))
	}
	if f.backend != "" {
		words = append(words, "--backend", quote(f.backend))
	}
	return strings.Join(append(words, "--resume"), " ")
}

// quote writes a word as a shell wants it.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("_-./=,:+@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
