package lab_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

func TestMain(m *testing.M) {
	if os.Getenv(childMode) != "" {
		os.Exit(childMain())
	}
	os.Exit(lab.TestMain(m))
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

// pair is two hosts on one wire with addresses of both families.
func pair(t *testing.T, l *lab.Lab, o lab.WireOptions) *lab.Wire {
	t.Helper()
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(a, b, o))(t)
	check(t,
		a.AddAddr(w.A, prefix("192.0.2.1/24"), prefix("2001:db8:1::1/64")),
		b.AddAddr(w.B, prefix("192.0.2.2/24"), prefix("2001:db8:1::2/64")))
	return w
}

func TestDo(t *testing.T) {
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	inside := func() string {
		var ns string
		check(t, h.Do(func() (err error) {
			ns, err = os.Readlink("/proc/thread-self/ns/net")
			return err
		}))
		return ns
	}
	here := must(os.Readlink("/proc/self/ns/net"))(t)
	first := inside()
	if first == here {
		t.Fatal("Do runs in the caller's namespace")
	}
	if second := inside(); second != first {
		t.Fatalf("Do runs in %s, then in %s", first, second)
	}
	if byPath := must(os.Readlink(h.Path()))(t); byPath != first {
		t.Fatalf("Path() leads to %s, want %s", byPath, first)
	}
	sentinel := errors.New("mine")
	if err := h.Do(func() error { return sentinel }); !errors.Is(err, sentinel) {
		t.Fatalf("Do returned %v, want the function's error", err)
	}
	for range 50 { // often, so that the main thread, which cannot be discarded, would have its turn
		if err := h.Do(func() error { runtime.Goexit(); return nil }); err == nil {
			t.Fatal("Goexit inside Do went unnoticed")
		}
	}
	for _, task := range must(filepath.Glob("/proc/self/task/*/ns/net"))(t) {
		if ns, err := os.Readlink(task); err == nil && ns == first {
			t.Errorf("%s is still in the host's namespace", task)
		}
	}
}

// footprint is what a lab may leave behind.
type footprint struct {
	fds, goroutines int
	here            string // devices of the test's own namespace
}

func measure(t *testing.T) footprint {
	t.Helper()
	dev := must(os.ReadFile("/proc/self/net/dev"))(t)
	var names []string
	for line := range strings.Lines(string(dev)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		names = append(names, name)
	}
	return footprint{
		fds: len(must(os.ReadDir("/proc/self/fd"))(t)), goroutines: runtime.NumGoroutine(), here: strings.Join(names, " "),
	}
}

// TestNothingLeft builds a lab with one of everything, closes it without closing any part, and looks for what remains.
func TestNothingLeft(t *testing.T) {
	lab.ForTest(t) // opens what the runtime opens once, e.g. the poller
	lab.NeedKernelVXLAN(t)
	var paths []string
	var old *lab.Host
	build := func() *lab.Lab {
		l := must(lab.New())(t)
		w := pair(t, l, lab.WireOptions{})
		c := must(w.HostA.Container("c", 1400))(t)
		s := must(l.Switch(lab.WireOptions{}, w.HostA, w.HostB))(t)
		check(t, w.HostA.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Remote: addr("192.0.2.2")}))
		must(w.HostA.Capture("vxlan0", 0))(t)
		must(w.HostB.OpenPacket(w.B))(t)
		p := must(w.HostB.Start(lab.Command{Path: "/proc/self/exe", Env: []string{childMode + "=sleep"}}))(t)
		check(t, p.WaitStdout("asleep", 10*time.Second))
		r := must(lab.Ping(w.HostA, netip.Addr{}, addr("192.0.2.2"), 56, 1))(t)
		if r.Received != 1 {
			t.Fatalf("ping: %v", r)
		}
		must(lab.TCPTransfer(w.HostA, w.HostB, addr("2001:db8:1::2"), 1<<20))(t)
		for _, h := range []*lab.Host{w.HostA, w.HostB, c, s.Host} {
			old = h
			paths = append(paths, must(os.Readlink(h.Path()))(t))
		}
		return l
	}
	check(t, build().Close())
	before := measure(t)
	l := build()
	check(t, l.Close(), l.Close())
	check(t, lab.Eventually(5*time.Second, func() error {
		if after := measure(t); after.fds > before.fds || after.goroutines > before.goroutines || after.here != before.here {
			return fmt.Errorf("before %+v, after %+v", before, after)
		}
		return nil
	}))
	if _, err := l.Host("late"); !errors.Is(err, lab.ErrClosed) {
		t.Errorf("Host after Close: %v, want ErrClosed", err)
	}
	for i, err := range []error{old.SetUp("lo", true), old.DelLink("eth0"), old.Do(func() error { return nil })} {
		if !errors.Is(err, lab.ErrClosed) {
			t.Errorf("call %d on a host after Close: %v, want ErrClosed", i, err)
		}
	}
	if held := holders(t, paths); len(held) > 0 {
		t.Errorf("namespaces that something still refers to: %v", held)
	}
}

// holders returns what of this program, children included, refers to one of the namespaces: file descriptors, threads
// and mounts. Other programs are left out: a namespace's number is given again, and the tests of other packages make
// namespaces at the same time.
func holders(t *testing.T, namespaces []string) (found []string) {
	t.Helper()
	own := must(os.Readlink("/proc/self/exe"))(t)
	for _, pattern := range []string{"/proc/[0-9]*/fd/*", "/proc/[0-9]*/task/*/ns/net"} {
		for _, link := range must(filepath.Glob(pattern))(t) {
			process := strings.Join(strings.Split(link, "/")[:3], "/")
			if exe, err := os.Readlink(process + "/exe"); err != nil || exe != own {
				continue
			}
			target, err := os.Readlink(link)
			if err != nil {
				continue // the process has gone, or is not ours to see
			}
			for _, ns := range namespaces {
				if target == ns {
					found = append(found, link+" -> "+ns)
				}
			}
		}
	}
	mounts := string(must(os.ReadFile("/proc/self/mountinfo"))(t))
	for _, ns := range namespaces {
		if strings.Contains(mounts, ns) {
			found = append(found, "a mount of "+ns)
		}
	}
	return found
}

