package bench

import (
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/test/load"
)

// benchmarkWord compares links that have a word of the link sentence with links that do not, on a build of this tree. Both
// have the words beside it.
func (h *harness) benchmarkWord(b *testing.B, name string, word, beside []string) {
	const off = "off"
	g := h.group("as-is")
	defer g.close(b)
	systems := []system{daemon(off, h.exe, nil, beside), daemon(name, h.exe, nil, append(word, beside...))}
	for _, streams := range []int{1, 4} {
		h.row(b, fmt.Sprintf("TCP/streams=%d", streams), off, g.contestants(h.tcp(streams, false), systems...))
	}
	for _, flows := range []int{1, 64} {
		h.row(b, fmt.Sprintf("UDP-64B/flows=%d", flows), off, g.contestants(h.udp(load.FloodConfig{Sizes: []int{payload(64)}, Flows: flows}), systems...))
	}
	h.row(b, "RTT-64B", off, g.contestants(h.rtt(), systems...))
}

// benchmarkLearnLocal has links learn what is on this side, as those of an EVPN fabric do.
func (h *harness) benchmarkLearnLocal(b *testing.B) {
	h.benchmarkWord(b, "learnlocal", []string{"learnlocal"}, nil)
}

// benchmarkMinTTL has links take packets of neighbours alone.
func (h *harness) benchmarkMinTTL(b *testing.B) {
	h.benchmarkWord(b, "min_ttl", []string{"min_ttl", "255"}, []string{"ttl", "255"})
}
