package ping

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/uvtep/uvtep/encap"
)

// Config says what to ask.
type Config struct {
	Remote netip.Addr
	Port   uint16
	Local  netip.Addr // outer source; invalid: the route's choice
	// Link is the device of the link that the remote is asked for; "": the underlay alone is
	// asked. MTU and MAC are the device's.
	Link string
	VNI  encap.VNI
	MTU  int
	MAC  net.HardwareAddr

	Probe   bool       // find the width of the path
	Overlay netip.Addr // a host of the overlay to ask for; invalid: none
	// Received is how many packets the daemon has had from its sockets, whatever it did with them; nil: it is not known.
	Received func() (uint64, error)
}

// Step is what came of asking one layer.
type Step struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
	Do   string `json:"do,omitempty"` // what to do where the layer fails
	PMTU int    `json:"path_mtu,omitempty"`
	// Back is the longest piece that an answer as long as the request came back in; 0: it came whole.
	Back int `json:"path_mtu_back,omitempty"`
}

// Answer is what came back for an echo request.
type Answer struct {
	RTT time.Duration
	// Piece is the longest fragment that it came in, IP header included; 0: it came whole. Hosts answer
	// without DF, so that a path back that is narrower than the path there shows in it.
	Piece int
}

// Network is what a Run asks. *Host is this host's.
type Network interface {
	// Route is the device and the outer source address of packets to a remote.
	Route(remote, local netip.Addr) (dev string, src netip.Addr, mtu int, err error)
	// Echo sends an ICMP echo request of size bytes, IP header included, that must not be
	// fragmented, and waits for the answer, which is as long.
	Echo(from, to netip.Addr, size int, wait time.Duration) (Answer, error)
	// UDP sends a datagram to a port, and returns what ICMP or this host says against it.
	UDP(from netip.Addr, to netip.AddrPort, payload []byte) error
	// Neighbour asks, through a device, who has an address. It returns all that say so.
	Neighbour(dev string, mac net.HardwareAddr, ip netip.Addr, wait time.Duration) ([]net.HardwareAddr, error)
	// Watch begins to count the packets from a host to a UDP port of this one, before any firewall of this
	// host sees them. count ends that.
	Watch(from netip.Addr, port uint16) (count func() (int, error), err error)
}

// ErrSilent is returned where nothing answers.
var ErrSilent = errors.New("no answer")

const (
	tries    = 3
	patience = time.Second
	// leastEcho is an IP packet that each path takes (RFC 791; RFC 8200 section 5).
	leastEcho4, leastEcho6 = 576, 1280
)

// Run asks layer by layer and stops where one fails. told is called with each step.
func Run(n Network, c *Config, told func(Step)) (failed *Step) {
	r := run{n: n, c: c}
	for _, ask := range []func() *Step{r.route, r.echo, r.port, r.path, r.overlay} {
		s := ask()
		if s == nil {
			continue
		}
		told(*s)
		if !s.OK {
			return s
		}
	}
	return nil
}

type run struct {
	n   Network
	c   *Config
	src netip.Addr
	mtu int // of the route
	rtt time.Duration
	err error // of the last echo
}

func (r *run) route() *Step {
	dev, src, mtu, err := r.n.Route(r.c.Remote, r.c.Local)
	if err != nil {
		return &Step{Name: "route", Text: err.Error(), Do: fmt.Sprintf("give this host a route: ip route get %s", r.c.Remote)}
	}
	if r.c.Local.IsValid() {
		src = r.c.Local
	}
	r.src, r.mtu = src, mtu
	if r.c.Link != "" && dev == r.c.Link {
		return &Step{Name: "route", Text: fmt.Sprintf("the route to %s leads through %s, the tunnel itself", r.c.Remote, dev), Do: "give the remote a route out of another device"}
	}
	return &Step{Name: "route", OK: true, Text: fmt.Sprintf("to %s by %s from %s mtu %d", r.c.Remote, dev, src, mtu)}
}

func (r *run) least() int {
	if r.c.Remote.Is6() {
		return leastEcho6
	}
	return leastEcho4
}

