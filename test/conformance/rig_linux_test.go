package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/vtep/forward"
)

// patience is the longest that anything here may take.
const patience = 30 * time.Second

// rig is a daemon on the host dut, and the probe at the other end of its wire,
// where packets are crafted and captured byte by byte. The probe's kernel has
// none of the addresses that it plays, so that it answers nothing.
type rig struct {
	*testing.T
	family
	dut, probe *lab.Host
	wire       *lab.Wire
	daemon     *lab.Process
	client     *client.Client
	socket     string
	under      *lab.PacketSocket // the probe's end of the wire
	inner      *lab.PacketSocket // the link's netdev, on the host's side
	to         outer             // what packet starts from: peer 0 to the daemon
	vni        uint32
}

// newRig wires the hosts up. The device leaves no checksum to be filled in
// later, so that the captured bytes are those of a wire.
func newRig(t *testing.T, f family) *rig {
	t.Helper()
	l := lab.ForTest(t)
	r := &rig{T: t, family: f, vni: 42, socket: filepath.Join(t.TempDir(), "control.sock")}
	r.dut, r.probe = must(l.Host("dut"))(t), must(l.Host("probe"))(t)
	r.wire = must(l.Wire(r.dut, r.probe, lab.WireOptions{Offload: map[string]bool{"tx": false}}))(t)
	far := must(r.probe.MAC(r.wire.B))(t)
	check(t, r.dut.AddAddr(r.wire.A, f.local))
	for _, p := range f.peers {
		check(t, r.dut.SetNeighbour(r.wire.A, p, far))
	}
	// The netdev of the link then sends nothing by itself.
	check(t, r.dut.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"))
	r.under = must(r.probe.OpenPacket(r.wire.B))(t)
	r.to = outer{
		dstMAC: must(r.dut.MAC(r.wire.A))(t), srcMAC: far,
		src: f.peers[0], dst: f.local.Addr(), sport: 50000, dport: 4789,
	}
	return r
}

// in is r for a subtest.
func (r *rig) in(t *testing.T) *rig {
	c := *r
	c.T = t
	return &c
}

// startRig is a rig whose daemon has a link with the default remote and the
// words given.
func startRig(t *testing.T, f family, words ...string) *rig {
	t.Helper()
	r := newRig(t, f)
	r.start("id 42", f.words(), strings.Join(words, " "))
	return r
}

// start runs the daemon with the link vxlan0 of the sentence.
func (r *rig) start(words ...string) {
	r.Helper()
	args := append([]string{"--control", r.socket, "run", "--no-offload=" + *noOffload, "--tunnel-gso=" + *tunnelGSO, "--tx-ring=" + *txRing, "vxlan0"}, strings.Fields(strings.Join(words, " "))...)
	r.daemon = must(r.dut.Start(lab.Command{Path: uvtep, Args: args}))(r.T)
	r.Cleanup(func() {
		if err := r.daemon.Stop(patience); err != nil {
			r.Errorf("the daemon does not end cleanly: %v", err)
		}
		log := r.daemon.Stderr()
		if r.Failed() || strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			r.Errorf("the daemon wrote:\n%s", log)
		}
	})
	check(r.T, r.daemon.WaitStderr("uvtep: ready", patience))
	r.client = client.New(r.socket)
	r.Cleanup(r.client.Close)
	r.inner = must(r.dut.OpenPacket("vxlan0"))(r.T)
	r.fdb("add", api.FDBEntry{MAC: markerOut, Dst: r.peers[0]})
}

// fdb changes the link's FDB.
func (r *rig) fdb(verb string, e api.FDBEntry) {
	r.Helper()
	if e.Dev == "" {
		e.Dev = "vxlan0"
	}
	check(r.T, r.client.ChangeFDB(r.Context(), verb, e))
}

// entry is the dst of a MAC's entry, invalid if it has none.
func (r *rig) entry(mac string) netip.Addr {
	r.Helper()
	all := must(r.client.FDB(r.Context(), api.FDBFilter{Dev: "vxlan0", MAC: mac}))(r.T)
	if len(all) == 0 {
		return netip.Addr{}
	}
	return all[0].Dst
}

// uvtepCLI runs a command of the program against the daemon.
func (r *rig) uvtepCLI(args ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	return r.dut.Run(ctx, uvtep, append([]string{"--control", r.socket}, args...)...)
}

// stats are the link's counters.
func (r *rig) stats() api.LinkStats {
	r.Helper()
	return must(r.client.Link(r.Context(), "vxlan0"))(r.T).Stats
}

// drops is the counter of a reason: the link's, or the daemon's for packets
// that belong to no link.
func (r *rig) drops(reason forward.DropReason) uint64 {
	r.Helper()
	switch reason {
	case forward.RxShortHeader, forward.RxNoVNIFlag, forward.RxUnknownVNI:
		return must(r.client.Stats(r.Context()))(r.T).Drops[reason.String()]
	default:
		return r.stats().Drops[reason.String()]
	}
}

