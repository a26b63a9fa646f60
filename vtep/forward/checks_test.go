package forward

import (
	"bytes"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// The tests here each hold one condition that the tests by subject do not:
// go run ./bench/mutate lists such.

// keptPort keeps what it is given.
type keptPort struct {
	sinkPort
	frames [][]byte
}

func (p *keptPort) WriteBatch(_ int, frames []encap.Frame) (int, error) {
	for _, f := range frames {
		p.frames = append(p.frames, bytes.Clone(f.Data))
	}
	return len(frames), nil
}

// arp is a question of here's for an address, or here's word that it has one.
func arp(dst encap.MAC, sender, target byte) []byte {
	b := append(append(append([]byte{}, dst[:]...), here[:]...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	b = append(append(b, here[:]...), 198, 51, 100, sender)
	return append(b, 0, 0, 0, 0, 0, 0, 198, 51, 100, target)
}

// TestProxyDecides: which questions a proxy answers, and which go their way.
func TestProxyDecides(t *testing.T) {
	all := encap.MAC{255, 255, 255, 255, 255, 255}
	table := Neighbours{ip("198.51.100.2"): there}
	claims := func(l *Link) {
		add(t, l, there, ip("192.0.2.2"), fdb.Permanent)
		id, _, _ := l.FDB.Peek(there)
		l.bindings.Load().learn(&encap.Claim{IP: ip("198.51.100.3"), MAC: there}, id, 0, 1)
	}
	for name, tt := range map[string]struct {
		before           func(l *Link)
		learn, l3miss    bool
		table            Neighbours
		question         []byte
		done, isAnswered bool
	}{
		"no table":                    {question: arp(all, 1, 2)},
		"known":                       {table: table, question: arp(all, 1, 2), done: true, isAnswered: true},
		"unknown":                     {table: table, question: arp(all, 1, 9)},
		"unknown, l3miss":             {table: table, l3miss: true, question: arp(all, 1, 9), done: true},
		"unknown, learns, l3miss":     {learn: true, l3miss: true, table: table, question: arp(all, 1, 9), done: true},
		"learned":                     {before: claims, learn: true, table: table, question: arp(all, 1, 3), done: true, isAnswered: true},
		"learned, but does not learn": {before: claims, table: table, question: arp(all, 1, 3)},
		"learned, asks the host":      {before: claims, learn: true, l3miss: true, table: table, question: arp(there, 1, 3)},
		"on this side": {before: func(l *Link) { add(t, l, there, encap.Addr{}, fdb.Permanent) },
			table: table, question: arp(all, 1, 2)},
		"said to be on this side": {before: func(l *Link) {
			claims(l)
			f := encap.Frame{Data: arp(all, 3, 3)}
			in := encap.ParseInner(f.Data)
			w := &portWorker{plane: l.plane, portScratch: new(portScratch)}
			s := *l.State.Load()
			s.ProxyLearn = true
			from := w.source(l, &s)
			w.answers(&from, &f, &in)
		}, learn: true, table: table, question: arp(all, 1, 3)},
	} {
		l := newTestLink(NewPlane(1), Tables{})
		l.LearnNeighbours(true, nil)
		port := &keptPort{}
		s := *l.State.Load()
		s.Proxy, s.ProxyLearn, s.L3Miss, s.Port = true, tt.learn, tt.l3miss, port
		l.State.Store(&s)
		if tt.table != nil {
			l.SetNeighbours(tt.table)
		}
		if tt.before != nil {
			tt.before(l)
		}
		before := l.Shards[0].answered.Load()
		w := &portWorker{plane: l.plane, portScratch: new(portScratch)}
		f := encap.Frame{Data: tt.question}
		in := encap.ParseInner(f.Data)
		from := w.source(l, &s)
		if done := w.answers(&from, &f, &in); done != tt.done || (l.Shards[0].answered.Load() > before) != tt.isAnswered {
			t.Errorf("%s: done %v, %d answers", name, done, len(port.frames))
		}
		if n := l.Shards[0].drops[TxNoNeighbour].Load(); n > 0 != (tt.done && !tt.isAnswered) {
			t.Errorf("%s: %d drops for want of a neighbour", name, n)
		}
	}
}

// TestProxyOfRouters: an answer says that a router is one where the FDB's entry does, or
// the router itself did.
func TestProxyOfRouters(t *testing.T) {
	target := net.ParseIP("2001:db8:2::2")
	eth := &layers.Ethernet{SrcMAC: here[:], DstMAC: net.HardwareAddr{0x33, 0x33, 0xff, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv6}
	v6 := &layers.IPv6{Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: 255, SrcIP: net.ParseIP("2001:db8:2::1"), DstIP: net.ParseIP("ff02::1:ff00:2")}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
	if err := icmp.SetNetworkLayerForChecksum(v6); err != nil {
		t.Fatal(err)
	}
	question := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(question, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, v6, icmp,
		&layers.ICMPv6NeighborSolicitation{TargetAddress: target, Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: here[:]}}}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		flags        fdb.Flags
		claims, want bool
	}{"host": {}, "entry": {flags: fdb.FlagRouter, want: true}, "said so": {claims: true, want: true}} {
		l := newTestLink(NewPlane(1), Tables{})
		l.LearnNeighbours(true, nil)
		port := &keptPort{}
		s := *l.State.Load()
		s.Proxy, s.ProxyLearn, s.Port = true, true, port
		l.State.Store(&s)
		key := s.Learned
		key.Addr = ip("192.0.2.2")
		if err := l.FDB.Add(there, l.Remotes.Intern(key).ID, fdb.Permanent, fdb.FlagUser|tt.flags, 1); err != nil {
			t.Fatal(err)
		}
		l.SetNeighbours(Neighbours{})
		id, _, _ := l.FDB.Peek(there)
		l.bindings.Load().learn(&encap.Claim{IP: ip("2001:db8:2::2"), MAC: there, Router: tt.claims}, id, 0, 1)
		w := &portWorker{plane: l.plane, portScratch: new(portScratch)}
		f := encap.Frame{Data: bytes.Clone(question.Bytes())}
		in := encap.ParseInner(f.Data)
		from := w.source(l, &s)
		if !w.answers(&from, &f, &in) || len(port.frames) != 1 {
			t.Errorf("%s: %d answers", name, len(port.frames))
			continue
		}
		const flagsAt = 14 + 40 + 4 // RFC 4861 section 4.4: R is the first bit
		if router := port.frames[0][flagsAt]&0x80 != 0; router != tt.want {
			t.Errorf("%s: the answer's R flag is %v", name, router)
		}
	}
}

// TestPolicyStays: a packet without the extension says nothing of policies.
func TestPolicyStays(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	with := encap.HeaderFor(42)
	encap.SetPolicyID(&with, 7)
	for _, b := range [][encap.HeaderLen]byte{with, encap.HeaderFor(42)} {
		h, _ := encap.DecodeHeader(b[:])
		l.policy(&h)
		if id := l.LastPolicy.Load(); id != 7 {
			t.Errorf("the last id is %d", id)
		}
	}
}

// TestNoRemoteForFlood: a copy for a remote that is no more is counted.
func TestNoRemoteForFlood(t *testing.T) {
	l := newTestLink(NewPlane(1), Tables{})
	if err := l.FDB.Append(encap.MAC{}, 9999, fdb.Permanent, fdb.FlagUser, 1); err != nil {
		t.Fatal(err)
	}
	NewPortWorker(l, 0).Forward([]encap.Frame{{Data: ipFrame(encap.MAC{255, 255, 255, 255, 255, 255}, here, 100)}}, 1)
	if n := l.Shards[0].drops[TxNoRemote].Load(); n != 1 {
		t.Errorf("%d drops for want of a remote", n)
	}
}
