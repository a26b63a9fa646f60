package conformance

import "testing"

func TestL18FlowLabel(t *testing.T) {
	labelled := func(n uint32) func(*inner) {
		return func(f *inner) {
			ipv6Inner(f)
			f.label = n
		}
	}
	r := startRig(t, ipv6Underlay(), "flowlabel 0x12345 tos 10")
	for what, frame := range map[string][]byte{
		"IPv4": frameTo(broadcast), "IPv6": frameTo(broadcast, labelled(0x777)), "ARP": arp(broadcast),
	} {
		if p := r.emit(frame); p.label != 0x12345 || p.tos != 0x10 {
			t.Errorf("%s: flow label %#x, traffic class %#x, want 0x12345, 0x10", what, p.label, p.tos)
		}
	}
	if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "flowlabel", "inherit"); err != nil {
		t.Fatalf("link set: %v: %s", err, stderr)
	}
	for _, n := range []uint32{1, 0xfffff, 0xabcde} {
		if p := r.emit(frameTo(broadcast, labelled(n))); p.label != n {
			t.Errorf("flow label %#x of an inner one of %#x", p.label, n)
		}
	}
	// Without `inherit` the frames of one flow have one label, made by the kernel.
	if _, stderr, err := r.uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "flowlabel", "0"); err != nil {
		t.Fatalf("link set: %v: %s", err, stderr)
	}
	first := r.emit(frameTo(broadcast, labelled(0x777)))
	if again := r.emit(frameTo(broadcast, labelled(0x777))); again.label != first.label || first.label == 0x777 {
		t.Errorf("by default one flow has the labels %#x and %#x", first.label, again.label)
	}
	if _, _, err := startRig(t, ipv4Underlay()).uvtepCLI("link", "set", "vxlan0", "type", "vxlan", "flowlabel", "7"); err == nil {
		t.Error("a flow label was taken on an IPv4 underlay")
	}
}
