package capture

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	fork "github.com/gopacket/gopacket/layers"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

var (
	at   = time.Unix(1700000000, 123456789)
	here = netip.MustParseAddrPort("192.0.2.1:50000")
	far  = netip.MustParseAddrPort("192.0.2.2:4789")
)

// frame is a TCP packet between two hosts; one with more payload than a segment is a superframe.
func frame(t *testing.T, payload, segment int) encap.Frame {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
	ip := &layers.IPv4{Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolTCP, SrcIP: []byte{198, 51, 100, 1}, DstIP: []byte{198, 51, 100, 2}}
	tcp := &layers.TCP{SrcPort: 1000, DstPort: 80, Seq: 7, ACK: true}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, tcp, gopacket.Payload(bytes.Repeat([]byte("x"), payload))); err != nil {
		t.Fatal(err)
	}
	f := encap.Frame{Data: bytes.Clone(b.Bytes())}
	if payload > segment {
		f.Offload = encap.Offload{Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: uint16(segment), CsumStart: 34, CsumOffset: 16}
	}
	return f
}

func sent(f encap.Frame) *vtep.Captured {
	return &vtep.Captured{Time: at, Src: here, Dst: far, Record: forward.Record{
		Link: "vxlan0", Frame: f, Remote: encap.AddrFrom(far.Addr()), Outer: true, Header: encap.HeaderFor(42), Port: far.Port(),
	}}
}

// written is what a Writer makes of frames.
func written(t *testing.T, f Form, frames ...*vtep.Captured) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, "vxlan0", f)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range frames {
		if err := w.Write(c); err != nil {
			t.Fatal(err)
		}
		w.Lost(3)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packets(t *testing.T, file []byte, ports ...uint16) (all []Packet) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), ports...)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Frame = bytes.Clone(p.Frame)
		all = append(all, p)
	}
}

// TestInner: frames come back as they were, with where they went, why they were dropped, and
// how many are missing; superframes as segments.
func TestInner(t *testing.T) {
	dropped := sent(frame(t, 100, 1000))
	dropped.Dropped, dropped.Reason, dropped.Way = true, forward.RxNotPeer, forward.ToPort
	answer := &vtep.Captured{Time: at, Record: forward.Record{Link: "vxlan1", Way: forward.Answer, Frame: frame(t, 10, 1000)}}
	all := packets(t, written(t, Form{}, sent(frame(t, 100, 1000)), sent(frame(t, 2500, 1000)), dropped, answer))
	if len(all) != 6 {
		t.Fatalf("%d packets: %+v", len(all), all)
	}
	if p := all[0]; p.Interface != "vxlan0" || !p.Out || p.Time.UnixNano() != at.UnixNano() || !bytes.Equal(p.Frame, frame(t, 100, 1000).Data) || !slices.Equal(p.Comments, []string{"to 192.0.2.2"}) || p.Lost != 0 {
		t.Errorf("%+v", p)
	}
	for i, size := range []int{1000, 1000, 500} {
		if p := all[1+i]; len(p.Frame) != 54+size || verify(p.Frame) != nil {
			t.Errorf("segment %d: %d bytes, %v", i, len(p.Frame), verify(p.Frame))
		}
	}
	if p := all[4]; !p.In || !slices.Equal(p.Comments, []string{"from 192.0.2.2", "drop: rx-not-peer"}) || p.Lost != 3 {
		t.Errorf("%+v", p)
	}
	if p := all[5]; p.Interface != "vxlan1" || !p.In || !slices.Equal(p.Comments, []string{"made by uvtep"}) {
		t.Errorf("%+v", p)
	}
	unknown := &vtep.Captured{Time: at, Record: forward.Record{Frame: frame(t, 10, 1000), Fate: forward.Fate{Dropped: true, Reason: forward.TxUnknownVLAN}}}
	unknown.Frame.VLAN = 11
	if all := packets(t, written(t, Form{}, unknown)); len(all) != 1 || all[0].Interface != strays || !strings.Contains(all[0].String(), ", VLAN 11, IPv4") {
		t.Errorf("%+v", all)
	}
	if all := packets(t, written(t, Form{Raw: true}, sent(frame(t, 2500, 1000)))); len(all) != 1 || len(all[0].Frame) != 54+2500 {
		t.Errorf("raw: %+v", all)
	}
	if s := all[4].String(); !strings.HasSuffix(s, " vxlan0 in  02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 198.51.100.1 > 198.51.100.2, TCP 1000 > 80 ACK, 154 bytes [from 192.0.2.2, drop: rx-not-peer]") {
		t.Errorf("%q", s)
	}
}

// verify checks lengths and checksums.
func verify(b []byte) error {
	p := gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.Default)
	if e := p.ErrorLayer(); e != nil {
		return e.Error()
	}
	in := encap.ParseInner(b)
	if l4 := b[in.L4:]; encap.Sum(slices.Concat(pseudo(b, &in, len(l4)), l4)) != 0xffff {
		return errors.New("the transport checksum is wrong")
	}
	return nil
}

