package machine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of the pages that large memory is asked to lie in.
const hugePage = 2 << 20

// InHugePages asks that n bytes from p on lie in huge pages, as far as they fill such. In pages of 4 KiB, the
// addresses of what a product streams are not in the processor's table of addresses, and to look each up takes long
// in virtual machines. Where the system has no huge pages, nothing changes.
func InHugePages(p unsafe.Pointer, n int) {
	skip := int(-uintptr(p) & (hugePage - 1))
	if n -= skip; n < hugePage {
		return
	}
	_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Add(p, skip)), n&^(hugePage-1)), unix.MADV_HUGEPAGE)
}
