package interop_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// The transmitters of the daemons of all tests that say nothing of them.
var (
	tunnelGSOFlag = flag.String("tunnel-gso", "", "what `uvtep run --tunnel-gso` is given where a test does not care: off, auto or on")
	txRingFlag    = flag.String("tx-ring", "", "what `uvtep run --tx-ring` is given where a test does not care: off, auto or on")
)

// allWays has TestTransmitters leave none out, which takes minutes.
var allWays = flag.Bool("transmitters", false, "TestTransmitters goes through all 32 combinations of offloads and transmitters over IPv4 and IPv6")

// transmitters are options of `uvtep run` by those flags.
func transmitters() (options []string) {
	if *tunnelGSOFlag != "" {
		options = append(options, "--tunnel-gso="+*tunnelGSOFlag)
	}
	if *txRingFlag != "" {
		options = append(options, "--tx-ring="+*txRingFlag)
	}
	return options
}

// way is how frames leave: what daemons do without, and by which transmitters.
type way struct {
	switches
	tunnel, ring bool
}

func (w way) String() string {
	return fmt.Sprintf("%s/tunnel-%s/ring-%s", w.switches, onOff(w.tunnel), onOff(w.ring))
}

func (w way) options() []string {
	return append(w.switches.options(), "--tunnel-gso="+onOff(w.tunnel), "--tx-ring="+onOff(w.ring))
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// TestTransmitters sends what TestOffloadSwitches does, and copies to several remotes, where the transmitters are
// switched on and off: with -transmitters all combinations over either underlay, else one with everything over IPv4,
// and copies by a ring with nothing else over IPv6.
func TestTransmitters(t *testing.T) {
	t.Parallel()
	f, few := families(), int64(1_000_000)
	if !*allWays {
		t.Run("all-on", func(t *testing.T) { way{tunnel: true, ring: true}.run(t, few, f[0], uvtep, uvtep) })
		t.Run("ring-alone", func(t *testing.T) { way{switches{true, true, true}, false, true}.run(t, few, f[1], uvtep, uvtep) })
		return
	}
	for _, s := range allSwitches() {
		for n := range 4 {
			w := way{s, n&1 != 0, n&2 != 0}
			for _, f := range f {
				for _, other := range []string{uvtep, kernel} {
					t.Run(fmt.Sprintf("%s/%s/%s", w, f.name, other), func(t *testing.T) { w.run(t, 5*few, f, uvtep, other) })
				}
			}
		}
	}
}

func (w way) run(t *testing.T, size int64, f family, kinds ...string) {
	sites := newSitesWith(t, f, lab.WireOptions{Offload: map[string]bool{"gro": true}}, w.options(), kinds...)
	join(t, sites, netip.Addr{})
	streams(t, sites[0], sites[1], size)
	w.copies(t, sites[0], sites[1])
	w.inUse(t, sites)
	o := sites[0].daemon.offload(t, "vxlan0")
	if o.Ring.On != w.ring {
		t.Errorf("%s: tx ring %+v", w, o.Ring)
	}
	// Where a TAP brings no superframes, or UDP has no GSO either, there may be nothing to send whole.
	if !w.tunnel && o.Tunnel.On || w.tunnel && w.switches == (switches{}) && !o.Tunnel.On {
		t.Errorf("%s: tunnel GSO %+v", w, o.Tunnel)
	}
	noErrors(t, sites)
}

// copies has a flood to four remotes, to the link's own and to three more ports of the same host, and wants each frame at each
// of them once, those of a flow in order; and one after the other to leave by a ring, or not.
func (w way) copies(t *testing.T, from, to *site) {
	ports := []uint16{4789, 4801, 4802, 4803}
	for _, port := range ports[1:] {
		check(t, to.Do(func() error {
			// Nobody reads there, but nor does the kernel say that the port is closed.
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.outer, port)))
			if err == nil {
				t.Cleanup(func() { _ = c.Close() })
			}
			return err
		}))
		from.daemon.uvtep(t, "fdb", "append", "00:00:00:00:00:00", "dev", "vxlan0", "dst", to.outer.String(), "port", fmt.Sprint(port))
	}
	flood := newFlood(t, from, 8)
	wire := must(to.Capture(to.dev, 0))(t)
	arrive := func(text string, n int) map[uint16][]string {
		var got map[uint16][]string
		eventually(t, func() error {
			got = flooded(wire.Packets(), to.outer.Is6(), text)
			for _, port := range ports {
				if len(got[port]) < n {
					return fmt.Errorf("port %d has %d of %d frames %q", port, len(got[port]), n, text)
				}
			}
			return nil
		})
		return got
	}
	if w.ring {
		eventually(t, func() error {
			flood.send(t, "before", 1)
			if o := from.daemon.offload(t, "vxlan0").Ring; !o.On || o.Reason != "" {
				return fmt.Errorf("tx ring %+v", o)
			}
			return nil
		})
	}
	const lone, frames = 20, 100
	before := datagramsSent(t, from)
	for i := range lone {
		flood.send(t, "lone", 1)
		arrive("lone", i+1)
	}
	sent := datagramsSent(t, from) - before
	if from.outer.Is4() {
		sent -= lone // the flood's own
	}
	// Each second a remote's first one leaves by a socket.
	if bySockets := lone * len(ports); w.ring && sent > bySockets*3/4 || !w.ring && sent < bySockets {
		t.Errorf("%s: %d datagrams left by sockets, of %d copies", w, sent, bySockets)
	}
	flood.send(t, "then", frames)
	for port, texts := range arrive("then", frames) {
		next := make(map[string]string)
		for _, text := range texts {
			flow, number, _ := strings.Cut(text, " ")
			if number <= next[flow] {
				t.Fatalf("port %d, flow %s: %s after %s", port, flow, number, next[flow])
			}
			next[flow] = number
		}
		if len(texts) != frames {
			t.Errorf("port %d has %d of %d frames", port, len(texts), frames)
		}
	}
	must(wire.Stop())(t)
}

