package forward

import (
	"bytes"
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// The scenes are frames that meet each drop reason, or go on: what explains and what captures
// frames is held to what the data path does with them.

// outcome is a Network whose packets all end alike. It is a Transmitter, too.
type outcome struct {
	result encap.SendResult
	sent   []encap.Packet
}

func (o *outcome) Send(*Link, Lane, *encap.Packet) encap.SendResult { return o.result }
func (o *outcome) PathMTU(*Link, encap.Addr) (int, bool)            { return 1400, true }

type outcomeSender struct{ *outcome }

func (o outcomeSender) WriteBatch(p []encap.Packet) error {
	for i := range p {
		p[i].Result = o.result
		q := p[i]
		q.Frame.Data = bytes.Clone(q.Frame.Data)
		o.sent = append(o.sent, q)
	}
	return nil
}
func (outcomeSender) PathMTU(encap.Addr) (int, bool) { return 1400, true }

var (
	everybody = encap.MAC{255, 255, 255, 255, 255, 255}
	peerA     = ip("192.0.2.2")
	peerB     = ip("192.0.2.3")
	usual     = ipFrame(there, here, 100)
	flooded   = ipFrame(everybody, here, 100)
)

// scene is a frame, the link that it meets, and what has to become of it.
type scene struct {
	name   string
	reason DropReason // noDrop: it goes on
	before func(t *testing.T, s *setting)
	frame  encap.Frame     // from the port, of a trunk with its tag
	heard  *encap.Datagram // else from the underlay
	result encap.SendResult
}

const noDrop = numDropReasons

// setting is a link, alone or of a trunk port, in front of an endpoint.
type setting struct {
	plane *Plane
	link  *Link
	trunk *Trunk
	ep    *Endpoint
	port  *keptPort
	net   *outcome
}

func (s *setting) state(edit func(*State)) {
	st := *s.link.State.Load()
	edit(&st)
	s.link.State.Store(&st)
}

// newSetting is a link with VNI 42: peerA is on the flood list and has there, peerB is a peer.
func newSetting(t *testing.T, sc *scene) *setting {
	t.Helper()
	s := &setting{plane: NewPlane(1), port: &keptPort{}, net: &outcome{result: sc.result}}
	s.plane.Advance()
	s.link = newTestLink(s.plane, Tables{})
	s.state(func(st *State) {
		st.Port, st.PeersOnly, st.LoopGuard = s.port, true, true
		st.TX = [2]Transmitter{outcomeSender{s.net}, outcomeSender{s.net}}
	})
	for _, a := range []encap.Addr{peerA, peerB} {
		r := s.link.Remotes.Intern(RemoteKey{Addr: a, Port: encap.DefaultPort, VNI: 42})
		flags := fdb.FlagUser
		if a == peerB {
			flags |= fdb.FlagNoFlood
		}
		if err := s.link.FDB.Append(encap.MAC{}, r.ID, fdb.Permanent, flags, 1); err != nil {
			t.Fatal(err)
		}
	}
	add(t, s.link, there, peerA, fdb.Static)
	s.ep = NewEndpoint(s.plane)
	s.ep.SetLink(42, s.link)
	if sc.before != nil {
		sc.before(t, s)
	}
	return s
}

// rehearse asks what will become of the scene's frame.
func (s *setting) rehearse(sc *scene) Course {
	switch {
	case sc.heard != nil:
		return s.ep.Rehearse(sc.heard, s.net)
	case s.trunk != nil:
		return s.trunk.RehearseTagged(s.plane, sc.frame.Data, s.net)
	}
	return s.link.Rehearse(sc.frame, s.net)
}

// play lets it happen.
func (s *setting) play(sc *scene) {
	now := s.plane.Now()
	switch {
	case sc.heard != nil:
		d := *sc.heard
		d.Payload = bytes.Clone(d.Payload)
		NewNetWorker(s.ep, 0).Forward([]encap.Datagram{d}, now)
	case s.trunk != nil:
		NewTrunkWorker(s.plane, s.trunk, 0).Forward([]encap.Frame{*cloneFrame(sc.frame)}, now)
	default:
		NewPortWorker(s.link, 0).Forward([]encap.Frame{*cloneFrame(sc.frame)}, now)
	}
}

// counted are the reasons that were counted, of the link or of none.
func (s *setting) counted() (all []DropReason) {
	for _, shards := range [][]Counters{s.link.Shards, s.plane.Counters} {
		for r, n := range TotalDrops(shards) {
			if n > 0 {
				all = append(all, DropReason(r))
			}
		}
	}
	return all
}

// trunked makes the link VLAN 10 of a trunk port.
func trunked(_ *testing.T, s *setting) {
	s.trunk = NewTrunk(1)
	s.trunk.SetVLAN(10, s.link)
	s.state(func(st *State) { st.VLAN = 10 })
}

func tagged(vlan uint16, b []byte) encap.Frame {
	return encap.Frame{Data: encap.AppendTagged(nil, &encap.Frame{Data: b, VLAN: vlan})}
}

// from is a packet of a VNI from an outer address.
func from(src encap.Addr, vni encap.VNI, frame []byte) *encap.Datagram {
	h := encap.HeaderFor(vni)
	return &encap.Datagram{Payload: slices.Concat(h[:], frame), Src: src, SrcPort: 50000, Device: 7}
}

// ownPacket is a frame that carries a packet of the VTEP itself.
func ownPacket() []byte {
	h := encap.HeaderFor(42)
	b := ipFrame(there, here, 14+20+8+8+60)
	copy(b[34:], []byte{0xc3, 0x50, 0x12, 0xb5}) // ports 50000 and 4789
	copy(b[42:], h[:])
	return b
}

func scenes() []scene {
	with := func(edit func(*State)) func(*testing.T, *setting) {
		return func(_ *testing.T, s *setting) { s.state(edit) }
	}
	changed := func(d *encap.Datagram, edit func(*encap.Datagram)) *encap.Datagram { edit(d); return d }
	back := ipFrame(here, there, 100)
	return []scene{
		{name: "one remote", reason: noDrop, frame: encap.Frame{Data: usual}},
		{name: "flooded", reason: noDrop, frame: encap.Frame{Data: flooded}},
		{name: "unknown", reason: noDrop, frame: encap.Frame{Data: ipFrame(encap.MAC{2, 9}, here, 100)}},
		{name: "a VLAN of a trunk", reason: noDrop, before: trunked, frame: tagged(10, usual)},
		{name: "answered", reason: noDrop, frame: encap.Frame{Data: arp(everybody, 1, 2)}, before: func(_ *testing.T, s *setting) {
			s.state(func(st *State) { st.Proxy = true })
			s.link.SetNeighbours(Neighbours{ip("198.51.100.2"): there})
		}},
		{name: "told, not answered: it is here", reason: noDrop, frame: encap.Frame{Data: arp(everybody, 1, 2)}, before: func(t *testing.T, s *setting) {
			s.state(func(st *State) { st.Proxy = true })
			s.link.SetNeighbours(Neighbours{})
			s.link.Told.Put(ip("198.51.100.2"), ToldNeighbour{MAC: encap.MAC{2, 7}}, 0)
			add(t, s.link, encap.MAC{2, 7}, encap.Addr{}, fdb.Permanent)
		}},
		{name: "learned", reason: noDrop, heard: from(peerB, 42, ipFrame(here, encap.MAC{2, 8}, 100))},
		{name: "learnlocal", reason: noDrop, frame: encap.Frame{Data: usual}, before: func(_ *testing.T, s *setting) {
			s.play(&scene{heard: from(peerB, 42, ipFrame(there, here, 100))}) // here was behind peerB
			s.port.frames = nil
			s.link.LearnLocals(true, nil, nil, 0, func(*LocalEvent) {})
		}},
		{name: "another link", reason: noDrop, frame: encap.Frame{Data: usual}, before: bypassed(true)},
		{name: "another link, down", reason: RxLinkDown, frame: encap.Frame{Data: usual}, before: bypassed(false)},

		{reason: TxUnknownVLAN, before: trunked, frame: tagged(11, usual)},
		{reason: TxLinkDown, before: func(t *testing.T, s *setting) {
			trunked(t, s)
			s.state(func(st *State) { st.Up = false })
		}, frame: tagged(10, usual)},
		{reason: TxTooShort, frame: encap.Frame{Data: usual[:13]}},
		{reason: TxBadOffload, frame: encap.Frame{Data: usual, Offload: encap.Offload{Csum: encap.CsumPartial, CsumStart: 99, CsumOffset: 6}}},
		{reason: TxTooManySegments, frame: encap.Frame{Data: ipFrame(there, here, 5000), Offload: encap.Offload{Kind: encap.GSOUDP, Csum: encap.CsumPartial, SegSize: 8, CsumStart: 34, CsumOffset: 6}}},
		{name: "own packet", reason: TxLoop, frame: encap.Frame{Data: ownPacket()}, before: func(_ *testing.T, s *setting) {
			o := &OwnPackets{Addrs: map[encap.Addr]struct{}{ip("198.51.100.2"): {}}}
			o.Ports[50000/64] |= 1 << (50000 % 64)
			s.plane.OwnPackets.Store(o)
		}},
		{name: "route", reason: TxLoop, frame: encap.Frame{Data: usual}, before: func(_ *testing.T, s *setting) {
			s.link.Remotes.Each(func(r *Remote) { r.Loops.Store(true) })
		}},
		{reason: TxInnerVLAN, before: with(func(st *State) { st.DropVLAN = true }), frame: tagged(5, usual)},
		{reason: TxNoNeighbour, frame: encap.Frame{Data: arp(everybody, 1, 9)}, before: func(_ *testing.T, s *setting) {
			s.state(func(st *State) { st.Proxy, st.L3Miss = true, true })
			s.link.SetNeighbours(Neighbours{})
		}},
		{reason: TxNoRemote, frame: encap.Frame{Data: flooded}, before: func(t *testing.T, s *setting) {
			if err := s.link.FDB.Delete(encap.MAC{}); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "no dst", reason: TxNoRemote, frame: encap.Frame{Data: ipFrame(encap.MAC{2, 7}, here, 100)}, before: func(t *testing.T, s *setting) {
			add(t, s.link, encap.MAC{2, 7}, encap.Addr{}, fdb.Permanent)
		}},
		{reason: TxFloodLoop, frame: encap.Frame{Data: flooded}, before: func(_ *testing.T, s *setting) {
			for range maxSame {
				s.link.loops.takes(&encap.Frame{Data: flooded}, s.plane.Now())
			}
		}},
		{reason: TxBUMLimit, frame: encap.Frame{Data: flooded}, before: func(_ *testing.T, s *setting) {
			s.state(func(st *State) { st.BUMLimit = 1 })
			s.link.flood.due.Store(1 << 62)
		}},
		{reason: TxPeerBUMLimit, frame: encap.Frame{Data: flooded}, before: func(_ *testing.T, s *setting) {
			s.state(func(st *State) { st.PeerBUMLimit = 1 })
			s.link.Remotes.Peer(peerA).to.due.Store(1 << 62)
		}},
		{reason: TxTooBig, frame: encap.Frame{Data: usual}, result: encap.SendTooBig},
		{reason: TxUnreachable, frame: encap.Frame{Data: usual}, result: encap.SendUnreachable},
		{reason: TxNoBuffer, frame: encap.Frame{Data: usual}, result: encap.SendNoBuffer},
		{reason: TxRefused, frame: encap.Frame{Data: usual}, result: encap.SendRefused},

		{reason: RxUndecided, heard: changed(from(peerA, 42, ipFrame(here, there, 5000)), func(d *encap.Datagram) { d.SegSize = 20 })},
		{reason: RxShortHeader, heard: &encap.Datagram{Payload: []byte{8, 0, 0, 0}, Src: peerA}},
		{reason: RxNoVNIFlag, heard: changed(from(peerA, 42, back), func(d *encap.Datagram) { d.Payload[0] = 0 })},
		{reason: RxUnknownVNI, heard: from(peerA, 43, back)},
		{reason: RxReserved, heard: changed(from(peerA, 42, back), func(d *encap.Datagram) { d.Payload[7] = 1 }), before: with(func(st *State) { st.DropReserved = encap.AllReserved })},
		{reason: RxNotEthernet, heard: changed(from(peerA, 42, back), func(d *encap.Datagram) { d.Payload[0] |= 4; d.Payload[3] = 1 })},
		{reason: RxLinkDown, heard: from(peerA, 42, back), before: with(func(st *State) { st.Up = false })},
		{reason: RxLowTTL, heard: from(peerA, 42, back), before: with(func(st *State) { st.MinTTL = 255 })},
		{reason: RxOwnEcho, heard: from(peerA, 42, back), before: with(func(st *State) { st.Own = peerA })},
		{reason: RxNotPeer, heard: from(ip("203.0.113.9"), 42, back)},
		{reason: RxTooShort, heard: from(peerA, 42, back[:13])},
		{reason: RxBadSource, heard: from(peerA, 42, ipFrame(here, encap.MAC{3, 1}, 100))},
		{reason: RxOwnMAC, heard: from(peerA, 42, ipFrame(here, encap.MAC{2, 0xff}, 100))},
		{reason: RxInnerVLAN, heard: from(peerA, 42, tagged(5, back).Data), before: with(func(st *State) { st.DropVLAN = true })},
		{reason: RxPeerBUMLimit, heard: from(peerA, 42, ipFrame(everybody, there, 100)), before: func(_ *testing.T, s *setting) {
			s.state(func(st *State) { st.PeerBUMLimit = 1 })
			s.link.Remotes.Peer(peerA).from.due.Store(1 << 62)
		}},
		{reason: RxStaticMAC, heard: from(peerB, 42, back)},
		{reason: RxMoveGuard, heard: from(peerB, 42, ipFrame(here, encap.MAC{2, 5}, 100)), before: func(_ *testing.T, s *setting) {
			for range MaxMoves {
				for _, a := range []encap.Addr{peerA, peerB} {
					s.play(&scene{heard: from(a, 42, ipFrame(here, encap.MAC{2, 5}, 100))})
				}
			}
			for i := range s.link.Shards { // what the moves themselves counted is not the scene's
				for r := range s.link.Shards[i].drops {
					s.link.Shards[i].drops[r].Store(0)
				}
			}
			s.port.frames = nil
		}},
		{reason: RxECN, heard: changed(from(peerA, 42, back), func(d *encap.Datagram) { d.TOS = 3 })},
	}
}

// bypassed makes peerA another link of this VTEP, which is up or not.
func bypassed(up bool) func(*testing.T, *setting) {
	return func(_ *testing.T, s *setting) {
		other := newTestLink(s.plane, Tables{})
		st := *other.State.Load()
		st.Up, st.Port = up, s.port
		other.State.Store(&st)
		other.Shards = s.link.Shards // one list of what was counted
		back := other.Remotes.Keep(RemoteKey{Addr: ip("192.0.2.1"), Port: encap.DefaultPort, VNI: 42})
		s.link.Remotes.Each(func(r *Remote) {
			if r.Addr == peerA {
				r.Bypass.Store(&Bypass{To: other, Back: back})
				back.Bypass.Store(&Bypass{To: s.link, Back: r})
			}
		})
	}
}
