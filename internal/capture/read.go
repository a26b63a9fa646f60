package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/uvtep/uvtep/encap"
)

// Packet is a packet of a file.
type Packet struct {
	Time      time.Time
	Interface string // "": the file names none
	Out       bool   // the interface sent it
	In        bool   // the interface received it
	Comments  []string
	Lost      uint64 // packets that are missing before it
	// Src and Dst are the addresses between VTEPs, and VNI what the VXLAN header has, where the
	// packet is VXLAN: Header says. Frame is the inner frame then, else the packet itself.
	VXLAN    bool
	Src, Dst netip.AddrPort
	Header   encap.Header
	Frame    []byte
	Whole    int // length of the frame before it was cut, in the capture
}

// Reader reads pcap and pcapng files.
type Reader struct {
	ports []uint16
	ng    *pcapgo.NgReader
	old   *pcapgo.Reader
	own   bool // uvtep wrote the file
}

// legacyPort is the kernel's default, by which some still send.
const legacyPort = 8472

// NewReader reads the beginning of a file. VXLAN is what goes to port 4789 or 8472, or to one
// of ports.
func NewReader(r io.Reader, ports ...uint16) (*Reader, error) {
	b := bufio.NewReader(r)
	out := &Reader{ports: append(ports, encap.DefaultPort, legacyPort)}
	magic, err := b.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("the file has no packets: %w", err)
	}
	if binary.LittleEndian.Uint32(magic) == ngMagic {
		if out.ng, err = pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true}); err == nil {
			out.own = out.ng.SectionInfo().Application == application
		}
	} else {
		out.old, err = pcapgo.NewReader(b)
	}
	if err != nil {
		return nil, fmt.Errorf("the file is neither pcap nor pcapng: %w", err)
	}
	return out, nil
}

// ngMagic begins a pcapng file (Section Header Block).
const ngMagic = 0x0a0d0d0a

// Own reports whether uvtep wrote the file, so that all frames in it are of interest.
func (r *Reader) Own() bool { return r.own }

// Next is the next packet, io.EOF at the end. A file that was cut off ends there.
func (r *Reader) Next() (p Packet, err error) {
	var data []byte
	var ci gopacket.CaptureInfo
	var link layers.LinkType
	if r.ng != nil {
		var o pcapgo.NgPacketOptions
		if data, ci, o, err = r.ng.ReadPacketDataWithOptions(); err == nil {
			var i pcapgo.NgInterface
			if i, err = r.ng.Interface(ci.InterfaceIndex); err == nil {
				p.Interface, link = i.Name, i.LinkType
			}
			p.Comments = o.Comments
			if o.Flags != nil {
				p.Out, p.In = o.Flags.Direction == pcapgo.NgEpbFlagDirectionOutbound, o.Flags.Direction == pcapgo.NgEpbFlagDirectionInbound
			}
			if o.DropCount != nil {
				p.Lost = *o.DropCount
			}
		}
	} else {
		data, ci, err = r.old.ReadPacketData()
		link = r.old.LinkType()
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	if err != nil {
		return p, err
	}
	p.Time, p.Frame, p.Whole = ci.Timestamp, data, ci.Length
	p.decode(ethernet(link, data), r.ports)
	return p, nil
}

// Link-layer types beside Ethernet that tcpdump makes (https://www.tcpdump.org/linktypes.html).
const (
	linkRaw  layers.LinkType = 101
	linkSLL  layers.LinkType = 113
	linkSLL2 layers.LinkType = 276
)

// ethernet gives a packet of another link layer an Ethernet header. One of a layer that is not
// known stays as it is, and is shown as bytes.
func ethernet(link layers.LinkType, b []byte) []byte {
	macs := make([]byte, encap.MACsLen)
	switch {
	case link == linkSLL && len(b) >= 16:
		return slices.Concat(macs, b[14:])
	case link == linkSLL2 && len(b) >= 20:
		return slices.Concat(macs, b[:2], b[20:])
	case (link == linkRaw || link == layers.LinkTypeRaw) && len(b) > 0 && b[0]>>4 == 4:
		return slices.Concat(macs, []byte{8, 0}, b)
	case (link == linkRaw || link == layers.LinkTypeRaw) && len(b) > 0:
		return slices.Concat(macs, []byte{0x86, 0xdd}, b)
	}
	return b
}

// decode finds the VXLAN packet in a frame.
func (p *Packet) decode(b []byte, ports []uint16) {
	const udpLen = 8 // RFC 768
	p.Whole += len(b) - len(p.Frame)
	p.Frame = b
	in := encap.ParseInner(b)
	if in.Proto != encap.ProtoUDP || in.L4 == 0 || in.FragOffset > 0 {
		return
	}
	udp := b[in.L4:]
	src, dst := in.Addrs(b)
	if !slices.Contains(ports, binary.BigEndian.Uint16(udp[2:])) {
		return
	}
	h, ok := encap.DecodeHeader(udp[udpLen:])
	if !ok {
		return
	}
	p.VXLAN, p.Header = true, h
	p.Src = netip.AddrPortFrom(src.Netip(), binary.BigEndian.Uint16(udp))
	p.Dst = netip.AddrPortFrom(dst.Netip(), binary.BigEndian.Uint16(udp[2:]))
	at := int(in.L4) + udpLen + encap.HeaderLen
	p.Frame, p.Whole = b[at:], p.Whole-at
}

// String is the packet in a line.
func (p *Packet) String() string {
	var s strings.Builder
	s.WriteString(p.Time.Local().Format("15:04:05.000000"))
	if p.Interface != "" {
		s.WriteString(" " + printable(p.Interface))
	}
	switch {
	case p.Out:
		s.WriteString(" out")
	case p.In:
		s.WriteString(" in ")
	}
	if p.VXLAN {
		fmt.Fprintf(&s, " %s > %s VXLAN vni %d", p.Src, p.Dst, p.Header.VNI)
		if !p.Header.Valid() {
			s.WriteString(" (no I flag)")
		}
		h := p.Header
		if policy, ok := h.TakePolicy(); ok {
			fmt.Fprintf(&s, " gbpid %d", policy.ID)
		}
		if h.ReservedSet() {
			fmt.Fprintf(&s, " reserved 0x%x", h.Reserved())
		}
		s.WriteByte(':')
	}
	s.WriteString(" " + encap.Describe(p.Frame))
	if p.Whole > len(p.Frame) {
		fmt.Fprintf(&s, " of %d", p.Whole)
	}
	if len(p.Comments) > 0 {
		s.WriteString(" [" + printable(strings.Join(p.Comments, ", ")) + "]")
	}
	return s.String()
}

// printable is a file's text without what would change a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, s)
}