func TestWireOptions(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{MTU: 1550, NameA: "uplink", Offload: map[string]bool{"tx": false}})
	if w.A != "uplink" || w.B != "eth0" {
		t.Errorf("devices %q and %q, want uplink and eth0", w.A, w.B)
	}
	for _, end := range []struct {
		h   *lab.Host
		dev string
	}{{w.HostA, w.A}, {w.HostB, w.B}} {
		if mtu := must(end.h.MTU(end.dev))(t); mtu != 1550 {
			t.Errorf("%s: MTU %d, want 1550", end.h, mtu)
		}
		off := must(end.h.Offloads(end.dev))(t)
		if off["tx-checksum-ip-generic"] || off["tx-tcp-segmentation"] {
			t.Errorf("%s: tx off left %v", end.h, off)
		}
	}
	second := must(l.Wire(w.HostA, w.HostB, lab.WireOptions{}))(t)
	if second.A != "eth0" || second.B != "eth1" {
		t.Errorf("second wire %q and %q, want eth0 and eth1", second.A, second.B)
	}
	self := must(l.Wire(w.HostA, w.HostA, lab.WireOptions{}))(t)
	if self.A != "eth1" || self.B != "eth2" {
		t.Errorf("wire to itself %q and %q, want eth1 and eth2", self.A, self.B)
	}
}

func TestSetOffload(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{})
	set := func(m map[string]bool) map[string]bool {
		t.Helper()
		check(t, w.HostA.SetOffload(w.A, m))
		return must(w.HostA.Offloads(w.A))(t)
	}
	if f := must(w.HostA.Offloads(w.A))(t); !f["tx-checksum-ip-generic"] || !f["tx-tcp-segmentation"] || !f["tx-udp_tnl-segmentation"] {
		t.Fatalf("a new veth lacks offloads: %v", f)
	}
	if f := set(map[string]bool{"tx-udp_tnl-segmentation": false}); f["tx-udp_tnl-segmentation"] || !f["tx-tcp-segmentation"] {
		t.Errorf("one feature off: %v", f)
	}
	if f := set(map[string]bool{"tso": false, "gso": false, "gro": true}); f["tx-tcp-segmentation"] || f["tx-tcp6-segmentation"] ||
		f["tx-generic-segmentation"] || !f["rx-gro"] {
		t.Errorf("tso off gso off gro on: %v", f)
	}
	if f := set(map[string]bool{"tso": true, "gso": true, "tx": false}); f["tx-tcp-segmentation"] || f["tx-checksum-ip-generic"] {
		t.Errorf("tx off must take tso along: %v", f)
	}
	if f := set(map[string]bool{"tx": true}); !f["tx-tcp-segmentation"] || !f["tx-checksum-ip-generic"] {
		t.Errorf("tx on must bring tso back: %v", f)
	}
	for _, bad := range []string{"no-such-offload", "tx-lockless", ""} {
		if err := w.HostA.SetOffload(w.A, map[string]bool{bad: false}); err == nil {
			t.Errorf("offload %q off was accepted", bad)
		}
	}
	if err := w.HostA.SetOffload("eth9", map[string]bool{"tx": false}); err == nil {
		t.Error("a missing device was accepted")
	}
}

func TestMoveLink(t *testing.T) {
	l := lab.ForTest(t)
	w := pair(t, l, lab.WireOptions{})
	third := must(l.Host("c"))(t)
	check(t, w.HostB.MoveLink(w.B, third), third.AddAddr(w.B, prefix("192.0.2.3/24")),
		w.HostA.MustReach(addr("192.0.2.3"), 56, 5*time.Second))
	if w.HostB.HasLink(w.B) {
		t.Error("the device is still where it was")
	}
	check(t, third.DelLink(w.B))
	if w.HostA.HasLink(w.A) {
		t.Error("the peer of a deleted device is still there")
	}
}

// verdict is a lab.TB that records how a test would have ended.
type verdict struct{ skipped, failed bool }

func (v *verdict) Helper()               {}
func (v *verdict) Cleanup(func())        {}
func (v *verdict) Errorf(string, ...any) { v.failed = true }
func (v *verdict) Fatalf(string, ...any) { v.failed = true }
func (v *verdict) Skipf(string, ...any)  { v.skipped = true }

func TestSkipOrFail(t *testing.T) {
	unavailable := fmt.Errorf("reason: %w", lab.ErrUnavailable)
	for _, c := range []struct {
		require, ci string
		err         error
		want        verdict
	}{
		{"", "", unavailable, verdict{skipped: true}},
		{"", "false", unavailable, verdict{skipped: true}},
		{"", "true", unavailable, verdict{failed: true}},
		{"1", "", unavailable, verdict{failed: true}},
		{"0", "true", unavailable, verdict{skipped: true}},
		{"", "", errors.New("another"), verdict{failed: true}},
	} {
		t.Setenv("UVTEP_REQUIRE_LAB", c.require)
		t.Setenv("CI", c.ci)
		var got verdict
		lab.SkipOrFail(&got, c.err)
		if got != c.want {
			t.Errorf("UVTEP_REQUIRE_LAB=%q CI=%q %v: %+v, want %+v", c.require, c.ci, c.err, got, c.want)
		}
	}
}
