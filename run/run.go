package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/goccy/go-yaml"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// The files of a run's folder.
const (
	ConfigFile     = "run.yaml"
	VersionsFile   = "versions.json"
	MetricsFile    = "metrics.jsonl"
	CheckpointFile = "checkpoint.safetensors"
	BestFile       = "best.safetensors"
	PairsFile      = "pairs.npy" // of reflow and distill: what the teacher made
	BoardDir       = "tensorboard"
)

// keyProgress is where a checkpoint keeps train.Progress.
const keyProgress = "train"

// Run is an opened folder: a model and the data it is of.
type Run struct {
	Dir    string
	Config Config
	Model  *model.Model
	Data   *data.Set
	Step   int // optimizer steps behind the model's weights

	// Watch, if not nil, is called when a long solve begins, with what it makes ("log
	// densities") and of how many points, and returns what its progress is told to.
	Watch func(what string, points int) model.Progress
}

// watch calls Watch where it is set.
func (r *Run) watch(what string, points int) model.Progress {
	if r.Watch == nil {
		return nil
	}
	return r.Watch(what, points)
}

// ErrNoRun is returned by Open for a folder that holds no run.
var ErrNoRun = errors.New("run: not a run's folder")

// Open opens a trained run. backend "" is the one it was trained with.
func Open(dir, backend string) (*Run, error) {
	file := filepath.Join(dir, CheckpointFile)
	if best := filepath.Join(dir, BestFile); exists(best) {
		file = best
	}
	return open(dir, backend, file)
}

// OpenAt opens a run as it was when a snapshot was taken, at a step that
// [Snapshots] returns.
func OpenAt(dir, backend string, step int) (*Run, error) {
	return open(dir, backend, snapshotFile(dir, step))
}

// Snapshots returns the steps of which the run keeps a snapshot, in order; see
// train.Config.SnapshotEvery.
func Snapshots(dir string) ([]int, error) {
	files, err := filepath.Glob(snapshotFile(dir, -1))
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	var steps []int
	for _, f := range files {
		var step int
		if _, err := fmt.Sscanf(filepath.Base(f), snapshotName, &step); err == nil {
			steps = append(steps, step)
		}
	}
	slices.Sort(steps)
	return steps, nil
}

// snapshotName is the name of the file of a step.
const snapshotName = "snapshot-%d.safetensors"

// snapshotFile returns the file of a step's snapshot; of step -1 a pattern of all.
func snapshotFile(dir string, step int) string {
	if step < 0 {
		return filepath.Join(dir, "snapshot-*.safetensors")
	}
	return filepath.Join(dir, fmt.Sprintf(snapshotName, step))
}

func open(dir, backend, file string) (*Run, error) {
	cfg, err := readRunConfig(dir)
	if err != nil {
		return nil, err
	}
	if backend != "" {
		cfg.Backend = backend
	}
	eng, err := nn.Open(cfg.Backend)
	if err != nil {
		return nil, err
	}
	set, err := cfg.Data.Open("", cfg.Seed)
	if err != nil {
		return nil, err
	}
	ckpt, err := model.Load(file, eng)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("run: %s has no checkpoint yet; train it with: flowmatch train %s --out %s --resume", dir, filepath.Join(dir, ConfigFile), dir)
	}
	if err != nil {
		return nil, err
	}
	m, err := ckpt.Model()
	if err != nil {
		return nil, err
	}
	return &Run{Dir: dir, Config: cfg, Model: m, Data: set, Step: int(ckpt.State.Step)}, nil
}

