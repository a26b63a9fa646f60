package vtep_test

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// offloadHost is a host with the offloads of Linux, done here: its ports take
// superframes, its transmitters cut them, its receivers join datagrams as
// UDP_GRO does.
type offloadHost struct {
	*vteptest.Host
	refuse atomic.Bool // the kernel has come to refuse it all
	joined atomic.Int64
	supers atomic.Int64 // written to ports
}

func (h *offloadHost) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	_, _, err := h.Host.OpenPort(c)
	d := &offloadDevice{h.Device(c.Name), h}
	return d, d, err
}

func (h *offloadHost) Listen(c underlay.ReceiverConfig) (vtep.Receiver, int, error) {
	r, sockets, err := h.Host.Listen(c)
	if c.NoGRO {
		return r, sockets, err
	}
	return &offloadReceiver{Receiver: r, host: h}, sockets, err
}

func (h *offloadHost) OpenTransmitter(c underlay.TransmitterConfig) (vtep.Transmitter, []uint16, error) {
	x, ports, err := h.Host.OpenTransmitter(c)
	return offloadTransmitter{x, h}, ports, err
}

type offloadDevice struct {
	*vteptest.Device
	host *offloadHost
}

func (d *offloadDevice) Offloads() tap.Offloads {
	const super = tap.OffloadTSO | tap.OffloadUSO
	if d.host.refuse.Load() {
		return tap.Offloads{Read: super | tap.OffloadChecksum, Refused: super}
	}
	return tap.Offloads{Read: super | tap.OffloadChecksum, Write: super}
}

// WriteBatch makes one piece of each superframe: the device in memory keeps no
// more than that.
func (d *offloadDevice) WriteBatch(q int, frames []encap.Frame) (int, error) {
	whole := make([]encap.Frame, len(frames))
	for i, f := range frames {
		whole[i] = encap.Frame{Data: bytes.Join(append([][]byte{f.Data}, f.More...), nil), Offload: f.Offload}
		if f.Offload.Kind != encap.GSONone {
			d.host.supers.Add(1)
		}
	}
	return d.Device.WriteBatch(q, whole)
}

type offloadTransmitter struct {
	vtep.Transmitter
	host *offloadHost
}

func (x offloadTransmitter) Offloads() underlay.Offloads {
	if x.host.refuse.Load() {
		return underlay.Offloads{Segments: 1, Refused: true, Reason: "the kernel refused in a test"}
	}
	return underlay.Offloads{Segments: 128}
}

func (x offloadTransmitter) WriteBatch(p []encap.Packet) error {
	for i := range p {
		if p[i].Frame.Offload.Kind == encap.GSONone {
			if err := x.Transmitter.WriteBatch(p[i : i+1]); err != nil {
				return err
			}
			continue
		}
		cut := segments(p[i].Frame)
		if cut == nil {
			p[i].Result = encap.SendRefused
		}
		for _, f := range cut {
			q := [1]encap.Packet{p[i]}
			q[0].Frame = f
			if err := x.Transmitter.WriteBatch(q[:]); err != nil {
				return err
			}
			p[i].Result = q[0].Result
		}
	}
	return nil
}

type offloadReceiver struct {
	vtep.Receiver
	host *offloadHost
}

func (r *offloadReceiver) ReportTTL(on bool) error {
	return r.Receiver.(vtep.TTLReceiver).ReportTTL(on)
}

func (r *offloadReceiver) Offloads() underlay.Offloads {
	return underlay.Offloads{Segments: 1, GRO: true}
}

// ReadBatch joins what a batch has of one source port, as long as the datagrams
// are equally long but for a shorter last one (udp_gro_receive_segment in
// net/ipv4/udp_offload.c).
func (r *offloadReceiver) ReadBatch(w int, d []encap.Datagram) (int, error) {
	n, err := r.Receiver.ReadBatch(w, d)
	const most = 64
	type run struct{ at, count, size int } // size 0: nothing may follow
	runs := map[netip.AddrPort]*run{}
	out := 0
	for i := range d[:n] {
		flow := netip.AddrPortFrom(d[i].Src.Netip(), d[i].SrcPort)
		k, size := runs[flow], len(d[i].Payload)
		if k == nil || k.size == 0 || size > k.size || size == 0 || d[i].TOS != d[k.at].TOS ||
			k.count == most || len(d[k.at].Payload)+size > 65507 {
			runs[flow] = &run{at: out, count: 1, size: size}
			d[out] = d[i]
			out++
			continue
		}
		to := &d[k.at]
		to.Payload = append(to.Payload, d[i].Payload...)
		to.SegSize = uint16(k.size)
		k.count++
		r.host.joined.Add(1)
		if size < k.size {
			k.size = 0
		}
	}
	return out, err
}

// segments are copies of the frames that f stands for; nil where it cannot be
// cut.
func segments(f encap.Frame) []encap.Frame {
	var all []encap.Frame
	encap.Segment(&f, make([]byte, 1<<16), func(s encap.Frame) {
		s.Data = bytes.Clone(s.Data)
		all = append(all, s)
	})
	return all
}

// finished are the frames that a host sees in f in the end: cut, with complete
// checksums.
func finished(t testing.TB, f encap.Frame) []encap.Frame {
	t.Helper()
	if f.Offload.Kind != encap.GSONone {
		all := segments(f)
		if all == nil {
			t.Errorf("a superframe that cannot be cut: %+v, %d bytes", f.Offload, len(f.Data))
		}
		return all
	}
	f.Data = bytes.Clone(f.Data)
	if f.Offload.Csum == encap.CsumPartial && !encap.CompleteChecksum(&f) {
		t.Errorf("a checksum that cannot be completed: %+v, %d bytes", f.Offload, len(f.Data))
	}
	return []encap.Frame{f}
}
