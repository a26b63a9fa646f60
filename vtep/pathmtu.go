package vtep

import (
	"slices"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// tooBig tells the sender of a frame that did not fit the path of its remote
// (conformance C10 and section 5): ICMP fragmentation needed or ICMPv6 packet
// too big, with the MTU that fits, goes back into the port. The kernel's driver
// does so for bridge ports only (skb_tunnel_check_pmtu in
// net/ipv4/ip_tunnel_core.c).
func (w *portWorker) tooBig(s *linkState, lane int, p *encap.Packet) {
	path, ok := s.tx[lane].PathMTU(p.Dst)
	if !ok {
		return
	}
	if to := w.link.remotes.peers.lookup(p.Dst); to != nil {
		to.path.learn(path, w.now)
	}
	if slices.Contains(w.told[:w.nTold], &p.Frame.Data[0]) {
		return // for another copy
	}
	in := encap.ParseInner(p.Frame.Data)
	mtu := encap.LinkMTU(path, !p.Dst.Is4(), int(in.Tags))
	reply, ok := encap.AppendFragNeeded(w.reply[:0], p.Frame.Data, &in, mtu, s.mac)
	if !ok {
		return
	}
	w.toPort[0].Data = reply
	if n, _ := w.link.port.WriteBatch(w.queue, w.toPort[:]); n == 1 {
		w.c.tooBig.Add(1)
		w.told[w.nTold] = &p.Frame.Data[0]
		w.nTold++
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

// mtu is 0 where nothing is known.
func (k *knownPath) mtu(now fdb.Tick) int {
	v := k.state.Load()
	if now-fdb.Tick(v>>32) >= pathAge {
		return 0
	}
	return int(uint32(v))
}

// mssMTU is the MTU that the MSS of a TCP connection with a host behind p must
// fit: the link's, or that of the path where it is smaller. p is nil where it is
// not known. The path back is taken to be no wider than the one there, which is
// the only one that we can know.
func (s *linkState) mssMTU(p *peer, now fdb.Tick) int {
	if p == nil {
		return s.mtu
	}
	path := p.path.mtu(now)
	if path == 0 {
		return s.mtu
	}
	return min(s.mtu, encap.LinkMTU(path, !p.addr.Is4(), 0))
}

// behind is the peer of the one remote that a frame goes to, nil where it is
// flooded.
func (o *outFrame) behind() *peer {
	if o.one == nil {
		return nil
	}
	return o.one.peer
}
