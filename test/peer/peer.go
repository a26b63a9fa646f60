// Package peer is a scripted BGP neighbour for tests and benchmarks: an established session, on which
// the caller says what it likes.
package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/uvtep/uvtep/bgp"
)

// Peer is one session. Its methods may be called by one goroutine that says and one that hears.
type Peer struct {
	conn    net.Conn
	in      *bufio.Reader
	encoder bgp.Encoder
	decoder bgp.Decoder
	out     []byte
}

// Types of messages (RFC 4271 section 4.1).
const (
	headerLen    = 19
	update       = 2
	notification = 3
	keepalive    = 4
)

// Open makes a session of an iBGP neighbour on a connection. Neither side sends keepalives: its hold
// time is 0 (RFC 4271 section 4.2).
func Open(c net.Conn, as uint32, routerID netip.Addr) (*Peer, error) {
	p := &Peer{conn: c, in: bufio.NewReaderSize(c, 64<<10), encoder: bgp.Encoder{AS4: true, Internal: true}, decoder: bgp.Decoder{AS4: true, Internal: true}}
	hello := bgp.AppendOpen(nil, &bgp.Open{AS: as, RouterID: routerID, EVPN: true, AS4: true})
	if err := p.Send(bgp.AppendKeepalive(hello)); err != nil {
		return nil, err
	}
	for {
		typ, body, err := p.next()
		switch {
		case err != nil:
			return nil, fmt.Errorf("peer: %v: %w", c.RemoteAddr(), err)
		case typ == notification:
			return nil, fmt.Errorf("peer: %v: %w", c.RemoteAddr(), bgp.ParseNotification(body))
		case typ == keepalive:
			return p, nil
		}
	}
}

// Close ends the session without a word.
func (p *Peer) Close() error { return p.conn.Close() }

// Send sends messages as they are.
func (p *Peer) Send(messages []byte) error {
	_, err := p.conn.Write(messages)
	return err
}

// Announce announces routes with the same attributes.
func (p *Peer) Announce(a *bgp.Attributes, routes ...bgp.Route) error {
	return p.update(&bgp.Update{Announced: routes, Attributes: a})
}

// Withdraw withdraws routes.
func (p *Peer) Withdraw(routes ...bgp.Route) error {
	return p.update(&bgp.Update{Withdrawn: routes})
}

func (p *Peer) update(u *bgp.Update) error {
	p.out = p.encoder.AppendUpdate(p.out[:0], u)
	return p.Send(p.out)
}

// EndOfRIB says that all routes have come.
func (p *Peer) EndOfRIB() error { return p.Send(bgp.AppendEndOfRIB(nil)) }

// Discard reads what the other side says until the session ends.
func (p *Peer) Discard() { _, _ = io.Copy(io.Discard, p.in) }

// Hear calls fn with each UPDATE until it returns false or the session ends, which is an error.
func (p *Peer) Hear(fn func(*bgp.Update) (more bool)) error {
	var u bgp.Update
	for {
		typ, body, err := p.next()
		switch {
		case err != nil:
			return err
		case typ == notification:
			return bgp.ParseNotification(body)
		case typ != update:
			continue
		}
		if _, err := p.decoder.Update(body, &u); err != nil {
			return err
		}
		if !fn(&u) {
			return nil
		}
	}
}

var errLength = errors.New("a message's length is none")

// next reads a message, whose body is valid until the next one.
func (p *Peer) next() (typ byte, body []byte, err error) {
	var header [headerLen]byte
	if _, err := io.ReadFull(p.in, header[:]); err != nil {
		return 0, nil, err
	}
	length := int(binary.BigEndian.Uint16(header[16:]))
	if length < headerLen {
		return 0, nil, errLength
	}
	body = make([]byte, length-headerLen)
	_, err = io.ReadFull(p.in, body)
	return header[18], body, err
}
