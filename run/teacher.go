package run

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// reflow is the objective of a teacher's pairs, and the examples of those that are
// held out, every fiftieth.
func (s *session) reflow(ctx context.Context, cfm train.CFM, set *data.Set, resume bool) (train.Objective, *nn.Examples, error) {
	pairs, err := s.pairs(ctx, set, resume)
	if err != nil {
		return nil, nil, err
	}
	kept := pairs.X.N - pairs.X.N/50
	o, err := train.NewReflow(cfm, pairs.Slice(0, kept), s.cfg.Train.DistillSteps)
	if err != nil {
		return nil, nil, err
	}
	return o, o.Validation(pairs.Slice(kept, pairs.X.N)), nil
}

// pairs returns the pairs of the teacher. They are made once, at the start, and kept
// in the run's folder: a resumed run reads them.
func (s *session) pairs(ctx context.Context, set *data.Set, resume bool) (train.Pairs, error) {
	file, n := filepath.Join(s.dir, PairsFile), s.cfg.Train.Pairs
	if resume && exists(file) {
		return readPairs(file, n, set.Dim, s.cfg.Net.Classes)
	}
	teacher, eval, err := openTeacher(s.cfg.Train.Teacher, s.net.Engine(), s.cfg.Eval)
	if err != nil {
		return train.Pairs{}, err
	}
	if teacher.Dim() != set.Dim || teacher.Net.Config().Classes != s.cfg.Net.Classes {
		return train.Pairs{}, fmt.Errorf("run: the teacher %s makes points of dimension %d in %d classes, but this run's are of dimension %d in %d classes; give the data section of the teacher",
			s.cfg.Train.Teacher, teacher.Dim(), teacher.Net.Config().Classes, set.Dim, s.cfg.Net.Classes)
	}
	if !reflect.DeepEqual(teacher.Source, s.spec.Source) {
		return train.Pairs{}, fmt.Errorf("run: the teacher %s does not start from the source of this run; give the source section of the teacher", s.cfg.Train.Teacher)
	}
	how, err := eval.Sampling()
	if err != nil {
		return train.Pairs{}, err
	}
	p, err := train.MakePairs(ctx, teacher, how, set.Standardizer, n, s.cfg.Seed)
	if err != nil {
		return p, err
	}
	return p, data.WriteNPY(file, p.X)
}

// readPairs reads the n pairs that an earlier session made.
func readPairs(file string, n, dim, classes int) (train.Pairs, error) {
	t, err := data.ReadTable(file, data.TableOptions{})
	if err != nil {
		return train.Pairs{}, fmt.Errorf("run: the teacher's pairs: %w", err)
	}
	if t.X.N != n || t.X.D != 2*dim {
		return train.Pairs{}, fmt.Errorf("run: %s holds pairs [%d, %d], and the run file asks for [%d, %d]; resume with the settings it began with", file, t.X.N, t.X.D, n, 2*dim)
	}
	return train.LabelPairs(t.X, classes), nil
}

// openTeacher opens the model of a run's folder or of a checkpoint, and how the run
// samples: eval where there is a checkpoint alone.
func openTeacher(name string, eng *nn.Engine, eval Eval) (*model.Model, Eval, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, eval, fmt.Errorf("run: train.teacher: %w", err)
	}
	dir, file := name, filepath.Join(name, CheckpointFile)
	if !info.IsDir() {
		dir, file = filepath.Dir(name), name
	} else if best := filepath.Join(name, BestFile); exists(best) {
		file = best
	}
	switch {
	case exists(filepath.Join(dir, ConfigFile)):
		cfg, err := readRunConfig(dir)
		if err != nil {
			return nil, eval, fmt.Errorf("run: train.teacher: %w", err)
		}
		eval = cfg.Eval
	case info.IsDir():
		return nil, eval, fmt.Errorf("run: train.teacher: %w: %s has no %s", ErrNoRun, dir, ConfigFile)
	}
	ckpt, err := model.Load(file, eng)
	if err != nil {
		return nil, eval, fmt.Errorf("run: train.teacher: %w", err)
	}
	m, err := ckpt.Model()
	return m, eval, err
}
