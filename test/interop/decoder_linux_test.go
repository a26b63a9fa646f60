package interop_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// decoded is one packet as tshark shows it: field to values, the outer header's
// first.
type decoded map[string][]string

func (d decoded) first(field string) string {
	if len(d[field]) == 0 {
		return ""
	}
	return d[field][0]
}

func (d decoded) last(field string) string {
	if len(d[field]) == 0 {
		return ""
	}
	return d[field][len(d[field])-1]
}

// number is the first value of a field, -1 where there is none.
func (d decoded) number(field string) int {
	n, err := strconv.ParseInt(d.first(field), 0, 64)
	if err != nil {
		return -1
	}
	return int(n)
}

func decodedFields() []string {
	return []string{
		"frame.number", "frame.len", "frame.protocols", "eth.src", "eth.dst", "eth.type",
		"ip.version", "ip.hdr_len", "ip.len", "ip.flags.df", "ip.flags.mf", "ip.frag_offset", "ip.ttl", "ip.checksum.status",
		"ip.dsfield", "ip.src", "ip.dst", "ipv6.plen", "ipv6.hlim", "ipv6.tclass", "ipv6.src", "ipv6.dst",
		"udp.srcport", "udp.dstport", "udp.length", "udp.checksum", "udp.checksum.status",
		"vxlan.flags", "vxlan.gbp", "vxlan.vni", "vxlan.reserved8",
		"vlan.id", "arp.opcode", "icmp.type", "icmp.checksum.status", "icmpv6.type", "icmpv6.checksum.status",
		"tcp.srcport", "tcp.checksum.status", "_ws.malformed", "_ws.expert.severity",
	}
}

// tshark decodes the VXLAN packets of a capture file, all checksums verified.
func tshark(t *testing.T, file string) []decoded {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Not what an ICMP error quotes.
	const packets = `frame.protocols matches "^eth:ethertype:ip(v6)?:udp:vxlan"`
	args := []string{"-n", "-r", file, "-Y", packets, "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=,"}
	for _, layer := range []string{"ip", "udp", "tcp"} {
		args = append(args, "-o", layer+".check_checksum:TRUE")
	}
	fields := decodedFields()
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := exec.CommandContext(ctx, "tshark", args...).Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	var all []decoded
	for line := range strings.Lines(string(out)) {
		d := make(decoded)
		for i, v := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			if v != "" {
				d[fields[i]] = strings.Split(v, ",")
			}
		}
		all = append(all, d)
	}
	return all
}

// TestDecoder has tshark, which shares no code with uvtep, take the underlay
// packets of a run apart, and checks them field by field. The veth computes all
// checksums, as a wire would have them.
func TestDecoder(t *testing.T) {
	t.Parallel()
	installed(t, "tshark")
	for _, far := range []string{kernel, uvtep} {
		for _, f := range testedFamilies() {
			t.Run("uvtep-"+far+"/"+f.name, func(t *testing.T) {
				sites := newSites(t, f, lab.WireOptions{Offload: map[string]bool{"tx": false}}, uvtep, far)
				a, b := sites[0], sites[1]
				wire := must(b.Capture(b.dev, 0))(t)
				join(t, sites, netip.Addr{})
				ping(t, a.Host, inner4(b.n).Addr(), 1400)
				ping(t, a.Host, inner6(b.n).Addr(), 56)
				for range 4 { // each a flow of its own
					tcp(t, a.Host, b.Host, inner4(b.n).Addr(), 100_000)
					tcp(t, b.Host, a.Host, inner6(a.n).Addr(), 100_000)
				}
				udp(t, a.Host, b.Host, inner4(b.n).Addr(), 333)
				vlan(t, a, b)
				packets := must(wire.Stop())(t)
				file := filepath.Join(t.TempDir(), "underlay.pcap")
				check(t, wire.WriteFile(file))
				all := tshark(t, file)
				if want := len(outerPackets(packets)); len(all) != want || want == 0 {
					t.Errorf("tshark sees %d VXLAN packets, want %d", len(all), want)
				}
				c := checker{t: t, a: a, b: b, flows: make(map[string]string), kinds: make(map[string]int)}
				for _, d := range all {
					c.packet(d)
				}
				c.summary()
			})
		}
	}
}

// checker checks what uvtep sent from a to b.
type checker struct {
	t     *testing.T
	a, b  *site
	flows map[string]string // inner flow to outer source port
	kinds map[string]int
}

