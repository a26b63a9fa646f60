package forward

import (
	"slices"
	"sync"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// localAddrs are the IP addresses of the MAC addresses on this side, from what those claim in
// ARP packets and neighbour messages. A frame may claim addresses for its own source MAC
// only. The lock is taken for such frames alone.
type localAddrs struct {
	locals *locals
	all    *fdb.Budget // of all links
	met    pacedBySecond
	mu     sync.Mutex // after an FDB shard's; held while an event is told
	byIP   map[encap.Addr]localAddr
	byMAC  map[encap.MAC][]encap.Addr
	most   int // the most addresses since the maps were made
	closed bool
}

type localAddr struct {
	mac    encap.MAC
	router bool
	moves  uint8    // since began
	began  fdb.Tick // of the moves
	heard  fdb.Tick // the last claim
}

const (
	// maxAddrsPerMAC is how many IP addresses a MAC address has at most: more than a host
	// has with privacy extensions (16 are Linux's limit, max_addresses of ip-sysctl).
	maxAddrsPerMAC = 32
	// hogsLooked is how many MAC addresses a search for the one with most looks at.
	hogsLooked = 64
)

func (t *localAddrs) init(of *locals, all *fdb.Budget) {
	t.locals, t.all = of, all
	t.byIP, t.byMAC = make(map[encap.Addr]localAddr), make(map[encap.MAC][]encap.Addr)
}

// learn notes a claim of a host on this side.
func (t *localAddrs) learn(c *encap.Claim, now fdb.Tick) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, known := t.byIP[c.IP]
	if known && a.mac == c.MAC {
		a.heard = now
		news := !c.Asks && a.router != c.Router
		if news {
			a.router = c.Router
		}
		t.byIP[c.IP] = a
		if news {
			t.locals.tell(&LocalEvent{Kind: LocalSeen, MAC: a.mac, IP: c.IP, Router: a.router})
		}
		return
	}
	if now-a.began >= GuardWindow {
		a.began, a.moves = now, 0
	}
	if a.moves >= MaxMoves || t.closed {
		return
	}
	if class, _, ok := t.locals.table.Peek(c.MAC); !ok || class == localContested || !t.met.takes(maxMeetings, now) {
		return
	}
	if !t.room(c.MAC, known) {
		return
	}
	ev := LocalEvent{Kind: LocalSeen, MAC: c.MAC, IP: c.IP, Router: c.Router}
	if known {
		a.moves++
		ev.Kind, ev.OldMAC = LocalMoved, a.mac
		t.unlist(a.mac, c.IP)
	}
	a.mac, a.router, a.heard = c.MAC, c.Router, now
	t.byIP[c.IP] = a
	t.byMAC[c.MAC] = append(t.byMAC[c.MAC], c.IP)
	t.most = max(t.most, len(t.byIP))
	t.locals.tell(&ev)
}

// room makes room for an IP address of mac: one that the link has already, or one more. It
// is at the cost of mac's own where it has as many as it may, and else at that of the MAC
// address that has most. It reports false where there is none. The lock is held.
func (t *localAddrs) room(mac encap.MAC, has bool) bool {
	own := len(t.byMAC[mac])
	if own >= maxAddrsPerMAC {
		t.dropOldest(mac)
	}
	if has {
		return true
	}
	if t.take() {
		return true
	}
	hog, most := t.hog()
	if most <= own+1 {
		return false
	}
	t.dropOldest(hog)
	return t.take()
}

// take counts one more IP address, unless there are as many as there may be.
func (t *localAddrs) take() bool {
	limit := int(t.locals.limit.Load())
	return (limit <= 0 || len(t.byIP) < limit) && t.all.Take()
}

// hog is, of some MAC addresses, the one with most IP addresses. The order of a map is
// random.
func (t *localAddrs) hog() (hog encap.MAC, most int) {
	looked := 0
	for mac, has := range t.byMAC {
		if len(has) > most {
			hog, most = mac, len(has)
		}
		if looked++; looked == hogsLooked {
			break
		}
	}
	return hog, most
}

// dropOldest removes the IP address of mac that was claimed longest ago.
func (t *localAddrs) dropOldest(mac encap.MAC) {
	has := t.byMAC[mac]
	oldest := slices.MinFunc(has, func(a, b encap.Addr) int { return int(int32(t.byIP[a].heard - t.byIP[b].heard)) })
	t.drop(oldest, fdb.ReasonEvicted)
}

// drop removes an IP address. The lock is held, as for unlist.
func (t *localAddrs) drop(ip encap.Addr, why fdb.Reason) {
	a := t.byIP[ip]
	delete(t.byIP, ip)
	t.unlist(a.mac, ip)
	t.all.Give(1)
	t.locals.tell(&LocalEvent{Kind: LocalGone, Reason: why, MAC: a.mac, IP: ip, Router: a.router})
}

// unlist takes an IP address from its MAC address.
func (t *localAddrs) unlist(mac encap.MAC, ip encap.Addr) {
	has := t.byMAC[mac]
	if i := slices.Index(has, ip); i >= 0 {
		has = slices.Delete(has, i, i+1)
	}
	if len(has) == 0 {
		delete(t.byMAC, mac)
		return
	}
	t.byMAC[mac] = has
}

// forget removes all IP addresses of mac.
func (t *localAddrs) forget(mac encap.MAC, why fdb.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ip := range slices.Clone(t.byMAC[mac]) {
		t.drop(ip, why)
	}
}

// age removes the addresses that were claimed longer ago than ageing, where that is not 0.
func (t *localAddrs) age(now, ageing fdb.Tick) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ip, a := range t.byIP {
		if ageing != 0 && int32(now-a.heard) > int32(ageing) {
			t.drop(ip, fdb.ReasonAged)
		}
	}
	if t.most > 64 && len(t.byIP) < t.most/4 {
		t.byIP, t.byMAC, t.most = cloned(t.byIP), cloned(t.byMAC), len(t.byIP)
	}
}

// of are the IP addresses of mac.
func (t *localAddrs) of(mac encap.MAC) []Local {
	t.mu.Lock()
	defer t.mu.Unlock()
	has := t.byMAC[mac]
	all := make([]Local, len(has))
	for i, ip := range has {
		a := t.byIP[ip]
		all[i] = Local{MAC: mac, IP: ip, Router: a.router, Updated: a.heard}
	}
	return all
}

// close empties the table for good.
func (t *localAddrs) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for ip := range t.byIP {
		t.drop(ip, fdb.ReasonFlushed)
	}
}
