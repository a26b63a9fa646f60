package vtep_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// tableRig is a link with an entry of each sort.
func tableRig(t *testing.T, net *vteptest.Network) *rig {
	t.Helper()
	r := newRig(t, net, nil)
	vni := encap.VNI(77)
	for _, e := range []vtep.FDBEntry{
		{Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent},
		{MAC: encap.MAC{1, 0, 0x5e, 0, 0, 9}, Remote: vtep.Remote{Addr: addrC}, State: fdb.Permanent},
		{MAC: encap.MAC{2, 1}, Remote: vtep.Remote{Addr: addrB}, State: fdb.Static},
		{MAC: encap.MAC{2, 2}, Remote: vtep.Remote{Addr: addrC, Port: 9999}, State: fdb.Dynamic},
		{MAC: encap.MAC{2, 3}, Remote: vtep.Remote{Addr: addrC, VNI: &vni}, State: fdb.Dynamic, Flags: fdb.FlagExternLearn},
		{MAC: encap.MAC{2, 4}, Remote: vtep.Remote{Addr: addrB, Via: "eth0"}, State: fdb.Permanent, Flags: fdb.FlagRouter},
	} {
		e.Link = r.link
		must(t, r.FDBAppend(e))
	}
	r.in(addrB, frame(macA, macB, "x")) // learned
	r.addUp(t, vtep.LinkConfig{Name: "other", VNI: 7, Remote: addrB})
	return r
}

func TestFDBShow(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := tableRig(t, net)
		time.Sleep(5500 * time.Millisecond) // between two ticks
		r.out(frame(encap.MAC{2, 1}, macA, "x"))
		all, err := r.FDB(vtep.FDBFilter{Link: r.link})
		must(t, err)
		if len(all) != 8 {
			t.Errorf("%d entries, want 8: %+v", len(all), all)
		}
		if !all[0].MAC.IsZero() || !all[1].MAC.IsZero() || all[0].Remote.Addr != addrB || all[1].Remote.Addr != addrC || !all[2].MAC.IsMulticast() {
			t.Errorf("the flood list does not come first, or not in order: %+v", all[:3])
		}
		for _, e := range all {
			used := 5 * time.Second
			if e.MAC == (encap.MAC{2, 1}) {
				used = 0
			}
			if e.Link != r.link || e.Used != used || e.Updated != 5*time.Second {
				t.Errorf("%s: link %s, used %v, updated %v", e.MAC, e.Link, e.Used, e.Updated)
			}
		}
		if all, err = r.FDB(vtep.FDBFilter{}); err != nil || len(all) != 9 || all[8].Link != "other" {
			t.Errorf("of all links: %+v, %v", all, err)
		}
		if _, err := r.FDB(vtep.FDBFilter{Link: "vxlan9"}); !errors.Is(err, vtep.ErrNoLink) {
			t.Errorf("no such link: %v", err)
		}
	})
}

// filters and the MACs that they select in tableRig, by the second byte; the
// flood list's two are 0, the multicast one 9, the learned one 0xb.
func filters() map[string]struct {
	f    vtep.FDBFilter
	want []byte
} {
	mac, vni, own := encap.MAC{2, 1}, encap.VNI(77), encap.VNI(42)
	return map[string]struct {
		f    vtep.FDBFilter
		want []byte
	}{
		"none":        {vtep.FDBFilter{}, []byte{0, 0, 1, 2, 3, 4, 9, 0xb}},
		"mac":         {vtep.FDBFilter{MAC: &mac}, []byte{1}},
		"dst":         {vtep.FDBFilter{Dst: addrC}, []byte{0, 2, 3, 9}},
		"port":        {vtep.FDBFilter{Port: 9999}, []byte{2}},
		"own port":    {vtep.FDBFilter{Port: 4789}, []byte{0, 0, 1, 3, 4, 9, 0xb}},
		"vni":         {vtep.FDBFilter{VNI: &vni}, []byte{3}},
		"own vni":     {vtep.FDBFilter{VNI: &own}, []byte{0, 0, 1, 2, 4, 9, 0xb}},
		"via":         {vtep.FDBFilter{Via: "eth0"}, []byte{4}},
		"state":       {vtep.FDBFilter{States: []fdb.State{fdb.Static, fdb.Dynamic}}, []byte{1, 2, 3, 0xb}},
		"flags":       {vtep.FDBFilter{Flags: fdb.FlagExternLearn}, []byte{3}},
		"not flags":   {vtep.FDBFilter{NotFlags: fdb.FlagExternLearn | fdb.FlagRouter}, []byte{0, 0, 1, 2, 9, 0xb}},
		"learned":     {vtep.FDBFilter{NotFlags: fdb.FlagUser}, []byte{0xb}},
		"together":    {vtep.FDBFilter{Dst: addrC, States: []fdb.State{fdb.Dynamic}, NotFlags: fdb.FlagExternLearn}, []byte{2}},
		"nothing":     {vtep.FDBFilter{Dst: netip.MustParseAddr("203.0.113.9")}, nil},
		"dst mapped":  {vtep.FDBFilter{Dst: netip.MustParseAddr("::ffff:192.0.2.3")}, []byte{0, 2, 3, 9}},
		"other dst":   {vtep.FDBFilter{Dst: addrB6}, nil},
		"via another": {vtep.FDBFilter{Via: "eth1"}, nil},
	}
}

