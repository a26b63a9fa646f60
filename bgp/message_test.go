package bgp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// messageOf is a message of a type that says a length, which need not be its own.
func messageOf(typ byte, length uint16, body []byte) []byte {
	b := appendHeader(nil, typ)
	binary.BigEndian.PutUint16(b[16:], length)
	return append(b, body...)
}

// readOne reads the first message of what a neighbour sends before it closes the connection.
func readOne(b []byte) (typ byte, body []byte, err error) {
	conn := &byteConn{}
	conn.in.Reset(b)
	return newReader(conn).next()
}

// refusedLength checks what becomes of a message of b whose length is not what its type has, least and most bytes, and
// reports whether there is nothing more to check.
func refusedLength(t *testing.T, b []byte, least, most int, err error) bool {
	t.Helper()
	length := int(binary.BigEndian.Uint16(b[16:]))
	var n *Notification
	switch {
	case length < headerLen || length < least || length > most: // RFC 4271 section 6.1
		if !errors.As(err, &n) || n.Code != codeHeader || n.Subcode != subBadLength || !bytes.Equal(n.Data, b[16:18]) {
			t.Fatalf("%d bytes of %x: %v", length, b, err)
		}
	case length > len(b):
		if !errors.Is(err, io.EOF) {
			t.Fatalf("%d bytes of %x: %v", length, b, err)
		}
	default:
		return false
	}
	return true
}

// FuzzNotification: a NOTIFICATION is refused where its length is none, or read; what was read is written as it came,
// and said in one line that changes no terminal.
func FuzzNotification(f *testing.F) {
	for _, n := range []Notification{
		{Code: codeHold},
		{Code: codeHeader, Subcode: subBadLength, Data: []byte{0, 18}},
		{Code: codeCease, Subcode: subShutdown, Data: append([]byte{13}, "be right back"...)},
		{Code: codeCease, Subcode: subReset, Data: []byte{9, 0xe2, 0x80, 0xae, '\n', 27, '[', '2', 'J'}},
		{Code: codeCease, Subcode: subHardReset, Data: []byte{codeCease, subShutdown}},
		{Code: 0, Subcode: 255, Data: bytes.Repeat([]byte{1}, maxMessage-headerLen-2)},
	} {
		b := AppendNotification(nil, &n)
		f.Add(uint16(len(b)), b[headerLen:])
	}
	f.Add(uint16(headerLen), []byte{})                 // too short
	f.Add(uint16(headerLen+1), []byte{codeHold})       // likewise
	f.Add(uint16(headerLen+3), []byte{codeHold, 0})    // more than there is
	f.Add(uint16(headerLen+2), []byte{codeHold, 0, 1}) // and another message
	f.Add(uint16(maxMessage+1), make([]byte, maxMessage))
	f.Fuzz(func(t *testing.T, length uint16, body []byte) {
		b := messageOf(typeNotification, length, body)
		typ, got, err := readOne(b)
		if refusedLength(t, b, headerLen+2, maxMessage, err) {
			return
		}
		if err != nil || typ != typeNotification {
			t.Fatalf("%x: type %d, %v", b, typ, err)
		}
		n := ParseNotification(got)
		clear(got) // it is valid until the next one is read
		if again := AppendNotification(nil, n); !bytes.Equal(again, b[:length]) {
			t.Fatalf("%x is written as %x", b[:length], again)
		}
		s := n.Error()
		if s == "" || !utf8.ValidString(s) || strings.Map(printable, s) != s {
			t.Fatalf("%x is said as %q", b[:length], s)
		}
	})
}

