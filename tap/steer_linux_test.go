package tap

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// A flow's frames come through one queue, whichever its other direction is
// written through: the kernel by itself would move it there.
func TestFlowKeepsItsQueue(t *testing.T) {
	h := onHost(t)
	const queues = 4
	d := openHost(t, h, Config{Queues: queues}, hostIP, peerIP, hostMAC, peerMAC)
	l, port := listenUDP(t)
	came := make(chan int, 64)
	for q := range queues {
		go func() {
			frames := make([]encap.Frame, 8)
			for {
				n, err := d.ReadBatch(q, frames)
				if err != nil {
					return
				}
				for i := range frames[:n] {
					if bytes.HasSuffix(frames[i].Data, []byte("out")) {
						came <- q
					}
				}
			}
		}()
	}
	peer := net.UDPAddrFromAddrPort(netip.AddrPortFrom(peerIP, 4000)) // as in udpFrame
	first := -1
	for q := range queues {
		if _, err := l.WriteTo([]byte("out"), peer); err != nil {
			t.Fatal(err)
		}
		if got := <-came; first < 0 {
			first = got
		} else if got != first {
			t.Errorf("through queue %d, at first through %d", got, first)
		}
		f := []encap.Frame{{Data: udpFrame(port, []byte("in")), Offload: partialUDP()}}
		if _, err := d.WriteBatch(q, f); err != nil {
			t.Fatal(err)
		}
		receive(t, l)
	}
}
