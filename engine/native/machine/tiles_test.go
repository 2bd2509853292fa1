package machine

import (
	"runtime"
	"strings"
	"testing"
)

// tiledCPU is what a CPU with tiles tells (Sapphire Rapids), in EAX, EBX, ECX and EDX by leaf and subleaf.
func tiledCPU() map[[2]uint32][4]uint32 {
	return map[[2]uint32][4]uint32{
		{0, 0}: {0x20}, {1, 0}: {2: bitOSXSAVE}, {7, 0}: {3: bitBF16 | bitTile},
		{0x1d, 1}: {8192 | 1024<<16, 64 | 8<<16, 16}, {0x1e, 0}: {1: 16 | 64<<8},
	}
}

func TestHasTiles(t *testing.T) {
	type leaves = map[[2]uint32][4]uint32
	for what, c := range map[string]struct {
		change func(leaves)
		states uint32
		want   string // in the error; empty: none
	}{
		"all":                {func(leaves) {}, 0x602e7, ""},
		"an old CPU":         {func(l leaves) { l[[2]uint32{0, 0}] = [4]uint32{0x16} }, 0x602e7, "no AMX"},
		"tiles of bytes":     {func(l leaves) { l[[2]uint32{7, 0}] = [4]uint32{3: bitTile} }, 0x602e7, "no AMX"},
		"no tiles":           {func(l leaves) { l[[2]uint32{7, 0}] = [4]uint32{3: bitBF16} }, 0x602e7, "no AMX"},
		"no XSAVE":           {func(l leaves) { l[[2]uint32{1, 0}] = [4]uint32{} }, 0x602e7, "XSAVE"},
		"a system of before": {func(leaves) {}, 0x2e7, "XCR0 is 0x2e7"},
		"sizes without data": {func(leaves) {}, 0x202e7, "XCR0"},
		"smaller tiles": {func(l leaves) { l[[2]uint32{0x1d, 1}] = [4]uint32{4096 | 512<<16, 64 | 8<<16, 8} }, 0x602e7,
			"8 registers of 8 rows"},
		"smaller products": {func(l leaves) { l[[2]uint32{0x1e, 0}] = [4]uint32{1: 8 | 64<<8} }, 0x602e7,
			"take 8 rows"},
	} {
		l := tiledCPU()
		c.change(l)
		err := hasTiles(func(leaf, sub uint32) (a, b, cx, d uint32) {
			x := l[[2]uint32{leaf, sub}]
			return x[0], x[1], x[2], x[3]
		}, func() (a, d uint32) { return c.states, 0 })
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v; want %q", what, err, c.want)
		}
	}
}

// What is refused once is refused for good, with a reason; elsewhere than on Linux on amd64 tiles are not used.
func TestTiles(t *testing.T) {
	err := Tiles()
	t.Log(err)
	if again := Tiles(); again != err {
		t.Errorf("%v, and then %v", err, again)
	}
	if elsewhere := runtime.GOOS != "linux" || runtime.GOARCH != "amd64"; elsewhere && err == nil {
		t.Errorf("tiles on %s/%s", runtime.GOOS, runtime.GOARCH)
	}
}
