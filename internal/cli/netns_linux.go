package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNetns starts the program anew with args in a named network namespace: a
// process with threads can only enter one as a whole by way of execve(2).
func inNetns(name string, args []string) error {
	if name == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(netnsDir, name))
	if err != nil {
		return fmt.Errorf("network namespace %q: %w; add it with ip netns add %s", name, err, name)
	}
	defer f.Close()
	runtime.LockOSThread()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %q: %w", name, os.NewSyscallError("setns", err))
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return os.NewSyscallError("execve", unix.Exec(exe, append([]string{os.Args[0]}, args...), os.Environ()))
}
