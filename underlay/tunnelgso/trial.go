package tunnelgso

import (
	"slices"
	"sync/atomic"
	"time"
)

// Whether a device further on cuts superframes in software, which takes several times as
// long as a socket's pieces, cannot be asked for: it may be in another network namespace, as
// the bridge of a container's host is, or a card whose driver refuses them. But the kernel
// passes a packet on, and cuts it, before the write returns, so that it shows in the time
// that the write takes. What else runs on the machine takes its time from both ways alike,
// since they are tried in turn.
//
// Who could have the slower way taken is who can make this host's writes take longer, while
// they are tried: that costs time, and nothing is lost.
const (
	// trialPairs is how many superframes are sent either way for a verdict.
	trialPairs = 32
	// leastTried is the least size of those, in bytes: of small ones the calls take most of the time.
	leastTried = 16 << 10
	// Of the time of pieces, superframes took 0.6 (of 1,400 bytes) to 0.8 (jumbo) through veth devices, 0.9
	// where pieces are cut in software as well, and 2.1 where superframes alone are. One that leaves
	// whole already may take more before that ends.
	lessTime, stillLess = 0.83, 0.9
)

// trial finds out which way takes less time, and remembers it. Several workers may use one.
type trial struct {
	whole   atomic.Bool // the verdict
	decided atomic.Bool // there is one
	running atomic.Bool

	busy   atomic.Bool // a superframe is being timed; who sets it has what follows
	n      int         // superframes that were timed
	first  float64     // time a byte of the one before
	ratios [trialPairs]float64
}

// newTrial is a trial that runs, or, where the mode leaves nothing to find out, is decided.
func newTrial(mode Mode) *trial {
	t := new(trial)
	if mode == On {
		t.whole.Store(true)
		t.decided.Store(true)
		return t
	}
	t.running.Store(true)
	return t
}

// turn says how a superframe of so many bytes leaves. Where timed, its sender calls took.
func (t *trial) turn(size int) (whole, timed bool) {
	if size < leastTried || !t.running.Load() || !t.busy.CompareAndSwap(false, true) {
		return t.whole.Load(), false
	}
	if !t.running.Load() { // another worker's was the last
		t.busy.Store(false)
		return t.whole.Load(), false
	}
	return t.next(), true
}

// next is the way of the superframe that is timed next: of two, one goes each way, and of four, one goes first.
func (t *trial) next() bool { return (t.n^t.n>>1)&1 == 1 }

// took notes how long the superframe that turn spoke of took.
func (t *trial) took(d time.Duration, size int) {
	now := float64(max(d, 1)) / float64(size)
	switch {
	case t.n%2 == 0:
		t.first = now
	case t.next():
		t.ratios[t.n/2] = now / t.first
	default:
		t.ratios[t.n/2] = t.first / now
	}
	if t.n++; t.n == 2*trialPairs {
		t.decide()
	}
	t.busy.Store(false)
}

// decide ends the trial.
func (t *trial) decide() {
	slices.Sort(t.ratios[:])
	bound := lessTime
	if t.whole.Load() {
		bound = stillLess
	}
	t.whole.Store(t.ratios[trialPairs/2] < bound)
	t.decided.Store(true)
	t.running.Store(false)
	t.n = 0
}

// again has a trial that is decided by time run again. Until it ends, the verdict stays.
func (t *trial) again(mode Mode) {
	if mode != On && t.busy.CompareAndSwap(false, true) {
		t.running.Store(true)
		t.busy.Store(false)
	}
}
