package vtep

import (
	"errors"
	"fmt"
)

// A link may take packets with a high TTL alone (GTSM, RFC 5082): who sends with TTL 255 from as many hops away as the
// limit says is heard, and nobody farther off can be, whatever address he forges, since each router lowers the TTL. The
// limit is the link's, and links share sockets: so the kernel's filter judges by link before a packet is queued
// (underlay.Rule.MinTTL), and the data path judges each that it reads (forward.State.MinTTL). For that the sockets tell the
// TTL, while a link wants it: others pay nothing.

// askTTL has the endpoints of a link with a MinTTL tell the TTL, before the link judges by it: a packet whose TTL is not
// known is refused. The caller holds VTEP.mu.
func (l *link) askTTL() error {
	if l.cfg.MinTTL == 0 {
		return nil
	}
	for _, ep := range l.endpoints {
		if ep.minTTL == nil {
			ep.minTTL = make(map[*link]struct{})
		}
		ep.minTTL[l] = struct{}{}
		if err := ep.vtep.followTTL(ep); err != nil {
			return fmt.Errorf("min_ttl %d: %w", l.cfg.MinTTL, err)
		}
	}
	return nil
}

// forgoTTL notes that l has no MinTTL, or has left ep.
func (ep *endpoint) forgoTTL(l *link) {
	if _, ok := ep.minTTL[l]; !ok {
		return
	}
	delete(ep.minTTL, l)
	if err := ep.vtep.followTTL(ep); err != nil { // of a socket that closes, or costs a little more
		ep.vtep.log.Debug("the TTL is told on", "port", ep.key.port, "err", err)
	}
}

// followTTL brings ep in line with what links want, and those that receive packets of ep's links, too.
func (v *VTEP) followTTL(ep *endpoint) error {
	err := ep.tellTTL()
	for _, o := range v.endpoints {
		if o.other == ep {
			err = errors.Join(err, o.tellTTL())
		}
	}
	return err
}

// wantsTTL reports whether a link wants the TTL of packets that arrive at ep.
func (ep *endpoint) wantsTTL() bool {
	return len(ep.minTTL) > 0 || ep.other != nil && len(ep.other.minTTL) > 0
}

// tellTTL has the sockets of ep tell the TTL, or no longer.
func (ep *endpoint) tellTTL() error {
	want := ep.wantsTTL()
	if want == ep.tellsTTL {
		return nil
	}
	r, ok := ep.receiver.(TTLReceiver)
	if !ok {
		return fmt.Errorf("the TTL of packets is not known here: %w", errors.ErrUnsupported)
	}
	if err := r.ReportTTL(want); err != nil {
		return err
	}
	ep.tellsTTL = want
	return nil
}
