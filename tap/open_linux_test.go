package tap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

func TestOpenCloseLeavesNothing(t *testing.T) {
	onHost(t)
	before := openFDs(t)
	d, err := Open(Config{Name: "vxlan0", MAC: hostMAC, MTU: 1450, TxQueueLen: 2000})
	if err != nil {
		t.Fatal(err)
	}
	s := mustState(t, d)
	want := State{Name: "vxlan0", Index: s.Index, MAC: hostMAC, MTU: 1450, Namespace: s.Namespace,
		TxQueueLen: 2000, GSOMaxSize: 65536, GSOMaxSegs: 65535}
	if s != want {
		t.Errorf("state of a new device: %+v, want %+v", s, want)
	}
	if s.Namespace == 0 {
		t.Error("state without a namespace")
	}
	l := mustLink(t, "vxlan0")
	if l.Attrs().TxQLen != 2000 {
		t.Errorf("transmit queue length %d, want 2000", l.Attrs().TxQLen)
	}
	if d.Queues() != 1 || d.Offload() != OffloadChecksum {
		t.Errorf("%d queues, offload %v; want 1, checksum", d.Queues(), d.Offload())
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := netlink.LinkByName("vxlan0"); !errors.As(err, new(netlink.LinkNotFoundError)) {
		t.Errorf("the netdev after Close: %v, want not found", err)
	}
	if d := cmp.Diff(before, openFDs(t)); d != "" {
		t.Errorf("file descriptors before and after:\n%s", d)
	}
}

func TestClosedDevice(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{})
	read := make(chan error, 1)
	go func() {
		_, err := d.ReadBatch(0, make([]encap.Frame, 1))
		read <- err
	}()
	watched := make(chan error, 1)
	go func() {
		watched <- d.Watch(t.Context(), func(State) {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}()
	if err := <-read; !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadBatch: %v, want os.ErrClosed", err)
	}
	if err := <-watched; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Watch: %v, want os.ErrClosed", err)
	}
	if _, err := d.ReadBatch(0, make([]encap.Frame, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadBatch afterwards: %v, want os.ErrClosed", err)
	}
	if _, err := d.WriteBatch(0, []encap.Frame{{Data: testFrame(60, 1)}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("WriteBatch: %v, want os.ErrClosed", err)
	}
	if _, err := d.State(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("State: %v, want os.ErrClosed", err)
	}
	if err := d.Set(Change{MTU: new(1400)}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Set: %v, want os.ErrClosed", err)
	}
	if err := d.Watch(t.Context(), func(State) {}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Watch afterwards: %v, want os.ErrClosed", err)
	}
}

func TestKernelNamesIt(t *testing.T) {
	onHost(t)
	d := mustOpen(t, Config{})
	if s := mustState(t, d); !strings.HasPrefix(s.Name, "tap") {
		t.Errorf("name %q, want tapN", s.Name)
	}
}

func TestPersist(t *testing.T) {
	onHost(t)
	uid, gid := uint32(1000), uint32(1001)
	d := mustOpen(t, Config{Name: "keep0", Persist: true, MAC: hostMAC, Owner: &uid, Group: &gid})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	l, ok := mustLink(t, "keep0").(*netlink.Tuntap)
	if !ok || l.NonPersist || l.Owner != uid || l.Group != gid {
		t.Fatalf("after Close: %+v, want a persistent TAP of 1000:1001", l)
	}
	// Taken over, without Persist: it stays persistent, and keeps its address.
	d = mustOpen(t, Config{Name: "keep0"})
	if s := mustState(t, d); s.MAC != hostMAC || s.Index != l.Index {
		t.Errorf("taken over: %+v, want MAC %v and index %d", s, hostMAC, l.Index)
	}
	if _, err := Open(Config{Name: "keep0"}); !errors.Is(err, ErrBusy) {
		t.Errorf("open a second time: %v, want ErrBusy", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Name: "keep0", Queues: 2}); err == nil || !strings.Contains(err.Error(), "multi_queue") {
		t.Errorf("two queues on a single-queue TAP: %v, want a hint at multi_queue", err)
	}
	mustLink(t, "keep0")
}

// A TAP that `ip tuntap add` made has another header size and no vnet header.
func TestAdoptMultiQueue(t *testing.T) {
	onHost(t)
	i, err := water.New(water.Config{DeviceType: water.TAP, PlatformSpecificParams: water.PlatformSpecificParams{
		Name: "ip0", Persist: true, MultiQueue: true}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Name: "ip0"}); !errors.Is(err, ErrBusy) {
		t.Errorf("held open by another: %v, want ErrBusy", err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	for _, queues := range []int{1, 3} {
		d := mustOpen(t, Config{Name: "ip0", Queues: queues})
		if d.Queues() != queues {
			t.Errorf("%d queues, want %d", d.Queues(), queues)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNameTaken(t *testing.T) {
	onHost(t)
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}); err != nil {
		t.Fatal(err)
	}
	tun, err := water.New(water.Config{DeviceType: water.TUN, PlatformSpecificParams: water.PlatformSpecificParams{Name: "tun0"}})
	if err != nil {
		t.Fatal(err)
	}
	defer tun.Close()
	before := openFDs(t)
	for name, kind := range map[string]string{"br0": "bridge", "tun0": "tun", "lo": "device"} {
		_, err := Open(Config{Name: name})
		if !errors.Is(err, ErrExist) || !strings.Contains(err.Error(), "type "+kind) {
			t.Errorf("open %s: %v, want ErrExist that says %s", name, err, kind)
		}
		mustLink(t, name)
	}
	if d := cmp.Diff(before, openFDs(t)); d != "" {
		t.Errorf("file descriptors before and after:\n%s", d)
	}
}

func TestFailedOpenLeavesNothing(t *testing.T) {
	onHost(t)
	before := openFDs(t)
	if _, err := Open(Config{Name: "big0", MTU: 100_000}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("MTU of 100000: %v, want EINVAL", err)
	}
	if _, err := netlink.LinkByName("big0"); !errors.As(err, new(netlink.LinkNotFoundError)) {
		t.Errorf("the netdev after a failed Open: %v, want not found", err)
	}
	if d := cmp.Diff(before, openFDs(t)); d != "" {
		t.Errorf("file descriptors before and after:\n%s", d)
	}
}

func TestNoDevice(t *testing.T) {
	onHost(t)
	_, err := Open(Config{Name: "vxlan0", clonePath: filepath.Join(t.TempDir(), "tun")})
	if !errors.Is(err, ErrNoDevice) {
		t.Errorf("got %v, want ErrNoDevice", err)
	}
	t.Log(err)
}

func TestNoCapability(t *testing.T) {
	onHost(t)
	before := openFDs(t)
	drop(t, unix.CAP_NET_ADMIN)
	_, err := Open(Config{Name: "vxlan0"})
	if !errors.Is(err, ErrPermission) {
		t.Errorf("got %v, want ErrPermission", err)
	}
	if d := cmp.Diff(before, openFDs(t)); d != "" {
		t.Errorf("file descriptors before and after:\n%s", d)
	}
}

// The owner of a persistent TAP needs no capability to forward with it.
func TestOwnerWithoutCapability(t *testing.T) {
	onHost(t)
	uid := uint32(os.Geteuid())
	d := mustOpen(t, Config{Name: "mine0", Persist: true, Owner: &uid, Queues: 2})
	mustSet(t, d, Change{Up: new(true)})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	drop(t, unix.CAP_NET_ADMIN)
	d = mustOpen(t, Config{Name: "mine0", Queues: 2})
	if s := mustState(t, d); s.Name != "mine0" || !s.Up {
		t.Errorf("state %+v, want mine0, up", s)
	}
	o := observe(t, d)
	if s := <-o.states; s.Name != "mine0" {
		t.Errorf("watched %+v, want mine0", s)
	}
	if n, err := d.WriteBatch(1, []encap.Frame{{Data: testFrame(60, 1)}}); n != 1 || err != nil {
		t.Errorf("WriteBatch: %d, %v", n, err)
	}
	if err := d.Set(Change{MTU: new(1400)}); !errors.Is(err, ErrPermission) {
		t.Errorf("Set: %v, want ErrPermission", err)
	}
}

// What the owner may not set stays as it was, and what is as asked already is no refusal.
func TestOwnerKeepsWhatItMayNotSet(t *testing.T) {
	onHost(t)
	uid := uint32(os.Geteuid())
	d := mustOpen(t, Config{Name: "mine0", Persist: true, Owner: &uid, MTU: 1400})
	mustSet(t, d, Change{Up: new(true)})
	was := mustState(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	drop(t, unix.CAP_NET_ADMIN)
	d = mustOpen(t, Config{Name: "mine0", MTU: 1450, TxQueueLen: 4096, GSOMaxSize: 60000, GSOMaxSegs: 64, MAC: encap.MAC{2, 1}})
	s := mustState(t, d)
	s.LowerUp = was.LowerUp
	if s != was {
		t.Errorf("state %+v, was %+v", s, was)
	}
	mustSet(t, d, Change{Up: new(true), MTU: new(1400), MAC: &was.MAC, TxQueueLen: &was.TxQueueLen, Name: "mine0"})
	for name, ch := range map[string]Change{"up": {Up: new(false)}, "mtu": {Up: new(true), MTU: new(1450)}, "txqueuelen": {TxQueueLen: new(7)}, "name": {Name: "yours0"}, "address": {MAC: &encap.MAC{2, 1}}} {
		if err := d.Set(ch); !errors.Is(err, ErrPermission) {
			t.Errorf("Set of %s: %v, want ErrPermission", name, err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for name, c := range map[string]Config{
		"long name":         {Name: "sixteen-letters-"},
		"slash":             {Name: "a/b"},
		"dots":              {Name: ".."},
		"queues":            {Queues: 257},
		"negative queues":   {Queues: -1},
		"multicast address": {MAC: encap.MAC{1}},
		"negative MTU":      {MTU: -1},
		"negative GSO size": {GSOMaxSize: -1},
		"negative spinning": {Spin: -1},
	} {
		if d, err := Open(c); err == nil {
			t.Errorf("%s: accepted", name)
			_ = d.Close()
		}
	}
}

// 1,000 devices, opened and closed, some of them watched and read.
func TestNoLeak(t *testing.T) {
	onHost(t)
	fds, routines := openFDs(t), runtime.NumGoroutine()
	count := 1000
	if testing.Short() {
		count = 100
	}
	for i := range count {
		d, err := Open(Config{Name: "leak0"})
		if err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 {
			readAndWatch(t, d)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(fds, openFDs(t)); d != "" {
		t.Errorf("file descriptors before and after:\n%s", d)
	}
	sameGoroutines(t, routines)
}

// sameGoroutines waits until there are no more goroutines than there were: one that
// has sent its last result is still counted until it has returned, in the count before
// as well.
func sameGoroutines(t *testing.T, want int) {
	t.Helper()
	err := lab.Eventually(5*time.Second, func() error {
		if n := runtime.NumGoroutine(); n > want {
			return fmt.Errorf("%d goroutines after, %d before", n, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// readAndWatch closes d while it is read and watched.
func readAndWatch(t *testing.T, d *Device) {
	ended := make(chan error, 2)
	started := make(chan struct{})
	go func() {
		_, err := d.ReadBatch(0, make([]encap.Frame, 1))
		ended <- err
	}()
	go func() {
		ended <- d.Watch(context.Background(), func(State) { close(started) })
	}()
	<-started
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v, want os.ErrClosed", err)
		}
	}
}
