package vtep

import (
	"cmp"
	"errors"
	"runtime"
	"slices"
	"time"

	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/underlay"
)

// All links of an endpoint share its sockets, so that a link whose packets come in a storm would take the others' room
// in the queue and the time of the worker. Such a link is set aside: its packets go to a socket of their own, whose
// worker leaves the processors to other threads while another link of the endpoint hears anything. The link loses nothing
// while there is time for it, nor where it is the only one that hears.
//
// The unit is the message, not the byte: a superframe takes as much room and time as one small frame.

const (
	// stormMessages is the least rate, a second, that is a storm: a tenth of what a processor forwards.
	stormMessages = 20_000
	// othersMessages is the least rate of the other links together at which a link is set aside. Where the sockets lose
	// datagrams a single message is enough: others may send little because of the storm. Where they lose one of
	// unheeding, none is needed: no sender that heeds losses causes so many, and the first packet of whoever comes would be lost.
	othersMessages = 100
	unheeding      = 4
	// leastLook is the least time that makes a rate. The data path asks for a look after every so many messages
	// (forward.Plane.Busy), so that whoever comes into a storm's way waits two such times and not two seconds.
	leastLook = 100 * time.Millisecond
	// longestLook is the longest time that makes a rate: a storm of a while ago is none.
	longestLook = 3 * time.Second
	// quickLinks is how many links an endpoint may have for more than one look a second: each takes a system call.
	quickLinks = 256
	// calmAfter is how long a link that was set aside has no storm before it is moved back.
	calmAfter = 20 * time.Second
)

// asideState is what setAside knows of a link; guarded by VTEP.mu.
type asideState struct {
	is       bool      // the link is set aside
	stormed  time.Time // when it last had a storm
	messages uint64    // number of messages at the last look
	looked   time.Time // when that was
}

// rate is the number of messages a second since the look before, passed ago, where n is their number by now.
// false: the look before was at another time.
func (a *asideState) rate(n uint64, now time.Time, passed time.Duration) (uint64, bool) {
	rate, ok := perSecond(n-a.messages, passed), now.Sub(a.looked) == passed
	a.messages, a.looked = n, now
	return rate, ok
}

// perSecond is the rate of n in a time.
func perSecond(n uint64, in time.Duration) uint64 {
	return uint64(float64(n) / in.Seconds())
}

// stormed is how many messages a second a link of an endpoint has had.
type stormed struct {
	link *link
	rate uint64
}

// setAside looks for storms: of every endpoint, once a second, or else of those that have few links. The caller holds v.mu.
func (v *VTEP) setAside(every bool) {
	now := time.Now() //nolint:forbidigo // rates of less than a second
	for _, ep := range v.endpoints {
		passed := now.Sub(ep.lookedAt)
		if passed < leastLook || !every && (len(ep.users) < 2 || len(ep.users) > quickLinks) {
			continue
		}
		ep.lookedAt = now
		ep.setAside(now, passed)
	}
}

// setAside looks for storms among the links of ep, passed after it last did.
func (ep *endpoint) setAside(now time.Time, passed time.Duration) {
	total, overflow := ep.Messages.Load(), ep.receiver.Losses().Overflow
	read, lost := total-ep.looked, overflow-min(overflow, ep.overflow) // other sockets count from 0
	ep.looked, ep.overflow = total, overflow
	busy := perSecond(read, passed) >= ep.vtep.stormAt
	if ep.gate == nil || ep.key.group.IsValid() || !busy && ep.asides == 0 {
		return // no link has a storm or is set aside
	}
	var list []stormed
	sure := passed <= longestLook
	for l := range ep.users {
		rate, ok := l.aside.rate(l.filter.rule.Messages(), now, passed)
		list = append(list, stormed{l, rate})
		sure = sure && ok
	}
	if !sure {
		return // the next look has all rates
	}
	ep.giveWay.Store(others(list))
	for _, l := range storms(list, ep.vtep.stormAt, othersFor(read, lost)) {
		l.aside.stormed = now
		if ep.openAside() {
			ep.moveAside(l, true)
		}
	}
	for _, s := range list {
		switch l := s.link; {
		case !l.aside.is:
		case s.rate >= ep.vtep.stormAt: // whoever else sends by now
			l.aside.stormed = now
		case now.Sub(l.aside.stormed) >= calmAfter:
			ep.moveAside(l, false)
		}
	}
}

