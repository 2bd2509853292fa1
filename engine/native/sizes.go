package native

import (
	"sync"

	"flowmatch/engine/native/kernel"
	"flowmatch/engine/native/machine"
)

// thisMachine is read once: it takes a fraction of a millisecond.
var thisMachine = sync.OnceValue(machine.Read)

// choice is the sizes that the options ask for, for so many threads.
func (o Options) choice(threads int) (machine.Choice, error) {
	if o.Sizes != nil {
		return machine.Choice{Sizes: *o.Sizes, From: machine.FromOptions}, o.Sizes.Valid()
	}
	return machine.Decide(thisMachine(), threads)
}

// Machine is what is known of this machine, and the sizes that were chosen for it.
func (b *Backend) Machine() (machine.Model, machine.Choice) { return thisMachine(), b.choice }

// blocks are the sizes that kernels go by.
func blocks(s machine.Sizes) kernel.Blocks {
	return kernel.Blocks{Rows: s.Block, Columns: s.Columns, Pixels: s.Pixels}
}
