package vtep_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func TestL11Remotes(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		vni := encap.VNI(77)
		for _, to := range []vtep.Remote{
			{Addr: addrC}, {Addr: addrC, Port: 9999}, {Addr: addrC, VNI: &vni}, {Addr: addrB, Port: 9999, VNI: &vni},
		} {
			must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: to, State: fdb.Permanent}))
		}
		type copyTo struct {
			dst netip.AddrPort
			vni encap.VNI
		}
		want := []copyTo{
			{netip.AddrPortFrom(addrB, 4789), 42}, {netip.AddrPortFrom(addrC, 4789), 42}, {netip.AddrPortFrom(addrC, 9999), 42},
			{netip.AddrPortFrom(addrC, 4789), 77}, {netip.AddrPortFrom(addrB, 9999), 77},
		}
		var got []copyTo
		for _, s := range r.out(frame(bcast, macA, "x")) {
			h, _ := encap.DecodeHeader(s.Payload)
			got = append(got, copyTo{netip.AddrPortFrom(s.Dst.Netip(), s.Port), h.VNI})
		}
		if !slices.Equal(got, want) {
			t.Errorf("sent to %v, want %v", got, want)
		}
		// A unicast entry may have its own port and VNI as well.
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrC, Port: 7, VNI: &vni}}))
		sent := r.out(frame(macC, macA, "x"))
		if h, _ := encap.DecodeHeader(sent[0].Payload); len(sent) != 1 || sent[0].Port != 7 || h.VNI != 77 {
			t.Errorf("unicast: %+v", sent)
		}
	})
}

// TestL11ManyRemotes: more copies than a batch holds.
func TestL11ManyRemotes(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		for n := range 200 {
			a := netip.AddrFrom4([4]byte{198, 18, 0, byte(n)})
			must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, Remote: vtep.Remote{Addr: a}}))
		}
		for range 3 {
			sent := r.out(frame(bcast, macA, "x"))
			if len(sent) != 201 || sent[200].Dst.Netip() != netip.MustParseAddr("198.18.0.199") {
				t.Fatalf("%d copies, want 201", len(sent))
			}
		}
	})
}

func TestL12Rules(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		at := func(mac encap.MAC, a netip.Addr) vtep.FDBEntry {
			return vtep.FDBEntry{Link: r.link, MAC: mac, Remote: vtep.Remote{Addr: a}, State: fdb.Permanent}
		}
		mcast := encap.MAC{1, 0, 0x5e, 0, 0, 9}
		must(t, r.FDBAdd(at(macC, addrB)))
		for _, tt := range []struct {
			what string
			err  error
			want error
		}{
			{"add what exists", r.FDBAdd(at(macC, addrC)), vtep.ErrExist},
			{"append to a unicast MAC", r.FDBAppend(at(macC, addrC)), vtep.ErrNotSupported},
			{"append a new unicast MAC", r.FDBAppend(at(macB, addrC)), nil},
			{"replace unicast", r.FDBReplace(at(macC, addrC)), nil},
			{"replace creates", r.FDBReplace(at(macA, addrC)), nil},
			{"replace the all-zeros entry", r.FDBReplace(at(encap.MAC{}, addrC)), vtep.ErrNotSupported},
			{"replace a multicast entry", r.FDBReplace(at(mcast, addrC)), vtep.ErrNotSupported},
			{"append the same remote", r.FDBAppend(at(encap.MAC{}, addrB)), nil}, // and no second copy: see below
			{"append another remote", r.FDBAppend(at(encap.MAC{}, addrC)), nil},
			{"append multicast", r.FDBAppend(at(mcast, addrB)), nil},
			{"append multicast again", r.FDBAppend(at(mcast, addrC)), nil},
			{"delete a remote that is not there", r.FDBDel(r.link, encap.MAC{}, &vtep.Remote{Addr: addrA}), vtep.ErrNotExist},
			{"delete a remote's other port", r.FDBDel(r.link, encap.MAC{}, &vtep.Remote{Addr: addrC, Port: 1}), vtep.ErrNotExist},
			{"delete one remote", r.FDBDel(r.link, encap.MAC{}, &vtep.Remote{Addr: addrC}), nil},
			{"delete it again", r.FDBDel(r.link, encap.MAC{}, &vtep.Remote{Addr: addrC}), vtep.ErrNotExist},
			{"delete what is not there", r.FDBDel(r.link, encap.MAC{2, 9}, nil), vtep.ErrNotExist},
			{"delete with another remote", r.FDBDel(r.link, macC, &vtep.Remote{Addr: addrB}), vtep.ErrNotExist},
			{"delete", r.FDBDel(r.link, macC, &vtep.Remote{Addr: addrC}), nil},
			{"other family", r.FDBAdd(at(macC, addrB6)), vtep.ErrFamily},
			{"other family to delete", r.FDBDel(r.link, macA, &vtep.Remote{Addr: addrB6}), vtep.ErrFamily},
			{"no such link", r.FDBDel("vxlan9", macA, nil), vtep.ErrNoLink},
			{"via what is not there", r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: addrB, Via: "eth9"}}), nil},
		} {
			switch {
			case tt.what == "via what is not there":
				if tt.err == nil {
					t.Error("an entry via a device that is not there was taken")
				}
			case !errors.Is(tt.err, tt.want) || tt.want == nil && tt.err != nil:
				t.Errorf("%s: %v, want %v", tt.what, tt.err, tt.want)
			}
		}
		if got := dsts(r.out(frame(mcast, macA, "x"), frame(bcast, macA, "x"))); len(got) != 3 {
			t.Errorf("sent to %v", got)
		}
	})
}

