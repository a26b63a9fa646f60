package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// reexecMark is set in the environment of a process that Reexec started, which must not try again.
const reexecMark = "UVTEP_LAB_REEXEC"

// tunDevice is what TAP devices are made of. In a user namespace its file mode decides: the kernel itself allows TAPs in
// namespaces that the caller owns.
const tunDevice = "/dev/net/tun"

// privileged returns nil where this process can make network namespaces and work in them.
func privileged() error {
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return fmt.Errorf("lab: %w", os.NewSyscallError("capget", err))
	}
	need := uint32(1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW)
	if data[0].Effective&need != need {
		return fmt.Errorf("lab: %w: this process lacks CAP_SYS_ADMIN, CAP_NET_ADMIN or CAP_NET_RAW: run it as root",
			ErrUnavailable)
	}
	return nil
}

// CheckTUN returns nil where this process may open /dev/net/tun, else an error that wraps [ErrUnavailable] and says what
// to do about it.
func CheckTUN() error {
	f, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	if err == nil {
		return f.Close()
	}
	switch {
	case errors.Is(err, os.ErrPermission):
		mode := "unknown"
		if st, err := os.Stat(tunDevice); err == nil {
			mode = fmt.Sprintf("%04o", st.Mode().Perm())
		}
		return fmt.Errorf("lab: %w: %s (mode %s) cannot be opened by uid %d: run as root, or allow it to all: "+
			"chmod 0666 %s", ErrUnavailable, tunDevice, mode, os.Getuid(), tunDevice)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("lab: %w: %s is missing: modprobe tun, or pass --device %s to the container",
			ErrUnavailable, tunDevice, tunDevice)
	}
	return fmt.Errorf("lab: %w: %w", ErrUnavailable, err)
}

// Reexec makes sure that the program can build a lab with TAP devices. Where the caller is privileged it returns at once
// with done false. Else it runs the program again, with the same arguments, standard streams and environment, as root of
// a new user and network namespace, waits for it and returns done true and its exit status: the caller must then exit
// with that code. An error wraps [ErrUnavailable] and says what stands in the way.
//
//	if code, done, err := lab.Reexec(); err != nil { ... } else if done { os.Exit(code) }
func Reexec() (code int, done bool, err error) {
	if privileged() == nil {
		return 0, false, nil
	}
	if err := CheckTUN(); err != nil {
		return 0, false, err
	}
	return reexec(os.Args[1:], os.Environ())
}

func reexec(args, env []string) (code int, done bool, err error) {
	if os.Getenv(reexecMark) != "" {
		return 0, false, fmt.Errorf("lab: %w: root of a user namespace, but without its capabilities: %s",
			ErrUnavailable, userNamespaceHint)
	}
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(env, reexecMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	runtime.LockOSThread() // the death signal is tied to the thread that starts the child
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, false, fmt.Errorf("lab: %w: new user namespace: %w: %s", ErrUnavailable, err, userNamespaceHint)
	}
	exited := make(chan struct{})
	forwarded := make(chan struct{})
	go func() {
		defer close(forwarded)
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-exited:
				return
			}
		}
	}()
	err = cmd.Wait()
	close(exited)
	<-forwarded
	return exitStatus(cmd.ProcessState, err)
}

const userNamespaceHint = "run as root, or allow user namespaces (sysctl user.max_user_namespaces, " +
	"kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"

// exitStatus turns the end of the child into ours, as a shell would: 128 and the signal's number for a killed one.
func exitStatus(st *os.ProcessState, err error) (int, bool, error) {
	if st == nil {
		return 0, true, fmt.Errorf("lab: wait for the re-executed program: %w", err)
	}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), true, nil
	}
	return st.ExitCode(), true, nil
}
