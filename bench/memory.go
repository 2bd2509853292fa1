package bench

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Memory is what a process that does nothing but one case holds, in bytes: at
// its start, with the libraries loaded, and at most. 0: not known.
type Memory struct {
	Who   string `json:"who,omitempty"` // flowmatch, or the variant of a peer
	Start int64  `json:"start"`
	Peak  int64  `json:"peak"`
}

// memoryVariants are the variants of the peers whose memory is measured: the plainest of
// each library. Compiling in the process would add its own.
var memoryVariants = []struct{ program, variant string }{{"with_torch.py", "torch fused"}, {"with_jax.py", "jax"}}

// memoryBudget is how long a case is run for its memory.
const memoryBudget = 500 * time.Millisecond

// measureMemory has the case of r done in new processes, ours and the peers',
// which report what they hold.
func (r *Result) measureMemory(ctx context.Context, o Options) error {
	report, err := o.Alone(ctx, r.Case, 0, memoryBudget)
	if err != nil {
		return err
	}
	report.Memory.Who = "flowmatch"
	r.Memory = append(r.Memory, report.Memory)
	if o.Peers == nil {
		return nil
	}
	for _, m := range memoryVariants {
		if !slices.ContainsFunc(r.Peers, func(t Time) bool { return t.Variant == m.variant }) {
			continue
		}
		memory, err := o.Peers.memory(ctx, m.program, request{r.Case, memoryBudget.Seconds(), m.variant})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.Notes = append(r.Notes, fmt.Sprintf("memory: %v", err))
		default:
			r.Memory = append(r.Memory, memory)
		}
	}
	return nil
}

// memory asks a new process of a peer.
func (p *Peers) memory(ctx context.Context, program string, q request) (Memory, error) {
	one, err := p.launch(ctx, program)
	if err != nil {
		return Memory{}, err
	}
	defer one.stop()
	a, err := one.ask(q)
	return Memory{q.Only, a.Start, a.Peak}, err
}
