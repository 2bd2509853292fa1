package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/nlpodyssey/safetensors"

	"flowmatch/internal/atomicfile"
	"flowmatch/model/weights"
	"flowmatch/nn"
)

// Checkpoint is a model with all that its training must remember.
type Checkpoint struct {
	Spec  Spec
	Net   *nn.Net  // layout of the slabs; the weights saved are those of State
	State nn.State // raw and averaged weights, moments, step
	// Extra travels in the metadata: what the training loop wants back.
	Extra map[string]string
}

// The keys of the file's metadata, and the prefixes of the tensors that hold
// the state of training; the averaged weights have no prefix.
const (
	keySpec = "flowmatch"
	keyStep = "step"
	keyTime = "time" // what the network of a preconditioned model has as its time

	prefixRaw = "raw."
	prefixM   = "opt.exp_avg."
	prefixV   = "opt.exp_avg_sq."
)

// ErrUnnamed is returned when a model is saved whose schedule has no name.
var ErrUnnamed = errors.New("model: a schedule without a name cannot be saved: " + `register it with ` +
	`path.Register("mine", ...), and set Spec.Path to path.Config{Name: "mine"} in place of Spec.Scheduler`)

// ErrNoState is returned by [Load] for a file of [Model.Save], which has no state to
// resume from.
var ErrNoState = errors.New("it holds a model without the state of its training; " +
	"only a checkpoint of a training can be resumed")

// check reports a checkpoint that lacks something, or whose slabs are not the network's.
func (c Checkpoint) check() error {
	if c.Net == nil || c.Net.NumWeights() == 0 {
		return errors.New("model: Checkpoint.Net is nil or empty; set it to the network that was trained")
	}
	return checkState("Checkpoint", c.State, c.Net.NumWeights())
}

// checkState reports a state of a checkpoint, whose type what names, that is none of a network of so many weights.
func checkState(what string, s nn.State, want int) error {
	for _, f := range []struct {
		name string
		slab []float32
	}{{"Weights", s.Weights}, {"EMA", s.EMA}, {"Moment1", s.Moment1}, {"Var2", s.Var2}} {
		if len(f.slab) != want {
			return fmt.Errorf("model: %s.State.%s holds %d numbers; the network has %d weights", what, f.name,
				len(f.slab), want)
		}
	}
	if s.Step < 0 {
		return fmt.Errorf("model: %s.State.Step is %d; it must not be negative", what, s.Step)
	}
	return nil
}

// stateSlabs are the tensors of a state, under their prefixes.
func stateSlabs(s nn.State) []slab {
	return []slab{{"", s.EMA}, {prefixRaw, s.Weights}, {prefixM, s.Moment1}, {prefixV, s.Var2}}
}

// Save writes the checkpoint to path as one safetensors file, whole or not at all. A state
// that is not finite, as that of a training that diverged, is an error, and a file that is
// there stays as it is: what is there can always be read.
func (c Checkpoint) Save(path string) error {
	if err := c.check(); err != nil {
		return err
	}
	return save(path, c.Spec, c.Net, c.State.Step, c.Extra, stateSlabs(c.State))
}

// Save writes the model to path as one safetensors file, whole or not at all; [Open]
// reads it. It has the weights only, and none of the state that a training needs to go on.
func (m *Model) Save(path string) error {
	if err := m.made(); err != nil {
		return err
	}
	return m.net.Read(func(w []float32) error { return save(path, m.spec, m.net, 0, nil, []slab{{"", w}}) })
}

// slab is the numbers of all tensors of a network, under names that begin with prefix.
type slab struct {
	prefix string
	data   []float32
}

func save(path string, spec Spec, net *nn.Net, step int64, extra map[string]string, slabs []slab) error {
	spec = spec.named()
	if spec.Scheduler != nil {
		return fmt.Errorf("%w (it is a %T)", ErrUnnamed, spec.Scheduler)
	}
	if spec.Law != nil {
		return fmt.Errorf("%w of your own (%T), which has no name and cannot be saved", ErrCurved, spec.Law)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("model: encoding the spec: %w", err)
	}
	meta := map[string]string{keySpec: string(text)}
	if spec.Precondition != nil {
		meta[keyTime] = timeInput
	}
	return saveSlabs(path, net.Tensors(), meta, step, extra, slabs)
}

// saveSlabs writes the tensors of a network, with the metadata of its kind and extra ones.
func saveSlabs(path string, layout []nn.Tensor, meta map[string]string, step int64, extra map[string]string,
	slabs []slab) error {
	meta[keyStep], meta["format"] = strconv.FormatInt(step, 10), "pt"
	for k, v := range extra {
		if _, taken := meta[k]; taken {
			return fmt.Errorf("model: Checkpoint.Extra holds %q, which is a name of the file's own; choose another", k)
		}
		meta[k] = v
	}
	tensors := map[string]weights.Array{}
	for _, s := range slabs {
		for _, t := range layout {
			tensors[s.prefix+t.Name] = weights.Array{Dims: t.Shape, Numbers: s.data[t.Offset : t.Offset+t.Size()]}
		}
	}
	return writeTensors(path, tensors, meta)
}

