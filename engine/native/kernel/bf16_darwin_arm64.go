package kernel

import "golang.org/x/sys/unix"

// haveBF16 says whether the CPU has the instructions for bfloat16 (FEAT_BF16): from Apple's M2 on.
func haveBF16() bool {
	has, err := unix.SysctlUint32("hw.optional.arm.FEAT_BF16")
	return err == nil && has != 0
}
