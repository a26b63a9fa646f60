package packages_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

//go:embed boot.sh
var bootScript string

// machine is a host of the lab with a Debian system of its own.
type machine struct {
	*lab.Host
	t     *testing.T
	shell *lab.Process // the namespaces' first process is its child
	init  int
}

// boot starts the system in the host.
func boot(t *testing.T, h *lab.Host) *machine {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv("UVTEP_LAB_REEXEC") != "" {
		lab.SkipOrFail(t, fmt.Errorf("%w: packages are installed by root alone", lab.ErrUnavailable))
	}
	for _, program := range []string{"usr/bin/dpkg", "lib/systemd/systemd"} {
		if _, err := os.Stat(filepath.Join(*system, program)); err != nil {
			lab.SkipOrFail(t, fmt.Errorf("%w: a Debian system with systemd is needed: %w", lab.ErrUnavailable, err))
		}
	}
	// The groups of the system's processes are below one that is removed in the end.
	groups := filepath.Join(t.TempDir(), "cgroup")
	check(t, os.Mkdir(groups, 0o755), unix.Mount("cgroup2", groups, "cgroup2", 0, ""))
	own := filepath.Join(groups, fmt.Sprintf("uvtep-tests-%d", os.Getpid()))
	check(t, os.Mkdir(own, 0o755))
	script := `echo 0 >"$0/cgroup.procs" && exec unshare --cgroup --mount --pid --ipc --uts --fork --kill-child sh -c "$1" boot "$2" "$3"`
	p := must(h.Start(lab.Command{Path: "sh", Args: []string{"-c", script, own, bootScript, *system, t.TempDir()}}))(t)
	m := &machine{Host: h, t: t, shell: p}
	t.Cleanup(func() {
		if t.Failed() {
			journal, _, err := m.try("journalctl", "--no-pager", "--output=short-monotonic", "--lines=60")
			t.Logf("the system's console and journal:\n%s%s%s%v", p.Stdout(), p.Stderr(), journal, err)
		}
		if m.init != 0 {
			_ = unix.Kill(m.init, unix.SIGKILL)
		}
		_ = p.Close()
		if err := lab.Eventually(soon, func() error { return removeGroups(own) }); err != nil {
			t.Error(err)
		}
		if err := unix.Unmount(groups, 0); err != nil {
			t.Error(err)
		}
	})
	m.init = must(strconv.Atoi(childOf(t, p.Pid())))(t)
	check(t, lab.Eventually(soon, func() error {
		select {
		case <-p.Done():
			return fmt.Errorf("the system did not start: %s%s", p.Stdout(), p.Stderr())
		default:
		}
		out, errs, err := m.try("systemctl", "is-system-running")
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("%s%s: %w", out, errs, errors.Join(err, errors.New("not running")))
		}
		return nil
	}))
	return m
}

// childOf is the process that another one is to start.
func childOf(t *testing.T, pid int) (child string) {
	t.Helper()
	check(t, lab.Eventually(soon, func() error {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
		if child = strings.TrimSpace(string(b)); err == nil && child == "" {
			err = errors.New("it has started no process")
		}
		return err
	}))
	return child
}

// removeGroups removes a control group with those below it.
func removeGroups(dir string) error {
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	for _, group := range slices.Backward(all) {
		err = errors.Join(err, os.Remove(group))
	}
	return err
}

// try runs a command in the system.
func (m *machine) try(command ...string) (stdout, stderr string, err error) {
	m.t.Helper()
	in := []string{"--target", strconv.Itoa(m.init), "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd", "--",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}
	return m.Run(context.WithoutCancel(m.t.Context()), "nsenter", append(in, command...)...)
}

// sh runs a shell's command line in the system.
func (m *machine) sh(line string) string {
	m.t.Helper()
	out, errs, err := m.try("sh", "-c", line)
	if err != nil {
		m.t.Fatalf("%s: %v\n%s%s", line, err, out, errs)
	}
	return out
}

// fails runs a command line that has to fail, and returns what it said.
func (m *machine) fails(line string) string {
	m.t.Helper()
	out, errs, err := m.try("sh", "-c", line)
	if err == nil {
		m.t.Errorf("%s: no error: %s%s", line, out, errs)
	}
	return out + errs
}

// copyIn copies a file into the system.
func (m *machine) copyIn(file, as string) {
	m.t.Helper()
	b := must(os.ReadFile(file))(m.t)
	m.write(as, b)
}

// write writes a file in the system.
func (m *machine) write(name string, text []byte) {
	m.t.Helper()
	p := must(m.Start(lab.Command{Path: "nsenter", Args: []string{"--target", strconv.Itoa(m.init), "--mount", "--root", "--wd", "--", "sh", "-c", `cat >"$0"`, name}, Stdin: bytes.NewReader(text)}))(m.t)
	if err := p.Wait(soon); err != nil {
		m.t.Fatalf("write %s: %v: %s", name, err, p.Stderr())
	}
	check(m.t, p.Close())
}

// files are all that there is in the system, but for what dpkg and the system itself keep.
func (m *machine) files() map[string]bool {
	m.t.Helper()
	all := map[string]bool{}
	for name := range strings.Lines(m.sh(`find /etc /usr /var /opt \( -path /usr/local -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune -o -print; ls -d /* /run/* /var/lib/dpkg/info/*; cut -d: -f1 /etc/passwd /etc/group`)) {
		all[strings.TrimSpace(name)] = true
	}
	return all
}
