package forward

import (
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// rehearsal has a likeness of each link that a frame meets: a link of its own, with the same
// state, the rows of the tables that the frame can meet, and the limits as they stand. What
// the data path changes, sends and counts is the likeness' own. It is for one frame.
type rehearsal struct {
	plane *Plane
	net   Network
	now   fdb.Tick
	frame []byte
	from  *encap.Datagram // that has the frame; nil: it comes from a port
	only  *Remote         // of groups this remote counts alone; nil: all do

	links  map[*Link]*Link     // likenesses
	copies map[*Remote]*Remote // and of remotes
	real   map[*Remote]*Remote // the way back
	peers  map[*Peer]bool      // likenesses of peers

	written []Written
	sent    []sentPacket
	changes []Change
}

// stage is a plane that shares nothing with p but what never changes.
func (p *Plane) stage() *Plane {
	stage := NewPlane(1)
	stage.start = p.start
	stage.tick.Store(p.tick.Load())
	stage.OwnPackets.Store(p.OwnPackets.Load())
	stage.Arrivals.Store(p.Arrivals.Load())
	return stage
}

// newRehearsal begins a rehearsal on a stage.
func newRehearsal(stage *Plane, net Network, frame []byte) *rehearsal {
	return &rehearsal{
		plane: stage, net: net, now: stage.Now(), frame: frame,
		links: make(map[*Link]*Link), copies: make(map[*Remote]*Remote), real: make(map[*Remote]*Remote), peers: make(map[*Peer]bool),
	}
}

// likeness is the likeness of l.
func (r *rehearsal) likeness(l *Link) *Link {
	if c := r.links[l]; c != nil {
		return c
	}
	c := NewLink(r.plane, Tables{Peers: noWatch{}})
	r.links[l] = c // now, since a bypass leads back
	c.SetQueues(1)
	s := *l.State.Load()
	s.Port = stagePort{r, l}
	s.TX = [2]Transmitter{&stageSender{r, l, LaneDF}, &stageSender{r, l, LaneNoDF}}
	if s.Fragments != nil {
		s.Fragments = &stageSender{r, l, LaneFragments}
	}
	s.Captures = nil
	c.State.Store(&s)
	c.flood.due.Store(l.flood.due.Load())
	c.strangers.due.Store(l.strangers.due.Load())
	c.answers.state.Store(l.answers.state.Load())
	c.neighbours.Store(l.neighbours.Load())
	l.loops.likeness(&c.loops)
	r.rows(l, c)
	l.guard.likeness(&c.guard) // a row that comes releases its address
	if r.from != nil {
		r.sender(l, l.Remotes.peers.lookup(r.from.Src, r.from.Device))
	}
	c.OnChange = func(e fdb.Event) {
		r.changes = append(r.changes, Change{Link: l, Event: e, To: r.real[c.Remotes.At(e.Remote)]})
	}
	return c
}

// rows copies the rows that the frame can meet of l's tables: of its MAC addresses, of the
// flood list, and of the neighbour that it asks for.
func (r *rehearsal) rows(l, c *Link) {
	macs := []encap.MAC{{}}
	if len(r.frame) >= encap.EthernetHeaderLen {
		macs = append(macs, encap.EthDst(r.frame), encap.EthSrc(r.frame))
		in := encap.ParseInner(r.frame)
		if q, ok := encap.ParseQuestion(r.frame, &in); ok {
			macs = append(macs, r.neighbour(l, c, q.Target)...)
		}
	}
	for _, mac := range macs {
		e, ok := l.FDB.Get(mac)
		if _, twice := c.FDB.Get(mac); !ok || twice {
			continue
		}
		for i, id := range e.Remotes {
			real := l.Remotes.At(id)
			if real == nil || r.only != nil && r.only != real && fdb.IsGroup(mac) {
				continue
			}
			_ = c.FDB.Append(mac, r.remote(l, real).ID, e.State, e.FlagsOf(i), r.now) // a table without a limit takes it
		}
	}
	if t := l.locals.Load(); t != nil {
		c.LearnLocals(true, nil, nil, 0, func(*LocalEvent) {})
		here := c.locals.Load()
		for _, mac := range macs {
			if class, _, ok := t.table.Peek(mac); ok {
				here.table.Learn(mac, class, r.now)
			}
		}
		here.met.word.Store(t.met.word.Load())
	}
}

// neighbour copies what is known of an address that the frame asks for, and returns the MAC
// addresses that it may have.
func (r *rehearsal) neighbour(l, c *Link, ip encap.Addr) (macs []encap.MAC) {
	if known := l.neighbours.Load(); known != nil {
		if mac, ok := (*known)[ip]; ok {
			macs = append(macs, mac)
		}
	}
	if n, ok := l.Told.Find(ip); ok {
		c.Told.Put(ip, n, 0)
		macs = append(macs, n.MAC)
	}
	if t := l.bindings.Load(); t != nil {
		c.LearnNeighbours(true, nil)
		if b, _, ok := t.find(ip, r.now); ok {
			c.bindings.Load().shard(&ip).of[ip] = b
			macs = append(macs, b.mac)
		}
	}
	return macs
}

// remote is the likeness of a remote of l, with its peer.
func (r *rehearsal) remote(l *Link, real *Remote) *Remote {
	if c := r.copies[real]; c != nil {
		return c
	}
	c := r.likeness(l).Remotes.Intern(real.RemoteKey)
	r.copies[real], r.real[c] = c, real
	c.Loops.Store(real.Loops.Load())
	if !r.peers[c.peer] {
		r.peers[c.peer] = true
		c.peer.configured.Store(real.peer.configured.Load())
		c.peer.to.due.Store(real.peer.to.due.Load())
		c.peer.from.due.Store(real.peer.from.due.Load())
		c.peer.path.state.Store(real.peer.path.state.Load())
		if learned := real.peer.learned.Load(); learned != nil {
			c.peer.learned.Store(r.remote(l, learned))
		}
	}
	if b := real.Bypass.Load(); b != nil {
		c.Bypass.Store(&Bypass{To: r.likeness(b.To), Back: r.remote(b.To, b.Back)})
	}
	return c
}

// sender copies who sent the frame to l, with its remotes; nil: nobody whom l knows.
func (r *rehearsal) sender(l *Link, p *Peer) {
	if p == nil {
		return
	}
	l.Remotes.Each(func(rem *Remote) {
		if rem.peer == p {
			r.remote(l, rem)
		}
	})
}

// noWatch is told of peers and does nothing.
type noWatch struct{}

func (noWatch) Came(encap.Addr) {}
func (noWatch) Left(encap.Addr) {}

// likeness copies what has been counted to c, whose copies are hashed alike.
func (g *loopGuard) likeness(c *loopGuard) {
	t := g.table.Load()
	if t == nil {
		return
	}
	to := &loopTable{seed: t.seed}
	for i := range t.slots {
		to.slots[i].Store(t.slots[i].Load())
	}
	c.table.Store(to)
}

// likeness copies who is held, and what has been counted, to c.
func (g *moveGuard) likeness(c *moveGuard) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.table.Load()
	if t == nil {
		return
	}
	to := &guardTable{seed: t.seed, seen: t.seen}
	for i := range t.macs {
		to.macs[i].key.Store(t.macs[i].key.Load())
		to.macs[i].home[0].Store(t.macs[i].home[0].Load())
		to.macs[i].home[1].Store(t.macs[i].home[1].Load())
		to.macs[i].zone.Store(t.macs[i].zone.Load())
	}
	for i := range t.pairs {
		p, q := &t.pairs[i], &to.pairs[i]
		q.held.Store(p.held.Load())
		q.moves, q.since, q.reported = p.moves, p.since, p.reported
	}
	c.table.Store(to)
	c.held.Store(g.held.Load())
}
