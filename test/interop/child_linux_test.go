package interop_test

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// childMode makes the test binary spoil its surroundings and become uvtep:
// childExe says where that is.
const (
	childMode = "UVTEP_INTEROP_CHILD"
	childExe  = "UVTEP_INTEROP_EXE"
)

// child becomes uvtep with the arguments of this process, and returns where
// that fails.
func child(mode string) error {
	runtime.LockOSThread()                         // what is spoilt is the thread, which becomes the process
	if err := os.Unsetenv(childMode); err != nil { // uvtep is this binary, too
		return err
	}
	var err error
	switch mode {
	case "no-tun":
		err = hideTUN()
	case "no-capability":
		err = dropCapabilities()
	case "nobody":
		err = becomeNobody()
	default:
		err = fmt.Errorf("unknown mode")
	}
	if err != nil {
		return fmt.Errorf("child %s: %w", mode, err)
	}
	path := os.Getenv(childExe)
	return fmt.Errorf("exec %s: %w", path, unix.Exec(path, append([]string{path}, os.Args[1:]...), os.Environ()))
}

// hideTUN makes /dev/net an empty directory in a mount namespace of our own.
func hideTUN() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("mount", unix.Mount("none", "/dev/net", "tmpfs", 0, ""))
}

// dropCapabilities empties the bounding set, so that root has none after exec.
func dropCapabilities() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL { // unknown to this kernel
			return os.NewSyscallError("prctl", err)
		}
	}
	return nil
}

// nobody is the user id that owns nothing and may do nothing.
const nobody = 65534

// becomeNobody is what `setpriv --reuid 65534 --regid 65534 --clear-groups` does.
func becomeNobody() error {
	if err := syscall.Setgroups(nil); err != nil {
		return os.NewSyscallError("setgroups", err)
	}
	if err := syscall.Setgid(nobody); err != nil {
		return os.NewSyscallError("setgid", err)
	}
	return os.NewSyscallError("setuid", syscall.Setuid(nobody))
}
