package machine

import (
	"errors"
	"fmt"
	"sync"
)

// Tiles says why this process cannot multiply tiles of bfloat16 (AMX), or nil if it can. On Linux a process must ask
// the system for it; the first call does.
var Tiles = sync.OnceValue(tiles)

// errNoTiles: the CPU has no such instructions.
var errNoTiles = errors.New("the CPU has no AMX-BF16")

// Leaves of CPUID that tell of tiles, and their bits.
const (
	leafFeatures, leafTiles, leafProducts = 7, 0x1d, 0x1e
	bitOSXSAVE                            = 1 << 27 // of leaf 1, ECX
	bitBF16, bitTile                      = 1 << 22, 1 << 24
	stateTiles                            = 1<<17 | 1<<18 // of XCR0: their sizes, their data
)

// hasTiles says why the CPU or the system has no tiles that kernels know: palette 1 with 8 registers of 16 rows of 64
// bytes.
func hasTiles(ask cpuidFunc, states func() (a, d uint32)) error {
	if top, _, _, _ := ask(leafVendor, 0); top < leafProducts {
		return errNoTiles
	}
	if _, _, _, d := ask(leafFeatures, 0); d&bitBF16 == 0 || d&bitTile == 0 {
		return errNoTiles
	}
	if _, _, c, _ := ask(1, 0); c&bitOSXSAVE == 0 {
		return errors.New("the system does not save the states of registers (no XSAVE)")
	}
	if a, _ := states(); a&stateTiles != stateTiles {
		return fmt.Errorf("the system does not save tiles of AMX: XCR0 is %#x, without bits 17 and 18", a)
	}
	a, b, c, _ := ask(leafTiles, 1) // of palette 1
	if row, tiles, rows := b&0xffff, b>>16, c&0xffff; a>>16 != 1024 || row != 64 || tiles != 8 || rows != 16 {
		return fmt.Errorf("tiles of AMX are %d registers of %d rows of %d bytes here; kernels are written for 8 of 16 "+
			"of 64", tiles, rows, row)
	}
	if _, b, _, _ := ask(leafProducts, 0); b&0xff < 16 || b>>8&0xffff < 64 {
		return fmt.Errorf("the products of AMX take %d rows of %d bytes here; kernels are written for 16 of 64",
			b&0xff, b>>8&0xffff)
	}
	return nil
}
