package txring

import (
	"bytes"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// newRing opens a ring on a and finds the way to b.
func newRing(t *testing.T, a, b *host, buffer int) (*ring, *path) {
	t.Helper()
	var h *path
	var r *ring
	check(t, a.Do(func() error {
		rings := Open(Auto)
		defer func() { check(t, rings.Close()) }()
		h = rings.round().look(pathKey{dst: encap.AddrFrom(b.v4), port: port})
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		check(t, err)
		r = &ring{fd: fd}
		return r.set(buffer)
	}))
	if h.why != "" {
		t.Fatal(h.why)
	}
	t.Cleanup(func() { check(t, r.close()) })
	return r, h
}

// offer puts p to the ring, all of it, and kicks it.
func (r *ring) offer(t *testing.T, h *path, dev int, p []encap.Packet) int {
	t.Helper()
	for i := range p {
		if !r.put(&h.head, &p[i], 50000) {
			t.Fatalf("no room for packet %d", i)
		}
	}
	return r.kick(dev, unix.ETH_P_IP)
}

// queue gives a's eth0 a queue that passes next to nothing and takes limit bytes.
func queue(t *testing.T, a *host, limit uint32) (remove func()) {
	t.Helper()
	q := &netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: must(a.Link("eth0"))(t).Attrs().Index, Parent: netlink.HANDLE_ROOT, Handle: netlink.MakeHandle(1, 0)},
		Rate:       1000, Buffer: 3e9 / 64, Limit: limit, // 1,000 bytes a second, 3,000 at once, in ticks of 64 ns
	}
	check(t, a.Netlink(func(n *netlink.Handle) error { return n.QdiscReplace(q) }))
	return func() { check(t, a.Netlink(func(n *netlink.Handle) error { return n.QdiscDel(q) })) }
}

// TestRefusedSlot: what the device's queue does not take is given back, in order, is not sent by a later call, and does not stand
// in its way.
func TestRefusedSlot(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	r, h := newRing(t, a, b, sendBuffer)
	remove := queue(t, a, 3000)
	wire := must(b.Capture("eth0", 0))(t)
	n := r.offer(t, h, h.dev, flows(b.v4, 100, 100))
	if n == 0 || n == 100 || r.errno != unix.ENOBUFS || r.filled != 0 {
		t.Fatalf("the kernel took %d of 100: %v; %d are left", n, r.errno, r.filled)
	}
	if got := r.offer(t, h, h.dev, flows(b.v4, 1, 100)); got != 0 || r.errno != unix.ENOBUFS {
		t.Errorf("a full queue took %d: %v", got, r.errno)
	}
	remove() // with what it has
	const later = 1000
	p := flows(b.v4, 2*slots/3, 10)
	for i := range p {
		p[i] = one(b.v4, later+i, "later")
	}
	if got := r.offer(t, h, h.dev, p); got != len(p) {
		t.Fatalf("the kernel took %d of %d: %v", got, len(p), r.errno)
	}
	check(t, lab.Eventually(patience, func() error {
		for _, d := range wire.Packets() {
			if bytes.HasSuffix(d.Data, []byte("later")) {
				return nil
			}
		}
		return errAgain
	}))
	for _, d := range wire.Packets() {
		if vni, ok := vniOf(d.Data); ok && vni > n && vni < later {
			t.Errorf("packet %d was sent after it was given back", vni)
		}
	}
	must(wire.Stop())(t)
}

// TestBufferFull: where the socket's buffer is full, the rest is offered once more and then given back.
func TestBufferFull(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	r, h := newRing(t, a, b, 20000)
	remove := queue(t, a, 1<<20)
	n := r.offer(t, h, h.dev, flows(b.v4, 300, 100))
	if n == 0 || n == 300 || r.errno != unix.EAGAIN || r.calls != 2 {
		t.Errorf("the kernel took %d of 300 in %d calls: %v", n, r.calls, r.errno)
	}
	remove()
	if got := r.offer(t, h, h.dev, flows(b.v4, 300, 100)); got != 300 {
		t.Errorf("the kernel took %d of 300: %v", got, r.errno)
	}
}

// TestNoSlots: slots that are in a device's queue still are not written to.
func TestNoSlots(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	r, h := newRing(t, a, b, sendBuffer)
	remove := queue(t, a, 1<<24)
	if n := r.offer(t, h, h.dev, flows(b.v4, slots, 10)); n != slots {
		t.Fatalf("the kernel took %d: %v", n, r.errno)
	}
	p := one(b.v4, 1, "x")
	put := 0
	for r.put(&h.head, &p, 50000) {
		put++
	}
	if put > slots/2 { // the queue passed a few
		t.Errorf("%d slots are free, of %d in a queue", put, slots)
	}
	r.kick(h.dev, unix.ETH_P_IP)
	remove()
	if n := r.offer(t, h, h.dev, flows(b.v4, slots, 10)); n != slots {
		t.Errorf("the kernel took %d: %v", n, r.errno)
	}
}

// TestDeviceDown: a device that is down, or gone, takes nothing, and gets nothing of that later.
func TestDeviceDown(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	r, h := newRing(t, a, b, sendBuffer)
	wire := must(b.Capture("eth0", 0))(t)
	check(t, a.SetUp("eth0", false))
	if n := r.offer(t, h, h.dev, flows(b.v4, 8, 10)); n != 0 || r.errno != unix.ENETDOWN {
		t.Errorf("a device that is down took %d: %v", n, r.errno)
	}
	if n := r.offer(t, h, 1<<20, flows(b.v4, 8, 10)); n != 0 || r.errno != unix.ENXIO {
		t.Errorf("a device that is gone took %d: %v", n, r.errno)
	}
	check(t, a.SetUp("eth0", true))
	if n := r.offer(t, h, h.dev, flows(b.v4, 20, 10)[8:]); n != 12 {
		t.Errorf("the device took %d of 12: %v", n, r.errno)
	}
	if got := datagrams(t, wire, 12); len(got[1]) > 0 {
		t.Error("what was given back was sent")
	}
}

// TestMalformedSlot: a slot that the kernel finds malformed is given back as well.
func TestMalformedSlot(t *testing.T) {
	t.Parallel()
	a, b := newWire(t)
	r, h := newRing(t, a, b, sendBuffer)
	p := one(b.v4, 1, "x")
	bad := h.head
	bad.b[6], bad.b[7] = 0xff, 0xff // csum_start
	if !r.put(&bad, &p, 50000) || !r.put(&h.head, &p, 50000) {
		t.Fatal("no room")
	}
	if n := r.kick(h.dev, unix.ETH_P_IP); n != 0 || r.errno != unix.EINVAL {
		t.Errorf("the kernel took %d: %v", n, r.errno)
	}
	if n := r.offer(t, h, h.dev, flows(b.v4, 8, 10)); n != 8 {
		t.Errorf("the kernel took %d of 8: %v", n, r.errno)
	}
}
