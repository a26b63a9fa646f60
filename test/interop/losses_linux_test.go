package interop_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/test/lab"
)

// TestLossesAreCounted stops a daemon for a moment, so that the queues of its port and
// of its socket overflow: all that was sent is forwarded in the end, or counted.
func TestLossesAreCounted(t *testing.T) {
	const packets, frames = 200_000, 15_000
	f := families()[0]
	sites := newSites(t, f, lab.WireOptions{}, uvtep, kernel)
	a, b := sites[0], sites[1]
	a.addLink(t, link{remote: b.outer, noLearning: true})
	port := must(a.OpenPacket("vxlan0"))(t)
	frame := func(n int) []byte {
		return append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, byte(n), 0x88, 0xb5}, make([]byte, 46)...)
	}
	before := a.daemon.losses(t)
	check(t, a.daemon.proc.Signal(unix.SIGSTOP))
	stopped := true
	resume := func() {
		if stopped {
			check(t, a.daemon.proc.Signal(unix.SIGCONT))
			stopped = false
		}
	}
	defer resume()
	check(t, b.Do(func() error {
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.outer, encap.DefaultPort)))
		if err != nil {
			return err
		}
		defer c.Close()
		h := encap.HeaderFor(42)
		packet := append(h[:], frame(1)...)
		for range packets {
			if _, err := c.Write(packet); err != nil {
				return err
			}
		}
		return nil
	}))
	for range frames {
		if err := port.Send(frame(2)); err != nil && !strings.Contains(err.Error(), "no buffer") {
			t.Fatal(err)
		}
	}
	resume()
	var now losses
	eventually(t, func() error {
		now = a.daemon.losses(t)
		if rx, tx := now.received-before.received, now.sent-before.sent; rx < packets || tx < frames {
			return fmt.Errorf("%d of %d packets and %d of %d frames are accounted for: %+v", rx, packets, tx, frames, now)
		}
		return nil
	})
	t.Logf("of %d packets the socket lost %d, of %d frames the port %d", packets, now.socket, frames, now.port)
	if now.socket < packets/4 || now.port < frames/4 {
		t.Errorf("the socket lost %d of %d packets, the port %d of %d frames: this tests little", now.socket, packets, now.port, frames)
	}
	if got := uint64(packets); now.received-before.received > got+got/100 {
		t.Errorf("%d packets are accounted for, %d were sent", now.received-before.received, got)
	}
}

// losses are what a daemon counts of one link and of its sockets.
type losses struct{ received, sent, socket, port uint64 }

func (d *daemon) losses(t *testing.T) losses {
	t.Helper()
	var all []struct {
		counters
		Own struct {
			Drops  map[string]uint64 `json:"drops"`
			Shared map[string]uint64 `json:"shared_drops"`
		} `json:"uvtep"`
	}
	text := d.uvtep(t, "-j", "-s", "link", "show", "vxlan0")
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		t.Fatalf("link show: %v: %s", err, text)
	}
	c := &all[0]
	l := losses{c.Stats.RX.Packets, c.Stats.TX.Packets, c.Own.Shared["rx-socket-overflow"], c.Own.Drops["tx-port-overflow"]}
	l.received += c.Stats.RX.Dropped + c.Stats.RX.Errors + l.socket
	l.sent += c.Stats.TX.Dropped + c.Stats.TX.Errors
	return l
}
