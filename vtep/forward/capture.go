package forward

import (
	"sync"
	"time"

	"github.com/uvtep/uvtep/encap"
)

// A capture gets copies of the frames of a link, or of all, each where the data path decides
// what becomes of it. Where there is none, the data path finds State.Captures nil, which it
// reads anyway. With one it takes a lock for each copy, held for the copying alone: the reader
// takes all that there is by exchanging memory. What finds no room is counted and left out; no
// frame waits.

// Way is the direction of a captured frame.
type Way uint8

const (
	// FromPort: the frame came out of the link's port, and goes to a remote.
	FromPort Way = iota
	// ToPort: the frame came from a remote, and goes into the link's port.
	ToPort
	// Answer: the link itself made the frame and gives it to its port.
	Answer
)

// Record is a captured frame.
type Record struct {
	At   time.Duration // see CaptureBatch.Now
	Link string        // "": the packet belongs to no link
	Way  Way
	Fate
	// Frame is the Ethernet frame or superframe; of a packet that belongs to no link the whole
	// UDP payload. It is valid until the batch is read again.
	Frame  encap.Frame
	Remote encap.Addr // outer address of the other end; zero: there was none yet
	// The rest is zero where the frame was dropped before it was known.
	Outer  bool                  // Header and the fields below hold
	Header [encap.HeaderLen]byte // the VXLAN header
	Src    encap.Addr            // of a packet to a remote, where the link has one
	Port   uint16                // destination port, or the source port of a packet that came
	Hash   uint32                // of a packet to a remote: which of the link's source ports it has
	Lane   uint8                 // and of which of its transmitters
	TOS    uint8
	TTL    uint8
	Into   uint16 // of a packet that belongs to no link: the port that it came to
	Behind string // the link of this VTEP that the frame was given to without the network
}

// CaptureFilter says what a capture takes. The zero value takes everything.
type CaptureFilter struct {
	Drops  bool       // dropped frames alone
	Remote encap.Addr // frames to or from it
	MAC    encap.MAC  // frames with it as source or destination
}

func (f *CaptureFilter) takes(r *Record) bool {
	if f.Drops && !r.Dropped || f.Remote != (encap.Addr{}) && f.Remote != r.Remote {
		return false
	}
	b := r.Frame.Data
	return f.MAC == encap.MAC{} || r.Link != "" && len(b) >= encap.EthernetHeaderLen && (encap.EthDst(b) == f.MAC || encap.EthSrc(b) == f.MAC)
}

// Capture keeps copies of frames until they are read.
type Capture struct {
	filter CaptureFilter
	plane  *Plane
	ready  chan struct{}

	mu      sync.Mutex // no other lock is taken under it
	records []Record   // Frame.Data is of bytes
	bytes   []byte
	lost    uint64
}

// CaptureBatch is what a reader reads into, and the other half of a capture's memory.
type CaptureBatch struct {
	Records []Record
	Lost    uint64        // frames that found no room since the batch before
	Now     time.Duration // when the batch was read, by the clock of Record.At
	bytes   []byte
}

// NewCapture makes a capture with room for so many frames and bytes, and the batch to read
// into, which has as much.
func NewCapture(p *Plane, f CaptureFilter, frames, bytes int) (*Capture, *CaptureBatch) {
	return &Capture{filter: f, plane: p, ready: make(chan struct{}, 1), records: make([]Record, 0, frames), bytes: make([]byte, 0, bytes)},
		&CaptureBatch{Records: make([]Record, 0, frames), bytes: make([]byte, 0, bytes)}
}

// Ready has an element where there may be something to read.
func (c *Capture) Ready() <-chan struct{} { return c.ready }

// Read exchanges b for what was captured since the call before.
func (c *Capture) Read(b *CaptureBatch) {
	records, bytes := b.Records[:0], b.bytes[:0]
	c.mu.Lock()
	b.Records, b.bytes, b.Lost = c.records, c.bytes, c.lost
	c.records, c.bytes, c.lost = records, bytes, 0
	c.mu.Unlock()
	b.Now = c.plane.elapsed()
}

