package vtep

import (
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
)

// An ICMP error about packets to a remote is counted, logged and told, and changes nothing:
// anybody who can send to this host can forge it (RFC 5927).

// icmpQuiet is how long no ICMP error about a remote must come until its trouble has ended, in
// seconds. Hosts limit such messages to one a second (net.ipv4.icmp_ratelimit), and send none
// where they receive nothing.
const icmpQuiet fdb.Tick = 60

// followICMP takes the ICMP errors of all transmitters, once a second.
func (v *VTEP) followICMP() {
	v.mu.Lock()
	senders := make([]*sender, 0, len(v.senders))
	for _, s := range v.senders {
		senders = append(senders, s)
	}
	v.mu.Unlock()
	errors := make(map[*sender][]underlay.ICMPError)
	for _, s := range senders {
		if errs := s.tx.TakeErrors(); len(errs) > 0 {
			errors[s] = errs
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var news troubleNews
	for _, l := range v.links {
		l.noteICMP(errors[l.senders[0]], &news)
		if l.senders[1] != l.senders[0] {
			l.noteICMP(errors[l.senders[1]], &news)
		}
		if l.fragments != l.senders[1] {
			l.noteICMP(errors[l.fragments], &news)
		}
		l.forgetICMP(&news)
	}
	news.log(v.log)
}

// noteICMP notes the errors that are about remotes of l. The caller holds VTEP.mu.
func (l *link) noteICMP(errs []underlay.ICMPError, news *troubleNews) {
	for _, e := range errs {
		if l.Remotes.Peer(e.Dst) == nil {
			continue // a remote of another link, or of none
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

// forgetICMP ends the troubles that no ICMP error has come about for long. The caller holds
// VTEP.mu.
func (l *link) forgetICMP(news *troubleNews) {
	for key, t := range l.troubles {
		if key.kind == RouteLoops || !t.now || l.vtep.now()-t.last < icmpQuiet {
			continue
		}
		l.setTrouble(key, false)
		news.note(false, l.device.Name, key, t.port)
	}
}
