package memory

import (
	"runtime"
	"testing"
)

// What the process takes, it is seen to hold.
func TestProcess(t *testing.T) {
	_, before := Process()
	if before == 0 {
		t.Skip("this system does not report it")
	}
	const size = 256 << 20
	x := make([]byte, size)
	for i := 0; i < size; i += 512 {
		x[i] = 1
	}
	now, peak := Process()
	runtime.KeepAlive(x)
	if peak < size || peak < now || peak < before {
		t.Errorf("holds %d bytes, at most %d, before %d; want at least the %d taken", now, peak, before, size)
	}
}
