package underlay

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// newFilter is a filter for a test, which skips where the kernel has none.
func newFilter(t testing.TB) *Filter {
	t.Helper()
	f, err := NewFilter()
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// gate is a gate for a test.
func (h *host) gate(t testing.TB, f *Filter, v6 bool) *Gate {
	t.Helper()
	g, err := f.Gate(v6)
	if err != nil {
		t.Fatal(err)
	}
	g.Settle()
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// crafted is a datagram's first bytes as they decide about it.
type crafted struct {
	vni    encap.VNI
	noFlag bool
	more   byte // reserved bits
	size   int  // of all
}

func (c crafted) bytes(text byte) []byte {
	b := []byte(strings.Repeat(string(rune('a'+text%26)), max(c.size, 8)))
	binary.BigEndian.PutUint32(b[4:], uint32(c.vni)<<8|uint32(c.more))
	b[0], b[1], b[2], b[3] = 0x08|c.more<<4, c.more, 0, c.more
	if c.noFlag {
		b[0] &^= 0x08
	}
	return b[:c.size]
}

// sockets are a's, one for each source.
func (h *host) sockets(t testing.TB, to netip.AddrPort, from ...netip.Addr) (all []*net.UDPConn) {
	t.Helper()
	for _, a := range from {
		h.do(t, func() error {
			bits := 24
			if a.Is6() {
				bits = 64
			}
			if a != h.addr(a.Is6()) {
				if err := h.AddAddr("eth0", netip.PrefixFrom(a, bits)); err != nil {
					return err
				}
			}
			c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)), net.UDPAddrFromAddrPort(to))
			all = append(all, c)
			return err
		})
		t.Cleanup(func() { all[0].Close() })
	}
	return all
}

// sendsFrom has c send as if from one router too many away for a MinTTL of 200, or from next door.
func sendsFrom(t testing.TB, c *net.UDPConn, v6, far bool) {
	t.Helper()
	ttl := 200
	if far {
		ttl--
	}
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	cerr := raw.Control(func(fd uintptr) {
		if v6 {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, ttl)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl)
		}
	})
	if err := errors.Join(err, cerr); err != nil {
		t.Fatal(err)
	}
}

// sendTrain sends datagrams of one size with one call, which veth passes on in one piece.
func sendTrain(t testing.TB, c *net.UDPConn, train [][]byte) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	if len(train) > 1 {
		size = len(train[0])
	}
	if cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT, size) }); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	var all []byte
	for _, d := range train {
		all = append(all, d...)
	}
	if _, err := c.Write(all); err != nil {
		t.Fatalf("%d datagrams of %d bytes: %v", len(train), len(train[0]), err)
	}
}