func readRunConfig(dir string) (Config, error) {
	file := filepath.Join(dir, ConfigFile)
	if !exists(file) {
		return Config{}, fmt.Errorf("%w: %s has no %s", ErrNoRun, dir, ConfigFile)
	}
	return ReadConfig(file, nil)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// TrainOptions is what a training session is told beside its Config.
type TrainOptions struct {
	// Resume goes on from the folder's checkpoint, if there is one. Without it
	// a folder that holds a run already is an error.
	Resume bool
	// Step and Event are the hooks of [train.Hooks].
	Step  func(step int, loss float64)
	Event func(train.Event)
	// Resumed is called with the step that a resumed run goes on from.
	Resumed func(step int)
	// Opened is called with the data before training.
	Opened func(*data.Set)
	// Undrawn is called where the samples of a step cannot be solved for or drawn, so
	// that there is no picture of them; training goes on.
	Undrawn func(step int, err error)
}

// ErrExists is returned by Train when the folder already holds a run.
var ErrExists = errors.New("run: the folder already holds a run")

// Train trains in dir until it is done or ctx ends, and returns the run opened.
// When ctx ends, the state is saved and the error is train.ErrInterrupted.
func Train(ctx context.Context, cfg Config, dir string, o TrainOptions) (*Run, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s, err := prepare(ctx, cfg, dir, o)
	if err != nil {
		return nil, err
	}
	metrics, err := openMetrics(filepath.Join(dir, MetricsFile), s.from)
	if err != nil {
		return nil, err
	}
	defer metrics.Close()
	b, err := s.openBoard()
	if err != nil {
		return nil, err
	}
	defer b.Close()
	p := &pictures{session: s, ctx: ctx, board: b, undrawn: o.Undrawn}
	if err := p.resume(); err != nil {
		return nil, err
	}
	hooks := train.Hooks{
		Step: o.Step,
		Event: func(e train.Event) error {
			if o.Event != nil {
				o.Event(e)
			}
			if err := b.Event(e); err != nil {
				return err
			}
			return metrics.Append(e)
		},
		Sample:   p.draw,
		Save:     s.save,
		Snapshot: s.snapshot,
	}
	if _, err := train.Run(ctx, s.trainer, s.objective, s.val, s.cfg.Train, s.progress, hooks); err != nil {
		return nil, err
	}
	if err := errors.Join(metrics.Close(), b.Close()); err != nil {
		return nil, err
	}
	return Open(dir, cfg.Backend)
}

// session is everything that one call of Train works with.
type session struct {
	cfg       Config
	dir       string
	set       *data.Set
	spec      model.Spec
	net       *nn.Net
	trainer   *nn.Trainer
	condition *data.Condition // nil: none
	objective train.Objective
	val       train.Validate // nil: no held-out points
	progress  train.Progress
	from      int
}

func prepare(ctx context.Context, cfg Config, dir string, o TrainOptions) (*session, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	checkpoint := filepath.Join(dir, CheckpointFile)
	if exists(filepath.Join(dir, ConfigFile)) && !o.Resume {
		return nil, fmt.Errorf("%w: %s; give another --out, or --resume to go on with it", ErrExists, dir)
	}
	eng, err := nn.Open(cfg.Backend)
	if err != nil {
		return nil, err
	}
	set, err := cfg.Data.Open("", cfg.Seed)
	if err != nil {
		return nil, err
	}
	if o.Opened != nil {
		o.Opened(set)
	}
	s := &session{cfg: cfg, dir: dir, set: set}
	if err := s.build(ctx, eng, set, o.Resume); err != nil {
		return nil, err
	}
	if o.Resume && exists(checkpoint) {
		if err := s.restore(checkpoint, eng, o); err != nil {
			return nil, err
		}
	}
	return s, s.writeDescription(eng)
}

// build makes the network and the objective that the data and the Config ask for.
func (s *session) build(ctx context.Context, eng *nn.Engine, set *data.Set, resume bool) (err error) {
	cfg := &s.cfg
	cfg.Net.Dim, cfg.Net.Classes = set.Dim, 0
	if cfg.Conditional {
		if set.Classes == 0 {
			return fmt.Errorf("run: conditional is set, but the data (%s) have no labels", set.Name)
		}
		cfg.Net.Classes = set.Classes
	}
	if cfg.Net.OfImages() {
		if cfg.Net, err = onImages(cfg.Net, set); err != nil {
			return err
		}
	}
	if s.condition, err = makeCondition(cfg.Condition, &cfg.Net, set); err != nil {
		return err
	}
	if s.net, err = nn.New(eng, cfg.Net, cfg.Seed); err != nil {
		return err
	}
	cfg.Net = s.net.Config()
	s.spec = specOf(*cfg, set)
	if _, err := model.New(s.spec, s.net); err != nil {
		return err
	}
	optimizer := cfg.Train.Optimizer
	optimizer.Seed = cfg.Seed
	if s.trainer, err = s.net.NewTrainerWith(optimizer, cfg.Train.Economy()); err != nil {
		return err
	}
	if err := s.drawable(); err != nil {
		return err
	}
	return s.buildObjective(ctx, set, resume)
}

// onImages gives a network of images the shape of the data's.
func onImages(net nn.Config, set *data.Set) (nn.Config, error) {
	image := set.Image()
	if image == nil {
		return net, fmt.Errorf("run: net.unet and net.dit are for images; the data (%s) are of kind %s", set.Name, set.Kind)
	}
	return net.OnImages(image), nil
}

func specOf(cfg Config, set *data.Set) model.Spec {
	spec := model.Spec{
		Net: cfg.Net, Path: cfg.Path, Prediction: cfg.Train.Prediction,
		Shape: set.Shape, Standardizer: set.Standardizer, Columns: set.Columns,
	}
	if cfg.Source.Name != "" {
		spec.Source = &cfg.Source
	}
	if cfg.Condition.Kind != "" {
		spec.Condition = &cfg.Condition
	}
	if set.Levels > 0 {
		spec.BinWidth = 2 / float64(set.Levels) // images span [-1, 1]
	}
	return spec
}

// restore takes up the state of a checkpoint. Only settings that leave the
// meaning of the state alone may have changed since.
func (s *session) restore(file string, eng *nn.Engine, o TrainOptions) error {
	ckpt, err := model.Load(file, eng)
	if err != nil {
		return err
	}
	was, _ := json.Marshal(ckpt.Spec)
	is, _ := json.Marshal(s.spec)
	if string(was) != string(is) {
		return fmt.Errorf("run: %s was trained as\n  %s\nbut the run file now says\n  %s\nresume with the settings it began with, or train into another folder", s.dir, was, is)
	}
	if s.progress, err = train.UnmarshalProgress(ckpt.Extra[keyProgress]); err != nil {
		return err
	}
	if err := s.trainer.Restore(ckpt.State); err != nil {
		return err
	}
	s.from = int(ckpt.State.Step)
	if o.Resumed != nil {
		o.Resumed(s.from)
	}
	return nil
}

func (s *session) save(state nn.State, p train.Progress, best bool) error {
	c := model.Checkpoint{Spec: s.spec, Net: s.net, State: state, Extra: map[string]string{keyProgress: p.Marshal()}}
	if best {
		if err := c.Save(filepath.Join(s.dir, BestFile)); err != nil {
			return err
		}
	}
	return c.Save(filepath.Join(s.dir, CheckpointFile))
}

// snapshot keeps a state for good.
func (s *session) snapshot(state nn.State) error {
	c := model.Checkpoint{Spec: s.spec, Net: s.net, State: state}
	return c.Save(snapshotFile(s.dir, int(state.Step)))
}

// Versions is what a run was made with.
type Versions struct {
	Flowmatch string `json:"flowmatch"`
	Go        string `json:"go"`
	Platform  string `json:"platform"`
	Backend   string `json:"backend"`
}

// Version returns the version of the program, as its build tells it.
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

// writeDescription writes the files that say what this run is.
func (s *session) writeDescription(eng *nn.Engine) error {
	text, err := yaml.Marshal(s.cfg)
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	versions, err := json.MarshalIndent(Versions{
		Flowmatch: Version(), Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Backend: eng.Description(),
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("run: %w", err)
	}
	for file, content := range map[string][]byte{ConfigFile: text, VersionsFile: append(versions, '\n')} {
		if err := writeFile(filepath.Join(s.dir, file), content); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(file string, content []byte) error {
	return atomicfile.WriteFile(file, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// TestPoints returns up to n held-out points in data units with their labels
// (nil when there are none); n = 0 asks for all. Images have their first sample of
// dequantisation noise.
func (r *Run) TestPoints(n int) (flow.Batch, []int32) {
	if all := r.Data.Test.Len(); n == 0 || n > all {
		n = all
	}
	return r.dequantized(n, 0)
}
