package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/uvtep/uvtep/test/lab"
)

// refusal is a `uvtep run` that must fail.
type refusal struct {
	name     string
	prepare  func(t *testing.T, h *lab.Host)
	child    string // mode of child, "" for none
	sentence string
	status   int
	says     []string // what names the cause, and the remedy
}

func refusals() []refusal {
	const sentence = "vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2"
	none := func(*testing.T, *lab.Host) {}
	return []refusal{
		{"port-held-by-kernel", func(t *testing.T, h *lab.Host) {
			lab.NeedKernelVXLAN(t)
			check(t, h.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan9", VNI: 9, Remote: addr("192.0.2.9")}))
		}, "", sentence, 2, []string{"4789", "in use", "ip -d link show type vxlan"}},
		{"port-held-by-kernel-IPv6", func(t *testing.T, h *lab.Host) {
			lab.NeedKernelVXLAN(t)
			check(t, h.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan9", VNI: 9, Remote: addr("2001:db8:1::9")}))
		}, "", "vxlan0 id 42 local 2001:db8:1::1 remote 2001:db8:1::2", 2, []string{"4789", "in use", "ip -d link show type vxlan"}},
		{"no-dev-net-tun", none, "no-tun", sentence, 2, []string{"/dev/net/tun", "modprobe tun", "--device /dev/net/tun"}},
		{"no-capability", none, "no-capability", sentence, 2, []string{"CAP_NET_ADMIN"}},
		{"nobody", none, "nobody", sentence, 2, []string{"CAP_NET_ADMIN"}},
		{"vni-too-large", none, "", "vxlan0 id 16777216 local 192.0.2.1 remote 192.0.2.2", 1, []string{"16777216", "16777215"}},
		{"remote-and-group", none, "", "vxlan0 id 42 remote 192.0.2.2 group 239.1.1.1 dev eth0", 1, []string{"remote", "group", "one"}},
		{"no-such-dev", none, "", "vxlan0 id 42 remote 192.0.2.2 dev eth7", 2, []string{"eth7", "ip link"}},
		{"no-such-dev-group", none, "", "vxlan0 id 42 group 239.1.1.1 dev eth7", 2, []string{"eth7", "ip link"}},
		{"name-taken", func(t *testing.T, h *lab.Host) { check(t, h.AddBridge("vxlan0")) }, "", sentence, 2,
			[]string{"vxlan0", "has this name", "choose another"}},
		{"name-is-the-underlay", none, "", "eth0 id 42 remote 192.0.2.2", 2, []string{"eth0", "has this name", "choose another"}},
		{"name-of-another-daemon", func(t *testing.T, h *lab.Host) { startDaemon(t, h, "vxlan0", "id", "9", "dstport", "4790") }, "",
			sentence, 2, []string{"vxlan0", "in use"}},
		{"no-id", none, "", "vxlan0 remote 192.0.2.2", 1, []string{"id"}},
		{"unknown-word", none, "", sentence + " colour red", 1, []string{"colour", "--help"}},
		{"families", none, "", "vxlan0 id 42 local 2001:db8:1::1 remote 192.0.2.2", 1, []string{"2001:db8:1::1", "two IPv4 or two IPv6"}},
	}
}

// TestErrors: what cannot be is refused in one line that names the cause and
// the remedy, with the exit status of interface.md, and leaves nothing behind.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, r := range refusals() {
		t.Run(r.name, func(t *testing.T) {
			l := lab.ForTest(t)
			h, other := must(l.Host("a"))(t), must(l.Host("b"))(t)
			w := must(l.Wire(h, other, lab.WireOptions{}))(t)
			check(t, h.AddAddr(w.A, prefix("192.0.2.1/24"), prefix("2001:db8:1::1/64")))
			r.prepare(t, h)
			dir := t.TempDir()
			var env []string
			if r.child == "nobody" {
				if os.Geteuid() != 0 || os.Chown(dir, nobody, nobody) != nil {
					lab.SkipOrFail(t, fmt.Errorf("%w: another user's id is not to be had here: run as root", lab.ErrUnavailable))
				}
				check(t, os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755))
				env = []string{"GOCOVERDIR=" + theirs(t)} // of -cover: nobody may not write where the others' counters go
			}
			before := devices(t, h)
			status, stdout, stderr := r.run(t, h, filepath.Join(dir, "s"), env...)
			if status != r.status || stdout != "" {
				t.Errorf("exit status %d, want %d; stdout %q; stderr %q", status, r.status, stdout, stderr)
			}
			if err := oneLine(stderr); err != nil {
				t.Error(err)
			}
			for _, word := range r.says {
				if !strings.Contains(stderr, word) {
					t.Errorf("%q does not say %q", stderr, word)
				}
			}
			t.Log(strings.TrimSpace(stderr))
			if after := devices(t, h); !slices.Equal(before, after) {
				t.Errorf("devices before: %q, after: %q", before, after)
			}
			if left := must(os.ReadDir(dir))(t); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// run runs the daemon to its end.
func (r refusal) run(t *testing.T, h *lab.Host, socket string, env ...string) (status int, stdout, stderr string) {
	t.Helper()
	c := lab.Command{Path: exe, Args: append([]string{"--control", socket, "run"}, strings.Fields(r.sentence)...)}
	if r.child != "" {
		c.Path, c.Env = must(os.Executable())(t), []string{childMode + "=" + r.child, childExe + "=" + exe}
	}
	c.Env = append(c.Env, env...)
	p := must(h.Start(c))(t)
	_ = p.Wait(soon)
	check(t, p.Close())
	return p.ExitCode(), p.Stdout(), p.Stderr()
}

// theirs is a directory that belongs to nobody (65534), beside the test's own.
func theirs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	check(t, os.Chown(dir, nobody, nobody), os.Chmod(dir, 0o755))
	return dir
}

// devices are the network devices of a host with their indices.
func devices(t *testing.T, h *lab.Host) []string {
	t.Helper()
	var links []netlink.Link
	check(t, h.Netlink(func(n *netlink.Handle) (err error) {
		links, err = n.LinkList()
		return err
	}))
	var names []string
	for _, l := range links {
		names = append(names, fmt.Sprint(l.Attrs().Index, l.Attrs().Name, l.Type()))
	}
	slices.Sort(names)
	return names
}

// TestSecondDaemon: a socket that a daemon listens on is refused to another,
// and the first keeps working; one that a dead daemon left is taken over.
func TestSecondDaemon(t *testing.T) {
	t.Parallel()
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	first := startDaemon(t, h)
	first.uvtep(t, "link", "add", "vxlan0", "id", "42", "remote", "192.0.2.2")
	r := refusal{sentence: "vxlan1 id 43 remote 192.0.2.2", status: 2}
	status, _, stderr := r.run(t, h, first.socket)
	if err := oneLine(stderr); status != 2 || err != nil || !strings.Contains(stderr, first.socket) {
		t.Errorf("exit status %d, stderr %q", status, stderr)
	}
	if h.HasLink("vxlan1") {
		t.Error("the second daemon left its link")
	}
	first.uvtep(t, "link", "show", "vxlan0")
	check(t, first.proc.Close()) // SIGKILL
	eventually(t, func() error {
		if h.HasLink("vxlan0") {
			return fmt.Errorf("the link outlives the daemon")
		}
		return nil
	})
	if _, errs, err := first.try(t.Context(), "link"); exitStatus(err) != 3 {
		t.Errorf("link show without a daemon: %v, %q, want exit status 3", err, errs)
	}
	again := must(h.Start(lab.Command{Path: exe, Args: []string{"--control", first.socket, "run", "vxlan0", "id", "42"}}))(t)
	check(t, again.WaitStderr("uvtep: ready\n", soon), again.Stop(soon))
	if _, err := os.Stat(first.socket); !os.IsNotExist(err) {
		t.Errorf("the socket file after a clean end: %v", err)
	}
}
