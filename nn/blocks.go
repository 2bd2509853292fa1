package nn

import (
	"fmt"
	"runtime"
	"sync"
)

// blocks says how many rows go through a program in one call. Many rows are cut into
// blocks, which bounds the memory of a call.
type blocks struct {
	rows  int  // at most, in a block
	fixed bool // every block is computed with that many rows; else with padded(n) for n
	// atOnce is how many blocks are computed at the same time; 0 and 1: one.
	atOnce int
}

// blocks returns those of points that a network is evaluated on. They run side by
// side, so the go engine, which gains little from large matrices, gets smaller ones.
func (n *Net) blocks() blocks {
	b := blocks{rows: 8192, atOnce: n.eng.sideBySide()}
	switch {
	case n.arch.cfg.OfImages():
		b.rows = imageRows
	case n.eng.name == "go":
		b.rows = 1024
	}
	return b
}

// imageRows is the block of a network of images, of which a thousand would hold
// gigabytes between the layers on an engine that keeps them whole.
const imageRows = 64

// sideBySide is how many blocks run at once: an engine that puts all cores to
// work on one has no use for a second.
func (e *Engine) sideBySide() int {
	if e.name == "go" {
		return runtime.GOMAXPROCS(0)
	}
	return 1
}

// run runs a program over n rows. fill sets all inputs of a frame for rows i (included)
// to j (excluded), and what is left of them to numbers that do no harm; take reads the
// results of these rows. Blocks are taken in order: a sum over them must not depend on
// the scheduling.
func (b blocks) run(p *program, n, tangents int, fill func(f *frame, i, j int), take func(f *frame, i, j int)) error {
	count := (n + b.rows - 1) / b.rows
	bounds := func(k int) (i, j int) { return k * b.rows, min((k+1)*b.rows, n) }
	if b.atOnce <= 1 || count <= 1 {
		for k := range count {
			i, j := bounds(k)
			f, err := b.block(p, tangents, i, j, fill)
			if err != nil {
				return err
			}
			take(f, i, j)
			p.back(f)
		}
		return nil
	}
	outs, errs := make([]*frame, count), make([]error, count)
	var wg sync.WaitGroup
	slots := make(chan struct{}, b.atOnce)
	for k := range count {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			i, j := bounds(k)
			outs[k], errs[k] = b.block(p, tangents, i, j, fill)
		})
	}
	wg.Wait()
	for k, f := range outs {
		if errs[k] != nil {
			return errs[k]
		}
		i, j := bounds(k)
		take(f, i, j)
		p.back(f)
	}
	return nil
}

// block runs a program over rows i to j.
func (b blocks) block(p *program, tangents, i, j int, fill func(f *frame, i, j int)) (f *frame, err error) {
	defer rescue(&err, p.name)
	rows := b.rows
	if !b.fixed {
		rows = padded(j - i)
	}
	if f, err = p.frame(rows, tangents); err != nil {
		return nil, err
	}
	fill(f, i, j)
	if err := f.run(); err != nil {
		return nil, fmt.Errorf("nn: %s: %w", p.name, err)
	}
	return f, nil
}

// padded returns the number of rows that n points are computed with, so that few sizes
// are ever compiled: exact for small and whole blocks that recur, else the next multiple
// of a sixteenth of the power of two above, which wastes at most an eighth.
func padded(n int) int {
	p := 16
	for p < n {
		p *= 2
	}
	step := max(1, p/16)
	return (n + step - 1) / step * step
}
