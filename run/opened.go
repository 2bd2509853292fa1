package run

import (
	"path/filepath"
	"runtime"

	"flowmatch/data"
	"flowmatch/model"
)

// opened ends a session and returns its run as [Open] does, with the data and the weights that are
// in memory, unless those of the best validation are others.
func (s *session) opened() (*Run, error) {
	cfg, err := readRunConfig(s.dir)
	if err != nil {
		return nil, err
	}
	cfg.Backend = s.cfg.Backend
	if file := usedFile(s.dir, cfg); filepath.Base(file) == BestFile {
		s.trainer = nil // what it holds may be large, and is not needed any more
		runtime.GC()
		r, err := Open(s.dir, cfg.Backend)
		if err != nil {
			return nil, err
		}
		r.open = s.data
		return r, nil
	}
	step := int(s.trainer.Steps())
	net, err := s.trainer.IntoAveraged()
	if err != nil {
		return nil, err
	}
	m, err := s.model.WithNet(net)
	if err != nil {
		return nil, err
	}
	return &Run{Dir: s.dir, Config: cfg, Model: m, Step: step, open: s.data, decoder: s.decoder}, nil
}

// during returns the session as a run under way, with its data and a network of its trainer.
func (s *session) during(m *model.Model, step int) *Run {
	return &Run{Dir: s.dir, Config: s.cfg, Model: m, Step: step, open: s.data, decoder: s.decoder}
}

// data is the open of a run whose data are open already.
func (s *session) data() (*data.Set, error) { return s.set, nil }