// pseudo is the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1) as two words that
// sum up alike.
func pseudo(b []byte, in *encap.Inner, size int) []byte {
	sum := encap.PseudoSum(b, in, size)
	return []byte{byte(sum >> 8), byte(sum)}
}

// TestOuter: the packets between VTEPs are VXLAN packets with right lengths and checksums, over
// IPv4 and IPv6, and what belongs to no link is a packet as well.
func TestOuter(t *testing.T) {
	six := sent(frame(t, 100, 1000))
	six.Src, six.Dst, six.TOS = netip.MustParseAddrPort("[2001:db8::1]:50001"), netip.MustParseAddrPort("[2001:db8::2]:4789"), 0xb8
	stray := &vtep.Captured{Time: at, Src: far, Dst: here, Record: forward.Record{
		Way: forward.ToPort, Remote: encap.AddrFrom(far.Addr()), Frame: encap.Frame{Data: []byte{8, 0, 0, 0, 0, 0, 99, 0, 1, 2, 3}},
		Fate: forward.Fate{Dropped: true, Reason: forward.RxUnknownVNI},
	}}
	file := written(t, Form{Outer: true}, sent(frame(t, 2500, 1000)), six, stray)
	all := packets(t, file, here.Port())
	if len(all) != 5 {
		t.Fatalf("%d packets", len(all))
	}
	for i, p := range all {
		vni, src, dst := encap.VNI(42), here, far
		switch i {
		case 3:
			src, dst = six.Src, six.Dst
		case 4:
			vni, src, dst = 99, far, here
		}
		if !p.VXLAN || p.Header.VNI != vni || p.Src != src || p.Dst != dst {
			t.Errorf("packet %d: %+v", i, p)
		}
		if i < 4 && verify(p.Frame) != nil {
			t.Errorf("packet %d: %v", i, verify(p.Frame))
		}
	}
	if p := all[4]; p.Interface != strays || len(p.Frame) != 3 || !slices.Equal(p.Comments, []string{"from 192.0.2.2", "drop: rx-unknown-vni"}) {
		t.Errorf("%+v", p)
	}
	var w Writer
	for _, c := range []*vtep.Captured{sent(frame(t, 100, 1000)), six} {
		if b := w.outer(c, c.Frame.Data, false); verify(b) != nil {
			t.Errorf("%x: %v", b, verify(b))
		}
	}
}

// TestCopyOfACutStream: however a stream is cut off, the copy is a whole file.
func TestCopyOfACutStream(t *testing.T) {
	file := written(t, Form{}, sent(frame(t, 100, 1000)), sent(frame(t, 7, 1000)))
	for n := range len(file) + 1 {
		var b bytes.Buffer
		got, err := Copy(&b, bytes.NewReader(file[:n]))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if b.Len() == 0 {
			continue
		}
		r, err := NewReader(&b)
		if err != nil {
			if got.Packets > 0 {
				t.Fatalf("%d bytes: %v", n, err)
			}
			continue // no interface yet
		}
		for range got.Packets {
			if _, err := r.Next(); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
	}
	if got, err := Copy(io.Discard, bytes.NewReader(file)); got != (Copied{Packets: 2, Lost: 3}) || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Copy(io.Discard, strings.NewReader("HTTP/1.1 200 OK")); err == nil {
		t.Error("what is no pcapng was copied")
	}
}

// TestOtherLinkLayers: tcpdump -i any and raw captures are decoded as well.
func TestOtherLinkLayers(t *testing.T) {
	var w Writer
	c := sent(frame(t, 100, 1000))
	outer := bytes.Clone(w.outer(c, c.Frame.Data, false))
	for link, b := range map[fork.LinkType][]byte{
		1: outer, 101: outer[14:], 113: slices.Concat(make([]byte, 14), outer[12:]), 276: slices.Concat(outer[12:14], make([]byte, 18), outer[14:]),
	} {
		p := Packet{Frame: b, Whole: len(b) + 5}
		p.decode(ethernet(link, b), []uint16{4789})
		if !p.VXLAN || p.Header.VNI != 42 || !bytes.Equal(p.Frame, c.Frame.Data) || p.Whole != len(p.Frame)+5 {
			t.Errorf("link type %d: %+v", link, p)
		}
	}
}

// FuzzFile: no file brings the reader down, and its lines are of printable characters.
func FuzzFile(f *testing.F) {
	var b bytes.Buffer
	w, err := NewWriter(&b, "vxlan0", Form{})
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.Write(&vtep.Captured{Time: at, Record: forward.Record{Link: "vxlan0", Frame: encap.Frame{Data: make([]byte, 60)}}}), w.Flush()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = Copy(io.Discard, bytes.NewReader(file))
		r, err := NewReader(bytes.NewReader(file))
		for n := 0; err == nil && n < 100; n++ {
			var p Packet
			if p, err = r.Next(); err == nil {
				for _, c := range p.String() {
					if c < ' ' || c > '~' {
						t.Fatalf("%q", p.String())
					}
				}
			}
		}
	})
}
