//go:build !unix || linux

package memory

import "os"

// ended is not known here. (What Linux says of a process begins with the memory of the one that started it.)
func ended(*os.ProcessState) int64 { return 0 }
