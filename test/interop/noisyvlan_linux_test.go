package interop_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// TestNoisyVLAN: the VLANs of a trunk port share its queues, so that one which sends
// more than is read costs the others frames. What was lost is counted to the last,
// and a VLAN with a port of its own loses nothing to it.
func TestNoisyVLAN(t *testing.T) {
	const rate, lasts = 3000, 3 * time.Second
	for _, kind := range []string{"one trunk port", "one trunk port, two queues", "a port of its own"} {
		t.Run(kind, func(t *testing.T) {
			sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
			a, b := sites[0], sites[1]
			queues := "1"
			if kind == "one trunk port, two queues" {
				queues = "2"
			}
			a.daemon.uvtep(t, "port", "add", "trunk0", "trunk", "queues", queues)
			a.daemon.uvtep(t, "port", "set", "trunk0", "up")
			vlan := func(name string, vni, id int) {
				a.daemon.uvtep(t, "link", "add", name, "id", fmt.Sprint(vni), "remote", b.outer.String(), "trunk", "trunk0", "vlan", fmt.Sprint(id))
				a.daemon.uvtep(t, "link", "set", name, "up")
			}
			noise := must(a.OpenPacket("trunk0"))(t)
			vlan("noisy", 1010, 10)
			victim, tag := noise, uint16(20)
			if kind == "a port of its own" {
				a.addLink(t, link{name: "victim", vni: 1020, remote: b.outer})
				victim, tag = must(a.OpenPacket("victim"))(t), 0
			} else {
				vlan("victim", 1020, 20)
			}
			stop := make(chan struct{})
			var noisy sync.WaitGroup
			noisy.Go(func() {
				for n := uint32(0); ; n++ {
					select {
					case <-stop:
						return
					default:
						_ = noise.Send(vlanFrame(10, n)) // refused where the queue is full
					}
				}
			})
			sent := 0
			for start := time.Now(); time.Since(start) < lasts; time.Sleep(time.Millisecond) {
				for due := int(time.Since(start).Seconds() * rate); sent < due; sent++ {
					if err := victim.Send(vlanFrame(tag, uint32(sent))); err != nil && !strings.Contains(err.Error(), "no buffer") {
						t.Error(err)
					}
				}
			}
			close(stop)
			noisy.Wait()
			time.Sleep(time.Second) // the counters are a second's
			share := float64(a.daemon.counters(t, "victim").Stats.TX.Packets) / float64(sent)
			t.Logf("%s: %.0f %% of the victim's %d frames were sent; the port says:\n%s", kind, 100*share, sent,
				a.daemon.uvtep(t, "-s", "port", "show", "trunk0"))
			if kind == "a port of its own" && share < 0.95 {
				t.Errorf("%.0f %% of the frames were sent, want 95", 100*share)
			}
			// Where frames were lost, and the daemon never saw them, the port says so.
			if port := a.daemon.uvtep(t, "-s", "port", "show", "trunk0"); kind != "a port of its own" && share < 0.99 && !strings.Contains(port, "uvtep drop tx-port-overflow") {
				t.Errorf("the port does not tell of its overflow:\n%s", port)
			}
		})
	}
}

// vlanFrame is the nth broadcast frame of a VLAN, 0 for none.
func vlanFrame(id uint16, n uint32) []byte {
	b := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 1, byte(id)}
	if id != 0 {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), id)
	}
	b = binary.BigEndian.AppendUint32(append(b, 0x88, 0xb5), n)
	return append(b, make([]byte, 42)...)
}
