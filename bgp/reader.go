package bgp

import (
	"bufio"
	"bytes"
	"net"
	"time"
)

// readBuffer is how many bytes are read at a time.
const readBuffer = 64 << 10

// reader takes messages from a connection.
type reader struct {
	conn net.Conn
	buf  *bufio.Reader
	last int // the length of the message that was returned, which is still in buf
}

func newReader(c net.Conn) *reader {
	return &reader{conn: c, buf: bufio.NewReaderSize(c, readBuffer)}
}

// next returns the next message, valid until the call after. The error is a *Notification
// where the message is none that RFC 4271 knows. After a timeout it can be called again.
func (r *reader) next() (typ byte, body []byte, err error) {
	if _, err := r.buf.Discard(r.last); err != nil {
		return 0, nil, err
	}
	r.last = 0
	h, err := r.buf.Peek(headerLen)
	if err != nil {
		return 0, nil, err
	}
	length, typ, wrong := parseHeader(h)
	if length == 0 {
		return 0, nil, wrong
	}
	b, err := r.buf.Peek(length)
	if err != nil {
		return 0, nil, err
	}
	if wrong != nil { // RFC 7313 section 5
		return 0, nil, &Notification{Code: codeRefresh, Subcode: subRefreshLength, Data: bytes.Clone(b)}
	}
	r.last = length
	return typ, b[headerLen:], nil
}

// buffered reports whether next returns without reading.
func (r *reader) buffered() bool {
	if r.buf.Buffered() < r.last+headerLen {
		return false
	}
	h, err := r.buf.Peek(r.last + headerLen)
	if err != nil {
		return false
	}
	length, _, _ := parseHeader(h[r.last:]) // 0 where it is wrong
	return r.buf.Buffered() >= r.last+length
}

// writeWithin writes b within a time.
func writeWithin(c net.Conn, b []byte, d time.Duration) error {
	if err := c.SetWriteDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	_, err := c.Write(b)
	return err
}