func writeTensors(path string, tensors map[string]weights.Array, meta map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		for i, v := range tensors[name].Numbers {
			if v-v != 0 {
				return fmt.Errorf("model: %s is not written, and what was there is kept: tensor %q holds %g at "+
					"position %d", path, name, v, i)
			}
		}
	}
	return atomicfile.WriteFile(path, func(w io.Writer) error {
		return safetensors.SerializeToWriter(tensors, meta, w)
	})
}

// Load reads a checkpoint for the engine, to go on with its training. Every fault of
// the file is an error that names the file and what is wrong.
func Load(path string, eng *nn.Engine) (*Checkpoint, error) {
	c := &Checkpoint{}
	err := readFile(path, "checkpoint", func(f *tensorFile) (err error) {
		if c.Spec, c.State.Step, err = f.spec(); err != nil {
			return err
		}
		c.Extra = f.extra()
		if c.Net, err = nn.Restore(eng, c.Spec.Net, f.read); err != nil {
			return err
		}
		if _, err = New(c.Spec, c.Net); err != nil { // the spec is checked with the rest
			return err
		}
		if first := c.Net.Tensors()[0]; !f.has(prefixRaw + first.Name) {
			return ErrNoState
		}
		for _, s := range []struct {
			prefix string
			data   *[]float32
		}{{"", &c.State.EMA}, {prefixRaw, &c.State.Weights}, {prefixM, &c.State.Moment1}, {prefixV, &c.State.Var2}} {
			*s.data = make([]float32, c.Net.NumWeights())
			for _, t := range c.Net.Tensors() {
				data, err := f.state(s.prefix, t.Name, t.Shape)
				if err != nil {
					return err
				}
				copy((*s.data)[t.Offset:], data)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Resume reads the state of a checkpoint into a trainer, tensor by tensor, so that there is no second
// copy of it. Before that fits is called with the checkpoint, of which Net and the slabs of State are
// nil, and may refuse it: it must see that Spec.Net is the network of the trainer. Errors are those of
// [Load] and those of fits.
func Resume(path string, tr *nn.NetTrainer, fits func(*Checkpoint) error) error {
	return readFile(path, "checkpoint", func(f *tensorFile) (err error) {
		c := &Checkpoint{Extra: f.extra()}
		if c.Spec, c.State.Step, err = f.spec(); err != nil {
			return err
		}
		if !f.resumable() {
			return ErrNoState
		}
		if err := fits(c); err != nil {
			return err
		}
		return tr.Read(c.State.Step, func(slab int, name string, shape []int) ([]float32, error) {
			return f.state([...]string{prefixRaw, "", prefixM, prefixV}[slab], name, shape)
		})
	})
}

// state reads a tensor of the state of a training.
func (f *tensorFile) state(prefix, name string, shape []int) ([]float32, error) {
	data, err := f.read(prefix+name, shape)
	if err == nil && prefix == prefixV {
		err = notNegative(prefix+name, data)
	}
	return data, err
}

// notNegative reports a number of a tensor below 0: an optimizer would take the root of it.
func notNegative(name string, data []float32) error {
	for i, v := range data {
		if v < 0 {
			return fmt.Errorf("tensor %q holds %g at position %d; it must not be negative", name, v, i)
		}
	}
	return nil
}

// Open reads the model of a checkpoint, or of a file of [Model.Save], for the engine:
// the averaged weights. It also returns the number of optimizer steps behind them (0:
// not known).
func Open(path string, eng *nn.Engine) (m *Model, step int, err error) {
	m, step, _, err = OpenExtra(path, eng)
	return m, step, err
}

// OpenExtra is Open that also returns [Checkpoint.Extra].
func OpenExtra(path string, eng *nn.Engine) (m *Model, step int, extra map[string]string, err error) {
	err = readFile(path, "checkpoint", func(f *tensorFile) error {
		spec, n, err := f.spec()
		if err != nil {
			return err
		}
		net, err := nn.Restore(eng, spec.Net, f.read)
		if err != nil {
			return err
		}
		step, extra = int(n), f.extra()
		m, err = New(spec, net)
		return err
	})
	return m, step, extra, err
}

// extra returns the metadata of a caller.
func (f *tensorFile) extra() map[string]string {
	extra := maps.Clone(f.metadata)
	for _, k := range []string{keySpec, keyTokens, keyStep, keyTime, "format"} {
		delete(extra, k)
	}
	return extra
}

// Model returns the model with the averaged weights.
func (c *Checkpoint) Model() (*Model, error) {
	if c == nil || c.Net == nil {
		return nil, errors.New("model: Checkpoint.Net is nil; set it to the network that was trained")
	}
	net, err := c.Net.WithWeights(c.State.EMA)
	if err != nil {
		return nil, err
	}
	return New(c.Spec, net)
}
