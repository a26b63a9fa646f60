package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// confinedEnv names the trial that this binary makes, confined, instead of its tests.
const confinedEnv = "UVTEP_SANDBOX_TRIAL"

func TestMain(m *testing.M) {
	name := os.Getenv(confinedEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	dir := os.Getenv(confinedEnv + "_DIR")
	c := Config{Files: []string{filepath.Join(dir, "etc", "uvtep.yaml")}, Own: []string{filepath.Join(dir, "run")}}
	hold := make(chan struct{})
	started := make(chan struct{})
	go func() { // a thread that was there before
		runtime.LockOSThread()
		close(started)
		<-hold
	}()
	<-started
	if err := Enter(c); err != nil {
		fmt.Println("enter:", err)
		os.Exit(3)
	}
	for _, trial := range trials() {
		if trial.name == name || name == survived && !errors.Is(trial.want, errKilled) {
			fmt.Printf("%s: begun\n", trial.name)
			fmt.Printf("%s: %v\n", trial.name, trial.try(dir))
		}
	}
	close(hold)
	os.Exit(0)
}

// survived names all trials that the process survives, which one process makes.
const survived = "survived"

// trial is what a daemon that somebody took over would try, or one that nobody did.
type trial struct {
	name string
	try  func(dir string) error
	want error // errKilled: the process is killed
}

var errKilled = errors.New("killed")

// listen binds a TCP socket.
func listen(protocol int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, protocol)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
}

// enterOwn enters the namespace that this process is in.
func enterOwn(kind string, flag int) error {
	fd, err := unix.Open("/proc/self/ns/"+kind, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, flag)
}

func trials() []trial {
	open := func(flags int, name ...string) func(string) error {
		return func(dir string) error {
			f, err := os.OpenFile(filepath.Join(append([]string{dir}, name...)...), flags, 0o600)
			if err == nil {
				err = f.Close()
			}
			return errors.Unwrap(err)
		}
	}
	socket := func(family, kind int) func(string) error {
		return func(string) error {
			fd, err := unix.Socket(family, kind, 0)
			if err == nil {
				err = unix.Close(fd)
			}
			return err
		}
	}
	call := func(fn func() error) func(string) error { return func(string) error { return fn() } }
	return []trial{
		{name: "read the file", try: open(os.O_RDONLY, "etc", "uvtep.yaml")},
		{name: "read a file that replaced it", try: open(os.O_RDONLY, "etc", "new.yaml")},
		{name: "write the file", try: open(os.O_WRONLY, "etc", "uvtep.yaml"), want: syscall.EACCES},
		{name: "make a file beside it", try: open(os.O_WRONLY|os.O_CREATE, "etc", "mine"), want: syscall.EACCES},
		{name: "make an own file", try: open(os.O_WRONLY|os.O_CREATE, "run", "mine")},
		{name: "read another file", try: open(os.O_RDONLY, "other"), want: syscall.EACCES},
		{name: "remove another file", try: func(dir string) error { return unix.Unlink(filepath.Join(dir, "other")) }, want: syscall.EACCES},
		{name: "make a UDP socket", try: socket(unix.AF_INET6, unix.SOCK_DGRAM)},
		{name: "make a packet socket", try: socket(unix.AF_PACKET, unix.SOCK_RAW), want: syscall.EPERM},
		{name: "make a socket of AF_ALG", try: socket(unix.AF_ALG, unix.SOCK_SEQPACKET), want: syscall.EPERM},
		{name: "listen by TCP", try: call(func() error { return listen(unix.IPPROTO_TCP) }), want: syscall.EACCES},
		{name: "listen by multipath TCP", try: call(func() error { return listen(unix.IPPROTO_MPTCP) }), want: syscall.EPERM},
		{name: "signal another process", try: call(func() error { return unix.Kill(os.Getppid(), 0) }), want: syscall.EPERM},
		{name: "signal another's thread", try: call(func() error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) }), want: syscall.EPERM},
		{name: "input for a terminal", try: call(func() error { return unix.IoctlSetInt(0, unix.TIOCSTI, 0) }), want: syscall.EPERM},
		{name: "what libraries do without", try: call(func() error { return unix.CloseRange(1000, 1001, 0) }), want: syscall.ENOSYS},
		{name: "a call in no list", try: call(func() error { return unix.Chdir("/") }), want: syscall.EPERM},
		{name: "start a program", try: call(func() error { return unix.Exec("/bin/true", []string{"true"}, nil) }), want: errKilled},
		{name: "start a process", try: call(func() error { return errors.Unwrap(exec.Command("/bin/true").Run()) }), want: syscall.EPERM},
		// As a call's number each of these flags would pass: conditions must not be taken for numbers.
		{name: "start a process with flags that are numbers of calls", try: call(func() error {
			for flags := range uintptr(64) {
				pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags, 0, 0, 0, 0, 0)
				switch {
				case errno == 0 && pid == 0:
					_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
				case errno != unix.EPERM:
					return fmt.Errorf("flags %d: %w", flags, errno)
				}
			}
			return unix.EPERM
		}), want: syscall.EPERM},
		{name: "enter the network namespace of a moved device", try: call(func() error { return enterOwn("net", unix.CLONE_NEWNET) })},
		{name: "enter a mount namespace", try: call(func() error { return enterOwn("mnt", unix.CLONE_NEWNS) }), want: errKilled},
		{name: "make a namespace", try: call(func() error { return unix.Unshare(unix.CLONE_NEWNET) }), want: errKilled},
		{name: "trace a process", try: call(func() error { return unix.PtraceSeize(os.Getppid()) }), want: errKilled},
		{name: "become root", try: call(func() error { return unix.Setresuid(0, 0, 0) }), want: errKilled},
	}
}

// confined makes a trial, or all that survive, in a process of their own.
func confined(t *testing.T, name string) (out string, ended syscall.WaitStatus) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"etc/uvtep.yaml": "links: []\n", "etc/new.yaml": "links: []\n", "run/s": "", "other": ""} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), confinedEnv+"="+name, confinedEnv+"_DIR="+dir)
	all, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if cmd.ProcessState.ExitCode() == 3 {
		if os.Getenv("UVTEP_REQUIRE_LAB") == "" && strings.Contains(string(all), ErrMissing.Error()) {
			t.Skipf("%s", all)
		}
		t.Fatalf("%s", all)
	}
	ended, _ = cmd.ProcessState.Sys().(syscall.WaitStatus)
	return string(all), ended
}

// TestConfined: what the daemon needs works; the rest fails, or ends the process, and so in
// threads that were there before.
func TestConfined(t *testing.T) {
	out, ended := confined(t, survived)
	if ended.ExitStatus() != 0 {
		t.Fatalf("the process ended with %v: %s", ended, out)
	}
	for _, trial := range trials() {
		t.Run(trial.name, func(t *testing.T) {
			if errors.Is(trial.want, errKilled) {
				out, ended := confined(t, trial.name)
				if !ended.Signaled() || ended.Signal() != syscall.SIGSYS || out != trial.name+": begun\n" {
					t.Errorf("the process was not killed by SIGSYS: %v: %s", ended, out)
				}
				return
			}
			if want := fmt.Sprintf("%s: begun\n%s: %v\n", trial.name, trial.name, trial.want); !strings.Contains(out, want) {
				t.Errorf("want %q in:\n%s", want, out)
			}
		})
	}
}