// take copies a frame.
func (c *Capture) take(r *Record) {
	if !c.filter.takes(r) {
		return
	}
	f := &r.Frame
	c.mu.Lock()
	defer c.mu.Unlock()
	if start := len(c.bytes); len(c.records) == cap(c.records) || start+f.Len() > cap(c.bytes) {
		c.lost++
	} else {
		c.bytes = append(c.bytes, f.Data...)
		for _, more := range f.More {
			c.bytes = append(c.bytes, more...)
		}
		copied := *r
		copied.At = c.plane.elapsed()
		copied.Frame.Data, copied.Frame.More = c.bytes[start:len(c.bytes):len(c.bytes)], nil
		c.records = append(c.records, copied)
	}
	tell(c.ready)
}

// capture gives a frame to the captures of a link.
func (s *State) capture(r *Record) {
	r.Link = s.Name
	for _, c := range s.Captures {
		c.take(r)
	}
}

// captureStray gives a packet or frame that belongs to no link to the captures of all links.
func (p *Plane) captureStray(r *Record) {
	if all := p.Captures.Load(); all != nil {
		for _, c := range *all {
			c.take(r)
		}
	}
}

func (ep *Endpoint) captureStray(reason DropReason, d *encap.Datagram, payload []byte) {
	ep.plane.captureStray(&Record{
		Way: ToPort, Fate: Fate{true, reason}, Remote: d.Src, Port: d.SrcPort, TOS: d.TOS, Into: ep.Port, Frame: encap.Frame{Data: payload},
	})
}

// drop counts f, a frame from the link's port that has no remote yet, as dropped.
func (from *source) drop(reason DropReason, f *encap.Frame) {
	from.c.drop(reason)
	if from.s.Captures != nil {
		from.s.capture(&Record{Fate: Fate{true, reason}, Frame: *f})
	}
}

// dropCopy counts a copy of o for r as dropped before it was sent.
func (from *source) dropCopy(reason DropReason, o *outFrame, r *Remote) {
	from.c.drop(reason)
	if from.s.Captures != nil {
		rec := Record{Fate: Fate{true, reason}, Frame: o.packet.Frame}
		if r != nil {
			rec.Remote = r.Addr
		}
		from.s.capture(&rec)
	}
}

// capture gives packets that the network's side has judged to the captures. Those that go once
// more, in fragments, are left out.
func (part *outPart) capture(packets []encap.Packet, fragments bool) {
	for i := range packets {
		p := &packets[i]
		reason, dropped := sendReason(p.Result)
		if p.Result == encap.SendTooBig && fragments && mustGo(p) {
			continue
		}
		part.s.capture(&Record{
			Fate: Fate{dropped, reason}, Frame: p.Frame, Remote: p.Dst,
			Outer: true, Header: p.Header, Src: part.s.Local, Port: p.Port, Hash: p.Hash, Lane: uint8(part.lane), TOS: p.TOS, TTL: p.TTL,
		})
	}
}

// sendReason is the drop reason of a result.
func sendReason(r encap.SendResult) (reason DropReason, dropped bool) {
	switch r {
	case encap.SendTooBig:
		return TxTooBig, true
	case encap.SendUnreachable:
		return TxUnreachable, true
	case encap.SendNoBuffer:
		return TxNoBuffer, true
	case encap.SendRefused:
		return TxRefused, true
	case encap.SendOK:
	}
	return 0, false
}

// captureHanded gives a frame that a link of this VTEP gets without the network to the
// captures of both links.
func (w *portWorker) captureHanded(from *source, o *outFrame, r *Remote, b *Bypass, header [encap.HeaderLen]byte, fate Fate) {
	rec := Record{
		Frame: o.packet.Frame, Remote: r.Addr, Outer: true, Header: header, Src: b.Back.Addr, Port: r.Port,
		Hash: o.packet.Hash, Lane: uint8(o.lane), TOS: o.packet.TOS, TTL: o.packet.TTL, Behind: w.handed.s.Name,
	}
	from.s.capture(&rec)
	w.handed.s.capture(&Record{Way: ToPort, Fate: fate, Frame: o.packet.Frame, Remote: b.Back.Addr, Outer: true, Header: header, Src: r.Addr, Port: b.Back.Port, Behind: from.s.Name})
}

// captureArrived gives a packet for the link to the captures.
func (s *State) captureArrived(d *encap.Datagram, payload []byte, f *encap.Frame, fate Fate) {
	s.capture(&Record{
		Way: ToPort, Fate: fate, Frame: *f, Remote: d.Src,
		Outer: true, Header: [encap.HeaderLen]byte(payload), Src: s.Local, Port: d.SrcPort, TOS: d.TOS,
	})
}
