package vtep

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/uvtep/uvtep/internal/fault"
)

// sweepEvery is how often entries are aged; the kernel's FDB_AGE_INTERVAL.
const sweepEvery = 10 * time.Second

// spawn starts fn in a goroutine that Close waits for. The package starts no other one.
func (v *VTEP) spawn(fn func()) {
	v.work.Go(fn)
}

// spawnWorker starts run, and starts it again after a panic. run makes its own state, so
// that it is fresh then, and holds no lock that a panic would leave locked.
func (v *VTEP) spawnWorker(log *slog.Logger, what string, run func()) {
	v.spawn(func() { fault.Restart(log, what, v.pause, run) })
}

// locked calls fn with v.mu held. A panic of fn unlocks v.mu.
func (v *VTEP) locked(fn func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fn()
}

// OnLost has fn called with the name of each link and port whose netdev somebody deletes, as the
// kernel does with those of a network namespace that ends, and not with those that DelLink, DelTrunk or
// Close remove. fn runs with a lock of the VTEP held: it must not call the VTEP.
func (v *VTEP) OnLost(fn func(name string)) { v.locked(func() { v.onLost = fn }) }

// tellLost calls what OnLost was given; the caller holds v.mu.
func (v *VTEP) tellLost(name string) {
	if v.onLost != nil {
		v.onLost(name)
	}
}

// pause waits for d. It reports false where the VTEP was closed meanwhile.
func (v *VTEP) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-v.done:
		return false
	}
}

// Run advances the clock, ages entries and retries what a link could not have yet, until ctx
// ends. Then it closes every link and returns when all workers have ended. Frames flow from
// AddLink on, whether Run was called yet or not.
func (v *VTEP) Run(ctx context.Context) error {
	if f, ok := v.host.(Follower); ok {
		v.locked(func() {
			if !v.closed { // else nobody would wait for it
				for _, follow := range f.Followers() {
					v.spawnWorker(v.log, "what transmitters depend on", func() { follow(v.done) })
				}
			}
		})
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return v.Close()
		case <-v.plane.Woken:
			fault.Catch(v.log, "what the data path noted", v.onWake)
			n--
			continue
		case <-v.plane.Busy:
			fault.Catch(v.log, "the look for storms", func() { v.locked(func() { v.setAside(false) }) })
			n--
			continue
		case <-second.C:
		}
		v.plane.Advance()
		fault.Catch(v.log, "counting losses", func() { v.countLosses(n%int(sweepEvery/time.Second) == 0) })
		fault.Catch(v.log, "what is done every second", v.everySecond)
		fault.Catch(v.log, "asking for new devices", v.meetDevices)
		fault.Catch(v.log, "what ICMP says of remotes", v.followICMP)
		fault.Catch(v.log, "the look for routes through the tunnel", v.lookForLoops)
		if n%int(sweepEvery/time.Second) == 0 {
			fault.Catch(v.log, "the sweep of old entries", v.sweep)
			fault.Catch(v.log, "asking for addresses", v.followAddresses)
		}
	}
}

// sweep ages the entries of each link, and checks whether its MTU still fits and whether
// routes loop.
func (v *VTEP) sweep() {
	v.mu.Lock()
	links := v.byIndex()
	v.noteSources() // the host's addresses may have changed
	v.mu.Unlock()
	routes := v.routes(false)
	var news troubleNews
	for _, l := range links {
		l.sweep(v.now())
		v.followMTU(l, routes)
		v.checkLoops(l, routes, false, &news)
	}
	news.log(v.log)
}

// everySecond tells subscribers what was dropped, logs what moved and what the kernel refused, and retries what a link could
// not have when it came up, such as a group on a device without an address.
func (v *VTEP) everySecond() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.plane.StrangeSource.Swap(false) {
		v.noteSources()
	}
	v.tellOffloads()
	v.tellDrops()
	v.tellConditions(v.now())
	v.followDevs()
	v.followUndecided()
	v.setAside(true)
	for _, l := range v.links {
		l.logMoves()
		l.guardMoves(v.now())
		l.filter.prune()
		l.tellConditions(v.now())
		l.tellPolicy()
		if l.mayBypass {
			v.ownBypasses(l)
		}
		v.tune(l)
		if l.retry {
			_ = v.refresh(l) // l.missing has the error
		}
		l.tellComplete()
	}
}

// Close removes every link and port and waits for the workers. It may be called more than
// once. The VTEP takes no links afterwards. v.mu is not held while the host removes netdevs.
func (v *VTEP) Close() error {
	var (
		gone []goneLink
		all  []*netdev
	)
	v.locked(func() {
		if !v.closed {
			v.closed = true
			close(v.done)
		}
		gone, all = v.dropAll()
	})
	v.closeNetdevs(all)
	v.locked(func() {
		for i := range gone {
			gone[i].link.tellGone(&gone[i].was)
		}
	})
	v.work.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	filter := v.filter
	v.filter = nil
	return filter.Close()
}

// goneLink is a link that was removed, with its description from before.
type goneLink struct {
	link *link
	was  LinkInfo
}

// dropAll removes all links and ports. It returns their netdevs, which the caller has to
// close, and the links, which subscribers have to be told of. The caller holds v.mu.
func (v *VTEP) dropAll() (gone []goneLink, all []*netdev) {
	for _, t := range v.trunks {
		t.gone = true
	}
	for _, l := range v.byIndex() {
		gone = append(gone, goneLink{l, l.info()})
		l.gone = true
		l.endpoints, l.senders, l.fragments = nil, [2]*sender{}, nil
		l.filter.end()
	}
	for n := range v.netdevs {
		n.forget()
		all = append(all, n)
	}
	for _, ep := range v.endpoints {
		ep.close()
	}
	for _, s := range v.senders {
		s.close(v.log)
	}
	clear(v.trunks)
	clear(v.links)
	clear(v.present)
	clear(v.endpoints)
	clear(v.senders)
	v.bypassers = newBypassers()
	return gone, all
}

// atOnce is how many netdevs are closed concurrently.
const atOnce = 64

// closeNetdevs closes netdevs: together where the host can, else concurrently, since each
// close may wait for the kernel.
func (v *VTEP) closeNetdevs(all []*netdev) {
	if r, ok := v.host.(Remover); ok && len(all) > 0 {
		ports := make([]Port, len(all))
		for i, n := range all {
			ports[i] = n.port
		}
		if err := r.RemoveNetdevs(ports); err != nil {
			v.log.Warn("removing the netdevs together failed, closing each by itself", "err", err)
		}
	}
	var work sync.WaitGroup
	next := make(chan *netdev)
	for range min(atOnce, len(all)) {
		work.Go(func() {
			for n := range next {
				n.closePort()
			}
		})
	}
	for _, n := range all {
		next <- n
	}
	close(next)
	work.Wait()
}
