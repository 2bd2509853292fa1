package kernel

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// grownStack needs more and more stack, so that it moves while others multiply.
func grownStack(depth int) int {
	var big [512]byte
	if depth == 0 {
		return int(big[0])
	}
	return grownStack(depth-1) + int(big[depth%len(big)])
}

// Tiles are state of a thread that Go knows nothing of. Products keep their bits under a storm of signals of both
// kinds that Go's runtime sends itself (SIGURG for preemption, SIGPROF for profiles), under garbage collections, which
// stop the world, with more goroutines than cores, and with stacks that grow and move. The profile shows that
// signals came in the midst of products.
func TestTilesSurviveSignals(t *testing.T) {
	m := tiledMatrix(t)
	lasts := 2 * time.Second
	if testing.Short() {
		lasts = 500 * time.Millisecond
	}
	const mm, n, k = 100, 150, 500
	r := rand.New(rand.NewPCG(41, 42))
	a, b := normals(r, mm*k), normals(r, k*n)
	multiply := func(c []float32, work *Work) {
		m.MulBF16(mm, n, k, BF16{Float: head(a)}, k, 1, BF16{Float: head(b)}, n, 1, head(c), n, nil, false, work)
	}
	want := make([]float32, mm*n)
	multiply(want, &Work{})

	var profile bytes.Buffer
	runtime.SetCPUProfileRate(2000) // pprof keeps it, and says on standard error that it could not set its own
	if err := pprof.StartCPUProfile(&profile); err != nil {
		t.Skip("another profile is being taken:", err)
	}
	var stop atomic.Bool
	var signals, products, wrong atomic.Int64
	var all sync.WaitGroup
	spawn := func(f func()) {
		all.Go(func() {
			for !stop.Load() {
				f()
			}
		})
	}
	for range 2 * runtime.GOMAXPROCS(0) {
		var work Work
		c := make([]float32, mm*n)
		spawn(func() {
			clear(c)
			multiply(c, &work)
			products.Add(1)
			if !slices.Equal(c, want) {
				wrong.Add(1)
			}
			grownStack(deepStack)
		})
	}
	spawn(func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGURG); err != nil {
			t.Error(err)
		}
		signals.Add(1)
	})
	spawn(func() { runtime.GC() })
	time.Sleep(lasts)
	stop.Store(true)
	all.Wait()
	pprof.StopCPUProfile()
	if wrong.Load() > 0 || products.Load() == 0 || signals.Load() == 0 {
		t.Errorf("%d of %d products had other bits under %d signals", wrong.Load(), products.Load(), signals.Load())
	}
	unzipped, err := gzip.NewReader(&profile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil || !testing.Short() && !bytes.Contains(text, []byte("kernel.tiles2x2AMX")) {
		t.Errorf("no signal came in the midst of a product of tiles: %v", err)
	}
	t.Logf("%d products, %d times SIGURG", products.Load(), signals.Load())
}

// deepStack is of a stack of about 100 kB.
const deepStack = 150
