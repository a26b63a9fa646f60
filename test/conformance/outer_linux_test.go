package conformance

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
)

// arp is a frame without an IP header.
func arp(dst string) []byte {
	return serialize(
		&layers.Ethernet{DstMAC: mac(dst), SrcMAC: mac(hostMAC), EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
			Operation: 1, SourceHwAddress: mac(hostMAC), SourceProtAddress: []byte{198, 51, 100, 1},
			DstHwAddress: mac(allZeros), DstProtAddress: []byte{198, 51, 100, 2},
		})
}

func TestC09DontFragment(t *testing.T) {
	withDF := func(f *inner) { f.df = true }
	for _, c := range []struct {
		words                    string
		df, noDF, inner6, notAIP bool // what the outer DF is for such a frame
	}{
		{"", true, true, true, true},
		{"df set", true, true, true, true},
		{"df unset", false, false, false, false},
		{"df inherit", true, false, true, false},
	} {
		t.Run("words "+c.words, func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), c.words)
			for what, frame := range map[string]struct {
				b    []byte
				want bool
			}{
				"IPv4 with DF":    {frameTo(broadcast, withDF), c.df},
				"IPv4 without DF": {frameTo(broadcast), c.noDF},
				"IPv6":            {frameTo(broadcast, ipv6Inner), c.inner6},
				"ARP":             {arp(broadcast), c.notAIP},
			} {
				if p := r.emit(frame.b); p.df != frame.want {
					t.Errorf("%s: the outer DF is %v, want %v", what, p.df, frame.want)
				}
			}
		})
	}
}

func TestC11DestinationPort(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		if p := r.emit(frameTo(broadcast)); p.dport != 4789 {
			t.Errorf("the default destination port is %d, want 4789", p.dport)
		}
		r.delivers(frameFrom(farMAC))

		other := startRig(t, f, "dstport 8472")
		other.to.dport = 8472
		if p := other.emit(frameTo(broadcast)); p.dport != 8472 {
			t.Errorf("with dstport 8472 the destination port is %d", p.dport)
		}
		other.delivers(frameFrom(farMAC))
		other.send(other.packet(frameFrom(farMAC2), func(o *outer) { o.dport = 4789 })) // nobody's
		other.nothingArrived()
	})
}

// ports counts the source ports of flows frames, two of each flow.
func (r *rig) ports(flows int, edit ...func(*inner)) map[uint16]int {
	r.Helper()
	used := map[uint16]int{}
	for i := range flows {
		var first uint16
		for again := range 2 {
			r.inject(frameTo(broadcast, append(edit, flow(i))...))
			p := r.next()
			if again == 0 {
				first = p.sport
			} else if p.sport != first {
				r.Errorf("flow %d left from port %d and then from %d", i, first, p.sport)
			}
		}
		used[first]++
	}
	return used
}

func TestC12SourcePort(t *testing.T) {
	const flows = 150
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		for name, edit := range map[string]func(*inner){
			"UDP over IPv4": func(*inner) {},
			"TCP over IPv6": func(f *inner) { ipv6Inner(f); f.tcp = true },
		} {
			used := r.ports(flows, edit)
			for port := range used {
				if port < 49153 { // which tcpdump takes for VXLAN, unlike 49152
					t.Errorf("%s: source port %d is not in 49153-65535", name, port)
				}
			}
			if len(used) < 40 { // of 64: 58 are to be expected
				t.Errorf("%s: %d flows spread over %d source ports only", name, flows, len(used))
			}
		}
		if p := r.emit(arp(broadcast)); p.sport < 49153 {
			t.Errorf("ARP left from port %d", p.sport)
		}
		r.nothingSent()
	})
}

func TestC12SourcePortOption(t *testing.T) {
	for _, c := range []struct {
		low, high uint16
		want      int // ports in use
	}{{40000, 40003, 4}, {4790, 4790, 1}, {1024, 5000, 30}} {
		t.Run(fmt.Sprintf("%d-%d", c.low, c.high), func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), fmt.Sprintf("srcport %d %d", c.low, c.high))
			used := r.ports(60)
			for port := range used {
				if port < c.low || port > c.high {
					t.Errorf("source port %d is outside", port)
				}
			}
			if len(used) < c.want {
				t.Errorf("60 flows used %d ports, want at least %d", len(used), c.want)
			}
		})
	}
}

