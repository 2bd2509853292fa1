package machine

import (
	"fmt"
	"syscall"
)

// What asks Linux (since 5.16) for the memory of tiles in each thread, also of those to come.
const (
	archRequestState = 0x1023 // ARCH_REQ_XCOMP_PERM
	stateTileData    = 18     // XFEATURE_XTILEDATA
)

func tiles() error {
	if err := hasTiles(cpuid, xgetbv); err != nil {
		return err
	}
	if _, _, e := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archRequestState, stateTileData, 0); e != 0 {
		return refused(e)
	}
	return nil
}

// refused explains an error of the request.
func refused(e syscall.Errno) error {
	why := e.Error()
	switch e {
	case syscall.EINVAL, syscall.ENOSYS:
		why = "this kernel cannot (it must be 5.16 or later)"
	case syscall.ENOSPC:
		why = "a thread has a stack for signals that is too small for tiles"
	}
	return fmt.Errorf("this process may not use tiles of AMX, says Linux: %s", why)
}
