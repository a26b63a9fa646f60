package vtep

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// txRig is a trunk port whose worker is called as one read calls it, without
// sockets: VLAN n is link n.
type txRig struct {
	*rxRig
	t     *testing.T
	links []*link
	w     *forward.TrunkWorker
}

func newTxRig(t *testing.T, links int, edit func(*LinkConfig)) *txRig {
	t.Helper()
	var all []LinkConfig
	for i := range links {
		c := LinkConfig{Name: "v" + string(rune('0'+i)), VNI: encap.VNI(100 + i), Local: netip.MustParseAddr("192.0.2.1"), Remote: peer1, Trunk: "trunk0", VLAN: uint16(i + 1), MTU: 1450}
		if edit != nil {
			edit(&c)
		}
		all = append(all, c)
	}
	r := &txRig{rxRig: newRxRig(t, false, all...), t: t}
	for _, c := range all {
		l := r.v.links[c.Name]
		must(t, r.v.FDBAdd(FDBEntry{Link: c.Name, MAC: there, Remote: Remote{Addr: peer1}, State: fdb.Static}))
		r.links = append(r.links, l)
	}
	r.w = forward.NewTrunkWorker(r.v.plane, r.v.trunks["trunk0"].Trunk, 0)
	return r
}

// by gives links a transmitter.
func (r *txRig) by(tx Transmitter, links ...*link) {
	for _, l := range links {
		s := *l.State.Load()
		s.TX, s.Fragments = [2]forward.Transmitter{tx, tx}, nil
		l.State.Store(&s)
	}
}

// in is a frame of link n's VLAN as it is read.
func in(n int, b []byte) encap.Frame {
	return encap.Frame{Data: append(append(bytes.Clone(b[:12]), 0x81, 0, 0, byte(n+1)), b[12:]...)}
}

// of are the packets for a VNI.
func (s *takenSender) of(vni encap.VNI) (n int) {
	for _, p := range s.packets {
		if h, ok := encap.DecodeHeader(p.Header[:]); ok && h.VNI == vni {
			n++
		}
	}
	return n
}

// TestOneSendARead: the frames of a read leave together, by transmitter, whose
// links ever they are, and count at their links. That there are more transmitters
// than a worker has batches for changes nothing.
func TestOneSendARead(t *testing.T) {
	for name, transmitters := range map[string]int{"one": 1, "two": 2, "nine": 9} {
		t.Run(name, func(t *testing.T) {
			const links, rounds = 9, 4
			r := newTxRig(t, links, nil)
			txs := make([]*takenSender, transmitters)
			for i := range txs {
				txs[i] = &takenSender{}
			}
			for i, l := range r.links {
				r.by(txs[i%transmitters], l)
			}
			var frames []encap.Frame
			for n := range links * rounds {
				frames = append(frames, in(n%links, ipFrame(there, here, false, 100)))
			}
			r.w.Forward(frames, 1)
			for i, l := range r.links {
				tx := txs[i%transmitters]
				if n, s := tx.of(l.cfg.VNI), r.stats(l.cfg.Name); n != rounds || s.TxPackets != rounds || len(s.Drops) > 0 {
					t.Errorf("%s: %d packets, %d counted, want %d; drops %v", l.cfg.Name, n, s.TxPackets, rounds, s.Drops)
				}
				if most := 1 + rounds*(transmitters/5); tx.calls > most {
					t.Errorf("%d sends, want at most %d", tx.calls, most)
				}
			}
		})
	}
}

// outSize is how many packets vtep/forward/outbatch.go gathers at most for a transmitter.
const outSize = 512

// TestManyCopies: a flooded frame may be more packets than a transmitter is given at
// once.
func TestManyCopies(t *testing.T) {
	r := newTxRig(t, 1, nil)
	tx := &takenSender{}
	r.by(tx, r.links[0])
	a := netip.MustParseAddr("198.18.0.1")
	for range outSize + 99 {
		must(t, r.v.FDBAppend(FDBEntry{Link: "v0", Remote: Remote{Addr: a}, State: fdb.Permanent}))
		a = a.Next()
	}
	r.w.Forward([]encap.Frame{in(0, ipFrame(encap.MAC{1, 2}, here, false, 100)), in(0, ipFrame(encap.MAC{1, 2}, here, false, 100))}, 1)
	if want := 2 * (outSize + 100); len(tx.packets) != want || r.stats("v0").TxPackets != uint64(want) {
		t.Errorf("%d packets, want %d", len(tx.packets), want)
	}
}

// closingTX is a transmitter that is closed while it sends: of two packets the second
// has not left, and the links have another by then, or are about to end.
type closingTX struct {
	sinkSender
	calls int
	then  func()
}

func (s *closingTX) WriteBatch(p []encap.Packet) error {
	s.calls++
	for i := range p {
		p[i].Result = encap.SendOK
		if i%2 == 1 {
			p[i].Result = encap.SendRefused
		}
	}
	s.then()
	return net.ErrClosed
}

// TestTransmitterCloses: what a transmitter that was replaced has not sent goes by the
// new one, once; where there is none it is counted as refused.
func TestTransmitterCloses(t *testing.T) {
	for name, replaced := range map[string]bool{"replaced": true, "the link ends": false} {
		r := newTxRig(t, 1, nil)
		tx := &takenSender{}
		old := &closingTX{then: func() {
			if replaced {
				r.by(tx, r.links[0])
			}
		}}
		r.by(old, r.links[0])
		f := in(0, ipFrame(there, here, false, 100))
		r.w.Forward([]encap.Frame{f, in(0, ipFrame(there, here, false, 100)), in(0, ipFrame(there, here, false, 100)), in(0, ipFrame(there, here, false, 100))}, 1)
		again, refused := 0, uint64(2)
		if replaced {
			again, refused = 2, 0
		}
		if s := r.stats("v0"); len(tx.packets) != again || old.calls != 1 || s.Drops[forward.TxRefused] != refused || s.TxPackets != 4-refused {
			t.Errorf("%s: %d sent again, %d calls of the old one, %d counted, drops %v", name, len(tx.packets), old.calls, s.TxPackets, s.Drops)
		}
	}
}

