package machine

import (
	"strings"
	"syscall"
	"testing"
)

func TestRefused(t *testing.T) {
	for e, want := range map[syscall.Errno]string{
		syscall.EINVAL: "5.16", syscall.ENOSYS: "5.16", syscall.ENOSPC: "stack for signals",
		syscall.EPERM: "not permitted",
	} {
		if got := refused(e).Error(); !strings.Contains(got, want) {
			t.Errorf("%v: %s", e, got)
		}
	}
}
