// Package memory reports what this process holds, and what it may still take, so that a
// size that cannot be is an error before it is made, and not the end of the process.
package memory

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// Process returns the bytes that this process holds now and has held at most; 0:
// this system does not report it.
func Process() (now, peak int64) { return process() }

// Processor returns the time that the processors have spent on this process; ok is false where this system does not
// report it. Unlike that of a clock, it does not depend on what else runs.
func Processor() (spent time.Duration, ok bool) { return processor() }

// Tree returns the bytes that a process and all that it has started hold now, and what they are known to have held
// at most: that, or what the largest of them has. 0: this system does not report it, as only Linux does, or the
// process is not there. Of a process that starts no other peak misses only what it took since.
func Tree(pid int) (now, peak int64) { return held(pid) }

// Ended returns the bytes that a process which has ended held at most, or the largest of those that it had
// started and waited for; 0: this system does not report it. Where [Tree] reports them it does not.
func Ended(state *os.ProcessState) int64 { return ended(state) }

// Available returns the bytes that this process may still take. On Linux it is what the machine
// has free or can free, and the limits of its control groups (of version 1 and 2) and of its
// address space leave; on Windows what is free or can be freed; on macOS and the BSDs all the
// memory of the machine. ok is false where this system does not report it.
func Available() (bytes int64, ok bool) { return available() }

// unlimited is no limit: more than any machine has. (Version 1 of control groups has it, rounded
// to pages, where there is none.)
const unlimited = 1 << 60

// ErrTooLarge is returned for what does not fit into the memory that there is.
var ErrTooLarge = errors.New("more memory than there is")

// mostKnown bounds what fits where the system does not report it: no machine has so much.
const mostKnown = 1 << 46

// Check reports a size, of a setting by its name and value, that takes more bytes than there
// are: [ErrTooLarge]. bytes is an estimate of the least that it takes.
func Check(setting string, bytes float64) error {
	left, ok := Available()
	if !ok {
		left = mostKnown
	}
	if bytes <= float64(left) {
		return nil
	}
	return fmt.Errorf("%s needs %w: at least %s, and %s are left; make it smaller", setting, ErrTooLarge,
		Size(bytes), Size(float64(left)))
}

// Size writes a number of bytes as people do: "1.5 GB".
func Size(bytes float64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB", "EB"}
	k := 0
	for ; k < len(units)-1 && math.Abs(bytes) >= 999.5; k++ {
		bytes /= 1000
	}
	return fmt.Sprintf("%.3g %s", bytes, units[k])
}
