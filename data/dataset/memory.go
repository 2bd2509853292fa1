package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/files"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
)

// The values of [Config.Memory].
const (
	MemoryAuto = "auto" // held where it fits well, else disk
	MemoryHeld = "held" // all rows, or images, are held in memory
	MemoryDisk = "disk" // they are read when they are asked for
)

// memoryCopied is the road of a text that is held in memory, and copied in binary for the next time.
const memoryCopied = "copied"

// copiedFrom is from how many bytes on a text is worth a copy: reading it takes a second.
const copiedFrom = 64 << 20

// heldCopies is how often the numbers of a table are in memory while it is read, with room for a network.
const heldCopies = 4

// checkMemory reports a way to hold data that is none, or that they cannot have.
func (c Config) checkMemory(kind string) error {
	if c.Memory == "" {
		return nil
	}
	if err := choice.Check("memory", c.Memory, []string{MemoryAuto, MemoryHeld, MemoryDisk}); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if kind != data.KindTable {
		return nil // of images: either
	}
	if c.Memory != MemoryDisk {
		return nil
	}
	if why := c.mustHold(); why != "" {
		return fmt.Errorf("data: memory is disk, but %s: leave memory out", why)
	}
	return nil
}

// memoryKinds are the kinds that may be held or not. Latents of any images may.
func (c Config) memoryKinds() []string {
	if c.Encoder != "" {
		return append([]string{data.KindTable}, imageKinds()...)
	}
	return []string{data.KindTable, data.KindImages, data.KindFolder, data.KindShards}
}

// mustHold says why a table cannot stay on disk; empty: it can.
func (c Config) mustHold() string {
	switch {
	case !c.Space.Flat():
		return fmt.Sprintf("points of a space (%s) are made of the rows when they are read, and held", c.Space)
	case c.Grid.Axes > 0:
		return "the network reads contexts as a grid (net.residual.embed), whose scale needs all of them at once"
	}
	return ""
}

// road decides how the tables of c are held: one of the values of Config.Memory but for auto, or memoryCopied.
func (c Config) road(dir string) string {
	if how := cmp.Or(c.Memory, MemoryAuto); how != MemoryAuto {
		return how
	}
	if c.mustHold() != "" {
		return MemoryHeld
	}
	need, text := 0.0, int64(0)
	for _, path := range []string{c.Path, c.TestPath, c.ContextPath, c.TestContextPath} {
		if path == "" {
			continue
		}
		path = within(dir, path)
		bytes, err := table.HeldBytes(path)
		if err != nil {
			return MemoryHeld // whose reader says what is wrong
		}
		need += bytes
		if info, err := os.Stat(path); err == nil && slices.Contains(textTables(), files.Extension(path)) {
			text = max(text, info.Size())
		}
	}
	if free, ok := memory.Available(); ok && heldCopies*need > float64(free) {
		return MemoryDisk
	}
	if text >= copiedFrom {
		return memoryCopied
	}
	return MemoryHeld
}

// imageLimit is how many bytes of decoded images may be held, and whether none are to be.
func (c Config) imageLimit() (limit int64, disk bool) {
	if c.Memory == MemoryHeld {
		return math.MaxInt64, false // what there is no memory for is an error
	}
	limit = image.MaxDecoded
	if free, ok := memory.Available(); ok {
		limit = max(1, min(limit, free/heldCopies))
	}
	return limit, c.Memory == MemoryDisk
}

// readFile reads a table, or opens it on disk, as c.Memory, which is a road, says.
func (c Config) readFile(path string, opts table.Options) (table.Table, error) {
	info, err := os.Stat(path)
	text := err == nil && info.Size() >= copiedFrom && slices.Contains(textTables(), files.Extension(path))
	switch {
	case c.Memory == MemoryDisk:
		return table.Store(path, opts, c.Watch)
	case c.Memory == memoryCopied && text:
		t, err := table.Store(path, opts, c.Watch)
		if _, fault := errors.AsType[*data.FileError](err); fault {
			return t, err
		}
		if err == nil {
			return t.Hold()
		}
		c.Watch.Tell("%s is read as text every time: %v", choice.Cut(path), err)
	}
	return table.Read(path, opts)
}

// watched is points whose reading, from the first to the last some times over, is told.
type watched struct {
	data.Finite
	watch *data.Watch
}

// watched returns points that are told of while they are standardized.
func (c Config) watched(f data.Finite) data.Finite {
	if c.Watch == nil || c.Memory != MemoryDisk {
		return f
	}
	return watched{f, c.Watch}
}

// Read implements [data.Finite].
func (w watched) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	if len(index) > 0 {
		w.watch.At("standardizing", "rows", float64(index[len(index)-1]+1), float64(w.Len()))
	}
	return w.Finite.Read(x, given, index, rng)
}
