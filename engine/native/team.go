package native

import (
	"runtime"
	"sync/atomic"
)

// team runs the parts of a job on several cores. The caller is worker 0; the
// others wait for work, at first spinning, because the next job mostly comes
// within microseconds, then parked.
//
// Parts, not workers, own results: whoever is free claims the next part, so that
// a worker that the system has put aside holds nobody up, and sums do not depend
// on who did what.
type team struct {
	n     int
	job   func(part, worker int) // valid while parts of it are unclaimed or running
	state atomic.Uint64          // job number << 16 | parts not yet claimed
	left  atomic.Int64           // parts not yet done
	idle  atomic.Int32           // parked workers
	wake  chan struct{}
	quit  atomic.Bool
	up    bool // the workers have been started
}

const (
	partBits = 16
	partMask = 1<<partBits - 1
	// A worker looks for work this often before it lets others run, and lets
	// others run this often before it parks: some 50 microseconds in all.
	spins  = 200
	yields = 100
)

func newTeam(n int) *team { return &team{n: n, wake: make(chan struct{}, n)} }

// run calls job for each part and returns when all are done. Not for concurrent use.
func (t *team) run(parts int, job func(part, worker int)) {
	if parts == 1 || t.n == 1 {
		for p := range parts {
			job(p, 0)
		}
		return
	}
	if !t.up {
		t.up = true
		for w := 1; w < t.n; w++ {
			go t.loop(w)
		}
	}
	t.job = job
	t.left.Store(int64(parts))
	t.state.Store((t.state.Load()>>partBits+1)<<partBits | uint64(parts))
	if t.idle.Load() > 0 {
		t.rouse(parts - 1)
	}
	for t.claim(0) {
	}
	for k := 0; t.left.Load() > 0; k++ {
		if k%spins == spins-1 {
			runtime.Gosched()
		}
	}
}

// rouse wakes up to n parked workers.
func (t *team) rouse(n int) {
	for range min(n, int(t.idle.Load())) {
		select {
		case t.wake <- struct{}{}:
		default:
			return
		}
	}
}

// claim takes a part of the current job and does it.
func (t *team) claim(worker int) bool {
	for {
		s := t.state.Load()
		left := s & partMask
		if left == 0 {
			return false
		}
		// The job's number is part of the comparison: a slow worker cannot claim a
		// part of the next job with the function of the last.
		if t.state.CompareAndSwap(s, s-1) {
			t.job(int(left-1), worker)
			t.left.Add(-1)
			return true
		}
	}
}

func (t *team) loop(worker int) {
	for idle := 0; ; {
		if t.claim(worker) {
			idle = 0
			continue
		}
		if idle++; idle%spins != 0 {
			continue
		}
		if t.quit.Load() {
			return
		}
		if idle < spins*yields {
			runtime.Gosched()
			continue
		}
		idle = 0
		t.idle.Add(1)
		if t.state.Load()&partMask == 0 {
			<-t.wake
		}
		t.idle.Add(-1)
	}
}

// stop ends the workers.
func (t *team) stop() {
	t.quit.Store(true)
	for range t.n {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}
