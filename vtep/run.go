package vtep

import (
	"context"
	"log/slog"
	"time"

	"github.com/uvtep/uvtep/internal/fault"
)

// sweepEvery is how often entries are aged; the kernel's FDB_AGE_INTERVAL.
const sweepEvery = 10 * time.Second

// spawn starts fn and makes Run wait for it. It is the only place of the
// package that starts a goroutine: links come and go while Run runs.
func (v *VTEP) spawn(fn func()) {
	v.work.Go(fn)
}

// spawnWorker starts what runs until it returns by itself, again after a panic. run
// makes its own state, which is fresh then, and holds no lock that a panic would
// leave locked.
func (v *VTEP) spawnWorker(log *slog.Logger, what string, run func()) {
	v.spawn(func() { fault.Restart(log, what, v.pause, run) })
}

// locked calls fn with v.mu held, which a panic of fn lets go of.
func (v *VTEP) locked(fn func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fn()
}

// pause waits for d; false: the VTEP ended meanwhile.
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

// Run drives the clock, ages entries and retries what could not be done yet,
// until ctx ends. Then it closes every link and returns when all workers have
// ended. Frames flow from AddLink on, whether Run was called yet or not.
func (v *VTEP) Run(ctx context.Context) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return v.Close()
		case <-second.C:
		}
		v.tick.Store(uint32(time.Since(v.start) / time.Second))
		fault.Catch(v.log, "what is done every second", v.everySecond)
		if n%int(sweepEvery/time.Second) == 0 {
			fault.Catch(v.log, "the sweep of old entries", v.sweep)
		}
	}
}

// sweep ages every link's entries and looks whether its MTU still fits.
func (v *VTEP) sweep() {
	v.mu.Lock()
	links := v.byIndex()
	v.mu.Unlock()
	routes := v.routes(false)
	for _, l := range links {
		l.sweep(v.now())
		v.followMTU(l, routes)
	}
}

// everySecond tells what was dropped, logs what moved and what the kernel refused, and tries again what a link could not have when
// it came up, such as a group on a device without an address.
func (v *VTEP) everySecond() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tellOffloads()
	v.tellDrops()
	v.followDevs()
	for _, l := range v.links {
		l.logMoves()
		l.guardMoves(v.now())
		l.remotes.pruneFilter()
		l.tellConditions(v.now())
		l.tellPolicy()
		if l.mayBypass {
			v.ownBypasses(l)
		}
		v.tune(l)
		if l.retry {
			if v.refresh(l) == nil && !l.retry {
				l.log.Info("the link is complete")
			}
		}
	}
}

// Close removes every link and port and waits for the workers. It is safe to call more
// than once; the VTEP takes no links afterwards.
func (v *VTEP) Close() error {
	v.locked(func() {
		if !v.closed {
			v.closed = true
			close(v.done)
		}
		for _, l := range v.links {
			v.drop(l)
		}
		for _, t := range v.trunks {
			v.dropTrunk(t)
		}
	})
	v.work.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	filter := v.filter
	v.filter = nil
	return filter.Close()
}
