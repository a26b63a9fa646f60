package conformance

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep/forward"
)

// startGroup is a rig whose link has a multicast group for its default
// destination.
func startGroup(t *testing.T, f family, words ...string) *rig {
	t.Helper()
	r := newRig(t, f)
	r.start("id 42 dev", r.wire.A, "group", f.group.String(), "local", f.local.Addr().String(), strings.Join(words, " "))
	return r
}

// toGroup is a packet for the link's group.
func (r *rig) toGroup(frame []byte) []byte {
	return r.packet(frame, func(o *outer) { o.dst = r.group })
}

// members is how many sockets of the daemon's host have joined a group on its
// underlay device, by /proc/net/igmp or igmp6.
func (r *rig) members(group netip.Addr) int {
	r.Helper()
	b := group.AsSlice()
	if group.Is6() {
		// index, device, group, users, ...
		for line := range strings.Lines(must(r.dut.ReadProcNet("igmp6"))(r.T)) {
			f := strings.Fields(line)
			if len(f) > 3 && f[1] == r.wire.A && f[2] == fmt.Sprintf("%x", b) {
				return atoi(f[3])
			}
		}
		return 0
	}
	// A line with the device's name, then one for each of its groups, which are
	// in host byte order: group, users, ...
	want, device := fmt.Sprintf("%02X%02X%02X%02X", b[3], b[2], b[1], b[0]), ""
	for line := range strings.Lines(must(r.dut.ReadProcNet("igmp"))(r.T)) {
		switch f := strings.Fields(line); {
		case len(f) > 2 && f[0] != "Idx" && !strings.HasPrefix(line, "\t"):
			device = f[1]
		case len(f) > 1 && device == r.wire.A && f[0] == want:
			return atoi(f[1])
		}
	}
	return 0
}

func atoi(s string) (n int) {
	_, err := fmt.Sscan(s, &n)
	must0(err)
	return n
}

func (r *rig) setUp(link string, up bool) {
	r.Helper()
	check(r.T, r.client.ChangeLink(r.Context(), link, api.LinkChange{Up: &up}))
}

func TestC08JoinsTheGroup(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := newRig(t, f)
		if n := r.members(f.group); n != 0 {
			t.Fatalf("%d members before the daemon runs", n)
		}
		add := func(name string, vni uint32) {
			check(t, r.client.AddLink(t.Context(), api.LinkChange{LinkSpec: api.LinkSpec{
				Name: name, ID: &vni, Group: &f.group, Local: new(f.local.Addr()), Dev: &r.wire.A,
			}}))
		}
		want := func(after string, n int) {
			t.Helper()
			if got := r.members(f.group); got != n {
				t.Errorf("after %s: %d members of %s, want %d", after, got, f.group, n)
			}
		}
		r.start("id 42 dev", r.wire.A, "group", f.group.String(), "local", f.local.Addr().String())
		want("run", 1)
		add("vxlan1", 43)
		add("vxlan2", 44)
		r.setUp("vxlan1", true)
		want("a second link came up", 1)
		r.setUp("vxlan0", false)
		want("the first link went down", 1)
		r.setUp("vxlan1", false)
		want("the second link went down, the third never up", 0)
		r.setUp("vxlan0", true)
		r.setUp("vxlan2", true)
		want("two links came up", 1)
		check(t, r.client.DeleteLink(t.Context(), "vxlan0"))
		want("one was deleted", 1)

		// `ip link set ... down` is as good as our own command.
		check(t, r.dut.SetUp("vxlan2", false))
		r.until("leave the group", func() bool { return r.members(f.group) == 0 })
		check(t, r.dut.SetUp("vxlan2", true))
		r.until("join the group", func() bool { return r.members(f.group) == 1 })
		check(t, r.client.DeleteLink(t.Context(), "vxlan2"))
		want("the last was deleted", 0)
	})
}

// TestC08SharedGroup: frames of two links of one group reach the right one.
func TestC08SharedGroup(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startGroup(t, f)
		check(t, r.client.AddLink(t.Context(), api.LinkChange{
			LinkSpec: api.LinkSpec{Name: "vxlan1", ID: new(uint32(43)), Group: &f.group, Local: new(f.local.Addr()), Dev: &r.wire.A},
			Up:       new(true),
		}))
		second := *r
		second.vni, second.inner = 43, must(r.dut.OpenPacket("vxlan1"))(t)
		for _, link := range []*rig{r, &second, r} {
			frame := frameFrom(farMAC)
			link.send(link.toGroup(frame))
			link.arrives(frame)
		}
		r.nothingArrived()
		second.nothingArrived()
	})
}

func TestL15LinkDown(t *testing.T) {
	r := startGroup(t, ipv4Underlay())
	r.fdb("add", api.FDBEntry{MAC: farMAC2, Dst: r.peers[1]})
	r.fdb("add", api.FDBEntry{MAC: farMAC3, Dst: r.peers[1], State: api.Static})
	r.delivers(frameFrom(farMAC))
	if e := r.entry(farMAC); e != r.peers[0] {
		t.Fatalf("%s is behind %v, want %s", farMAC, e, r.peers[0])
	}
	check(t, r.dut.SetUp("vxlan0", false)) // as `ip link set vxlan0 down`
	r.until("flush what was learned", func() bool { return !r.entry(farMAC).IsValid() })
	r.until("leave the group", func() bool { return r.members(r.group) == 0 })
	for _, mac := range []string{farMAC2, farMAC3, allZeros} {
		if !r.entry(mac).IsValid() {
			t.Errorf("the entry of %s went with the link", mac)
		}
	}
	before := r.drops(forward.RxLinkDown)
	r.send(r.packet(frameFrom(farMAC)))
	r.until("count rx-link-down", func() bool { return r.drops(forward.RxLinkDown) == before+1 })
	if e := r.entry(farMAC); e.IsValid() {
		t.Errorf("%s was learned while the link was down", farMAC)
	}
	check(t, r.dut.SetUp("vxlan0", true))
	r.until("join the group", func() bool { return r.members(r.group) == 1 })
	r.inner = must(r.dut.OpenPacket("vxlan0"))(t)
	r.delivers(frameFrom(farMAC))
}

// TestS05OwnEcho: the underlay loops our multicast back, so that other VTEPs of
// this host hear it. We know it by its outer source, also where the inner
// source is not the link's MAC, as on a bridge port.
func TestS05OwnEcho(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		for name, words := range map[string]string{"local": "local " + f.local.Addr().String(), "by route": ""} {
			t.Run(name, func(t *testing.T) {
				r := newRig(t, f)
				r.start("id 42 dev", r.wire.A, "group", f.group.String(), words)
				before := r.drops(forward.RxOwnEcho)
				r.emit(frameTo(broadcast)) // and the marker goes by unicast
				r.until("count rx-own-echo", func() bool { return r.drops(forward.RxOwnEcho) == before+1 })
				r.nothingArrived()
				if e := r.entry(hostMAC); e.IsValid() {
					t.Errorf("%s, which is on this side, was learned behind %s", hostMAC, e)
				}
				forged := r.packet(frameFrom(farMAC), from(f.local.Addr()), func(o *outer) { o.dst = f.group })
				if f.local.Addr().Is4() {
					r.send(forged) // for the host's kernel a martian (RFC 1812 section 5.3.7)
					r.nothingArrived()
				} else {
					r.refuses(forward.RxOwnEcho, forged)
				}
			})
		}
	})
}
