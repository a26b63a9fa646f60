package underlay

import (
	"strings"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"golang.org/x/sys/unix"
)

func TestFaultySegmentation(t *testing.T) {
	for release, faulty := range map[string]bool{
		"6.18.44-amd64": false, "6.17.0-41-generic": false, "7.0.0": true, "7.0": true, "7.0-rc1": true, "7.0.14-6-pve": true, "7.1.4": true,
		"7.1.5": false, "7.1.5-rc1": false, "7.2": false, "8.0.1": false, "5.4.0": false, "": false, "banana": false, "7": false,
	} {
		if why := faultySegmentation(release); (why != "") != faulty || faulty && !strings.Contains(why, release) {
			t.Errorf("Linux %q: %q, faulty: %v", release, why, faulty)
		}
	}
}

// TestRefusalHoldsForAWhile: a refusal of the moment does not end joining for good; one
// that comes again holds twice as long.
func TestRefusalHoldsForAWhile(t *testing.T) {
	a, b := newFastWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	for _, patience := range []int{leastPatience, 2 * leastPatience} {
		for range 2 { // more than one segment is what is refused
			tx.segments.lower(1, 5)
		}
		wantOffloads(t, tx, 1, "input/output error")
		for range patience - 1 {
			tx.segments.allowed()
		}
		wantOffloads(t, tx, 1, "input/output error")
		p, want := texts(b.v4, repeat(64, 10)...)
		send(t, tx, encap.SendOK, p...)
		wantDatagrams(t, rx, want, 0)
		wantOffloads(t, tx, mostSegments, "")
	}
}

// TestKernelRefuses64 puts a kernel in this one's place that counts the UDP header in
// (before torvalds/linux 158390e45612): it takes 63 of equal length.
func TestKernelRefuses64(t *testing.T) {
	a, b := newFastWire(t)
	rx := b.listen(t, ReceiverConfig{Port: port})
	tx := a.transmitter(t, TransmitterConfig{})
	record(tx).refuse = func(m *unix.Msghdr) unix.Errno {
		if m.Iovlen >= 64*packetIovecs {
			return unix.EINVAL
		}
		return 0
	}
	for range 2 {
		p, want := texts(b.v4, repeat(400, 100)...)
		send(t, tx, encap.SendOK, p...)
		wantDatagrams(t, rx, want, 0)
		wantOffloads(t, tx, 63, "invalid argument")
	}
}