// flood is sockets that send to all of an overlay, used in turn.
type flood struct {
	conns []*net.UDPConn
	n     int
}

func newFlood(t *testing.T, from *site, flows int) *flood {
	inner := inner4(from.n)
	to := inner.Addr().As4()
	binary.BigEndian.PutUint32(to[:], binary.BigEndian.Uint32(to[:])|(1<<(32-inner.Bits())-1))
	f := new(flood)
	for range flows {
		check(t, from.Do(func() error {
			c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: to[:], Port: 9})
			if err == nil {
				f.conns = append(f.conns, c)
				t.Cleanup(func() { _ = c.Close() })
			}
			return err
		}))
	}
	return f
}

// send sends n datagrams "TEXT FLOW NUMBER.".
func (f *flood) send(t *testing.T, text string, n int) {
	for range n {
		flow := f.n % len(f.conns)
		_, err := fmt.Fprintf(f.conns[flow], "%s %d %05d.", text, flow, f.n)
		check(t, err)
		f.n++
	}
}

// flooded are the "FLOW NUMBER" of text in packets of an underlay, by the UDP port that they went to. A packet may be several
// that the device joined.
func flooded(packets []lab.Packet, v6 bool, text string) map[uint16][]string {
	at := 14 + 20 + 2 // Ethernet, IPv4, the source port
	if v6 {
		at += 20
	}
	got := make(map[uint16][]string)
	for _, p := range packets {
		if p.Outgoing || len(p.Data) < at+2 {
			continue
		}
		port := binary.BigEndian.Uint16(p.Data[at:])
		for _, s := range bytes.Split(p.Data, []byte(text+" "))[1:] {
			s, _, _ := bytes.Cut(s, []byte("."))
			got[port] = append(got[port], string(s))
		}
	}
	return got
}

// datagramsSent is how many the UDP sockets of a host have sent, of its underlay's family.
func datagramsSent(t *testing.T, s *site) int {
	t.Helper()
	if s.outer.Is6() {
		for line := range strings.Lines(must(s.ReadProcNet("snmp6"))(t)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "Udp6OutDatagrams" {
				return must(strconv.Atoi(f[1]))(t)
			}
		}
		t.Fatal("/proc/net/snmp6 has no Udp6OutDatagrams")
	}
	var names []string
	for line := range strings.Lines(must(s.ReadProcNet("snmp"))(t)) {
		f := strings.Fields(line)
		switch i := slices.Index(names, "OutDatagrams"); {
		case len(f) == 0 || f[0] != "Udp:":
		case names == nil:
			names = f
		case i > 0 && i < len(f):
			return must(strconv.Atoi(f[i]))(t)
		}
	}
	t.Fatal("/proc/net/snmp has no OutDatagrams of UDP")
	return 0
}