func TestC12AnySourcePortIsAccepted(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		for _, port := range []uint16{0, 1, 53, 4789, 8472, 49151, 65535} {
			r.delivers(frameFrom(farMAC), func(o *outer) { o.sport = port })
		}
	})
}

// TestL10LearnedPort: the answer goes to the configured port, wherever the
// packet came from.
func TestL10LearnedPort(t *testing.T) {
	for words, port := range map[string]uint16{"": 4789, "dstport 8472": 8472} {
		t.Run(fmt.Sprint(port), func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), words)
			r.to.dport = port
			r.delivers(frameFrom(farMAC), func(o *outer) { o.sport = 12345 })
			if p := r.emit(frameTo(farMAC)); p.dport != port {
				t.Errorf("the answer went to port %d, want %d", p.dport, port)
			}
			all := must(r.client.FDB(t.Context(), api.FDBFilter{Dev: "vxlan0", MAC: farMAC}))(t)
			if len(all) != 1 || all[0].Port != 0 {
				t.Errorf("the entry is %+v, want one without a port of its own", all)
			}
		})
	}
}

// udpErrors is a counter of the dut's UDP, InCsumErrors for instance.
func (r *rig) udpErrors(name string) int {
	r.Helper()
	return snmp(r.T, r.dut, "Udp", name)
}

// snmp reads /proc/net/snmp, or snmp6 for the protocol Udp6, of a host.
func snmp(t *testing.T, h *lab.Host, protocol, name string) int {
	t.Helper()
	if protocol == "Udp6" {
		for line := range bytes.Lines([]byte(must(h.ReadProcNet("snmp6"))(t))) {
			if f := bytes.Fields(line); len(f) == 2 && string(f[0]) == protocol+name {
				return atoi(string(f[1]))
			}
		}
		t.Fatalf("/proc/net/snmp6 has no %s%s", protocol, name)
	}
	var names [][]byte
	for line := range bytes.Lines([]byte(must(h.ReadProcNet("snmp"))(t))) {
		f := bytes.Fields(line)
		if len(f) == 0 || string(f[0]) != protocol+":" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i := range f {
			if string(names[i]) == name {
				return atoi(string(f[i]))
			}
		}
	}
	t.Fatalf("/proc/net/snmp has no %s of %s", name, protocol)
	return 0
}

func withSum(c checksum) func(*outer) { return func(o *outer) { o.sum = c } }

func TestC13Checksum(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	// decode has verified it.
	if p := r.emit(frameTo(broadcast)); p.noChecksum {
		t.Error("by default packets leave without a UDP checksum")
	}
	r.delivers(frameFrom(farMAC))
	r.delivers(frameFrom(farMAC), withSum(zeroSum))
	before := r.udpErrors("InCsumErrors")
	r.send(r.packet(frameFrom(farMAC2), withSum(wrongSum)))
	r.until("count the wrong checksum", func() bool { return r.udpErrors("InCsumErrors") == before+1 })
	r.nothingArrived()
	if e := r.entry(farMAC2); e.IsValid() {
		t.Errorf("%s was learned of a packet with a wrong checksum", farMAC2)
	}
}

func TestC13NoUDPChecksum(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "noudpcsum")
	for _, frame := range [][]byte{frameTo(broadcast), frameTo(farMAC, ipv6Inner), arp(broadcast)} {
		if p := r.emit(frame); !p.noChecksum {
			t.Error("with noudpcsum a packet left with a UDP checksum")
		}
	}
	r.delivers(frameFrom(farMAC))
	r.delivers(frameFrom(farMAC), withSum(zeroSum))
}

func TestL13ZeroChecksumIPv6(t *testing.T) {
	for _, tx := range []bool{false, true} {
		for _, rx := range []bool{false, true} {
			words := map[bool]string{false: "no"}[tx] + "udp6zerocsumtx " + map[bool]string{false: "no"}[rx] + "udp6zerocsumrx"
			t.Run(words, func(t *testing.T) { zeroChecksumIPv6(t, startRig(t, ipv6Underlay(), words), tx, rx) })
		}
	}
	t.Run("default", func(t *testing.T) { zeroChecksumIPv6(t, startRig(t, ipv6Underlay()), false, false) })
	t.Run("noudpcsum", func(t *testing.T) { zeroChecksumIPv6(t, startRig(t, ipv6Underlay(), "noudpcsum"), false, false) })
}

