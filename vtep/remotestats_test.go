package vtep_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func TestRemoteStats(t *testing.T) { bubble(t, testRemoteStats) }

// testRemoteStats: each remote's counters say what went there and came from there, and add
// up to the link's.
func testRemoteStats(t *testing.T, net *vteptest.Network) {
	a, b := newNode(t, net, addrA), newNode(t, net, addrB)
	silent := netip.MustParseAddr("192.0.2.77")
	da := a.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, Local: addrA})
	db := b.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrA, Local: addrB})
	if err := a.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: silent}}); err != nil {
		t.Fatal(err)
	}
	da.Inject(frame(bcast, macA, "who has")) // to both
	next(t, db)
	for range 3 {
		db.Inject(frame(macA, macB, "I have"))
		next(t, da)
	}
	db.Inject(frame(macA, bcast, "from a group")) // refused
	synctest.Wait()
	time.Sleep(7500 * time.Millisecond) // half a second off the steps of the coarse clock
	info, err := a.Link("vxlan0")
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Remotes) != 2 || info.MoreRemotes != 0 {
		t.Fatalf("%+v", info.Remotes)
	}
	for i, want := range []struct {
		ip                       netip.Addr
		tx, rx, rxDrops, rxBytes uint64
		entries                  int
		heard                    time.Duration
	}{
		{ip: addrB, tx: 1, rx: 3, rxDrops: 1, rxBytes: 3 * uint64(len("I have")), entries: 2, heard: 7 * time.Second},
		{ip: silent, tx: 1, entries: 1, heard: vtep.NeverHeard},
	} {
		r := info.Remotes[i]
		if r.IP != want.ip || !r.Configured || r.TxPackets != want.tx || r.TxBytes != want.tx*uint64(len("who has")) || r.TxDrops != 0 ||
			r.RxPackets != want.rx || r.RxBytes != want.rxBytes || r.RxDrops != want.rxDrops || r.Entries != want.entries || r.Heard != want.heard {
			t.Errorf("remote %d: %+v, want %+v", i, r, want)
		}
	}
	if list, left, err := a.RemoteStats("vxlan0", 1); err != nil || len(list) != 1 || left != 1 || list[0].IP != addrB {
		t.Errorf("of one remote: %+v, %d left out, %v", list, left, err)
	}
	if _, _, err := a.RemoteStats("none", 1); !errors.Is(err, vtep.ErrNoLink) {
		t.Errorf("of a link that is not there: %v", err)
	}
	if s := info.Stats; s.TxPackets != 2 || s.RxPackets != 3 {
		t.Errorf("the link's: %+v", s)
	}
}

func TestRemoteStatsOfRefusals(t *testing.T) { bubble(t, testRemoteStatsOfRefusals) }

// testRemoteStatsOfRefusals: what the network refused counts as a drop of its remote, and not
// as sent.
func testRemoteStatsOfRefusals(t *testing.T, net *vteptest.Network) {
	a := newNode(t, net, addrA)
	da := a.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, Local: addrA})
	a.host.SetPathMTU(addrB, 1000)
	da.Inject(frame(bcast, macA, strings.Repeat("x", 1200)))
	synctest.Wait()
	info, err := a.Link("vxlan0")
	if err != nil {
		t.Fatal(err)
	}
	if r := info.Remotes[0]; r.TxPackets != 0 || r.TxBytes != 0 || r.TxDrops != 1 || info.Stats.TxPackets != 0 {
		t.Errorf("%+v", r)
	}
}