// until polls cond.
func (r *rig) until(what string, cond func() bool) {
	r.Helper()
	err := lab.Eventually(patience, func() error {
		if !cond() {
			return errors.New("still waiting")
		}
		return nil
	})
	if err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

// packet is an encapsulated frame as a peer sends it, changed by edit.
func (r *rig) packet(frame []byte, edit ...func(*outer)) []byte {
	o := r.to
	o.payload = append(vxlanHeader(r.vni), frame...)
	for _, e := range edit {
		e(&o)
	}
	return o.bytes()
}

func from(a netip.Addr) func(*outer) { return func(o *outer) { o.src = a } }

// send puts a packet on the wire to the daemon.
func (r *rig) send(data []byte) {
	r.Helper()
	check(r.T, r.under.Send(data))
}

// arrives waits for the frame that uvtep hands to the host, unchanged and with
// nothing before it.
func (r *rig) arrives(frame []byte) {
	r.Helper()
	var before []lab.Packet
	p, err := r.inner.WaitFor(func(p lab.Packet) bool {
		switch {
		case p.Outgoing:
			return false
		case bytes.Equal(p.Data, frame):
			return true
		}
		before = append(before, p)
		return false
	}, patience)
	for _, b := range before {
		r.Errorf("the host was handed %s", describe(b.Data))
	}
	if err != nil {
		r.Fatalf("the host was not handed %s: %v", describe(frame), err)
	}
	if p.Partial {
		r.Errorf("%s came with a partial checksum", describe(frame))
	}
}

// delivers sends an encapsulated frame and waits for it on the netdev.
func (r *rig) delivers(frame []byte, edit ...func(*outer)) {
	r.Helper()
	r.send(r.packet(frame, edit...))
	r.arrives(frame)
}

// nothingArrived proves that the host was handed nothing since the last call of
// arrives: what is sent after it comes first.
func (r *rig) nothingArrived() {
	r.Helper()
	r.delivers(frameFrom(markerIn))
}

// refuses sends a packet, waits until it is counted under reason, once, and as
// an error or a drop of the link, and proves that the host was handed nothing.
func (r *rig) refuses(reason forward.DropReason, data []byte) {
	r.Helper()
	before, stats := r.drops(reason), r.stats()
	r.send(data)
	r.until("count "+reason.String(), func() bool { return r.drops(reason) > before })
	if n := r.drops(reason) - before; n != 1 {
		r.Errorf("one packet was counted %d times as %s", n, reason)
	}
	after := r.stats()
	ofLink := after.Drops[reason.String()] - stats.Drops[reason.String()]
	if shown := after.Rx.Errors + after.Rx.Dropped - stats.Rx.Errors - stats.Rx.Dropped; shown != ofLink {
		r.Errorf("%s adds %d to the link's rx errors and drops, want %d", reason, shown, ofLink)
	}
	r.nothingArrived()
}

// inject makes the host send a frame through the link's netdev.
func (r *rig) inject(frame []byte) {
	r.Helper()
	check(r.T, r.inner.Send(frame))
}

// next is the next packet of the daemon on the wire.
func (r *rig) next() *packet {
	r.Helper()
	local := r.local.Addr()
	p, err := r.under.WaitFor(func(p lab.Packet) bool { return !p.Outgoing && sentBy(local, p.Data) }, patience)
	if err != nil {
		r.Fatalf("uvtep sent nothing: %v", err)
	}
	d, err := decode(p.Data)
	if err != nil {
		r.Fatalf("uvtep sent %x: %v", p.Data, err)
	}
	return d
}

// nothingSent proves that nothing left since the last packet that was looked
// at: the marker comes first.
func (r *rig) nothingSent() {
	r.Helper()
	marker := frameTo(markerOut)
	r.inject(marker)
	if p := r.next(); !bytes.Equal(p.frame, marker) {
		r.Errorf("uvtep sent to %s port %d vni %d: %s", p.dst, p.dport, p.vxlan.VNI, describe(p.frame))
		for !bytes.Equal(p.frame, marker) {
			p = r.next()
		}
	}
}

// emits injects a frame and returns the n packets that it makes, no more.
func (r *rig) emits(frame []byte, n int) []*packet {
	r.Helper()
	r.inject(frame)
	var out []*packet
	for range n {
		p := r.next()
		if diff := cmp.Diff(frame, p.frame); diff != "" {
			r.Fatalf("the frame changed on its way (- injected + sent):\n%s", diff)
		}
		out = append(out, p)
	}
	r.nothingSent()
	return out
}

// emit is emits for one packet.
func (r *rig) emit(frame []byte) *packet {
	r.Helper()
	return r.emits(frame, 1)[0]
}

// keeps injects a frame that must not leave and waits until it is counted.
func (r *rig) keeps(reason forward.DropReason, frame []byte) {
	r.Helper()
	before := r.drops(reason)
	r.inject(frame)
	r.until("count "+reason.String(), func() bool { return r.drops(reason) == before+1 })
	r.nothingSent()
}

// flooded is the set of "address port vni" that a frame goes to.
func (r *rig) flooded(frame []byte, n int) map[string]int {
	r.Helper()
	got := map[string]int{}
	for _, p := range r.emits(frame, n) {
		got[target(p.dst, p.dport, p.vxlan.VNI)]++
	}
	return got
}

func target(dst netip.Addr, port uint16, vni uint32) string {
	return fmt.Sprint(dst, " ", port, " ", vni)
}

// describe is a frame for messages.
func describe(b []byte) string {
	if len(b) < 14 {
		return fmt.Sprintf("%d bytes %x", len(b), b)
	}
	return fmt.Sprintf("%d bytes %x > %x type %x ... %x", len(b), b[6:12], b[:6], b[12:14], b[max(14, len(b)-4):])
}

func must[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
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