func TestL14MulticastEntry(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		mcast := encap.MAC{1, 0, 0x5e, 0, 0, 9}
		other := encap.MAC{1, 0, 0x5e, 0, 0, 8}
		for _, a := range []netip.Addr{addrC, netip.MustParseAddr("192.0.2.4")} {
			must(t, r.FDBAppend(vtep.FDBEntry{Link: r.link, MAC: mcast, Remote: vtep.Remote{Addr: a}}))
		}
		must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: bcast, Remote: vtep.Remote{Addr: addrC}}))
		for mac, want := range map[encap.MAC][]netip.Addr{
			mcast: {addrC, netip.MustParseAddr("192.0.2.4")}, other: {addrB}, bcast: {addrC},
		} {
			var got []netip.Addr
			for _, d := range dsts(r.out(frame(mac, macA, "x"))) {
				got = append(got, d.Addr())
			}
			if !slices.Equal(got, want) {
				t.Errorf("to %s: sent to %v, want %v", mac, got, want)
			}
		}
	})
}

// TestEntryWithoutDst: as in the kernel such an entry can be made, and what
// goes to it is dropped.
func TestEntryWithoutDst(t *testing.T) {
	for _, none := range []netip.Addr{{}, netip.IPv4Unspecified()} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := newRig(t, net, nil)
			must(t, r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC, Remote: vtep.Remote{Addr: none}, State: fdb.Permanent}))
			if sent := r.out(frame(macC, macA, "x")); len(sent) != 0 {
				t.Errorf("sent to %v", dsts(sent))
			}
			r.drops(map[forward.DropReason]uint64{forward.TxNoRemote: 1})
			if e := r.entries(t, r.link, macC); len(e) != 1 || e[0].Remote.Addr.IsValid() {
				t.Errorf("listed as %+v", e)
			}
			must(t, r.FDBDel(r.link, macC, nil))
		})
	}
}

// TestFloodLimitFirst: what is beyond the limit costs no look at its bytes: a
// storm's checksums are not made to be thrown away.
func TestFloodLimitFirst(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.BUMLimit = 1 })
		r.out(frame(bcast, macA, "x"))
		bad := frame(bcast, macA, "x")
		bad.Offload = encap.Offload{Csum: encap.CsumPartial, CsumStart: 60000}
		r.out(bad)
		checkDrops(t, r.stats(t, r.link), map[forward.DropReason]uint64{forward.TxBUMLimit: 1})
	})
}