// FuzzRefresh: a ROUTE-REFRESH is refused with the whole message where its length is not its own, or read; what is of
// the family is written as it came, and a session does what it asks for and nothing else.
func FuzzRefresh(f *testing.F) {
	for _, subtype := range []byte{refreshRequest, refreshBegin, refreshEnd, 3, 255} {
		b := appendRefresh(nil, subtype)
		f.Add(uint16(len(b)), b[headerLen:], subtype != refreshBegin, subtype == refreshEnd)
	}
	f.Add(uint16(headerLen+4), []byte{0, 1, refreshRequest, 1}, true, false)                    // IPv4 unicast
	f.Add(uint16(headerLen+4), []byte{0, afiL2VPN, refreshRequest, 65}, true, true)             // VPLS
	f.Add(uint16(headerLen), []byte{}, true, false)                                             // too short
	f.Add(uint16(headerLen+7), []byte{0, afiL2VPN, refreshEnd, safiEVPN, 1, 2, 3}, true, false) // too long
	f.Add(uint16(headerLen+9), []byte{0, afiL2VPN, refreshEnd, safiEVPN}, true, false)          // more than there is
	f.Add(uint16(maxMessage), make([]byte, maxMessage-headerLen), false, false)
	f.Add(uint16(maxMessage+1), make([]byte, maxMessage), false, false)
	f.Fuzz(func(t *testing.T, length uint16, body []byte, enhanced, refreshing bool) {
		b := messageOf(typeRefresh, length, body)
		typ, got, err := readOne(b)
		if refusedLength(t, b, headerLen, maxMessage, err) {
			return
		}
		if length != headerLen+4 { // RFC 7313 section 5
			var n *Notification
			if !errors.As(err, &n) || n.Code != codeRefresh || n.Subcode != 1 || !bytes.Equal(n.Data, b[:length]) {
				t.Fatalf("%x: %v", b, err)
			}
			answer := AppendNotification(nil, n)
			if most := b[:min(int(length), maxMessage-headerLen-2)]; len(answer) > maxMessage || !bytes.Equal(answer[headerLen+2:], most) {
				t.Fatalf("%x is answered by %x", b[:length], answer)
			}
			return
		}
		if err != nil || typ != typeRefresh {
			t.Fatalf("%x: type %d, %v", b, typ, err)
		}
		subtype, ours := parseRefresh(got)
		if again := appendRefresh(nil, subtype); ours != bytes.Equal(again, b[:length]) {
			t.Fatalf("%x is written as %x; of the family: %t", b[:length], again, ours)
		}
		refreshDoes(t, got, enhanced, refreshing)
	})
}

// refreshDoes holds a session to what a ROUTE-REFRESH has it do (RFC 2918 section 4, RFC 7313 sections 4 and 5), where the
// neighbour said or did not say that it has marks of its own, and has begun to send its routes again or not.
func refreshDoes(t *testing.T, body []byte, enhanced, refreshing bool) {
	t.Helper()
	s, err := New(Config{AS: 65001, RouterID: addrA, Handler: &heard{}})
	if err != nil {
		t.Fatal(err)
	}
	c := NeighbourConfig{Address: addrB, RemoteAS: 65001}
	if err := c.complete(65001); err != nil {
		t.Fatal(err)
	}
	open := peerOpen()
	open.EnhancedRefresh = enhanced
	n := newNeighbour(s, c)
	e := &session{n: n, open: &open, cursor: s.table.join(), refreshing: enhanced && refreshing}
	if e.refreshing {
		n.received.keep(time.Now().Add(time.Hour))
	}
	again, begins, ends := false, false, false
	if bytes.Equal(body[:2], []byte{0, 25}) && body[3] == 70 {
		again = body[2] == 0 || !enhanced // RFC 2918 section 3: the byte is reserved
		begins = enhanced && body[2] == 1
		ends = enhanced && body[2] == 2
	}
	was := e.refreshing
	e.handleRefresh(body)
	if e.cursor.begin != again {
		t.Errorf("%x: all is sent again: %t, want %t", body, e.cursor.begin, again)
	}
	if want := (was || begins) && !ends; e.refreshing != want || n.received.staleUntil.IsZero() == want {
		t.Errorf("%x: the neighbour sends its routes again: %t, want %t", body, e.refreshing, want)
	}
}
