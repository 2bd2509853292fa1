package atomicfile

import "golang.org/x/sys/windows"

// freeOf returns the bytes that this user may still write to the volume of dir.
func freeOf(dir string) (bytes uint64, ok bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	return bytes, windows.GetDiskFreeSpaceEx(name, &bytes, nil, nil) == nil
}