// TestFilterJudgesAsTheReaderDoes sends trains of random packets: what gets through is what the reader has to judge, and
// of what does not each datagram is counted where the reader would count it.
func TestFilterJudgesAsTheReaderDoes(t *testing.T) {
	const mine, open, wild, unknown = 42, 43, 44, 45
	eachFamily(t, func(t *testing.T, v6 bool) {
		for _, gro := range []bool{true, false} {
			a, b := newFastWire(t)
			f := newFilter(t)
			g, w := b.gate(t, f, v6), b.gate(t, f, v6)
			rule, wildRule := f.Rule(), f.Rule()
			if err := rule.MinTTL(200); err != nil {
				t.Fatal(err)
			}
			rx := b.listen(t, ReceiverConfig{V6: v6, Port: port, Filter: g, NoGRO: !gro})
			sources := []netip.Addr{a.addr(v6), a.addr(v6).Next().Next(), a.addr(v6).Next().Next().Next()}
			conns := a.sockets(t, netip.AddrPortFrom(b.addr(v6), port), sources...)
			for _, r := range []*Rule{rule, wildRule} {
				if err := errors.Join(r.Allow(encap.AddrFrom(sources[0])), r.Peers(true)); err != nil {
					t.Fatal(err)
				}
			}
			if err := rule.Allow(encap.AddrFrom(sources[1])); err != nil {
				t.Fatal(err)
			}
			g.SetVNI(mine, rule)
			g.SetVNI(open, nil)
			w.SetVNI(wild, wildRule)
			w.SetVNI(mine, wildRule) // the own one comes first
			g.SetWild(w)

			// sure is what is dropped without a look at the reader's tables.
			type outcome int
			const (
				passes outcome = iota
				short
				noFlag
				unknownVNI
				notPeer
				notWildPeer
				lowTTL
				outcomes
			)
			judge := func(c crafted, source int, far bool) outcome {
				switch {
				case c.size < 8:
					return short
				case c.noFlag:
					return noFlag
				case c.vni == unknown:
					return unknownVNI
				case c.vni == mine && far: // whoever sent it
					return lowTTL
				case c.vni == mine && source > 1:
					return notPeer
				case c.vni == wild && source > 0:
					return notWildPeer
				}
				return passes
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			var want []string
			var counted [outcomes]uint64
			for i := range 600 {
				source, far := rnd.IntN(len(conns)), rnd.IntN(3) == 0
				sendsFrom(t, conns[source], v6, far)
				kind := crafted{vni: encap.VNI(mine + rnd.IntN(4)), noFlag: rnd.IntN(8) == 0, more: byte(rnd.IntN(2)), size: 60 + rnd.IntN(40)}
				if rnd.IntN(10) == 0 {
					kind.size = 1 + rnd.IntN(8)
				}
				n := 1
				if kind.size > 8 && rnd.IntN(2) == 0 {
					n = 2 + rnd.IntN(60)
				}
				other := kind
				if n > 1 && rnd.IntN(2) == 0 {
					other.vni = encap.VNI(mine + rnd.IntN(4))
				}
				var train [][]byte
				var kinds []crafted
				odd := rnd.IntN(n)
				for k := range n {
					one := kind
					one.more = byte(rnd.IntN(2)) // of no account
					if k == odd {
						one.vni = other.vni
					}
					if k == n-1 && n > 1 {
						one.size -= rnd.IntN(20)
					}
					kinds, train = append(kinds, one), append(train, one.bytes(byte(i+k)))
				}
				sendTrain(t, conns[source], train)
				mixed := gro && other.vni != kind.vni // not sure: the reader judges
				for k := range n {
					o := judge(kinds[k], source, far)
					if mixed || o == passes {
						want = append(want, string(train[k]))
					} else {
						counted[o]++
					}
				}
			}
			sendsFrom(t, conns[0], v6, false)
			end := crafted{vni: open, size: 20}.bytes('z')
			sendTrain(t, conns[0], [][]byte{end})
			want = append(want, string(end))
			var got []string
			for _, d := range receive(t, rx, 0, len(want)) {
				got = append(got, d.payload)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("gro %v: what got through (-want +got):\n%s", gro, diff)
			}
			is := f.Refused()
			have := [outcomes]uint64{short: is.ShortHeader, noFlag: is.NoVNIFlag, unknownVNI: is.UnknownVNI,
				notPeer: rule.NotPeer(), notWildPeer: wildRule.NotPeer(), lowTTL: rule.LowTTL()}
			if have != counted {
				t.Errorf("gro %v: counted %v, want %v", gro, have, counted)
			}
			var ofUnknown uint64
			for _, cpu := range f.UnknownVNIs() {
				cpu.Since(&encap.VNICounted{}, func(v encap.VNI, n uint64) {
					if v != unknown {
						t.Errorf("gro %v: %d packets of VNI %d counted as of none", gro, n, v)
					}
					ofUnknown += n
				})
			}
			if ofUnknown != counted[unknownVNI] {
				t.Errorf("gro %v: %d packets counted of the unknown VNI, want %d", gro, ofUnknown, counted[unknownVNI])
			}
			for o, n := range counted[short:] {
				if n < 20 {
					t.Errorf("gro %v: only %d of outcome %d were tried", gro, n, o+1)
				}
			}
			if w.Dropped() != 0 || g.Dropped() == 0 || gro && g.Dropped() == have[notPeer] {
				t.Errorf("gro %v: %d messages dropped at the gate, %d at the other", gro, g.Dropped(), w.Dropped())
			}
		}
	})
}

// TestFilterNumbersAreUsedAgain: who gets a number that another had starts with its own count and its own peers.
func TestFilterNumbersAreUsedAgain(t *testing.T) {
	a, b := newWire(t)
	f := newFilter(t)
	f.freeRules, f.freeGates = numbers{next: 1, end: 2}, numbers{next: 1, end: 2}
	stranger := a.addr(false)
	for range 3 {
		g := b.gate(t, f, false)
		rule := f.Rule()
		if full := f.Rule(); full != nil {
			t.Fatal("there was a rule too many")
		}
		if _, err := f.Gate(false); !errors.Is(err, ErrFilterFull) {
			t.Fatalf("a gate too many: %v", err)
		}
		if rule.Filters() || rule.NotPeer() != 0 || g.Dropped() != 0 {
			t.Fatalf("a new rule filters: %v, has %d strangers, its gate %d", rule.Filters(), rule.NotPeer(), g.Dropped())
		}
		rx, err := b.tryListen(ReceiverConfig{Port: port, Filter: g})
		if err != nil {
			t.Fatal(err)
		}
		c := a.sockets(t, netip.AddrPortFrom(b.v4, port), stranger)[0]
		g.SetVNI(42, rule)
		if err := rule.Peers(true); err != nil {
			t.Fatal(err)
		}
		sendTrain(t, c, [][]byte{crafted{vni: 42, size: 60}.bytes('a')})
		if err := rule.Allow(encap.AddrFrom(stranger)); err != nil {
			t.Fatal(err)
		}
		sendTrain(t, c, [][]byte{crafted{vni: 42, size: 61}.bytes('a')})
		if d := receive(t, rx, 0, 1)[0]; len(d.payload) != 61 {
			t.Fatalf("%d bytes got through", len(d.payload))
		}
		if rule.NotPeer() != 1 || g.Dropped() != 1 {
			t.Fatalf("%d strangers counted, %d messages", rule.NotPeer(), g.Dropped())
		}
		if err := errors.Join(rx.Close(), g.Close()); err != nil {
			t.Fatal(err)
		}
		rule.Close()
	}
}

// TestFilterThatIsFullLetsPass: a VNI without a place is not taken for unknown.
func TestFilterThatIsFullLetsPass(t *testing.T) {
	a, b := newWire(t)
	f := newFilter(t)
	g := b.gate(t, f, false)
	rx := b.listen(t, ReceiverConfig{Port: port, Filter: g})
	c := a.sockets(t, netip.AddrPortFrom(b.v4, port), a.v4)[0]
	for vni := range encap.VNI(maxFilterVNIs + 1) {
		g.SetVNI(vni, nil)
	}
	sendTrain(t, c, [][]byte{crafted{vni: maxFilterVNIs, size: 60}.bytes('a')})
	receive(t, rx, 0, 1)
	rule := f.Rule()
	for i := range uint32(maxFilterPeers) {
		a := encap.Addr{15: 1}
		binary.BigEndian.PutUint32(a[4:], i)
		if err := rule.Allow(a); err != nil {
			t.Fatalf("peer %d: %v", i, err)
		}
	}
	if err := rule.Allow(encap.Addr{15: 2}); !errors.Is(err, ErrFilterFull) {
		t.Errorf("one peer too many: %v", err)
	}
	rule.Close()
	if err := f.Rule().Allow(encap.Addr{15: 2}); err != nil {
		t.Errorf("after the rule was closed: %v", err)
	}
}
