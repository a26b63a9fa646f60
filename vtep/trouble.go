package vtep

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// TroubleKind says what is wrong with a remote.
type TroubleKind uint8

const (
	// RouteLoops: the route to it leads through this VTEP's own links. Frames to it
	// are dropped (TxLoop).
	RouteLoops TroubleKind = iota
	// The rest is what ICMP says of packets to it (RFC 792, RFC 4443 section 3).
	// Anybody can forge that: it is told, and frames are sent all the same.
	PortUnreachable // nobody listens
	HostUnreachable
	NetUnreachable
	Prohibited   // by a firewall or by policy
	TimeExceeded // on the way, for example in a loop of routers
	OtherICMP

	numTroubles
)

// String is the kind's name, as counters and documents show it.
func (k TroubleKind) String() string {
	return [numTroubles]string{"loop", "port-unreachable", "host-unreachable", "net-unreachable", "prohibited", "time-exceeded", "other-icmp"}[k]
}

// Trouble is something that is wrong with a remote, or was.
type Trouble struct {
	Remote netip.Addr
	Port   uint16 // that ICMP told of last
	Kind   TroubleKind
	Count  uint64 // ICMP messages
	Now    bool   // it goes on
}

// maxTroubles bounds what a link remembers; what has ended gives way.
const maxTroubles = 64

type troubleKey struct {
	addr encap.Addr
	kind TroubleKind
}

// trouble is guarded by VTEP.mu.
type trouble struct {
	count uint64
	port  uint16 // that ICMP told of last
	now   bool
	last  fdb.Tick // when it was last seen
}

// troubleAt is the trouble of that key, a new one where there is none; nil where
// there is no room. The caller holds VTEP.mu.
func (l *Link) troubleAt(key troubleKey) *trouble {
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

// setTrouble notes that a trouble begins or ends, and tells who listens. The caller holds
// VTEP.mu.
func (l *Link) setTrouble(key troubleKey, now bool) {
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

// troubleList is what LinkInfo has. The caller holds VTEP.mu.
func (l *Link) troubleList() []Trouble {
	var all []Trouble
	for k, t := range l.troubles {
		all = append(all, Trouble{Remote: k.addr.Netip(), Port: t.port, Kind: k.kind, Count: t.count, Now: t.now})
	}
	slices.SortFunc(all, func(a, b Trouble) int {
		return cmp.Or(a.Remote.Compare(b.Remote), cmp.Compare(a.Kind, b.Kind))
	})
	return all
}

// icmpCounts is what LinkInfo has. The caller holds VTEP.mu.
func (l *Link) icmpCounts() map[TroubleKind]uint64 {
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
