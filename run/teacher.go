package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"flowmatch/data/table"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// pairs returns the pairs of the teacher. They are made once, at the start, and kept
// in the run's folder: a run that has begun reads them.
func (s *session) pairs(ctx context.Context, eng *nn.Engine, spec model.Spec, begun bool) (train.Pairs, error) {
	file, n := filepath.Join(s.dir, pairsFile), s.cfg.Train.Pairs
	if begun && exists(file) {
		return readPairs(file, n, spec.Net.Dim, spec.Net.Classes)
	}
	name := s.cfg.Train.Teacher
	teacher, settings, err := openTeacher(name, eng, s.cfg.Eval)
	if err != nil {
		return train.Pairs{}, err
	}
	of := teacher.Spec()
	if of.Net.Dim != spec.Net.Dim || of.Net.Classes != spec.Net.Classes {
		return train.Pairs{}, fmt.Errorf("%w: the teacher %s makes points of dimension %d in %d classes, "+
			"but this run's are of dimension %d in %d classes; give the data section of the teacher",
			ErrSettings, name, of.Net.Dim, of.Net.Classes, spec.Net.Dim, spec.Net.Classes)
	}
	if !reflect.DeepEqual(of.Schema, spec.Schema) {
		return train.Pairs{}, fmt.Errorf("%w: the columns of the teacher %s do not hold what those of this run do "+
			"(data.schema); give the data section of the teacher, its seed or split_seed included", ErrSettings, name)
	}
	if !reflect.DeepEqual(of.Source, spec.Source) {
		return train.Pairs{}, fmt.Errorf(
			"%w: the teacher %s does not start from the source of this run; give the source section of the teacher",
			ErrSettings, name)
	}
	how, err := settings.Sampler()
	if err != nil {
		return train.Pairs{}, err
	}
	p, err := train.MakePairs(ctx, teacher, how, spec.Units(), n, s.cfg.Seed)
	if err != nil {
		return p, err
	}
	return p, table.WriteNPY(file, p.X)
}

// readPairs reads the n pairs that an earlier session made.
func readPairs(file string, n, dim, classes int) (train.Pairs, error) {
	t, err := table.Read(file, table.Options{})
	if err != nil {
		return train.Pairs{}, fmt.Errorf("run: the teacher's pairs: %w", err)
	}
	if t.X.N != n || t.X.D != 2*dim {
		return train.Pairs{}, fmt.Errorf(
			"run: %s holds pairs [%d, %d], and the run file asks for [%d, %d]; resume with the settings it began with",
			file, t.X.N, t.X.D, n, 2*dim)
	}
	return train.Pairs{X: t.X, Label: flow.LabelsInTurn(n, classes)}, nil
}

// named is an error of this package that stands in another one, which names the room.
type named struct{ error }

func (e named) Error() string { return strings.TrimPrefix(e.error.Error(), "run: ") }

func (e named) Unwrap() error { return e.error }

// openTeacher opens the model of a run's folder or of a checkpoint, and how the run
// samples: settings where there is a checkpoint alone.
func openTeacher(name string, eng *nn.Engine, settings eval.Settings) (*model.Model, eval.Settings, error) {
	fail := func(err error) (*model.Model, eval.Settings, error) {
		return nil, settings, fmt.Errorf("run: train.teacher: %w", named{err})
	}
	info, err := os.Stat(name)
	if err != nil {
		return fail(err)
	}
	dir, file := name, name
	if !info.IsDir() {
		dir = filepath.Dir(name)
	}
	switch {
	case exists(filepath.Join(dir, ConfigFile)):
		cfg, err := readRunConfig(dir)
		if err != nil {
			return fail(err)
		}
		settings = cfg.Eval
		if info.IsDir() {
			file = usedFile(dir, cfg)
		}
	case info.IsDir():
		return fail(fmt.Errorf("%w: %s has no %s", ErrNoRun, dir, ConfigFile))
	}
	m, _, err := model.Open(file, eng)
	if err != nil {
		return fail(err)
	}
	return m, settings, nil
}
