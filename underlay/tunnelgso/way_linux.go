package tunnelgso

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/internal/ethtool"
	"github.com/uvtep/uvtep/underlay"
)

// Way is a TAP by which superframes leave, and the paths that they take from there. It is of the network
// namespace that it was opened in.
type Way struct {
	mode   Mode
	labels bool // the kernel gives packets of IPv6 sockets flow labels
	seed   uint32
	every  time.Duration

	follows bool // paths, so that packets may ask for them

	open   atomic.Bool // there is a TAP
	failed atomic.Bool // the TAP took a packet no more
	paths  paths
	wanted chan pathKey // paths that packets had no entry for

	// mu is held for reading round writes to the TAP, so that Close does not free the number under them.
	mu sync.RWMutex
	fd int

	// The rest is the follower's, and Open's before.
	dev      device
	probe    *probe
	events   *events
	features ethtool.Features

	reason struct { // why there is no way; read by everybody
		sync.Mutex
		all, v6 string
	}
}

// Open begins to follow what paths depend on. The TAP is made when the first superframe comes that may take it.
func Open(mode Mode) *Way {
	w := &Way{mode: mode, every: lookEvery, seed: rand.Uint32(), wanted: make(chan pathKey, 64), fd: -1}
	if mode == Off {
		w.say("switched off", "")
		return w
	}
	w.labels = underlay.AutoFlowLabels()
	var err error
	if w.events, err = listen(); err != nil {
		w.say(err.Error(), "")
	}
	w.follows = err == nil
	return w
}

// make makes the TAP and what probes it.
func (w *Way) make() error {
	fd, dev, err := openDevice()
	if err != nil {
		return err
	}
	w.dev = dev
	if w.probe, err = newProbe(dev.index); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	why6 := ""
	if err := forwardIPv6(dev.name); err != nil {
		why6 = "IPv6: " + err.Error()
	}
	w.say("", why6)
	w.mu.Lock()
	w.fd = fd
	w.mu.Unlock()
	w.failed.Store(false)
	w.open.Store(true)
	return nil
}

// say notes why there is no way, and none for IPv6; "": there is one.
func (w *Way) say(all, v6 string) {
	w.reason.Lock()
	defer w.reason.Unlock()
	w.reason.all, w.reason.v6 = all, v6
}

// without6 is why IPv6 packets have no way; "": they have one.
func (w *Way) without6() string {
	w.reason.Lock()
	defer w.reason.Unlock()
	return w.reason.v6
}

// write hands the TAP a packet. It reports whether the TAP took it.
func (w *Way) write(head, data []byte) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.fd < 0 {
		return false
	}
	errno := writev(w.fd, head, data)
	if errno == unix.EBADFD || errno == unix.EIO { // the TAP is gone, or down
		w.failed.Store(true)
	}
	return errno == 0
}

// want has the follower find out about a path.
func (w *Way) want(key pathKey) {
	select {
	case w.wanted <- key:
	default: // a later packet asks again
	}
}

// shut closes the TAP, which removes its netdev.
func (w *Way) shut() error {
	w.open.Store(false)
	w.paths.at.Store(nil)
	w.mu.Lock()
	fd := w.fd
	w.fd = -1
	w.mu.Unlock()
	err := w.probe.close()
	w.probe = nil
	if fd < 0 {
		return err
	}
	return errors.Join(err, unix.Close(fd))
}

// Close removes the TAP. Follow has ended.
func (w *Way) Close() error {
	err := w.shut()
	w.events.close()
	w.events = nil
	if err != nil {
		return fmt.Errorf("tunnel GSO: close: %w", err)
	}
	return nil
}

// state tells whether a transmitter's packets take the way to some remote, whether they cannot to some, and why not.
func (w *Way) state(t *Transmitter) (on, refused bool, why string) {
	w.reason.Lock()
	why = w.reason.all
	if why == "" && t.v6 {
		why = w.reason.v6
	}
	w.reason.Unlock()
	if why != "" {
		return false, w.mode != Off, why
	}
	m := w.paths.at.Load()
	if m == nil {
		return false, false, notAsked
	}
	var least *path // always the same of several
	trying := false
	for key, h := range *m {
		switch {
		case key.local != t.local || key.noChecksum != t.zero || key.dst.Is4() == t.v6:
		case h.taken():
			on = true
		case h.reason() == "":
			trying = true
		case least == nil || bytes.Compare(key.dst[:], least.key.dst[:]) < 0:
			least = h
		}
	}
	switch {
	case least != nil:
		return on, true, fmt.Sprintf("to %s: %s", least.key.dst, least.reason())
	case on:
		return true, false, ""
	case trying:
		return false, false, notMeasured
	}
	return false, false, notAsked
}

// Why nothing is known yet.
const (
	notAsked    = "no TCP superframe came yet"
	notMeasured = "too few large TCP superframes came yet to measure which way takes less time"
)
