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
	var news troubleNews
	for _, l := range v.links {
		l.hearICMP(said[l.senders[0]], &news)
		if l.senders[1] != l.senders[0] {
			l.hearICMP(said[l.senders[1]], &news)
		}
		if l.fragments != l.senders[1] {
			l.hearICMP(said[l.fragments], &news)
		}
		l.forgetICMP(&news)
	}
	news.log(v.log)
}

// hearICMP notes what is about remotes of l. The caller holds VTEP.mu.
func (l *Link) hearICMP(said []underlay.ICMPError, news *troubleNews) {
	for _, e := range said {
		if l.Remotes.Peer(e.Dst) == nil {
			continue // another link's, or nobody's
		}
		key := troubleKey{addr: e.Dst, kind: 1 + TroubleKind(e.Kind)}
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
		news.note(true, l.device.Name, key, t.port)
	}
}

// forgetICMP ends what ICMP has been silent of. The caller holds VTEP.mu.
func (l *Link) forgetICMP(news *troubleNews) {
	for key, t := range l.troubles {
		if key.kind == RouteLoops || !t.now || l.vtep.now()-t.last < icmpQuiet {
			continue
		}
		l.setTrouble(key, false)
		news.note(false, l.device.Name, key, t.port)
	}
}
