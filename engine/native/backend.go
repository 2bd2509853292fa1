package native

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"

	"flowmatch/engine/native/kernel"
	"flowmatch/engine/native/machine"
)

// Name is the name of the backend.
const Name = "native"

// Backend is a compute.Backend on the CPU. It owns the workers and the memory that its
// programs share, and is safe for concurrent use; programs run one at a time.
type Backend struct {
	level  kernel.Level
	sizes  machine.Sizes
	choice machine.Choice
	vec    *kernel.Vector
	mat    *kernel.Matrix
	shadow compute.Backend

	run       sync.Mutex // held while a program runs: workers and scratch are in use
	team      *team
	arena     []float32   // memory of a program's tensors
	scratch   [][]float32 // tiles and strips, one for each worker
	work      []kernel.Work
	finalized atomic.Bool

	packedAhead int // see graph.packLate
}

var _ compute.Backend = (*Backend)(nil)

// Options are those of a backend. The zero value uses all cores.
type Options struct {
	Threads int // 0: GOMAXPROCS
	// Sizes of what the engine goes through at a time, which change no result. nil: those that
	// [machine.EnvVar] forces, else those that suit this machine.
	Sizes *machine.Sizes
}

// New returns a backend with the best instructions of the CPU, or those that the
// environment variable [kernel.EnvVar] names. Make one for a process: two would compete
// for the cores.
func New(o Options) (*Backend, error) {
	level, err := kernel.Best()
	if err != nil {
		return nil, err
	}
	return newAt(level, o)
}

func newAt(level kernel.Level, o Options) (*Backend, error) {
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	choice, err := o.choice(o.Threads)
	if err != nil {
		return nil, err
	}
	shadow, err := gobackend.New("")
	if err != nil {
		return nil, err
	}
	return &Backend{
		level: level, sizes: choice.Sizes, choice: choice, vec: kernel.VectorAt(level), shadow: shadow,
		mat:  kernel.MatrixWith(level, blocks(choice.Sizes)),
		team: newTeam(o.Threads), scratch: make([][]float32, o.Threads), work: make([]kernel.Work, o.Threads),
		packedAhead: packedAhead,
	}, nil
}

// Name returns "native".
func (b *Backend) Name() string { return Name }

func (b *Backend) String() string { return Name }

// Description names the instructions and the number of threads.
func (b *Backend) Description() string {
	half := "bfloat16 by " + b.mat.BF16()
	if b.mat.BF16() == "" {
		half = "bfloat16 not faster than float32"
	}
	return fmt.Sprintf("pure Go with %s kernels, %d threads, %s", b.level, b.team.n, half)
}

// FastBF16 says whether products in bfloat16 are faster than those of floats on this CPU. Elsewhere their operands are
// rounded besides.
func (b *Backend) FastBF16() bool { return b.mat.HasBF16() }

// PeakFLOPS measures the floating-point operations a second of one core alone, and those of all
// threads together, which may share what one alone has to itself.
func (b *Backend) PeakFLOPS() (one, all float64) {
	b.run.Lock()
	defer b.run.Unlock()
	one = b.mat.PeakFLOPS(0.1)
	if b.team.n == 1 || b.finalized.Load() {
		return one, one
	}
	// Of many short rounds the best: what else the machine does spoils the others.
	for range 100 {
		all = max(all, b.together(one/1000))
	}
	return one, all
}

// together has each thread do so many operations, all at the same time, and returns how many they do a
// second.
func (b *Backend) together(flop float64) float64 {
	var here atomic.Int64
	var start atomic.Pointer[time.Time]
	b.team.run(b.team.n, func(int, int) {
		if here.Add(1) == int64(b.team.n) {
			now := time.Now()
			start.Store(&now)
		}
		for start.Load() == nil { // until every thread has come
			runtime.Gosched()
		}
		b.mat.MultiplyAdds(flop)
	})
	return float64(b.team.n) * flop / time.Since(*start.Load()).Seconds()
}

// NumDevices is 1: the CPU.
func (b *Backend) NumDevices() int { return 1 }

// DeviceDescription returns Description.
func (b *Backend) DeviceDescription(compute.DeviceNum) string { return b.Description() }

// Capabilities are those of GoMLX's Go backend, which is behind every operation, and attention in one.
func (b *Backend) Capabilities() compute.Capabilities {
	c := b.shadow.Capabilities().Clone()
	c.Operations[compute.OpTypeFusedScaledDotProductAttention] = true
	c.Operations[compute.OpTypeFusedScaledDotProductAttentionVJP] = true
	return c
}

// Builder returns a recorder for a new computation.
func (b *Backend) Builder(name string) compute.Builder {
	bd := &builder{backend: b, name: name, shadow: b.shadow.Builder(name)}
	bd.main = &function{b: bd, name: compute.MainName, shadow: bd.shadow.Main()}
	return bd
}

// Finalize ends the workers. The backend must not be used afterwards.
func (b *Backend) Finalize() {
	if b.finalized.CompareAndSwap(false, true) {
		b.run.Lock()
		defer b.run.Unlock()
		b.team.stop()
		b.arena, b.scratch = nil, nil
		b.shadow.Finalize()
	}
}

// IsFinalized reports whether Finalize was called.
func (b *Backend) IsFinalized() bool { return b.finalized.Load() }
