package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/eval"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/filelock"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// The files of a run's folder.
const (
	ConfigFile     = "run.yaml"
	versionsFile   = "versions.json"
	MetricsFile    = "metrics.jsonl"
	CheckpointFile = "checkpoint.safetensors"
	BestFile       = "best.safetensors"
	pairsFile      = "pairs.npy" // of reflow and distill: what the teacher made
	boardDir       = "tensorboard"
)

// Run is an opened folder: a model, and the settings that made it. Its data are opened
// only when they are asked for: samples and densities need the model alone.
type Run struct {
	Dir    string
	Config Config
	Model  *model.Model
	Step   int  // optimizer steps behind the model's weights
	Best   bool // they are those of the best validation; see train.Loop.Patience

	// Watch, if not nil, is called when a long solve begins, with what it makes ("log
	// densities") and of how many points, and returns what its progress goes to.
	Watch func(what string, points int) model.Progress
	// Reading is told of work on the files of the data that takes long; nil: nobody is.
	Reading *data.Watch

	open    func() (*data.Set, error)
	decoder func() (*nn.Decoder, error) // nil: it has none
}

// ErrNoRun is returned by Open for a folder that holds no run, and ErrNoCheckpoint for one
// that has not saved its state yet.
var (
	ErrNoRun        = errors.New("run: not a run's folder")
	ErrNoCheckpoint = errors.New("run: no checkpoint yet")
)

// ErrBusy is returned by Train and Import while another process, or another call, trains in
// the same folder. The error names it.
var ErrBusy = filelock.ErrHeld

// ErrSettings is returned by Train for settings that the data show to be wrong.
var ErrSettings = errors.New("run: the settings do not fit the data")

// OpenOptions says how a run is opened. The zero value is usable.
type OpenOptions struct {
	Backend string // "": the one that it was trained with
	// Weights is the precision that the weights are held in: see [nn.Engine.Holding]. "": float32.
	Weights nn.Precision
	// Set is where its data are, as settings of [ReadConfig]: data.path=FILE, and the other
	// paths of data. What a folder that was not made here says of that is not followed: see
	// [ErrForeign].
	Set []string
	// Known, if not nil, are the settings that the caller made the run of: paths that it names
	// as they do are followed wherever it was made.
	Known *Config
}

// Open opens a trained run: with train.patience the state of its best validation, else the
// last one that was saved. backend "" is the one it was trained with.
func Open(dir, backend string) (*Run, error) { return OpenWith(dir, OpenOptions{Backend: backend}) }

// OpenWith is Open with options.
func OpenWith(dir string, o OpenOptions) (*Run, error) {
	return openFile(dir, o, func(cfg Config) string { return usedFile(dir, cfg) })
}

// usedFile is the file of the weights that a run is used with.
func usedFile(dir string, cfg Config) string { return weightsFile(dir, cfg.Train.Patience) }

// weightsFile is usedFile of a run of any kind.
func weightsFile(dir string, patience int) string {
	if best := filepath.Join(dir, BestFile); patience > 0 && exists(best) {
		return best
	}
	return filepath.Join(dir, CheckpointFile)
}

// OpenAt opens a run as it was when a snapshot was taken, at a step that
// [Snapshots] returns.
func OpenAt(dir string, step int, o OpenOptions) (*Run, error) {
	return openFile(dir, o, func(Config) string { return snapshotFile(dir, step) })
}

// made returns the files in a folder, beside run.yaml, that have the names of those that a
// training makes.
func made(dir string) (names []string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil // the folder is yet to be made
	}
	for _, f := range files {
		if name := f.Name(); slices.Contains(fixedNames, name) || ofStep(name) {
			names = append(names, name)
		}
	}
	return names
}

// fixedNames are those of the files, beside run.yaml, that a training or an import makes once.
var fixedNames = []string{versionsFile, MetricsFile, CheckpointFile, BestFile, pairsFile, model.AutoencoderFile,
	model.DecoderFile}

// ofStep says whether a name is that of a file of a step.
func ofStep(name string) bool { return hasStep(name, snapshotName) || hasStep(name, samplesName) }

// Owns says whether a file is one that the run in its folder keeps there, or reads if it is
// there: it is not for anything else.
func Owns(file string) bool {
	dir, name := filepath.Dir(file), filepath.Base(file)
	if !exists(filepath.Join(dir, ConfigFile)) {
		return false
	}
	return name == ConfigFile || slices.Contains(fixedNames, name) || ofStep(name) && exists(file)
}

