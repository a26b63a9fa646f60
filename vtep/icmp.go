package vtep

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
)

// An ICMP error about packets to a remote is counted, logged and told, and changes nothing:
// anybody who can send to this host can forge it (RFC 5927).

// icmpQuiet is how long no ICMP error about a remote must come until its trouble has ended, in
// seconds. Hosts limit such messages to one a second (net.ipv4.icmp_ratelimit), and send none
// where they receive nothing.
const icmpQuiet fdb.Tick = 60

// icmpAnswered is how long, in seconds, where the remote was heard and sent to since the last error. While a
// remote's host refuses what is sent to it, it says so once a second. Who forges packets of a remote that this link
// hears can end the remote's trouble so, until the next error: what is sent does not hang on it.
const icmpAnswered fdb.Tick = 5

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
		peer := l.Remotes.Peer(e.Dst)
		if peer == nil {
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
		t.sent, _, _ = peer.Exchanged()
		if t.now {
			continue
		}
		l.setTrouble(key, true)
		news.note(true, l.device.Name, key, t.port)
	}
}

// forgetICMP ends the troubles that no ICMP error has come about for long, or for a while in which
// packets went and came. The caller holds VTEP.mu.
func (l *link) forgetICMP(news *troubleNews) {
	for key, t := range l.troubles {
		if key.kind == RouteLoops || !t.now {
			continue
		}
		quiet := l.vtep.now() - t.last
		if quiet < icmpQuiet && (quiet < icmpAnswered || !l.answered(key.addr, t)) {
			continue
		}
		l.setTrouble(key, false)
		news.note(false, l.device.Name, key, t.port)
	}
}

// answered says whether packets went to a remote of a trouble and came from it since its last error.
func (l *link) answered(a encap.Addr, t *trouble) bool {
	peer := l.Remotes.Peer(a)
	if peer == nil {
		return false
	}
	sent, heard, ever := peer.Exchanged()
	return sent > t.sent && ever && heard > t.last
}
