package vtep

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep/forward"
)

// messagesIn reads fuzzed bytes as what a receiver reads: for each message two bytes
// of its length, two of the size that comes with it, and one of who sent it and which
// way it came.
func messagesIn(b []byte) []message {
	var all []message
	for len(b) > 5 && len(all) < 8 {
		n, size, meta := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:])), b[4]
		b = b[5:]
		payload := b[:min(n, len(b))]
		b = b[len(payload):]
		if len(payload) == 0 {
			continue
		}
		if size == 0 || size > len(payload) {
			size = len(payload)
		}
		size = max(size, (len(payload)+127)/128) // UDP_GRO joins no more
		var m message
		for p := payload; len(p) > 0; p = p[min(size, len(p)):] {
			m = append(m, encap.Datagram{
				Payload: p[:min(size, len(p))], SrcPort: 50000, TOS: meta >> 4 & 3,
				Src:    encap.AddrFrom([]netip.Addr{peer1, peer2, stranger, netip.MustParseAddr("192.0.2.1")}[meta&3]),
				Device: []uint32{byWire, byVeth, byBridge, byNobody}[meta>>2&3],
			})
		}
		all = append(all, m)
	}
	return all
}

// FuzzReceive: any bytes in any messages from anybody by any way do what the same
// datagrams do one by one, and no datagram becomes more frames than a superframe has.
func FuzzReceive(f *testing.F) {
	add := func(meta byte, all ...encap.Datagram) {
		var b []byte
		for range 2 {
			d := all[0]
			if len(all) > 1 {
				d = train(0, all...)
			}
			b = binary.BigEndian.AppendUint16(b, uint16(len(d.Payload)))
			b = binary.BigEndian.AppendUint16(b, d.SegSize)
			b = append(append(b, meta), d.Payload...)
		}
		f.Add(b)
	}
	for _, meta := range []byte{0, 1, 4, 8, 12, 0x30} {
		add(meta, vxlan(peer1, 42, 0, marker(1)), vxlan(peer1, 42, 0, marker(2)), vxlan(peer1, 43, 0, marker(3)))
		add(meta, vxlan(peer1, 43, 0, flowOf(1, 2).build()), vxlan(peer1, 43, 0, flowOf(2, 2).build()), vxlan(peer1, 43, 0, between(2).build()))
		add(meta, vxlan(peer1, 42, 0, lying(marker(1), 3000)), vxlan(peer1, 43, 0, marker(2)))
		add(meta, vxlan(peer1, 42, 0, lying(marker(1), len(marker(1)))))
		add(meta, vxlan(peer1, 43, 0, ipFrame(here, there, true, 2000)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		all := messagesIn(b)
		if len(all) == 0 {
			return
		}
		synctest.Test(t, func(t *testing.T) { hearAsTwins(t, all) }) // the limits' clocks stand still
	})
}

// hearAsTwins has messages come in with joining and without.
func hearAsTwins(t *testing.T, all []message) {
	tw := newTwins(t, SameHost{}, "")
	tw.hear(all)
	most := 0
	for _, m := range all {
		most += len(m)
	}
	for _, p := range tw.fast.ports {
		for _, f := range p.frames {
			in := encap.ParseInner(f.Data)
			if n, _ := encap.Wire(&f, &in); n > encap.MaxSegments {
				t.Fatalf("one frame stands for %d", n)
			}
		}
		if len(p.frames) > most {
			t.Fatalf("%d datagrams became %d frames", most, len(p.frames))
		}
	}
	tw.compare()
}

// takenSender keeps what is sent.
type takenSender struct {
	sinkSender
	packets []encap.Packet
	calls   int
}

func (s *takenSender) WriteBatch(p []encap.Packet) error {
	s.calls++
	for i := range p {
		p[i].Result = encap.SendOK
		q := p[i]
		q.Frame.Data = bytes.Clone(q.Frame.Data)
		s.packets = append(s.packets, q)
	}
	return nil
}

// FuzzFromPort: any bytes with any virtio-net header, from a netdev and from a trunk
// port, end no worker; what leaves is the frame with its checksum completed, or a
// superframe that stands for no more frames than the kernel makes of one.
func FuzzFromPort(f *testing.F) {
	whole := flowOf(1, 0).build()
	tagged := append(append(bytes.Clone(whole[:12]), 0x81, 0, 0x0f, 0xff), whole[12:]...)
	for _, b := range [][]byte{whole, tagged, ipFrame(there, here, true, 3000), whole[:20], {}} {
		for kind := range byte(6) {
			f.Add(b, kind, true, uint16(1), uint16(34), uint16(6))
			f.Add(b, kind, false, uint16(1000), uint16(0xffff), uint16(0xffff))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, kind uint8, partial bool, size, start, offset uint16) {
		if len(b) > 65_550 {
			return
		}
		r := twoTenants(t, false, func(c *LinkConfig) { c.ClampMSS = true })
		l := r.v.links["vxlan42"]
		tx := &takenSender{}
		s := *l.State.Load()
		s.TX = [2]forward.Transmitter{tx, tx}
		l.State.Store(&s)
		o := encap.Offload{Kind: encap.GSOKind(kind % 5), SegSize: size}
		if o.Kind == encap.GSONone {
			o.SegSize = 0
		}
		if partial {
			o.Csum, o.CsumStart, o.CsumOffset = encap.CsumPartial, start, offset
		}
		w := forward.NewPortWorker(l.Link, 0)
		w.Forward([]encap.Frame{{Data: bytes.Clone(b), Offload: o}}, 1)
		frames := sentFrames(t, tx.packets)
		if len(tx.packets) > 1 || len(frames) > encap.MaxSegments {
			t.Fatalf("one frame became %d packets, %d frames", len(tx.packets), len(frames))
		}
		if o.Kind == encap.GSONone && !partial {
			in := encap.ParseInner(b)
			syn := in.Proto == encap.ProtoTCP && in.L4 != 0 && b[in.L4+13]&2 != 0 // whose MSS is clamped
			if len(frames) == 1 && !syn && !bytes.Equal(frames[0], b) {
				t.Fatalf("an ordinary frame was changed:\n%x\n%x", b, frames[0])
			}
		}
		if o.Kind == encap.GSONone && partial && len(frames) == 1 {
			if int(start)+int(offset)+2 > len(b) {
				t.Fatal("a checksum outside of the frame was taken")
			}
			if len(frames[0]) != len(b) {
				t.Fatalf("%d bytes became %d", len(b), len(frames[0]))
			}
		}
		trunk := forward.NewTrunk(1)
		trunk.SetVLAN(7, l.Link)
		forward.NewTrunkWorker(r.v.plane, trunk, 0).Forward([]encap.Frame{{Data: bytes.Clone(b), Offload: o}}, 1)
	})
}

// sentFrames are what packets are on the wire.
func sentFrames(t *testing.T, packets []encap.Packet) (all [][]byte) {
	t.Helper()
	for i := range packets {
		f := packets[i].Frame
		if f.Offload.Kind == encap.GSONone {
			all = append(all, f.Data)
			continue
		}
		encap.Segment(&f, make([]byte, 1<<17), func(s encap.Frame) {
			in := encap.ParseInner(s.Data)
			if c := encap.ClassifyChecksum(s.Data, &in); c != encap.CsumComplete && c != encap.CsumNone {
				t.Fatalf("a segment's checksum is %v", c)
			}
			all = append(all, bytes.Clone(s.Data))
		})
	}
	return all
}