// hasStep says whether a name is one of a step.
func hasStep(name, format string) bool {
	_, ok := stepOf(name, format)
	return ok
}

// stepOf returns the step in a name.
func stepOf(name, format string) (step int, ok bool) {
	_, err := fmt.Sscanf(name, format, &step)
	return step, err == nil && name == fmt.Sprintf(format, step)
}

// Begun reports whether a folder holds the state of a training that can be resumed.
func Begun(dir string) bool { return exists(filepath.Join(dir, CheckpointFile)) }

// Snapshots returns the steps of which the run keeps a snapshot, in order; see
// train.Loop.SnapshotEvery.
func Snapshots(dir string) ([]int, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	var steps []int
	for _, f := range files {
		if step, ok := stepOf(f.Name(), snapshotName); ok {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// snapshotName is the name of the file of a step.
const snapshotName = "snapshot-%d.safetensors"

func snapshotFile(dir string, step int) string {
	return filepath.Join(dir, fmt.Sprintf(snapshotName, step))
}

// openFile opens a run with the weights of a file, which its settings may decide on.
func openFile(dir string, o OpenOptions, file func(Config) string) (*Run, error) {
	atomicfile.Sweep(dir)
	filelock.Clear(dir)
	cfg, err := readRunConfig(dir)
	if err != nil {
		return nil, err
	}
	given, err := relocate(&cfg, o.Set)
	if err != nil {
		return nil, err
	}
	given = append(given, cfg.named(o.Known)...)
	if o.Backend != "" {
		cfg.Backend = o.Backend
	} else if err := checkForeign(&cfg, dir, nil, true); err != nil {
		return nil, err
	}
	eng, err := nn.Open(cfg.Backend)
	if err != nil {
		return nil, err
	}
	if eng, err = eng.Holding(o.Weights); err != nil {
		return nil, err
	}
	name := file(cfg)
	m, step, extra, err := model.OpenExtra(name, eng)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noCheckpoint(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := ownModel(m.Spec(), cfg); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, name)
	}
	if err := ownFile(name, step, extra, cfg, cfg.Train.Patience); err != nil {
		return nil, err
	}
	if m, err = limited(m, cfg); err != nil {
		return nil, err
	}
	r := &Run{Dir: dir, Config: cfg, Model: m, Step: step, Best: filepath.Base(name) == BestFile}
	if decoder := decoderIn(dir, m); decoder != nil {
		r.decoder = sync.OnceValues(decoder)
	}
	r.open = sync.OnceValues(func() (*data.Set, error) {
		if err := checkForeign(&cfg, dir, given, false); err != nil {
			return nil, err
		}
		reading := cfg
		reading.Data.Watch = r.Reading
		return openOrdered(reading, m.Spec())
	})
	return r, nil
}

// limited returns the model of a run with what its objective and coupling cannot give:
// a checkpoint of an earlier version does not say it, and run.yaml does.
func limited(m *model.Model, cfg Config) (*model.Model, error) {
	kind, err := train.KindOf(cfg.Train.Objective)
	if err != nil {
		return nil, err
	}
	spec := m.Spec()
	spec.NoDensity, spec.NoScore = kind.Limits(cfg.Coupling.Name)
	return model.New(spec, m.Net())
}

// openOrdered opens the data of a trained run as the model knows them: a table may have its
// columns in another order now, and the classes may be numbered otherwise. Both are found by
// their names.
func openOrdered(cfg Config, spec model.Spec) (*data.Set, error) {
	if spec.Schema != nil {
		return cfg.Data.OpenAs("", cfg.Seed, spec.Schema)
	}
	set, err := cfg.Open()
	if err == nil && spec.Space != nil && set.Space != nil && !slices.Equal(set.Space.Columns, spec.Space.Columns) {
		cfg.Data = cfg.Data.WithColumns(spec.Space.Columns, spec.ContextColumns)
		set, err = cfg.Open()
	} else if err == nil && spec.Columns != nil && (!slices.Equal(set.Columns, spec.Columns) ||
		!slices.Equal(set.ContextColumns, spec.ContextColumns)) {
		cfg.Data = cfg.Data.WithColumns(spec.Columns, spec.ContextColumns)
		set, err = cfg.Open()
	}
	if err != nil || spec.Net.Classes == 0 {
		return set, err
	}
	_, numbers := data.ClassNumbers(set.ClassNames)
	if folder := cfg.Data.ResolvedKind() == data.KindFolder; spec.ClassNames == nil && (!numbers || folder) {
		return inTextOrder(set)
	}
	return set.WithClasses(spec.ClassNames, spec.Net.Classes)
}

// inTextOrder returns the data of an old checkpoint, which has no names of folders: its version
// numbered them in the order of their text, 10 before 2.
func inTextOrder(set *data.Set) (*data.Set, error) {
	if set.ClassNames == nil {
		return set, nil
	}
	set, err := set.WithClasses(slices.Sorted(slices.Values(set.ClassNames)), set.Classes)
	if err != nil {
		return nil, err
	}
	nameless := *set
	nameless.ClassNames = nil
	return &nameless, nil
}

// gridOf says how the numbers of a context of a network hang together.
func gridOf(net nn.Config) (g dataset.Grid) {
	if r := net.Residual; r != nil {
		g = dataset.Grid{Axes: r.Embed.Axes(), Shape: r.Embed.Shape, Marked: r.Embed.Kind == nn.EmbedSet}
	}
	return g
}

// Grid says how the numbers of a context of the model hang together, for [dataset.ReadContexts].
func (r *Run) Grid() dataset.Grid {
	spec := r.Model.Spec()
	g := gridOf(spec.Net)
	g.Shape = spec.ContextShape
	return g
}

// Open opens the data of a run, with the contexts that it makes of images.
func (c Config) Open() (*data.Set, error) {
	c.Data.Grid = gridOf(c.Net)
	c.Data.Space = c.Space
	c.Data.OpenEncoder = c.encoderOf()
	set, err := c.Data.Open("", c.Seed)
	if err != nil || c.Condition.Kind == "" {
		return set, err
	}
	image := set.Image()
	if set.Encoded != nil {
		return nil, fmt.Errorf("%w: condition makes contexts of images, and with data.encoder the points are latents; "+
			"leave one out", ErrSettings)
	}
	if image == nil {
		return nil, fmt.Errorf("%w: condition is for images; these (%s) are of kind %s", ErrSettings,
			set.Name, set.Kind)
	}
	condition, err := c.Condition.New(image, set.Standardizer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	return set.WithContext(condition, c.Seed)
}

// Data opens the data that the run was trained on, at the first call.
func (r *Run) Data() (*data.Set, error) {
	set, err := r.open()
	if err != nil {
		return nil, fmt.Errorf("run: the data of %s: %w", r.Dir, err)
	}
	return set, nil
}

// Subject returns the run as what is evaluated. withData opens its data, too, which
// held-out points need.
func (r *Run) Subject(withData bool) (eval.Subject, error) {
	s := eval.Subject{
		Model: r.Model, Settings: r.Config.Eval, Seed: r.Config.Seed, PartSeed: r.Config.Data.SplitSeed,
		Name: r.Dir, Step: r.Step, Cache: r.Dir, Watch: r.Watch,
	}
	if kind, err := train.KindOf(r.Config.Train.Objective); err == nil && kind.EulerSteps != nil {
		s.EulerSteps = kind.EulerSteps(r.Config.Train)
	}
	var err error
	if withData {
		s.Set, err = r.Data()
	}
	return s, err
}

// Conditional reports whether the model is conditional on labels.
func (r *Run) Conditional() bool { return r.Model.Spec().Net.Classes > 0 }

func readRunConfig(dir string) (Config, error) {
	file := filepath.Join(dir, ConfigFile)
	if !exists(file) {
		return Config{}, fmt.Errorf("%w: %s has no %s", ErrNoRun, dir, ConfigFile)
	}
	return readFile(file, func(text []byte) (Config, error) {
		if ofTokens(text, nil) {
			return Config{}, ErrTokens
		}
		return parseWritten(text, nil)
	})
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// versions is what a run was made with.
type versions struct {
	Flowmatch string `json:"flowmatch"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
	Backend   string `json:"backend"`
	// Paths shows that what run.yaml names outside of the folder was given by this user.
	Paths string `json:"paths,omitempty"`
}

// Version returns the version of the program, as its build says.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return version + " " + s.Value
		}
	}
	return version
}

// noCheckpoint is the error of a run of which no state is saved, with what helps.
func noCheckpoint(dir string) error {
	return fmt.Errorf("%w: %s; resume its training or, where it diverged, train anew with a lower train.lr",
		ErrNoCheckpoint, dir)
}