func (r *run) echo() *Step {
	for range tries {
		var a Answer
		if a, r.err = r.n.Echo(r.src, r.c.Remote, min(r.least(), r.mtu), patience); r.err == nil {
			r.rtt = a.RTT
			return &Step{Name: "underlay", OK: true, Text: fmt.Sprintf("%s answers in %v", r.c.Remote, a.RTT.Round(10*time.Microsecond))}
		}
		if !errors.Is(r.err, ErrSilent) {
			break
		}
	}
	return &Step{
		Name: "underlay", Text: fmt.Sprintf("%s: %v", r.c.Remote, r.err),
		Do: "see whether the host is up, has a route back to " + r.src.String() + ", and lets ICMP echo through",
	}
}

// port sends datagrams to the VTEP's port. Who listens says nothing; who does not, and a
// firewall that refuses, are told of by ICMP or this host.
func (r *run) port() *Step {
	to := netip.AddrPortFrom(r.c.Remote, r.c.Port)
	err := r.n.UDP(r.src, to, r.probe())
	s := &Step{Name: "port", Text: fmt.Sprintf("UDP %s: %v", to, err)}
	switch {
	case err == nil:
		s.OK, s.Text = true, fmt.Sprintf("UDP %s: nothing refuses it (a VTEP that listens does not answer; nor does a firewall that drops)", to)
	case isRefused(err):
		s.Text = fmt.Sprintf("UDP %s: nobody listens", to)
		s.Do = "start the VTEP there, or give this link the port that it listens on (dstport)"
		for _, other := range []uint16{4789, 8472} { // the assigned port, and Linux's default
			if other != r.c.Port && r.n.UDP(r.src, netip.AddrPortFrom(r.c.Remote, other), r.probe()) == nil {
				s.Do = fmt.Sprintf("something listens on %d there: set dstport %d on one end", other, other)
				break
			}
		}
	default:
		s.Do = fmt.Sprintf("look for a firewall, here or there, that refuses UDP port %d", r.c.Port)
	}
	return s
}

// probe is a frame of the link to itself, which no bridge passes on, with a type for
// experiments (IEEE Std 802-2014 section 9.2.4). Without a link it is a header without the I
// flag, which is dropped (RFC 7348 section 5).
func (r *run) probe() []byte {
	if r.c.Link == "" || len(r.c.MAC) != len(encap.MAC{}) {
		return make([]byte, encap.HeaderLen)
	}
	h := encap.HeaderFor(r.c.VNI)
	frame := append(append(append([]byte{}, r.c.MAC...), r.c.MAC...), 0x88, 0xb5)
	return append(h[:], append(frame, make([]byte, 46)...)...) // the least payload (IEEE Std 802.3)
}

// path finds out whether the link's longest packets fit the path.
func (r *run) path() *Step {
	if !r.c.Probe {
		return nil
	}
	ipv6 := r.c.Remote.Is6()
	want := r.mtu
	if r.c.MTU > 0 {
		want = r.c.MTU + encap.Overhead(ipv6)
	}
	width, back := r.width(want)
	s := &Step{Name: "path", OK: width >= want && back == 0, PMTU: width, Back: back}
	switch {
	case width >= want && back != 0:
		s.Text = fmt.Sprintf("%d bytes pass unfragmented, and come back in pieces of at most %d", want, back)
		s.Do = fmt.Sprintf("make the path back as wide: look at the MTU of the remote's route to %s (ip route get there), or make the link's MTU there and here %d",
			r.src, encap.LinkMTU(back, ipv6, 0))
	case s.OK && r.c.MTU > 0:
		s.Text = fmt.Sprintf("%d bytes pass unfragmented, as mtu %d of %s needs", want, r.c.MTU, r.c.Link)
	case s.OK:
		s.Text = fmt.Sprintf("%d bytes pass unfragmented", want)
	default:
		fits := encap.LinkMTU(width, ipv6, 0)
		s.Text = fmt.Sprintf("%d bytes pass unfragmented, %d do not", width, want)
		s.Do = fmt.Sprintf("make the underlay's MTU %d on the whole path, or that of the link %d", want, fits)
		if r.c.Link != "" {
			s.Do = fmt.Sprintf("uvtep link set %s mtu %d, or make the underlay's MTU %d on the whole path", r.c.Link, fits, want)
		}
	}
	return s
}

