package memory

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var globalMemoryStatus = windows.NewLazySystemDLL("kernel32.dll").NewProc("GlobalMemoryStatusEx")

// available returns the memory that is free, or that the system can free without swapping.
func available() (int64, bool) {
	var status struct { // MEMORYSTATUSEX
		length, load                                       uint32
		totalPhys, availPhys, totalPageFile, availPageFile uint64
		totalVirtual, availVirtual, availExtendedVirtual   uint64
	}
	status.length = uint32(unsafe.Sizeof(status))
	if globalMemoryStatus.Find() != nil {
		return 0, false
	}
	if ok, _, _ := globalMemoryStatus.Call(uintptr(unsafe.Pointer(&status))); ok == 0 {
		return 0, false
	}
	// The address space of a process of 32 bits is smaller than the memory may be.
	return int64(min(status.availPhys, status.availVirtual, unlimited)), true
}