func (c *checker) packet(d decoded) {
	c.t.Helper()
	src, dst, v6 := d.first("ip.src"), d.first("ip.dst"), c.a.outer.Is6()
	if v6 {
		src, dst = d.first("ipv6.src"), d.first("ipv6.dst")
	}
	from, to := c.a, c.b
	if src == c.b.outer.String() {
		from, to = c.b, c.a
	}
	if from.kind != uvtep {
		return
	}
	var wrong []string
	want := func(what string, ok bool) {
		if !ok {
			wrong = append(wrong, what)
		}
	}
	want("addresses", src == from.outer.String() && dst == to.outer.String())
	want("outer MAC", d.first("eth.src") == from.mac(c.t, from.dev) && d.first("eth.dst") == to.mac(c.t, to.dev))
	outer := 20
	if v6 {
		outer = 40
		want("ethertype", d.number("eth.type") == 0x86dd)
		want("hop limit", d.number("ipv6.hlim") == 64)
		want("length", d.number("ipv6.plen") == d.number("frame.len")-14-40)
	} else {
		want("ethertype", d.number("eth.type") == 0x0800)
		want("IP options", d.number("ip.hdr_len") == 20)
		want("DF", d.first("ip.flags.df") == "1" && d.first("ip.flags.mf") == "0" && d.number("ip.frag_offset") == 0)
		want("TTL", d.number("ip.ttl") == 64)
		want("length", d.number("ip.len") == d.number("frame.len")-14)
	}
	want("UDP length", d.number("udp.length") == d.number("frame.len")-14-outer)
	want("destination port", d.number("udp.dstport") == 4789)
	want("source port", d.number("udp.srcport") >= 49153)
	want("UDP checksum present", d.number("udp.checksum") != 0)
	want("flags", d.number("vxlan.flags") == 0x0800) // the I flag, in the first of 16 bits
	want("reserved", d.number("vxlan.gbp") == 0 && d.number("vxlan.reserved8") == 0)
	want("VNI", d.number("vxlan.vni") == 42)
	want("inner MAC", d.last("eth.src") == from.mac(c.t, "vxlan0") && len(d["eth.src"]) == 2)
	for _, layer := range []string{"ip", "udp", "tcp", "icmp", "icmpv6"} {
		for _, status := range d[layer+".checksum.status"] {
			want(layer+" checksum", status == "1") // Good
		}
	}
	kind, guess := innerKind(d.first("frame.protocols"))
	c.kinds[kind]++
	if !guess {
		want("malformed", len(d["_ws.malformed"]) == 0)
		for _, severity := range d["_ws.expert.severity"] {
			n, err := strconv.Atoi(severity)
			want("expert "+severity, err == nil && n < 8<<20) // PI_ERROR
		}
	}
	c.inner(d, kind, want)
	if len(wrong) > 0 {
		c.t.Errorf("wrong: %s in %v", strings.Join(wrong, ", "), d)
	}
}

var payload = regexp.MustCompile(`^(.*:(?:tcp|udp|icmp|icmpv6|arp))(?::(.*))?$`)

// innerKind are the protocols of the inner packet; guess says that tshark took
// its random payload for one more.
func innerKind(protocols string) (kind string, guess bool) {
	_, kind, _ = strings.Cut(protocols, ":vxlan:")
	if m := payload.FindStringSubmatch(kind); m != nil {
		return m[1], m[2] != "" && m[2] != "data"
	}
	return strings.TrimSuffix(kind, ":data"), false
}

// inner checks that nothing follows the inner packet, such as a frame check
// sequence (C14), and that a flow keeps its port.
func (c *checker) inner(d decoded, kind string, want func(string, bool)) {
	overhead := 8 + 8 + 14 // UDP, VXLAN and inner Ethernet
	length := func(n int) { want("inner length", d.number("udp.length") == overhead+n) }
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		want("number "+s, err == nil)
		return n
	}
	switch {
	case strings.Contains(kind, ":ethertype:arp"):
		length(28)
	case strings.Contains(kind, ":ethertype:ipv6"):
		length(40 + number(d.last("ipv6.plen")))
	case strings.Contains(kind, ":ethertype:ip"):
		length(number(d.last("ip.len")))
	case strings.Contains(kind, ":ethertype:vlan"):
		want("VLAN", slices.Contains([]string{"7", "0", "100"}, d.first("vlan.id")))
	}
	if len(d["tcp.srcport"]) == 0 {
		return
	}
	flow := fmt.Sprint(d.last("ip.src"), d.last("ipv6.src"), d["tcp.srcport"], d.first("ip.src"), d.first("ipv6.src"))
	if port, known := c.flows[flow]; known {
		want("source port of the flow "+flow, port == d.first("udp.srcport"))
	}
	c.flows[flow] = d.first("udp.srcport")
}

// summary wants each kind of inner packet to have been there, and flows to have
// spread over source ports.
func (c *checker) summary() {
	c.t.Log(c.kinds)
	for _, kind := range []string{
		"eth:ethertype:arp", "eth:ethertype:ip:icmp", "eth:ethertype:ip:tcp", "eth:ethertype:ip:udp",
		"eth:ethertype:ipv6:icmpv6", "eth:ethertype:ipv6:tcp", "eth:ethertype:vlan:ethertype",
	} {
		if c.kinds[kind] == 0 {
			c.t.Errorf("no packet of %s was captured", kind)
		}
	}
	ports := make(map[string]bool)
	for _, port := range c.flows {
		ports[port] = true
	}
	if len(c.flows) < 8 || len(ports) < 4 {
		c.t.Errorf("%d flows over %d source ports", len(c.flows), len(ports))
	}
}