// Ask sends echoes to the remote until one is answered.
func Ask(n Network, c *Config, src netip.Addr) error {
	r := run{n: n, c: c, src: src, mtu: leastEcho4}
	if s := r.echo(); !s.OK {
		return r.err
	}
	return nil
}

// Width is the size of the longest IP packet, up to most, that reaches the remote unfragmented
// and is answered. back is the longest piece that its answer came in, 0 where it came whole. Both are of use
// where Ask had an answer.
func Width(n Network, c *Config, src netip.Addr, most int) (width, back int) {
	r := run{n: n, c: c, src: src, mtu: most}
	return r.width(most)
}

// width is the size of the longest IP packet, up to most, that is answered, and the longest piece that the answer came in.
func (r *run) width(most int) (width, back int) {
	passes := func(size int) bool {
		wait := min(max(10*r.rtt, 200*time.Millisecond), patience)
		for range 2 {
			a, err := r.n.Echo(r.src, r.c.Remote, size, wait)
			if err == nil {
				back = a.Piece
				return true
			}
			if !errors.Is(err, ErrSilent) {
				return false // it is longer than a device of this host takes
			}
		}
		return false
	}
	if passes(most) {
		return most, back
	}
	low, high := min(r.least(), most), most // low passes, high does not
	for high-low > 1 {
		if mid := (low + high) / 2; passes(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low, back
}

func (r *run) overlay() *Step {
	if !r.c.Overlay.IsValid() {
		return nil
	}
	dropped := r.watch()
	var err error
	for range tries {
		var macs []net.HardwareAddr
		if macs, err = r.n.Neighbour(r.c.Link, r.c.MAC, r.c.Overlay, patience); err == nil {
			_ = dropped()
			if len(macs) > 1 {
				return &Step{
					Name: "overlay", Text: fmt.Sprintf("%s and %s both say that they have %s", macs[0], macs[1], r.c.Overlay),
					Do: fmt.Sprintf("find the one that lies, or has proxy_arp: uvtep fdb get %s dev %s tells behind which remote it is", macs[1], r.c.Link),
				}
			}
			return &Step{Name: "overlay", OK: true, Text: fmt.Sprintf("%s is at %s, behind %s", r.c.Overlay, macs[0], r.c.Link)}
		}
		if !errors.Is(err, ErrSilent) {
			break
		}
	}
	if n := dropped(); n > 0 {
		return &Step{
			Name: "overlay", Text: fmt.Sprintf("%s on %s: %v; %d packets came from %s, and none of them to uvtep", r.c.Overlay, r.c.Link, err, n, r.c.Remote),
			Do: fmt.Sprintf("let UDP port %d through this host's firewall (nft list ruleset), and look at rp_filter: uvtep check", r.c.Port),
		}
	}
	return &Step{
		Name: "overlay", Text: fmt.Sprintf("%s on %s: %v", r.c.Overlay, r.c.Link, err),
		Do: fmt.Sprintf("compare VNI %d and accept with the other end's (uvtep status there and here), look for a firewall that drops UDP %d, and for the host itself", r.c.VNI, r.c.Port),
	}
}

// watch begins to count what the remote sends to the link's port. The function that it returns tells how many packets came
// where the daemon had none at all: 0 where it had some, or nothing is known.
func (r *run) watch() func() int {
	nothing := func() int { return 0 }
	if r.c.Received == nil {
		return nothing
	}
	before, err := r.c.Received()
	if err != nil {
		return nothing
	}
	count, err := r.n.Watch(r.c.Remote, r.c.Port)
	if err != nil {
		return nothing
	}
	return func() int {
		n, err := count()
		after, bad := r.c.Received()
		if err != nil || bad != nil || after != before {
			return 0
		}
		return n
	}
}

// Verdict is the last line: which layer fails, and what to do.
func Verdict(c *Config, failed *Step) string {
	if failed != nil {
		return fmt.Sprintf("%s fails: %s: %s", failed.Name, failed.Text, failed.Do)
	}
	asked := []string{"route", "underlay", "port"}
	if c.Probe {
		asked = append(asked, "path")
	}
	if c.Overlay.IsValid() {
		return fmt.Sprintf("ok: %s and overlay", strings.Join(asked, ", "))
	}
	return fmt.Sprintf("ok: %s; to ask the overlay, say --overlay IP of a host behind the remote", strings.Join(asked, ", "))
}
