package run

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"flowmatch/data/rows"
	texts "flowmatch/data/text"
	"flowmatch/discrete"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/filelock"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/plot"
	"flowmatch/train"
)

// TokenRun is an opened folder of a run of tokens: a model, and the settings that made it. Its text is opened only
// when it is asked for.
type TokenRun struct {
	Dir    string
	Config TokenConfig
	Model  *model.TokenModel
	Step   int  // optimizer steps behind the model's weights
	Best   bool // they are those of the best validation

	given []string // paths that the caller gave
}

// OpenTokens is [OpenWith] of a run of tokens; the error is [ErrNotTokens] of one of points.
func OpenTokens(dir string, o OpenOptions) (*TokenRun, error) { return openTokens(dir, o, -1) }

// OpenTokensAt is [OpenAt] of a run of tokens.
func OpenTokensAt(dir string, step int, o OpenOptions) (*TokenRun, error) {
	return openTokens(dir, o, step)
}

func openTokens(dir string, o OpenOptions, snapshot int) (*TokenRun, error) {
	atomicfile.Sweep(dir)
	filelock.Clear(dir)
	cfg, err := readTokenConfig(dir)
	if err != nil {
		return nil, err
	}
	given, err := relocate(&cfg, o.Set)
	if err != nil {
		return nil, err
	}
	if o.Backend != "" {
		cfg.Backend = o.Backend
	} else if err := checkForeign(&cfg, dir, nil, true); err != nil {
		return nil, err
	}
	eng, err := nn.Open(cfg.Backend)
	if err != nil {
		return nil, err
	}
	name := weightsFile(dir, cfg.Train.Patience)
	if snapshot >= 0 {
		name = snapshotFile(dir, snapshot)
	}
	m, step, extra, err := model.OpenTokens(name, eng)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noCheckpoint(dir)
	}
	if err != nil {
		return nil, err
	}
	spec, net := m.Spec(), cfg.Net.of(cfg, m.Levels())
	if cfg.Data.labelled() {
		net.Classes = len(spec.Classes)
	}
	if !spec.Path.Same(cfg.Path) || spec.Net != net || spec.Vocabulary.Kind != cfg.Data.Tokens {
		return nil, fmt.Errorf("%w: its network, path or tokens are not those of %s (%s)", ErrOtherModel, ConfigFile,
			name)
	}
	if err := ownFile(name, step, extra, cfg, cfg.Train.Patience); err != nil {
		return nil, err
	}
	return &TokenRun{Dir: dir, Config: cfg, Model: m, Step: step, Best: filepath.Base(name) == BestFile,
		given: given}, nil
}

// Text opens the text that the run was trained on.
func (r *TokenRun) Text() (*texts.Corpus, error) {
	if err := checkForeign(&r.Config, r.Dir, r.given, false); err != nil {
		return nil, err
	}
	corpus, err := r.Config.Open()
	if err != nil {
		return nil, err
	}
	if is := fingerprint(corpus); is != r.Model.Spec().Fingerprint {
		return nil, fmt.Errorf("%w: the data %s are others than the run was trained on (fingerprint %s, now %s)",
			ErrChanged, r.Config.Data.Path, r.Model.Spec().Fingerprint, is)
	}
	return corpus, nil
}

// DrawLoss writes a picture of the losses of the run by step, in nats of a token.
func (r *TokenRun) DrawLoss(w io.Writer, o plot.LossOptions) error {
	events, err := ReadMetrics(filepath.Join(r.Dir, MetricsFile))
	if err != nil {
		return err
	}
	training, validation := losses(events)
	training.Name, validation.Name = "training: "+r.Config.Train.Loss, "validation: ELBO"
	if r.Config.Train.Loss == train.GeneralisedKL && r.Config.Path.Source != discrete.Mask {
		training.Name += ", less a constant"
	}
	series := []plot.Series{training}
	if len(validation.X) > 1 {
		series = append(series, validation)
	}
	o.YName = "loss (nats a token)"
	return plot.Loss(w, series, o)
}

// WriteTable writes rows of categories as CSV with a header, and with the classes of labels behind them, if there are
// some.
func (r *TokenRun) WriteTable(w io.Writer, x discrete.Tokens, label []int32) error {
	spec := r.Model.Spec()
	return rows.EncodeCSV(w, spec.Vocabulary, x, rows.LabelColumn(r.Config.Data.table()), spec.Classes, label)
}

// SampleBreak is the line between the texts of several samples.
const SampleBreak = "====="

// WriteTexts writes the text of one sequence as it is, and those of several with lines between them; rows of a table as
// lines, those of categories with a header.
func (r *TokenRun) WriteTexts(w io.Writer, x discrete.Tokens) error {
	v := r.Model.Spec().Vocabulary
	switch {
	case v.Kind == texts.Categories:
		return r.WriteTable(w, x, nil)
	case v.Kind == texts.Integers:
		for i := range x.N {
			if _, err := io.WriteString(w, v.Decode(x.Row(i))+"\n"); err != nil {
				return err
			}
		}
		return nil
	case x.N == 1:
		_, err := io.WriteString(w, v.Decode(x.Row(0)))
		return err
	}
	for i := range x.N {
		between := "\n"
		if i < x.N-1 {
			between += SampleBreak + "\n"
		}
		if _, err := io.WriteString(w, v.Decode(x.Row(i))+between); err != nil {
			return err
		}
	}
	return nil
}
