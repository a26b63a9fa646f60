package names

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// ttlWatch reads the answers of name servers to one resolver for their TTLs, which
// net.Resolver does not return.
type ttlWatch struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	least uint32 // seconds
	seen  bool
}

// connect is net.Resolver.Dial. The resolver sends in datagrams where the
// connection is a net.PacketConn, else with a length before each message (RFC
// 1035 section 4.2.2).
func (w *ttlWatch) connect(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return &watchedDatagrams{UDPConn: udp, watch: w}, nil
	}
	return &watchedStream{Conn: c, watch: w}, nil
}

// ttl is the least TTL seen, or longest where none was.
func (w *ttlWatch) ttl() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.seen {
		return longest
	}
	return time.Duration(w.least) * time.Second
}

// message notes the TTLs of one answer: of its addresses and of the aliases that lead to
// them. It ignores what is no DNS message, which the resolver refuses as well.
func (w *ttlWatch) message(b []byte) {
	var p dnsmessage.Parser
	if h, err := p.Start(b); err != nil || !h.Response || p.SkipAllQuestions() != nil {
		return
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil || p.SkipAnswer() != nil {
			return
		}
		if h.Type != dnsmessage.TypeA && h.Type != dnsmessage.TypeAAAA && h.Type != dnsmessage.TypeCNAME {
			continue
		}
		w.mu.Lock()
		if !w.seen || h.TTL < w.least {
			w.seen, w.least = true, h.TTL
		}
		w.mu.Unlock()
	}
}

// watchedDatagrams is a connection over UDP.
type watchedDatagrams struct {
	*net.UDPConn
	watch *ttlWatch
}

// Read reads one message.
func (c *watchedDatagrams) Read(b []byte) (int, error) {
	n, err := c.UDPConn.Read(b)
	if err == nil {
		c.watch.message(b[:n])
	}
	return n, err
}

// watchedStream is a connection over TCP.
type watchedStream struct {
	net.Conn
	watch *ttlWatch
	held  []byte // read and not complete; 64 KiB at most, a message's length
}

// Read keeps what it reads until a message is complete.
func (c *watchedStream) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.held = append(c.held, b[:n]...)
	for len(c.held) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(c.held))
		if len(c.held) < end {
			break
		}
		c.watch.message(c.held[2:end])
		c.held = c.held[end:]
	}
	return n, err
}
