package conformance

import (
	"testing"

	"github.com/vishvananda/netlink"
)

// tun is the link's device as the kernel describes it.
func (r *rig) tun() *netlink.Tuntap {
	r.Helper()
	t, ok := must(r.dut.Link("vxlan0"))(r.T).(*netlink.Tuntap)
	if !ok {
		r.Fatal("vxlan0 is no TAP")
	}
	return t
}

func TestL20Persist(t *testing.T) {
	r := newRig(t, ipv4Underlay())
	r.start("id 42", r.words(), "persist user 1234 group-owner 5678 txqueues 2")
	tun := r.tun()
	if tun.NonPersist || tun.Owner != 1234 || tun.Group != 5678 || tun.Queues != 2 {
		t.Errorf("the device is %+v, want a persistent one of 1234 and 5678 with 2 queues", tun)
	}
	for words, persists := range map[string]bool{"nopersist": false, "persist": true} {
		if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", words, "user", "1"); err != nil {
			t.Fatalf("link set %s: %v: %s", words, err, stderr)
		}
		if tun := r.tun(); tun.NonPersist == persists || tun.Owner != 1 {
			t.Errorf("link set %s: the device is %+v", words, tun)
		}
	}
	if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "persist"); err != nil {
		t.Fatalf("link set persist: %v: %s", err, stderr)
	}
	index := tun.Index
	check(t, r.daemon.Stop(patience))
	if !r.dut.HasLink("vxlan0") {
		t.Fatal("the device went with the daemon")
	}
	r.start("id 42", r.words(), "persist queues 2")
	if again := r.tun(); again.Index != index {
		t.Errorf("the device has index %d, had %d", again.Index, index)
	}
	r.delivers(frameFrom(farMAC))
	r.emit(frameTo(farMAC))
	if _, stderr, err := r.uvtepCLI("link", "del", "vxlan0"); err != nil {
		t.Fatalf("link del: %v: %s", err, stderr)
	}
	r.until("delete the device", func() bool { return !r.dut.HasLink("vxlan0") })
}
