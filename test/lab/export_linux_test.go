package lab

import "os"

// ReexecWithoutTUN is Reexec for a caller that needs no TAP device.
func ReexecWithoutTUN() (int, bool, error) {
	if privileged() == nil {
		return 0, false, nil
	}
	return reexec(os.Args[1:], os.Environ())
}
