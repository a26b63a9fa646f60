package vtep_test

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// TestRelearn: what was learned before is taken as if it were learned now: from a peer alone, for addresses that a frame
// may have, beside static entries.
func TestRelearn(t *testing.T) {
	host := vteptest.NewNetwork().Host(netip.MustParseAddr("192.0.2.1"))
	v := vtep.New(vtep.Config{Host: host, Workers: 1})
	defer v.Close()
	if err := v.AddLink(vtep.LinkConfig{Name: "vx0", VNI: 1, Remote: netip.MustParseAddr("192.0.2.2")}); err != nil {
		t.Fatal(err)
	}
	entry := func(mac encap.MAC, from string) vtep.FDBEntry {
		return vtep.FDBEntry{Link: "vx0", MAC: mac, Remote: vtep.Remote{Addr: netip.MustParseAddr(from)}}
	}
	all := []vtep.FDBEntry{
		entry(encap.MAC{2, 0, 0, 0, 0, 1}, "192.0.2.2"),
		entry(encap.MAC{2, 0, 0, 0, 0, 2}, "192.0.2.3"), // no peer
		entry(encap.MAC{1, 0, 0, 0, 0, 3}, "192.0.2.2"), // a group's
		entry(encap.MAC{}, "192.0.2.2"),
	}
	if n, err := v.Relearn("vx0", all); n != 0 || err != nil {
		t.Errorf("of a link that is down %d entries are taken, %v", n, err)
	}
	if err := v.SetLinkUp("vx0", true); err != nil {
		t.Fatal(err)
	}
	if n, err := v.Relearn("vx0", all); n != 1 || err != nil {
		t.Errorf("%d entries are taken, %v; want the peer's", n, err)
	}
	got, err := v.FDBGet("vx0", all[0].MAC)
	if err != nil || len(got) != 1 || got[0].Remote.Addr != all[0].Remote.Addr || got[0].Flags != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := v.Relearn("vx0", []vtep.FDBEntry{entry(all[0].MAC, "2001:db8::1")}); err == nil {
		t.Error("a remote of the other family is taken")
	}
}