// others says whether a link that is not set aside heard anything.
func others(list []stormed) bool {
	return slices.ContainsFunc(list, func(s stormed) bool { return !s.link.aside.is && s.rate > 0 })
}

// othersFor is the least rate of the other links at which a link is set aside, where a socket gave and lost so many datagrams.
func othersFor(read, lost uint64) uint64 {
	switch {
	case lost == 0:
		return othersMessages
	case lost*unheeding < read+lost:
		return 1
	default:
		return 0
	}
}

// storms are the links with a storm: at least least messages a second each, and more than all other links together,
// which have others a second at least. Links that are set aside already are in nobody's way, and nobody is in theirs.
// A link without others is none.
func storms(list []stormed, least, others uint64) (links []*link) {
	list = slices.DeleteFunc(slices.Clone(list), func(s stormed) bool { return s.link.aside.is })
	rest := uint64(0)
	for _, s := range list {
		rest += s.rate
	}
	slices.SortFunc(list, func(a, b stormed) int { return cmp.Compare(b.rate, a.rate) })
	for _, s := range list {
		rest -= s.rate
		if len(list) < 2 || s.rate < least || s.rate <= rest || rest < others {
			break
		}
		links = append(links, s.link)
	}
	return links
}

// moveAside sets a link aside, or no longer.
func (ep *endpoint) moveAside(l *link, on bool) {
	if err := l.filter.setAside(on); err != nil {
		l.log.Warn("a storm of packets cannot be received apart from other links' packets", "reason", err)
		return
	}
	ep.noteAside(l, on)
	if on {
		l.log.Info("more packets arrive for the link than for all other links together: they are received apart, when there is time for them")
		return
	}
	l.log.Info("packets of the link are received with those of the other links again")
}

// leaveAside moves a link that leaves ep back from the socket for links set aside.
func (ep *endpoint) leaveAside(l *link) {
	if l.aside.is && !ep.key.group.IsValid() {
		_ = l.filter.setAside(false)
		ep.noteAside(l, false)
	}
}

// noteAside counts the links that are set aside. While there are some, Go may use one processor more: the thread that
// gives way may be ready and not run, and nobody waits for it.
func (ep *endpoint) noteAside(l *link, on bool) {
	v := ep.vtep
	l.aside.is = on
	before := v.asides > 0
	if on {
		ep.asides++
		v.asides++
	} else {
		ep.asides--
		v.asides--
	}
	switch now := v.asides > 0; {
	case now && !before:
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	case before && !now:
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1)
	}
}

// openAside makes the socket for links set aside and starts its worker, if there is none yet.
func (ep *endpoint) openAside() bool {
	if ep.asideOpen || ep.asideErr != nil {
		return ep.asideOpen
	}
	r, ok := ep.receiver.(AsideReceiver)
	if !ok {
		ep.asideErr = errors.ErrUnsupported
		return false
	}
	if ep.asideErr = r.OpenAside(); ep.asideErr != nil {
		ep.vtep.log.Warn("a storm of packets cannot be received apart from other links' packets", "reason", ep.asideErr)
		return false
	}
	ep.asideOpen = true
	ep.working.Add(1)
	v := ep.vtep
	v.spawn(func() {
		defer ep.ended()
		way, err := underlay.Background()
		if err != nil {
			v.log.Warn("the worker of a storm of packets cannot give way to other threads", "reason", err)
		}
		defer way.Close()
		fault.Restart(v.log, "the worker of a storm", v.pause, func() {
			ep.readSocket(ep.sockets, 0, func() { way.Rest(ep.giveWay.Load()) })
		})
	})
	return true
}