func codes(all []vtep.FDBEntry) []byte {
	var c []byte
	for _, e := range all {
		c = append(c, e.MAC[1]|e.MAC[5])
	}
	slices.Sort(c)
	return c
}

func TestFDBFilters(t *testing.T) {
	for name, tt := range filters() {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			r := tableRig(t, net)
			f := tt.f
			f.Link = r.link
			all, err := r.FDB(f)
			must(t, err)
			if got := codes(all); !slices.Equal(got, tt.want) {
				t.Errorf("show %s: %v, want %v", name, got, tt.want)
			}
			before, err := r.FDB(vtep.FDBFilter{Link: r.link})
			must(t, err)
			n, err := r.FDBFlush(r.link, tt.f)
			must(t, err)
			left, err := r.FDB(vtep.FDBFilter{Link: r.link})
			must(t, err)
			for _, e := range left {
				if slices.ContainsFunc(all, func(a vtep.FDBEntry) bool { return a.MAC == e.MAC && a.Remote.Addr == e.Remote.Addr }) {
					t.Errorf("flush %s left %+v", name, e)
				}
			}
			if n != len(all) || len(left) != len(before)-n {
				t.Errorf("flush %s: %d told, %d entries before, %d after, %d selected", name, n, len(before), len(left), len(all))
			}
			if n, err := r.FDBFlush("vxlan9", tt.f); n != 0 || !errors.Is(err, vtep.ErrNoLink) {
				t.Errorf("flush of no link: %d, %v", n, err)
			}
		})
	}
}

func TestFDBGet(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := tableRig(t, net)
		for mac, want := range map[encap.MAC]int{{}: 2, {2, 1}: 1, {1, 0, 0x5e, 0, 0, 9}: 1, macB: 1} {
			if got, err := r.FDBGet(r.link, mac); err != nil || len(got) != want || got[0].MAC != mac {
				t.Errorf("%s: %+v, %v", mac, got, err)
			}
		}
		if _, err := r.FDBGet(r.link, encap.MAC{2, 99}); !errors.Is(err, vtep.ErrNotExist) {
			t.Errorf("not there: %v", err)
		}
		if _, err := r.FDBGet("vxlan9", macB); !errors.Is(err, vtep.ErrNoLink) {
			t.Errorf("no such link: %v", err)
		}
		if got, err := r.FDBGet("", encap.MAC{}); err != nil || len(got) != 3 {
			t.Errorf("of all links: %+v, %v", got, err)
		}
	})
}

// TestFDBReplaceChanges: replace changes remote, state and flags at once.
func TestFDBReplaceChanges(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := tableRig(t, net)
		time.Sleep(7500 * time.Millisecond)
		must(t, r.FDBReplace(vtep.FDBEntry{Link: r.link, MAC: macB, Remote: vtep.Remote{Addr: addrC, Port: 5}, State: fdb.Static, Flags: fdb.FlagRouter}))
		e := r.entries(t, r.link, macB)
		if len(e) != 1 || e[0].Remote.Addr != addrC || e[0].Remote.Port != 5 || e[0].State != fdb.Static ||
			e[0].Flags != fdb.FlagRouter|fdb.FlagUser || e[0].Updated != 0 {
			t.Errorf("%+v", e)
		}
		if got := dsts(r.out(frame(macB, macA, "x"))); len(got) != 1 || got[0] != netip.AddrPortFrom(addrC, 5) {
			t.Errorf("sent to %v", got)
		}
		must(t, r.FDBReplace(vtep.FDBEntry{Link: r.link, MAC: macB, State: fdb.Permanent}))
		if sent := r.out(frame(macB, macA, "x")); len(sent) != 0 {
			t.Errorf("without dst: sent to %v", dsts(sent))
		}
	})
}
