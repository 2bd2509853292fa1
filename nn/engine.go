package nn

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"

	"flowmatch/engine/native"
	"flowmatch/engine/native/machine"
	"flowmatch/internal/choice"
)

// DefaultBackend is the engine used when none is asked for: it needs nothing
// but the binary.
const DefaultBackend = native.Name

// ErrNoBackend is returned by Open when the engine asked for is not in this
// binary or not on this machine.
var ErrNoBackend = errors.New("nn: backend not available")

// Engine compiles and runs graphs. It is safe for concurrent use.
type Engine struct {
	name    string
	backend compute.Backend
	shared  bool // by the whole process
	halves  bool // see Holding
}

// Open returns the engine of that name: "" or "native" is [native.Backend], in pure Go;
// "go" is GoMLX's own, for comparison ("go:ops_sequential" for networks of images, whose
// convolutions can wait for each other forever where they run side by side); "xla" is
// XLA through a PJRT plugin in the user's data folder, and
// "xla:/path/to/plugin.so" through the plugin named. With ",devices=2" behind either
// (as in "xla:,devices=2") XLA divides a CPU into as many devices.
func Open(name string) (e *Engine, err error) {
	defer rescue(&err, "opening backend "+name)
	kind, config, _ := strings.Cut(name, ":")
	var b compute.Backend
	switch kind {
	case "", native.Name:
		kind = native.Name
		b, err = sharedNative()
	case "go":
		b, err = gobackend.New(config)
	case "xla":
		b, err = openXLA(config)
	default:
		return nil, fmt.Errorf("nn: %w", choice.Check("backend", kind, []string{native.Name, "go", "xla"}))
	}
	if err != nil {
		return nil, err
	}
	return &Engine{name: kind, backend: b, shared: true}, nil
}

// sharedNative is the native engine, one for the whole process: two would compete for
// the cores.
var sharedNative = sync.OnceValues(func() (*native.Backend, error) { return native.New(native.Options{}) })

// OpenSized returns a native engine of its own that goes through tensors by the given sizes, to compare
// them: results are those of every other. Close it afterwards.
func OpenSized(s machine.Sizes) (*Engine, error) {
	b, err := native.New(native.Options{Sizes: &s})
	if err != nil {
		return nil, err
	}
	return &Engine{name: native.Name, backend: b}, nil
}

// Close ends an engine of [OpenSized]. Those of [Open] are shared, and stay.
func (e *Engine) Close() {
	if b, ok := e.backend.(*native.Backend); ok && !e.shared {
		b.Finalize()
	}
}

// Machine is what the native engine knows of this machine, and the sizes that it chose; ok is false of
// another engine.
func (e *Engine) Machine() (m machine.Model, c machine.Choice, ok bool) {
	if e.check() != nil {
		return m, c, false
	}
	b, ok := e.backend.(*native.Backend)
	if ok {
		m, c = b.Machine()
	}
	return m, c, ok
}

// check reports an engine that Open did not make.
func (e *Engine) check() error {
	if e == nil || e.backend == nil {
		return errors.New("nn: the engine is nil or empty; open one by nn.Open")
	}
	return nil
}

// Name returns the short name of the engine: native, go or xla.
func (e *Engine) Name() string {
	if e == nil {
		return ""
	}
	return e.name
}

// Description says what the engine runs on.
func (e *Engine) Description() string {
	if err := e.check(); err != nil {
		return err.Error()
	}
	return e.backend.Description()
}

// PeakFLOPS measures how many floating-point operations a second one core does at
// best, and how many all threads together, in tenths of a second of nothing but multiply-adds
// with the instructions that the native engine chose; 0 for another engine.
func (e *Engine) PeakFLOPS() (one, all float64) {
	if e.check() != nil {
		return 0, 0
	}
	if b, ok := e.backend.(*native.Backend); ok {
		return b.PeakFLOPS()
	}
	return 0, 0
}

// SlowBF16 says whether steps in bfloat16 are known to take longer than in float32 here: the native engine on a
// CPU without instructions for them that do more than those of floats. See [StepOptions].
func (e *Engine) SlowBF16() bool {
	if e.check() != nil {
		return false
	}
	b, ok := e.backend.(*native.Backend)
	return ok && !b.FastBF16()
}

// BackendStatus says whether an engine can be opened here.
type BackendStatus struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Detail    string `json:"detail"` // what it runs on, or why it is not available and what to do
	// FallBack names the operations that the native engine leaves to GoMLX's Go backend.
	FallBack []string `json:"fall_back,omitempty"`
}

// Backends tries to open every engine and returns the status of each.
func Backends() []BackendStatus {
	var out []BackendStatus
	for _, name := range []string{native.Name, "go", "xla"} {
		e, err := Open(name)
		if err != nil {
			out = append(out, BackendStatus{Name: name, Detail: err.Error()})
			continue
		}
		s := BackendStatus{Name: name, Available: true, Detail: e.Description()}
		if b, ok := e.backend.(*native.Backend); ok {
			_, s.FallBack = b.Operations()
		}
		out = append(out, s)
	}
	return out
}

// rescue turns a panic of graph code into an error: no panic leaves this package.
func rescue(err *error, doing string) {
	switch r := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("nn: %s: %w", doing, r)
	default:
		*err = fmt.Errorf("nn: %s: %v", doing, r)
	}
}

// shards is the number of parts that a batch's loss is cut into inside the
// graph of a training step. They depend on each other in nothing but their sum,
// so the pure-Go engine, which runs independent operations side by side, keeps
// two cores busy. It is fixed: the order of the sum must not depend on the machine.
func (e *Engine) shards() int {
	if e.name == "go" {
		return 2
	}
	return 1
}
