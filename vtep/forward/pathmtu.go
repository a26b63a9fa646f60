package forward

import (
	"slices"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// Anybody who can send to this host can forge the ICMP message that makes the
// kernel believe in a narrow path (RFC 5927): the message has to quote one of few ports.
// So a path's MTU counts for the frames to that remote alone, and only down to the length
// that each host must be able to send. Shorter frames go in fragments.

const (
	// leastMTU6 is the packet length that an IPv6 link must carry, if need be by
	// fragmenting below IPv6 (RFC 8200 section 5, RFC 2473 section 7.1).
	leastMTU6 = 1280
	// leastPath is the narrowest path that the kernel believes in for IPv4 by
	// default (net.ipv4.route.min_pmtu; that for IPv6 is wider).
	leastPath = 552
	// mostAnswers bounds the answers of a link within a second of the coarse clock. A
	// kernel sends at most 1,000 ICMP messages a second over all its devices
	// (net.ipv4.icmp_msgs_per_sec). A host needs one answer for each destination, and
	// sends again what was not answered.
	mostAnswers = 100
)

// leastMTU is the length of inner packets that go to any remote, whatever MTU its path is
// said to have. ipv6 is the underlay's version.
func leastMTU(in *encap.Inner, ipv6 bool) int {
	if in.IPVersion == 6 {
		return leastMTU6
	}
	return encap.LinkMTU(leastPath, ipv6, int(in.Tags))
}

// mustGo reports whether p, which is too big for its path, is so short that it has to go
// in fragments.
func mustGo(p *encap.Packet) bool {
	in := encap.ParseInner(p.Frame.Data)
	return encap.LargestFrame(&p.Frame)-int(in.L3) <= leastMTU(&in, !p.Dst.Is4())
}

// inFragments sends packets so that the host may fragment them.
func (w *portWorker) inFragments(part *outPart, packets []encap.Packet) {
	if len(packets) == 0 {
		return
	}
	_ = part.s.Fragments.WriteBatch(packets) // the packets' Results say it
	for i := range packets {
		if packets[i].Result == encap.SendOK {
			part.c.fragmented.Add(uint64(packets[i].Segments))
		}
	}
	w.settle(part, packets, false)
}

// tooBig answers a frame that did not fit the path of its remote: it writes ICMP
// fragmentation needed or ICMPv6 packet too big, with the MTU that fits, to the link's port
// (C10 in docs/conformance.md). The kernel's driver does so for bridge ports only
// (skb_tunnel_check_pmtu in net/ipv4/ip_tunnel_core.c).
func (w *portWorker) tooBig(part *outPart, p *encap.Packet) {
	l, s := part.link, part.s
	in := encap.ParseInner(p.Frame.Data)
	path, known := s.TX[part.lane].PathMTU(p.Dst)
	if !known && in.IPVersion != 6 {
		return
	}
	if to := l.Remotes.peers.lookup(p.Dst, p.Zone); to != nil && known {
		to.path.learn(path, w.now)
	}
	if slices.Contains(w.answered[:w.nAnswered], &p.Frame.Data[0]) {
		return // another copy of the frame was answered
	}
	ipv6 := !p.Dst.Is4()
	mtu := max(encap.LinkMTU(path, ipv6, int(in.Tags)), leastMTU(&in, ipv6))
	reply, ok := encap.AppendFragNeeded(w.reply[:0], p.Frame.Data, &in, mtu, s.MAC)
	if !ok {
		return
	}
	if !l.answers.takes(mostAnswers, 1, w.now) {
		part.c.unanswered.Add(1)
		return
	}
	if w.toHost(s, reply) {
		part.c.tooBig.Add(1)
		w.answered[w.nAnswered] = &p.Frame.Data[0]
		w.nAnswered++
	}
}

// pathAge is how long a path's MTU is believed, in seconds: ten minutes, as long
// as the kernel does (RFC 1191 section 6.3, RFC 8201 section 4).
const pathAge fdb.Tick = 600

// knownPath is the MTU of the path to a peer, where a packet was refused as too
// big, and when: both in one word, so that the MSS of a SYN takes no lock.
type knownPath struct{ state atomic.Uint64 }

func (k *knownPath) learn(mtu int, now fdb.Tick) {
	k.state.Store(uint64(now)<<32 | uint64(uint32(mtu)))
}

// mtu is the path's MTU, 0 where it is not known.
func (k *knownPath) mtu(now fdb.Tick) int {
	v := k.state.Load()
	if now-fdb.Tick(v>>32) >= pathAge {
		return 0
	}
	return int(uint32(v))
}

// mssMTU is the MTU that the MSS of a TCP connection with a host behind p must fit: the
// link's, or that of the path to p where it is smaller, but never less than leastMTU. in
// describes a packet of the connection. p is nil where the peer is not known. The path from
// p is taken to be no wider than the path to p, the only one whose MTU is known.
func (s *State) mssMTU(p *Peer, in *encap.Inner, now fdb.Tick) int {
	if p == nil {
		return s.MTU
	}
	path := p.path.mtu(now)
	if path == 0 {
		return s.MTU
	}
	ipv6 := !p.Addr.Is4()
	return min(s.MTU, max(encap.LinkMTU(path, ipv6, 0), leastMTU(in, ipv6)))
}

// behind is the peer of the one remote that a frame goes to; nil: the frame is flooded.
func (o *outFrame) behind() *Peer {
	if o.one == nil {
		return nil
	}
	return o.one.peer
}
