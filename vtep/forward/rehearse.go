package forward

import (
	"bytes"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// A rehearsal tells what the data path would do with a frame. It runs the data path itself,
// with copies of all that the frame would meet and change (likeness.go), so that there are no
// second rules to be kept in step, and a rehearsal changes and sends nothing.

// Network stands for the host and the network in a rehearsal.
type Network interface {
	// Send says what would become of a packet of l that leaves by a lane.
	Send(l *Link, lane Lane, p *encap.Packet) encap.SendResult
	// PathMTU is Transmitter.PathMTU of the link's transmitter.
	PathMTU(l *Link, dst encap.Addr) (mtu int, ok bool)
}

// Lane says which of a link's transmitters sends a packet.
type Lane uint8

// The transmitters of State.TX, and State.Fragments.
const (
	LaneDF Lane = iota
	LaneNoDF
	LaneFragments
)

// Fate says whether a frame was dropped, and why.
type Fate struct {
	Dropped bool
	Reason  DropReason // where Dropped is set
}

// Course is what the data path does with one frame.
type Course struct {
	Fate               // of the whole frame
	Link     *Link     // whose frame it is; nil: a packet of no link
	Answered bool      // a proxy answered it
	Flooded  bool      // it went to a group's remotes or the flood list
	Copies   []Copy    // from a port: one for each remote, MostCopies at most
	More     int       // copies that were left out
	ToPort   []Written // what ports were given: link's own for a packet from the network or an answer, others' for copies
	Changes  []Change  // of forwarding databases
}

// MostCopies is how many copies of a flooded frame a rehearsal follows.
const MostCopies = 64

// Copy is what becomes of the frame on its way to one remote.
type Copy struct {
	To *Remote
	Fate
	Sent   bool         // Packet was given to the network
	Packet encap.Packet // as it was given; its Result says what became of it
	Lane   Lane
	Behind *Link // the link of this VTEP that gets the frame without the network, or drops it; nil: none
}

// Written is a frame that a link's port was given.
type Written struct {
	Link  *Link
	Frame encap.Frame
}

// Change is a change of a link's forwarding database.
type Change struct {
	Link *Link
	fdb.Event
	To *Remote // of the event, where it is one of the link's; nil: learning would make it
}

// Rehearse tells what the data path would do with a frame from l's port.
func (l *Link) Rehearse(f encap.Frame, net Network) Course {
	r := newRehearsal(l.plane.stage(), net, f.Data)
	c := r.likeness(l)
	course := Course{Link: l}
	if s := c.State.Load(); s.VLAN != 0 && !s.Up {
		r.fromPort(c, f)
		course.Fate = r.fate(c)
		return course
	}
	w := NewPortWorker(c, 0)
	w.begin(r.now)
	defer w.finish()
	from, o := w.source(c, c.State.Load()), &w.sending[0]
	if !w.prepare(&from, o, cloneFrame(f)) {
		course.Fate, course.ToPort, course.Changes = r.fate(c), r.written, r.changes
		course.Answered = !course.Dropped
		return course
	}
	course.Changes = r.changes
	to := []*Remote{r.real[o.one]}
	if course.Flooded = o.one == nil; course.Flooded {
		to = to[:0]
		for _, id := range o.many {
			to = append(to, r.real[c.Remotes.At(id)])
		}
	}
	for i, remote := range to {
		if i == MostCopies {
			course.More = len(to) - i
			break
		}
		course.Copies = append(course.Copies, r.copyTo(l, f, remote, &course))
	}
	return course
}

// copyTo rehearses the frame as if it went to one remote alone.
func (r *rehearsal) copyTo(l *Link, f encap.Frame, to *Remote, course *Course) Copy {
	r = newRehearsal(r.plane, r.net, f.Data)
	r.only = to
	c := r.likeness(l)
	r.fromPort(c, f)
	out := Copy{To: to, Fate: r.fate(c)}
	if len(r.sent) > 0 {
		last := &r.sent[len(r.sent)-1] // the one before it was refused, where it goes in fragments
		out.Sent, out.Packet, out.Lane = true, last.packet, last.lane
	}
	if b := to.Bypass.Load(); b != nil && !out.Dropped {
		out.Behind = b.To
		out.Fate = r.fate(r.links[b.To])
	}
	course.ToPort = append(course.ToPort, r.written...)
	for _, e := range r.changes {
		if e.Link != l { // those of l itself are the whole frame's
			course.Changes = append(course.Changes, e)
		}
	}
	return out
}

// RehearseTagged tells what becomes of a frame from a trunk port, which carries its tag. links
// are those of the trunk.
func (t *Trunk) RehearseTagged(p *Plane, frame []byte, net Network) Course {
	f := encap.Frame{Data: bytes.Clone(frame)}
	if l := t.links[encap.PopVLAN(&f)].Load(); l != nil {
		return l.Rehearse(f, net)
	}
	r := newRehearsal(p.stage(), net, frame)
	NewTrunkWorker(r.plane, NewTrunk(1), 0).Forward([]encap.Frame{{Data: bytes.Clone(frame)}}, r.now)
	return Course{Fate: r.fate(nil)}
}

// Rehearse tells what the data path would do with a datagram from the underlay.
func (ep *Endpoint) Rehearse(d *encap.Datagram, net Network) Course {
	r := newRehearsal(ep.plane.stage(), net, nil)
	stage := NewEndpoint(r.plane)
	course := Course{}
	var c *Link
	if h, ok := encap.DecodeHeader(d.Payload); ok {
		if course.Link = ep.link(h.VNI); course.Link != nil {
			r.frame, r.from = d.Payload[encap.HeaderLen:], d
			c = r.likeness(course.Link)
			stage.SetLink(h.VNI, c)
		}
	}
	heard := *d
	heard.Payload = bytes.Clone(d.Payload)
	NewNetWorker(stage, 0).Forward([]encap.Datagram{heard}, r.now)
	course.Fate, course.ToPort, course.Changes = r.fate(c), r.written, r.changes
	return course
}

// fromPort forwards the frame as a worker of the link's port does.
func (r *rehearsal) fromPort(c *Link, f encap.Frame) {
	s := c.State.Load()
	if s.VLAN == 0 {
		NewPortWorker(c, 0).Forward([]encap.Frame{*cloneFrame(f)}, r.now)
		return
	}
	t := NewTrunk(1)
	t.SetVLAN(s.VLAN, c)
	f.VLAN = s.VLAN
	tagged := encap.Frame{Data: encap.AppendTagged(nil, &f), Offload: f.Offload}
	if f.Offload.Csum == encap.CsumPartial {
		tagged.Offload.CsumStart += uint16(len(tagged.Data) - len(f.Data)) // PopVLAN takes it off again
	}
	NewTrunkWorker(r.plane, t, 0).Forward([]encap.Frame{tagged}, r.now)
}

// cloneFrame is a copy of f that may be written to.
func cloneFrame(f encap.Frame) *encap.Frame {
	f.Data = bytes.Clone(f.Data)
	return &f
}

// fate is what the counters of a likeness say, or those of no link.
func (r *rehearsal) fate(c *Link) Fate {
	totals := TotalDrops(r.plane.Counters)
	if c != nil {
		for reason, n := range TotalDrops(c.Shards) {
			totals[reason] += n
		}
	}
	for reason, n := range totals {
		if n > 0 {
			return Fate{Dropped: true, Reason: DropReason(reason)}
		}
	}
	return Fate{}
}

// stagePort and stageSender take what a rehearsal gives to the port and to the network.
type stagePort struct {
	r  *rehearsal
	of *Link
}

func (stagePort) Queues() int { return 1 }

func (p stagePort) WriteBatch(_ int, frames []encap.Frame) (int, error) {
	for i := range frames {
		f := frames[i]
		f.Data = bytes.Clone(f.Data)
		for _, more := range f.More {
			f.Data = append(f.Data, more...)
		}
		f.More = nil
		p.r.written = append(p.r.written, Written{p.of, f})
	}
	return len(frames), nil
}

type stageSender struct {
	r    *rehearsal
	of   *Link
	lane Lane
}

func (t *stageSender) WriteBatch(packets []encap.Packet) error {
	for i := range packets {
		p := &packets[i]
		p.Result = t.r.net.Send(t.of, t.lane, p)
		sent := sentPacket{lane: t.lane, packet: *p}
		sent.packet.Frame.Data = bytes.Clone(p.Frame.Data)
		t.r.sent = append(t.r.sent, sent)
	}
	return nil
}

func (t *stageSender) PathMTU(dst encap.Addr) (int, bool) { return t.r.net.PathMTU(t.of, dst) }

type sentPacket struct {
	lane   Lane
	packet encap.Packet
}
