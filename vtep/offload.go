package vtep

import (
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
)

// NoOffload says which offloads a VTEP does without. The zero value uses all
// that the kernel grants.
type NoOffload struct {
	// TAP: superframes are neither read from TAPs nor written to them. Transport
	// checksums may still be left to be completed here.
	TAP bool
	// UDPGSO: each datagram is sent as a message of its own.
	UDPGSO bool
	// UDPGRO: each datagram is received by itself.
	UDPGRO bool
	// Filter: the kernel drops nothing; what is of no peer is received first.
	Filter bool
}

// tap is what the kernel is asked to leave to the reader of a TAP, and what is
// not left to the kernel in writes.
func (n NoOffload) tap() (read, noWrite tap.Offload) {
	if n.TAP {
		return tap.OffloadChecksum, tap.OffloadTSO | tap.OffloadUSO
	}
	return tap.OffloadChecksum | tap.OffloadTSO | tap.OffloadUSO, 0
}

// LinkOffloads is what the kernel does for a link at present. Of several
// sockets it is what the worst of them has.
type LinkOffloads struct {
	TAP    tap.Offloads
	UDPGSO underlay.Offloads // of what is sent
	UDPGRO underlay.Offloads // of what is received
	Filter Filtering
}

// Filtering is whether the kernel drops what comes from no peer of a link.
type Filtering struct {
	On bool
	// Reason says why not; "" where the link accepts others than peers.
	Reason string
}

// offloads collects what is in use for the link; the caller holds VTEP.mu.
func (l *Link) offloads() LinkOffloads {
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

// tellOffloads logs what the kernel has refused since the last call, a line
// each. The caller holds v.mu.
func (v *VTEP) tellOffloads() {
	if v.filterErr != nil && !v.filterLogged {
		v.filterLogged = true
		v.log.Warn("packets of strangers are received before they are dropped", "reason", v.filterErr)
	}
	for _, l := range v.links {
		l.followOffloads()
	}
	for n := range v.netdevs {
		n.tellOffloads()
	}
	for _, s := range v.senders {
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

// followOffloads stops joining frames to superframes that the port would have to be
// given cut.
func (l *Link) followOffloads() {
	if s, joins := l.State.Load(), l.netdev.joins(); s != nil && s.Join != joins {
		next := *s
		next.Join = joins
		l.State.Store(&next)
	}
}

// tellOffloads logs what the kernel refused of the TAP.
func (n *netdev) tellOffloads() {
	if o := n.dev.Offloads(); o.Refused != n.refused {
		n.refused = o.Refused
		n.log.Warn("TAP offload falls back", "read", o.Read.String(), "write", o.Write.String(), "reason", o.Reason())
	}
}
