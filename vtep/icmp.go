package vtep

import (
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
)

// What ICMP says of packets to a remote is told and nothing else: anybody who can
// send to this host can forge it (RFC 5927).

// icmpQuiet is for how long ICMP must have been silent about a remote until its
// trouble has ended, in seconds. Hosts limit such messages to one a second
// (net.ipv4.icmp_ratelimit), and answer nothing where nothing is sent.
const icmpQuiet fdb.Tick = 60

// kindOf is the trouble that an ICMP error tells of.
func kindOf(k underlay.ICMPKind) TroubleKind {
	switch k {
	case underlay.PortUnreachable:
		return PortUnreachable
	case underlay.HostUnreachable:
		return HostUnreachable
	case underlay.NetUnreachable:
		return NetUnreachable
	case underlay.Prohibited:
		return Prohibited
	case underlay.TimeExceeded:
		return TimeExceeded
	case underlay.OtherICMP:
	}
	return OtherICMP
}

// icmpText is what the log says where a trouble begins. The texts are constants,
// since lines of the same text are limited together.
func icmpText(k TroubleKind) string {
	switch k {
	case PortUnreachable:
		return "nobody listens on the port of a remote, ICMP says: see whether its VTEP runs there, and with this dstport"
	case HostUnreachable:
		return "a remote cannot be reached, ICMP says: see whether the host is up, and the last router's route to it"
	case NetUnreachable:
		return "the network of a remote cannot be reached, ICMP says: look at the routers' routes to it"
	case Prohibited:
		return "packets to a remote are prohibited, ICMP says: look for a firewall on the way, and at the remote"
	case TimeExceeded:
		return "packets to a remote do not arrive in time, ICMP says: look for a loop among the routers, or for a ttl that is too small"
	case RouteLoops, OtherICMP, numTroubles:
	}
	return "packets to a remote are refused, ICMP says"
}

// heard are the troubles of all links that began or ended within a second, for one
// line of the log each.
type heard struct {
	began, ended [numTroubles]struct {
		link  string
		key   troubleKey
		port  uint16
		count int
	}
}

// followICMP looks once a second at what ICMP said to the transmitters.
func (v *VTEP) followICMP() {
	v.mu.Lock()
	senders := make([]*sender, 0, len(v.senders))
	for _, s := range v.senders {
		senders = append(senders, s)
	}
	v.mu.Unlock()
	said := make(map[*sender][]underlay.ICMPError)
	for _, s := range senders {
		if errs := s.tx.TakeErrors(); len(errs) > 0 {
			said[s] = errs
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var h heard
	for _, l := range v.links {
		if len(said) > 0 {
			l.hearICMP(said[l.senders[0]], &h)
			if l.senders[1] != l.senders[0] {
				l.hearICMP(said[l.senders[1]], &h)
			}
			if l.fragments != l.senders[1] {
				l.hearICMP(said[l.fragments], &h)
			}
		}
		l.forgetICMP(&h)
	}
	h.log(v)
}

// hearICMP notes what is about remotes of l. The caller holds VTEP.mu.
func (l *Link) hearICMP(said []underlay.ICMPError, h *heard) {
	for _, e := range said {
		if l.Remotes.Peer(e.Dst) == nil {
			continue // another link's, or nobody's
		}
		key := troubleKey{addr: e.Dst, kind: kindOf(e.Kind)}
		l.icmp[key.kind] += e.Count
		t := l.troubleAt(key)
		if t == nil {
			continue
		}
		t.count += e.Count
		t.last, t.port = l.vtep.now(), e.Port
		if t.now {
			continue
		}
		l.setTrouble(key, true)
		b := &h.began[key.kind]
		if b.count++; b.count == 1 {
			b.link, b.key, b.port = l.device.Name, key, t.port
		}
	}
}

// forgetICMP ends what ICMP has been silent of. The caller holds VTEP.mu.
func (l *Link) forgetICMP(h *heard) {
	for key, t := range l.troubles {
		if key.kind == RouteLoops || !t.now || l.vtep.now()-t.last < icmpQuiet {
			continue
		}
		l.setTrouble(key, false)
		e := &h.ended[key.kind]
		if e.count++; e.count == 1 {
			e.link, e.key, e.port = l.device.Name, key, t.port
		}
	}
}

// log tells what began and ended, a line a kind. The caller holds v.mu.
func (h *heard) log(v *VTEP) {
	for kind := range numTroubles {
		if b := &h.began[kind]; b.count > 0 {
			v.log.Warn(icmpText(kind), "remote", b.key.addr.String(), "port", b.port, "link", b.link, "remotes", b.count)
		}
		if e := &h.ended[kind]; e.count > 0 {
			v.log.Info("ICMP has not complained of a remote for a minute", "of", kind.String(),
				"remote", e.key.addr.String(), "port", e.port, "link", e.link, "remotes", e.count)
		}
	}
}
