package vtep

import (
	"log/slog"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
)

// NoOffload switches offloads of a VTEP off. The zero value uses all that the kernel grants.
type NoOffload struct {
	// TAP: superframes are neither read from TAPs nor written to them. Frames that are
	// read may still have partial checksums.
	TAP bool
	// UDPGSO: each datagram is sent as a message of its own.
	UDPGSO bool
	// UDPGRO: each datagram is received by itself.
	UDPGRO bool
	// Filter: the kernel drops no packets of strangers; the data path receives and drops
	// them.
	Filter bool
}

// tap is what the kernel may leave undone in frames that are read from a TAP, and the kinds of
// superframes that are cut before they are written to it.
func (n NoOffload) tap() (read, noWrite tap.Offload) {
	if n.TAP {
		return tap.OffloadChecksum, tap.OffloadTSO | tap.OffloadUSO
	}
	return tap.OffloadChecksum | tap.OffloadTSO | tap.OffloadUSO, 0
}

// LinkOffloads is what the kernel does for a link at present. Where sockets differ, it is
// what the kernel does for the worst of them.
type LinkOffloads struct {
	TAP    tap.Offloads
	UDPGSO underlay.Offloads // of what is sent
	UDPGRO underlay.Offloads // of what is received
	Filter Filtering
}

// Filtering says whether the kernel drops packets from no peer of a link.
type Filtering struct {
	On bool
	// Reason says why it does not; "": the link accepts packets from others than peers.
	Reason string
}

// offloads is LinkInfo.Offloads; the caller holds VTEP.mu.
func (l *link) offloads() LinkOffloads {
	o := LinkOffloads{TAP: l.netdev.dev.Offloads()}
	for i, s := range l.senders {
		if s == nil {
			continue
		}
		if tx := s.tx.Offloads(); i == 0 || tx.Segments < o.UDPGSO.Segments {
			o.UDPGSO = tx
		}
	}
	for i, ep := range l.endpoints {
		rx := ep.receiver.Offloads()
		if why := ep.reason(); why != "" {
			rx.Reason = why
		}
		if i == 0 || !rx.GRO {
			o.UDPGRO = rx
		}
	}
	o.Filter = l.filtered()
	return o
}

// tellOffloads logs what the kernel has refused since the call before, and switches joining
// off where a port takes no superframes. The caller holds v.mu.
func (v *VTEP) tellOffloads() {
	if v.filterErr != nil && !v.filterLogged {
		v.filterLogged = true
		v.log.Warn("the kernel does not drop packets of strangers, uvtep receives and drops them", "reason", v.filterErr)
	}
	for _, l := range v.links {
		l.followOffloads()
	}
	for n := range v.netdevs {
		n.tellOffloads()
	}
	for _, s := range v.senders {
		s.tellBeside(v.log)
		if o := s.tx.Offloads(); !s.key.NoSegment && o.Refused && o.Reason != s.logged {
			s.logged = o.Reason
			v.log.Warn("UDP segmentation falls back", "local", s.key.Local.String(), "dev", s.key.Device, "datagrams", o.Segments, "reason", o.Reason)
		}
	}
	for _, ep := range v.endpoints {
		if o := ep.receiver.Offloads(); o.Refused && o.Reason != ep.logged {
			ep.logged = o.Reason
			v.log.Warn("UDP GRO falls back", "port", ep.key.port, "reason", o.Reason)
		}
	}
}

// tellBeside logs whether superframes leave whole and copies by rings, and why not, where that changed.
func (s *sender) tellBeside(log *slog.Logger) {
	o := s.tx.Offloads()
	local := s.key.Local.String()
	s.tunnel.tell(log, local, "TCP superframes leave whole", "TCP superframes leave in pieces", o.Tunnel, o.TunnelRefused, o.TunnelReason)
	s.ring.tell(log, local, "copies leave by a ring", "copies leave by sockets", o.Ring, o.RingRefused, o.RingReason)
}

// tell logs on or off, where that is not as it was.
func (b *beside) tell(log *slog.Logger, local, on, off string, is, refused bool, reason string) {
	now := beside{on: is}
	if refused {
		now.reason = reason
	}
	if now == *b {
		return
	}
	*b = now
	switch {
	case now.reason != "":
		log.Info(off, "local", local, "reason", now.reason)
	case now.on:
		log.Info(on, "local", local)
	}
}

// followOffloads stops joining frames where the port takes no superframes any more.
func (l *link) followOffloads() {
	if s, joins := l.State.Load(), l.netdev.joins(); s != nil && s.Join != joins {
		next := *s
		next.Join = joins
		l.State.Store(&next)
	}
}

// tellOffloads logs which offloads the kernel refused to the TAP.
func (n *netdev) tellOffloads() {
	if o := n.dev.Offloads(); o.Refused != n.refused {
		n.refused = o.Refused
		n.log.Warn("TAP offload falls back", "read", o.Read.String(), "write", o.Write.String(), "reason", o.Reason())
	}
}
