package vtep

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
)

// TroubleKind says what is wrong with a remote.
type TroubleKind uint8

const (
	// RouteLoops: the route to the remote leads through this VTEP's own links. Frames to
	// the remote are dropped (forward.TxLoop).
	RouteLoops TroubleKind = 0
	// The other kinds are what ICMP says of packets to the remote. Anybody can forge
	// ICMP: the trouble is told, and frames are sent all the same.
	PortUnreachable = 1 + TroubleKind(underlay.PortUnreachable)
	HostUnreachable = 1 + TroubleKind(underlay.HostUnreachable)
	NetUnreachable  = 1 + TroubleKind(underlay.NetUnreachable)
	Prohibited      = 1 + TroubleKind(underlay.Prohibited)
	TimeExceeded    = 1 + TroubleKind(underlay.TimeExceeded)
	OtherICMP       = 1 + TroubleKind(underlay.OtherICMP)

	numTroubles = OtherICMP + 1
)

const icmpEnds = "ICMP has not complained of a remote for a minute, or not since it was heard again"

// troubleTexts are the kinds' names, as counters and documents show them, and what the
// log says where a trouble begins and has ended. The log limits lines of the same text
// together.
var troubleTexts = [numTroubles]struct{ name, begins, ends string }{ //nolint:gochecknoglobals // a table, never written
	RouteLoops: {
		"loop", "the route to a remote leads through the tunnel, frames to it are dropped: give it a route out of another device",
		"the route to a remote leads no longer through the tunnel",
	},
	PortUnreachable: {"port-unreachable", "nobody listens on the port of a remote, ICMP says: see whether its VTEP runs there, and with this dstport", icmpEnds},
	HostUnreachable: {"host-unreachable", "a remote cannot be reached, ICMP says: see whether the host is up, and the last router's route to it", icmpEnds},
	NetUnreachable:  {"net-unreachable", "the network of a remote cannot be reached, ICMP says: look at the routers' routes to it", icmpEnds},
	Prohibited:      {"prohibited", "packets to a remote are prohibited, ICMP says: look for a firewall on the way, and at the remote", icmpEnds},
	TimeExceeded: {
		"time-exceeded", "packets to a remote do not arrive in time, ICMP says: look for a loop among the routers, or for a ttl that is too small", icmpEnds,
	},
	OtherICMP: {"other-icmp", "packets to a remote are refused, ICMP says", icmpEnds},
}

// String is the kind's name.
func (k TroubleKind) String() string { return troubleTexts[k].name }

// Trouble is something that is wrong with a remote, or was.
type Trouble struct {
	Remote netip.Addr
	Port   uint16 // UDP port that the last ICMP error was about
	Kind   TroubleKind
	Count  uint64 // number of ICMP errors
	Now    bool   // the trouble goes on
}

// maxTroubles bounds the troubles that a link remembers. One that has ended gives way.
const maxTroubles = 64

type troubleKey struct {
	addr encap.Addr
	kind TroubleKind
}

// trouble is guarded by VTEP.mu.
type trouble struct {
	count uint64
	port  uint16 // UDP port that the last ICMP error was about
	now   bool
	last  fdb.Tick // when the trouble was last seen
	sent  uint64   // packets that had gone to the remote when the last ICMP error was taken
}

// troubleAt finds or makes the trouble of a key; nil: there is no room. The caller holds
// VTEP.mu.
func (l *link) troubleAt(key troubleKey) *trouble {
	if t := l.troubles[key]; t != nil {
		return t
	}
	if len(l.troubles) >= maxTroubles {
		var oldest *troubleKey
		for k, t := range l.troubles {
			if !t.now && (oldest == nil || t.last < l.troubles[*oldest].last) {
				oldest = &k
			}
		}
		if oldest == nil {
			return nil
		}
		delete(l.troubles, *oldest)
	}
	if l.troubles == nil {
		l.troubles = make(map[troubleKey]*trouble)
	}
	t := new(trouble)
	l.troubles[key] = t
	return t
}

// setTrouble begins or ends a trouble, and tells subscribers. The caller holds VTEP.mu.
func (l *link) setTrouble(key troubleKey, now bool) {
	t := l.troubleAt(key)
	if t == nil || t.now == now {
		return
	}
	t.now, t.last = now, l.vtep.now()
	if l.vtep.events.wants(LinkEvents) {
		kind := TroubleEnded
		if now {
			kind = TroubleBegan
		}
		l.vtep.events.tell(LinkEvents, &Event{
			Kind: kind, Trouble: key.kind, Count: t.count,
			Entry: FDBEntry{Link: l.device.Name, Remote: Remote{Addr: key.addr.Netip(), Port: t.port}},
		})
	}
}

// troubleList is LinkInfo.Troubles. The caller holds VTEP.mu.
func (l *link) troubleList() []Trouble {
	var all []Trouble
	for k, t := range l.troubles {
		all = append(all, Trouble{Remote: k.addr.Netip(), Port: t.port, Kind: k.kind, Count: t.count, Now: t.now})
	}
	slices.SortFunc(all, func(a, b Trouble) int {
		return cmp.Or(a.Remote.Compare(b.Remote), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

// icmpCounts is LinkInfo.ICMP. The caller holds VTEP.mu.
func (l *link) icmpCounts() map[TroubleKind]uint64 {
	var counts map[TroubleKind]uint64
	for kind, n := range l.icmp {
		if n == 0 {
			continue
		}
		if counts == nil {
			counts = make(map[TroubleKind]uint64)
		}
		counts[TroubleKind(kind)] = n
	}
	return counts
}

// troubleNews are the troubles of all links that began or ended since the last look, so
// that the log has one line a kind for all of them.
type troubleNews struct {
	began, ended [numTroubles]struct {
		link  string
		key   troubleKey
		port  uint16
		count int
	}
}

// note adds a trouble that begins or ends.
func (n *troubleNews) note(begins bool, link string, key troubleKey, port uint16) {
	t := &n.ended[key.kind]
	if begins {
		t = &n.began[key.kind]
	}
	if t.count++; t.count == 1 {
		t.link, t.key, t.port = link, key, port
	}
}

// log logs what began and ended.
func (n *troubleNews) log(log *slog.Logger) {
	for kind := range numTroubles {
		if t := &n.began[kind]; t.count > 0 {
			log.Warn(troubleTexts[kind].begins, "remote", t.key.addr.String(), "port", t.port, "link", t.link, "count", t.count)
		}
		if t := &n.ended[kind]; t.count > 0 {
			log.Info(troubleTexts[kind].ends, "of", kind.String(), "remote", t.key.addr.String(), "port", t.port, "link", t.link, "count", t.count)
		}
	}
}
