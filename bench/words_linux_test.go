package bench

import (
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/test/load"
)

// benchmarkLearnLocal compares links that learn what is on this side, as those of an EVPN fabric do, with
// links that do not, on a build of this tree.
func (h *harness) benchmarkLearnLocal(b *testing.B) {
	const off = "off"
	g := h.group("as-is")
	defer g.close(b)
	systems := []system{daemon(off, h.exe, nil, nil), daemon("learnlocal", h.exe, nil, []string{"learnlocal"})}
	for _, streams := range []int{1, 4} {
		h.row(b, fmt.Sprintf("TCP/streams=%d", streams), off, g.contestants(h.tcp(streams, false), systems...))
	}
	for _, flows := range []int{1, 64} {
		h.row(b, fmt.Sprintf("UDP-64B/flows=%d", flows), off, g.contestants(h.udp(load.FloodConfig{Sizes: []int{payload(64)}, Flows: flows}), systems...))
	}
	h.row(b, "RTT-64B", off, g.contestants(h.rtt(), systems...))
}
