package machine

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// relationAll asks for the records of every relation.
const relationAll = 0xffff

// readings are what there is to be known, the best first.
func readings() []Model { return append([]Model{readRecords(records())}, fromCPU()...) }

// records asks Windows; nil where it does not answer.
func records() []byte {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		return nil // the records of a 32-bit Windows are others
	}
	ask := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetLogicalProcessorInformationEx")
	if ask.Find() != nil {
		return nil
	}
	var n uint32
	_, _, _ = ask.Call(relationAll, 0, uintptr(unsafe.Pointer(&n))) // fails, and says how much it needs
	if n == 0 || n > 1<<24 {
		return nil
	}
	b := make([]byte, n)
	if ok, _, _ := ask.Call(relationAll, uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&n))); ok == 0 {
		return nil
	}
	return b[:n]
}