func zeroChecksumIPv6(t *testing.T, r *rig, tx, rx bool) {
	if p := r.emit(frameTo(broadcast)); p.noChecksum != tx {
		t.Errorf("sent without checksum: %v, want %v", p.noChecksum, tx)
	}
	r.delivers(frameFrom(farMAC)) // with a checksum, always
	if rx {
		r.delivers(frameFrom(farMAC2), withSum(zeroSum))
	} else {
		before := snmp(t, r.dut, "Udp6", "InCsumErrors")
		r.send(r.packet(frameFrom(farMAC2), withSum(zeroSum)))
		r.until("refuse the zero checksum", func() bool { return snmp(t, r.dut, "Udp6", "InCsumErrors") == before+1 })
		r.nothingArrived()
	}
	before := snmp(t, r.dut, "Udp6", "InCsumErrors")
	r.send(r.packet(frameFrom(farMAC3), withSum(wrongSum)))
	r.until("refuse the wrong checksum", func() bool { return snmp(t, r.dut, "Udp6", "InCsumErrors") == before+1 })
	r.nothingArrived()
	if e := r.entry(farMAC2); e.IsValid() != rx {
		t.Errorf("%s is learned: %v", farMAC2, e)
	}
}

func TestL08TTL(t *testing.T) {
	withTTL := func(n uint8) func(*inner) { return func(f *inner) { f.ttl = n } }
	eachUnderlay(t, func(t *testing.T, f family) {
		for _, c := range []struct {
			words           string
			unicast, toAll  uint8 // expected of a link with a remote, with a group
			inherit, noInet uint8 // the inner TTL, and what a frame without one gets; 0: not tried
		}{
			{"", 64, 1, 0, 0},
			{"ttl auto", 64, 1, 0, 0},
			{"ttl 17", 17, 17, 0, 0},
			{"ttl 255", 255, 255, 0, 0},
			{"ttl inherit", 33, 33, 129, 64},
		} {
			t.Run("words "+c.words, func(t *testing.T) {
				r := startRig(t, f, c.words)
				if p := r.emit(frameTo(broadcast)); p.ttl != c.unicast {
					t.Errorf("unicast: TTL %d, want %d", p.ttl, c.unicast)
				}
				if c.inherit != 0 {
					if p := r.emit(frameTo(broadcast, ipv6Inner, withTTL(c.inherit))); p.ttl != c.inherit {
						t.Errorf("TTL %d of an inner hop limit of %d", p.ttl, c.inherit)
					}
					if p := r.emit(arp(broadcast)); p.ttl != c.noInet {
						t.Errorf("ARP: TTL %d, want %d", p.ttl, c.noInet)
					}
				}
				g := startGroup(t, f, c.words)
				if p := g.emit(frameTo(broadcast)); p.ttl != c.toAll {
					t.Errorf("multicast: TTL %d, want %d", p.ttl, c.toAll)
				}
			})
		}
	})
}

// ecnFrame is a frame from the tunnel with a TOS or traffic class.
func ecnFrame(v6 bool, tos uint8) []byte {
	return frameFrom(farMAC, func(f *inner) {
		f.tos = tos
		if v6 {
			ipv6Inner(f)
		}
	})
}

// rewriteTOS gives frame another TOS or traffic class, and the IPv4 header the
// checksum that it then has: computed from the whole header, not from the
// change.
func rewriteTOS(frame []byte, v6 bool, tos uint8) []byte {
	b := bytes.Clone(frame)
	if v6 {
		v := binary.BigEndian.Uint32(b[14:])
		binary.BigEndian.PutUint32(b[14:], v&^0x0ff00000|uint32(tos)<<20)
		return b
	}
	b[15] = tos
	b[24], b[25] = 0, 0
	binary.BigEndian.PutUint16(b[24:], ^sum(0, b[14:34]))
	return b
}
