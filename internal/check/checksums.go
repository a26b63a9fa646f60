package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Checksums are how many packets of a protocol this host received since it started, and how many of them it dropped
// for their checksum.
type Checksums struct {
	Protocol   string // "udp", "udp6" or "tcp"
	Wrong, All uint64
}

// parseChecksums reads the counters of /proc/net/snmp (a line of names and one of numbers for each protocol) and
// /proc/net/snmp6 (a name and a number on each line), as in Linux's net/ipv4/proc.c and net/ipv6/proc.c. The TCP
// counters are those of both address families.
func parseChecksums(snmp, snmp6 string) []Checksums {
	counters := make(map[string]uint64)
	var names []string
	for line := range strings.Lines(snmp) {
		w := strings.Fields(line)
		if len(w) > 0 && len(names) == len(w) && names[0] == w[0] {
			for i, v := range w[1:] {
				counters[w[0]+names[i+1]], _ = strconv.ParseUint(v, 10, 64) // "-1" of a counter that is none of these
			}
		}
		names = slices.Clone(w)
	}
	for line := range strings.Lines(snmp6) {
		if w := strings.Fields(line); len(w) == 2 {
			counters[w[0]], _ = strconv.ParseUint(w[1], 10, 64)
		}
	}
	wrong, wrong6 := counters["Udp:InCsumErrors"], counters["Udp6InCsumErrors"]
	return []Checksums{
		{"udp", wrong, counters["Udp:InDatagrams"] + wrong}, // the kernel counts a datagram where it is delivered
		{"udp6", wrong6, counters["Udp6InDatagrams"] + wrong6},
		{"tcp", counters["Tcp:InCsumErrors"], counters["Tcp:InSegs"]},
	}
}

// A wrong checksum now and then is the wire's. Where it is one in so many packets and so many altogether, somebody
// makes them.
const (
	oneInSoMany = 1000
	soMany      = 10
)

// checksums finds packets whose checksum somebody spoils, or leaves to a network card that does not make it.
func checksums(f *Facts, found func(link, what, do string)) {
	for _, c := range f.Checksums {
		if c.Wrong < soMany || c.Wrong*oneInSoMany < c.All {
			continue
		}
		switch c.Protocol {
		case "udp":
			found("", fmt.Sprintf("this host dropped %d of %d UDP datagrams for a wrong checksum", c.Wrong, c.All),
				"find who spoils them: ethtool -K DEV tx off on the remote's underlay device, then on the devices of the way")
		case "udp6":
			found("", fmt.Sprintf("this host dropped %d of %d UDP datagrams over IPv6 for a wrong checksum or for none", c.Wrong, c.All),
				"where a remote sends none (udp6zerocsumtx), give the link here udp6zerocsumrx or take that from the remote; else find who spoils them, as by ethtool -K DEV tx off on the remote's underlay device")
		case "tcp":
			found("", fmt.Sprintf("this host dropped %d of %d TCP segments for a wrong checksum", c.Wrong, c.All),
				"where they came by a tunnel, its other end left the checksum to a network card that does not make it: there, ethtool -K DEV tx-checksum-ip-generic off on the kernel's vxlan device, or tx-udp_tnl-csum-segmentation off on the card")
		}
	}
}
