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
	case "tap-owner":
		if err = openTUN(); err == nil {
			err = becomeNobody()
		}
	case "net-admin":
		if err = openTUN(); err == nil {
			err = becomeNetAdmin()
		}
	default:
		err = fmt.Errorf("unknown mode")
	}
	if err != nil {
		return fmt.Errorf("child %s: %w", mode, err)
	}
	path := os.Getenv(childExe)
	return fmt.Errorf("exec %s: %w", path, unix.Exec(path, append([]string{path}, os.Args[1:]...), os.Environ()))
}

// openTUN lets everybody open /dev/net/tun, as udev does, in a mount namespace of our own.
func openTUN() error {
	if err := hideTUN(); err != nil {
		return err
	}
	const tun = "/dev/net/tun"
	if err := unix.Mknod(tun, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))); err != nil {
		return os.NewSyscallError("mknod", err)
	}
	return os.Chmod(tun, 0o666)
}

// hideTUN makes /dev/net an empty directory in a mount namespace of our own.
func hideTUN() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("mount", unix.Mount("none", "/dev/net", "tmpfs", 0, "mode=755"))
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

// becomeNetAdmin makes nobody of this process, with the capabilities that the packages' unit gives.
func becomeNetAdmin() error {
	if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if err := becomeNobody(); err != nil {
		return err
	}
	capabilities := []uint{unix.CAP_NET_ADMIN, unix.CAP_BPF}
	var data [2]unix.CapUserData
	for _, c := range capabilities {
		data[c/32].Effective |= 1 << (c % 32)
	}
	for i := range data {
		data[i].Permitted, data[i].Inheritable = data[i].Effective, data[i].Effective
	}
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	for _, c := range capabilities {
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, uintptr(c), 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
	}
	return nil
}