// narrow is a transmitter that finds everything too big.
type narrow struct{ sinkSender }

func (narrow) WriteBatch(p []encap.Packet) error {
	for i := range p {
		p[i].Result = encap.SendTooBig
	}
	return nil
}

// TestFragmentsTooBig: what does not go in fragments either is counted.
func TestFragmentsTooBig(t *testing.T) {
	r := newTxRig(t, 1, nil)
	r.by(narrow{}, r.links[0])
	s := *r.links[0].State.Load()
	s.Fragments = narrow{}
	r.links[0].State.Store(&s)
	r.w.Forward([]encap.Frame{in(0, ipFrame(there, here, false, 100))}, 1)
	if s := r.stats("v0"); s.Drops[forward.TxTooBig] != 1 {
		t.Errorf("drops %v", s.Drops)
	}
}

// TestUnicastIsNoFlood: the limits of floods are none of unicast frames to a known
// address, however alike these are.
func TestUnicastIsNoFlood(t *testing.T) {
	r := newTxRig(t, 1, func(c *LinkConfig) { c.BUMLimit = 1 })
	tx := &takenSender{}
	r.by(tx, r.links[0])
	for range 20 {
		var frames []encap.Frame
		for range forward.Batch {
			frames = append(frames, in(0, ipFrame(there, here, false, 100)))
		}
		r.w.Forward(frames, 1)
	}
	if s := r.stats("v0"); len(tx.packets) != 20*forward.Batch || len(s.Drops) > 0 {
		t.Errorf("%d packets left; drops %v", len(tx.packets), s.Drops)
	}
}

// TestTooManySegments: a superframe that stands for more frames than the kernel makes
// of one is dropped.
func TestTooManySegments(t *testing.T) {
	for segments, want := range map[int]uint64{encap.MaxSegments: 0, encap.MaxSegments + 1: 1} {
		r := newTxRig(t, 1, nil)
		tx := &takenSender{}
		r.by(tx, r.links[0])
		f := in(0, ipFrame(there, here, false, 42+100*segments))
		f.Offload = encap.Offload{Kind: encap.GSOUDP, SegSize: 100, Csum: encap.CsumPartial, CsumStart: 38, CsumOffset: 6}
		r.w.Forward([]encap.Frame{f}, 1)
		if s := r.stats("v0"); s.Drops[forward.TxTooManySegments] != want || len(tx.packets) != 1-int(want) {
			t.Errorf("%d segments: %d packets, drops %v", segments, len(tx.packets), s.Drops)
		}
	}
}

// TestMSSIsClamped: a SYN from the port leaves with an MSS that fits.
func TestMSSIsClamped(t *testing.T) {
	r := newTxRig(t, 1, func(c *LinkConfig) { c.ClampMSS = true })
	tx := &takenSender{}
	r.by(tx, r.links[0])
	b := append(ipFrame(there, here, false, 0)[:34], 0, 9, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0x23, 0)
	b[16], b[17], b[23] = 0, 44, encap.ProtoTCP
	r.w.Forward([]encap.Frame{in(0, b)}, 1)
	if len(tx.packets) != 1 {
		t.Fatalf("%d packets", len(tx.packets))
	}
	if d := tx.packets[0].Frame.Data; int(d[56])<<8|int(d[57]) != 1450-40 {
		t.Errorf("MSS %d, want %d", int(d[56])<<8|int(d[57]), 1450-40)
	}
}

// TestEntryByAnotherDevice: an entry with a device of its own is sent by that one,
// also where it is the link's: the transmitter is bound to none.
func TestEntryByAnotherDevice(t *testing.T) {
	r := newTxRig(t, 1, nil)
	tx := &takenSender{}
	r.by(tx, r.links[0])
	l := r.links[0]
	mac := encap.MAC{2, 0x77}
	key := forward.RemoteKey{Addr: encap.AddrFrom(peer1), Port: 4789, VNI: 100, Zone: 5}
	must(t, l.FDB.Append(mac, l.Remotes.Intern(key).ID, fdb.Static, fdb.FlagUser, 1))
	for _, dev := range []uint32{0, 5} {
		s := *l.State.Load()
		s.Dev = dev
		l.State.Store(&s)
		tx.packets = nil
		r.w.Forward([]encap.Frame{in(0, ipFrame(mac, here, false, 100))}, 1)
		if len(tx.packets) != 1 || tx.packets[0].Zone != 5 {
			t.Errorf("the link's device is %d: %+v, want zone 5", dev, tx.packets)
		}
	}
}

// TestFloodsThatGoRound: of copies of one frame a link floods so many within a second.
func TestFloodsThatGoRound(t *testing.T) {
	const maxSame = 200 // of package forward
	r := newTxRig(t, 1, nil)
	tx := &takenSender{}
	r.by(tx, r.links[0])
	for range maxSame + 50 {
		r.w.Forward([]encap.Frame{in(0, ipFrame(encap.MAC{255, 255, 255, 255, 255, 255}, here, false, 100))}, 1)
	}
	if s := r.stats("v0"); len(tx.packets) != maxSame || s.Drops[forward.TxFloodLoop] != 50 {
		t.Errorf("%d packets left, want %d; drops %v", len(tx.packets), maxSame, s.Drops)
	}
}
