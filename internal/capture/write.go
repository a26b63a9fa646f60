package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Form says how frames are written.
type Form struct {
	// Outer writes the packets between VTEPs, with headers as uvtep gives them to the kernel
	// or has them from it; else the Ethernet frames of the links.
	Outer bool
	// Raw writes superframes as they are; else the segments that they stand for.
	Raw bool
}

// Writer writes frames as a pcapng file, an interface for each link.
type Writer struct {
	form   Form
	out    *pcapgo.NgWriter
	ids    map[string]int // interfaces by link
	lost   uint64         // since the last packet
	room   []byte         // for segments
	packet []byte         // for outer packets
	n      uint64
	err    error
}

// application is what files say who wrote them.
const application = "uvtep"

// strays is the interface of packets that belong to no link.
const strays = "uvtep"

// NewWriter begins a file, with an interface for the link first; "": for packets of no link.
func NewWriter(w io.Writer, first string, f Form) (*Writer, error) {
	out, err := pcapgo.NewNgWriterInterface(w, ngInterface(first), pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: application}})
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return &Writer{form: f, out: out, ids: map[string]int{first: 0}, room: make([]byte, 1<<16)}, out.Flush()
}

func ngInterface(link string) pcapgo.NgInterface {
	i := pcapgo.NgInterface{Name: link, Description: "link of uvtep", LinkType: layers.LinkTypeEthernet}
	if link == "" {
		i.Name, i.Description = strays, "packets that belong to no link"
	}
	return i
}

// Lost counts frames that are missing before the next one.
func (w *Writer) Lost(n uint64) { w.lost += n }

// Packets is how many were written.
func (w *Writer) Packets() uint64 { return w.n }

// Write adds what a frame stands for. It may change the frame.
func (w *Writer) Write(c *vtep.Captured) error {
	f := &c.Frame
	if c.Link == "" && f.VLAN != 0 { // a frame of a trunk port, of no link's VLAN
		f.Data = encap.AppendTagged(nil, f)
	}
	f.VLAN = 0 // of the trunk port, not the frame's own
	if w.form.Raw || f.Offload.Kind == encap.GSONone {
		if f.Offload.Csum == encap.CsumPartial && f.Offload.Kind == encap.GSONone {
			encap.CompleteChecksum(f)
		}
		return w.frame(c, f.Data)
	}
	if !encap.Segment(f, w.room, func(s encap.Frame) {
		if w.err == nil {
			w.err = w.frame(c, s.Data)
		}
	}) {
		return w.frame(c, f.Data) // one that cannot be cut: tx-bad-offload
	}
	return w.err
}

// frame writes one frame, or its packet.
func (w *Writer) frame(c *vtep.Captured, frame []byte) error {
	b := frame
	stray := c.Link == "" && c.Way == forward.ToPort
	if (w.form.Outer || stray) && c.Dst.IsValid() && c.Src.IsValid() {
		b = w.outer(c, frame, stray)
	}
	id, ok := w.ids[c.Link]
	if !ok {
		var err error
		if id, err = w.out.AddInterface(ngInterface(c.Link)); err != nil {
			return fmt.Errorf("capture: %w", err)
		}
		w.ids[c.Link] = id
	}
	ci := gopacket.CaptureInfo{Timestamp: c.Time, CaptureLength: len(b), Length: len(b), InterfaceIndex: id}
	if err := w.out.WritePacketWithOptions(ci, b, w.options(c)); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	w.n++
	return nil
}

// Flush gives what was written to the underlying writer.
func (w *Writer) Flush() error { return w.out.Flush() }

// shot is the verdict of Linux's traffic control that drops a packet (TC_ACT_SHOT in
// include/uapi/linux/pkt_cls.h).
const shot = 2

// dropPrefix begins the comment that names a drop reason.
const dropPrefix = "drop: "

// options say what became of a packet.
func (w *Writer) options(c *vtep.Captured) (o pcapgo.NgPacketOptions) {
	o.Flags = &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound}
	switch {
	case c.Way == forward.FromPort:
		o.Flags.Direction = pcapgo.NgEpbFlagDirectionOutbound
		if c.Remote != (encap.Addr{}) {
			o.Comments = append(o.Comments, "to "+c.Remote.String())
		}
	case c.Way == forward.Answer:
		o.Comments = append(o.Comments, "made by uvtep")
	case c.Remote != (encap.Addr{}):
		o.Comments = append(o.Comments, "from "+c.Remote.String())
	}
	if c.Behind != "" {
		o.Comments = append(o.Comments, "link "+c.Behind+" of this host, without the network")
	}
	if c.Dropped {
		o.Comments = append(o.Comments, dropPrefix+c.Reason.String())
		o.Verdicts = []pcapgo.NgEpbVerdict{{Type: pcapgo.NgEpbVerdictTypeLinuxeBPFTC, Data: binary.LittleEndian.AppendUint64(nil, shot)}}
	}
	if w.lost > 0 {
		o.DropCount = new(w.lost)
		w.lost = 0
	}
	return o
}

// outer makes the packet of a frame, valid until the next one is made. Of a stray packet, b is
// the UDP payload.
func (w *Writer) outer(c *vtep.Captured, b []byte, stray bool) []byte {
	const ip4Len, ip6Len, udpLen = 20, 40, 8 // RFC 791, RFC 8200, RFC 768
	size := udpLen + len(b)
	if !stray {
		size += encap.HeaderLen
	}
	// Locally administered MAC addresses: the kernel chooses the real ones.
	p := append(w.packet[:0], 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1)
	ttl := c.TTL
	if ttl == 0 {
		ttl = 64
	}
	if c.Dst.Addr().Is4() {
		p = append(p, 8, 0, 0x45, c.TOS)
		p = binary.BigEndian.AppendUint16(p, upTo16(ip4Len+size))
		p = append(p, 0, 0, 0x40, 0, ttl, encap.ProtoUDP, 0, 0)
	} else {
		p = append(p, 0x86, 0xdd)
		p = binary.BigEndian.AppendUint32(p, 6<<28|uint32(c.TOS)<<20)
		p = binary.BigEndian.AppendUint16(p, upTo16(size))
		p = append(p, encap.ProtoUDP, ttl)
	}
	p = append(append(p, c.Src.Addr().AsSlice()...), c.Dst.Addr().AsSlice()...)
	if c.Dst.Addr().Is4() {
		ip := p[encap.EthernetHeaderLen:]
		binary.BigEndian.PutUint16(ip[10:], ^encap.Sum(ip))
	}
	l4 := len(p)
	p = binary.BigEndian.AppendUint16(p, c.Src.Port())
	p = binary.BigEndian.AppendUint16(p, c.Dst.Port())
	p = binary.BigEndian.AppendUint16(p, upTo16(size))
	p = append(p, 0, 0)
	if !stray {
		p = append(p, c.Header[:]...)
	}
	p = append(p, b...)
	w.packet = p
	if in := encap.ParseInner(p); in.L4 == uint16(l4) && len(p) <= math.MaxUint16 {
		binary.BigEndian.PutUint16(p[l4+6:], encap.PseudoSum(p, &in, size))
		f := encap.Frame{Data: p}
		f.Offload, _ = encap.PartialOffload(&in)
		encap.CompleteChecksum(&f)
	}
	return p
}

// upTo16 is a length, or 0 where it needs more than 16 bits, as superframes have it.
func upTo16(n int) uint16 {
	if n > math.MaxUint16 {
		return 0
	}
	return uint16(n)
}
