package run

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/internal/atomicfile"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// Import makes dir the folder of a run that another program has trained as cfg says, and
// returns the run opened. weights is a file of [model.ReadWeights] with the network, in
// model units, and events is the log of the training. The run can be evaluated, sampled and
// drawn as any other, but not resumed: the state of its optimizer is not known. ErrExists
// is returned where dir holds a run already, ErrInTheWay where it holds files that would be
// replaced, and ErrSettings for settings that the data show to be wrong.
func Import(cfg Config, dir, weights string, events []train.Event) (*Run, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if err := Importable(dir); err != nil {
		return nil, err
	}
	eng, err := nn.Open(cfg.Backend)
	if err != nil {
		return nil, err
	}
	s := &session{cfg: cfg, dir: dir}
	if s.set, err = cfg.Open(); err != nil {
		return nil, err
	}
	s.cfg = cfg.sized(s.set)
	if s.cfg.Net, err = netFor(s.cfg, s.set); err != nil {
		return nil, err
	}
	spec, err := s.spec()
	if err != nil {
		return nil, err
	}
	net, err := model.ReadWeights(weights, eng, spec.Net)
	if err != nil {
		return nil, err
	}
	s.cfg.Net = net.Config()
	if s.model, err = model.New(spec, net); err != nil {
		return nil, err
	}
	return s.imported(events, nil)
}

// AdoptOptions says how [Adopt] makes a run.
type AdoptOptions struct {
	Backend  string // "": the default one
	Coupling string // how noise and data were paired in training; "": independently
	// LabelDropout is the share of labels that were taken away in training; 0: none, and no guidance.
	LabelDropout float64
	// Decoder, if not nil, writes into the folder what makes images of the points of the model: a file that
	// [model.OpenDecoder] reads.
	Decoder func(dir string) error
}

// Adopt makes dir the folder of a run without data, of a model that was trained elsewhere, and
// returns the run opened. It can be sampled, served, exported and asked for log-densities, but
// neither resumed nor evaluated. The errors are those of [Import].
func Adopt(m *model.Model, dir string, o AdoptOptions) (*Run, error) {
	spec := m.Spec()
	cfg := Config{
		Backend: o.Backend, Data: dataset.Config{Kind: data.KindNone}, Path: spec.Path, Precondition: new(false),
		Net: spec.Net, Conditional: spec.Net.Classes > 0,
	}
	cfg.Coupling.Name, cfg.Train.Prediction, cfg.Train.LabelDropout = o.Coupling, spec.Prediction, o.LabelDropout
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if err := Importable(dir); err != nil {
		return nil, err
	}
	m, err := limited(m, cfg)
	if err != nil {
		return nil, err
	}
	return (&session{cfg: cfg, dir: dir, model: m}).imported(nil, o.Decoder)
}

// importing is in a folder while a run is imported: what lies beside it without a run.yaml is
// the half of an import that was killed.
const importing = ".importing"

// Importable reports a folder that [Import] and [Adopt] would refuse, before anything is read: one of a
// run (ErrExists), and one with files that an import would replace (ErrInTheWay).
func Importable(dir string) error {
	if exists(filepath.Join(dir, ConfigFile)) {
		return fmt.Errorf("%w: %s", ErrExists, dir)
	}
	if exists(filepath.Join(dir, importing)) {
		return nil
	}
	return nothingInTheWay(dir)
}

// imported writes the files of a run whose model is there, run.yaml, which makes the
// folder one, last. decoder, if not nil, writes the decoder.
func (s *session) imported(events []train.Event, decoder func(dir string) error) (*Run, error) {
	lock, err := lockFolder(s.dir)
	if err != nil {
		return nil, err
	}
	defer lock.Unlock()
	if err := Importable(s.dir); err != nil { // now that nobody else writes there
		return nil, err
	}
	mark := filepath.Join(s.dir, importing)
	if err := atomicfile.WriteBytes(mark, nil); err != nil {
		return nil, err
	}
	// What takes long comes first, and run.yaml, which makes the folder a run's, last.
	err = errors.Join(
		remove(filepath.Join(s.dir, model.AutoencoderFile)), // of an import that was killed
		remove(filepath.Join(s.dir, model.DecoderFile)),
		s.model.Save(filepath.Join(s.dir, CheckpointFile)),
		writeMetrics(filepath.Join(s.dir, MetricsFile), events),
	)
	if err == nil && decoder != nil {
		err = decoder(s.dir)
	}
	if err == nil {
		err = s.describe()
	}
	if err == nil {
		err = remove(mark)
	}
	if err != nil {
		return nil, err
	}
	s.model = nil // it may be large, and is read again
	runtime.GC()
	r, err := Open(s.dir, s.cfg.Backend)
	if err != nil {
		return nil, err
	}
	if s.set != nil {
		r.open = s.data
	}
	return r, nil
}
