package vtep

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// CaptureConfig says what a capture takes.
type CaptureConfig struct {
	Link string // "": the frames of all links, and what belongs to none
	forward.CaptureFilter
	// Samples keeps little: some frames of each second, for somebody who looks at examples.
	Samples bool
}

// The memory of a capture, twice: what is filled and what is read. The least has to hold a
// superframe.
const (
	captureFrames, captureBytes = 8192, 4 << 20
	sampleFrames, sampleBytes   = 256, 256 << 10
	// maxCaptures is how many captures there may be at a time.
	maxCaptures = 4
)

// Captured is a frame that was captured.
type Captured struct {
	Time time.Time
	forward.Record
	// Src and Dst are the outer addresses of its packet, as far as they are known. The source
	// port is the one that the frame's flow has; an address that the route chooses is asked
	// of the route.
	Src, Dst netip.AddrPort
}

// Capture takes copies of frames until it is closed.
type Capture struct {
	v       *VTEP
	link    *link // nil: all
	drops   bool  // what is dropped is wanted alone
	samples bool  // that frames are left out is no loss
	capture *forward.Capture
	batch   *forward.CaptureBatch
	sources map[encap.Addr]encap.Addr // that routes choose, by destination
	lost    uint64
}

// Capture begins a capture. What its reader is too slow for is left out and counted; no frame
// waits for it. The error is ErrNoLink, or ErrFull where there are too many captures.
func (v *VTEP) Capture(c CaptureConfig) (*Capture, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := &Capture{v: v, drops: c.Drops, samples: c.Samples, sources: make(map[encap.Addr]encap.Addr)}
	switch {
	case v.closed:
		return nil, ErrClosed
	case len(v.captures) == maxCaptures:
		return nil, fmt.Errorf("%w: there are %d captures already: end one", ErrFull, maxCaptures)
	case c.Link != "":
		var err error
		if out.link, err = v.find(c.Link); err != nil {
			return nil, err
		}
	}
	frames, bytes := captureFrames, captureBytes
	if c.Samples {
		frames, bytes = sampleFrames, sampleBytes
	}
	out.capture, out.batch = forward.NewCapture(v.plane, c.CaptureFilter, frames, bytes)
	v.captures = append(v.captures, out)
	v.publishCaptures()
	v.log.Info("a capture of frames begins", "link", c.Link, "drops", c.Drops)
	return out, nil
}

// Captures is how many captures there are, and how many frames all have left out since the
// start, but for those of samples.
func (v *VTEP) Captures() (running int, lost uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.captures), v.captureLost.Load()
}

// Close ends the capture, once no Read is under way. The data path forgets it at its next read.
func (c *Capture) Close() {
	v := c.v
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, is := range v.captures {
		if is == c {
			v.captures = append(v.captures[:i:i], v.captures[i+1:]...)
			v.publishCaptures()
			v.log.Info("a capture of frames ends", "lost", c.lost)
			return
		}
	}
}

// publishCaptures gives the data path the captures that there are. The caller holds v.mu.
func (v *VTEP) publishCaptures() {
	for _, l := range v.links {
		old := l.State.Load()
		if old == nil {
			continue // AddLink has not ended, and publishes the captures itself
		}
		s := *old
		s.Captures = v.capturesOf(l)
		l.State.Store(&s)
		l.filter.show(v.shows(l))
	}
	v.filter.ShowUnknown(v.shows(nil))
	if all := v.capturesOf(nil); all != nil {
		v.plane.Captures.Store(&all)
	} else {
		v.plane.Captures.Store(nil)
	}
}

// shows reports whether what the kernel's filter drops, of a link or of no link, is wanted by a
// capture. Such packets pass then, and the data path drops them. One that wants all frames
// does without: under a flood the sockets would lose others for it.
func (v *VTEP) shows(l *link) bool {
	for _, c := range v.captures {
		if c.drops && (c.link == nil || c.link == l) {
			return true
		}
	}
	return false
}

// capturesOf are the captures of a link, or of what belongs to none; nil: there are none. The
// caller holds v.mu.
func (v *VTEP) capturesOf(l *link) (all []*forward.Capture) {
	for _, c := range v.captures {
		if c.link == nil || c.link == l {
			all = append(all, c.capture)
		}
	}
	return all
}

// Read waits for frames, until ctx ends, and reads them into list, whose memory it uses. They
// are valid until the next Read. lost is how many more there were.
func (c *Capture) Read(ctx context.Context, list []Captured) (_ []Captured, lost uint64, err error) {
	for list = list[:0]; len(list) == 0 && lost == 0; {
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-c.v.done:
			return nil, 0, ErrClosed
		case <-c.capture.Ready():
		}
		list, lost = c.read(list)
	}
	return list, lost, nil
}

// Take is Read of what is there, without waiting.
func (c *Capture) Take(list []Captured) ([]Captured, uint64) { return c.read(list[:0]) }

func (c *Capture) read(list []Captured) ([]Captured, uint64) {
	c.capture.Read(c.batch)
	now := time.Now() //nolint:forbidigo // for the reader: the data path counts from a start
	of := make(map[string]*outerAddrs)
	for i := range c.batch.Records {
		r := &c.batch.Records[i]
		out := Captured{Time: now.Add(r.At - c.batch.Now), Record: *r}
		a := of[r.Link]
		if a == nil {
			a = c.v.outerAddrs(r.Link)
			of[r.Link] = a
		}
		c.address(&out, a)
		list = append(list, out)
	}
	if !c.samples {
		c.lost += c.batch.Lost
		c.v.captureLost.Add(c.batch.Lost)
	}
	return list, c.batch.Lost
}

// outerAddrs is what a link's packets have outside.
type outerAddrs struct {
	ports   [2][]uint16 // source ports, by lane
	dstPort uint16
}

func (v *VTEP) outerAddrs(name string) *outerAddrs {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := &outerAddrs{dstPort: encap.DefaultPort}
	if l, err := v.find(name); err == nil && name != "" {
		a.ports, a.dstPort = [2][]uint16{l.senders[0].ports, l.senders[1].ports}, l.cfg.dstPort()
	}
	return a
}

// address fills in the outer addresses.
func (c *Capture) address(out *Captured, a *outerAddrs) {
	r := &out.Record
	if r.Remote == (encap.Addr{}) {
		return
	}
	own := r.Src
	if own == (encap.Addr{}) {
		own = c.source(r.Remote)
	}
	if r.Way == forward.ToPort {
		if r.Link == "" {
			a = &outerAddrs{dstPort: r.Into}
		}
		out.Src, out.Dst = netip.AddrPortFrom(r.Remote.Netip(), r.Port), netip.AddrPortFrom(own.Netip(), a.dstPort)
		return
	}
	port := uint16(0)
	if ports := a.ports[r.Lane&1]; len(ports) > 0 {
		port = underlay.SourcePort(ports, r.Hash)
	}
	out.Src, out.Dst = netip.AddrPortFrom(own.Netip(), port), netip.AddrPortFrom(r.Remote.Netip(), r.Port)
}

// mostSources bounds the addresses that are remembered: under `accept any` whoever sends makes
// remotes up.
const mostSources = 4096

// source is the own address that the route to dst chooses; zero: it is not known. It is asked
// for once in a capture.
func (c *Capture) source(dst encap.Addr) encap.Addr {
	src, ok := c.sources[dst]
	if !ok && len(c.sources) < mostSources {
		if route, err := c.v.host.RouteTo(dst.Netip(), ""); err == nil {
			src = encap.AddrFrom(route.Source)
		}
		c.sources[dst] = src
	}
	return src
}
