package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// TCPConfig describes streams from one host to another.
type TCPConfig struct {
	From, To *Host
	Src      netip.Addr    // invalid: the route's
	Dst      netip.Addr    // an address of To
	Streams  int           // 0: 1
	Bytes    int64         // a stream; 0: as much as goes in Duration
	Duration time.Duration // stop sending after this; 0: when Bytes are sent
	NoHash   bool          // do not hash the streams: for benchmarks, as hashing takes CPU from the path under test
	Timeout  time.Duration // for all of it; 0: 60 s more than Duration
}

// TCPResult says what a transfer did.
type TCPResult struct {
	Bytes    int64         // received, all streams
	Elapsed  time.Duration // from the first byte sent to the last one received, the connection set-up left out
	SHA256   [][32]byte    // of each stream; equal at both ends, or the transfer is an error
	LocalMSS []int         // the sender's maximum segment size at the end, a stream
}

// BitsPerSecond returns the goodput.
func (r TCPResult) BitsPerSecond() float64 { return float64(r.Bytes) * 8 / r.Elapsed.Seconds() }

// String returns a line for people.
func (r TCPResult) String() string {
	return fmt.Sprintf("%.1f MB in %v, %.2f Gb/s", float64(r.Bytes)/1e6, r.Elapsed.Round(time.Millisecond),
		r.BitsPerSecond()/1e9)
}

// ErrCorrupt is returned when data arrived changed.
var ErrCorrupt = errors.New("the data that arrived are not those that were sent")

// TCPTransfer sends bytes pseudo-random bytes from a host to an address of another and compares the SHA-256 of both ends.
func TCPTransfer(from, to *Host, dst netip.Addr, bytes int64) (TCPResult, error) {
	return TCP(context.Background(), TCPConfig{From: from, To: to, Dst: dst, Bytes: bytes})
}

// TCP runs the transfer c. A stream that stalls ends with the timeout's error.
func TCP(ctx context.Context, c TCPConfig) (TCPResult, error) {
	if c.Streams == 0 {
		c.Streams = 1
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute + c.Duration
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var r TCPResult
	streams, err := c.connect(ctx)
	if err == nil {
		r, err = c.transfer(ctx, streams)
	}
	if err != nil {
		return r, fmt.Errorf("lab: tcp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	return r, nil
}

// stream is both ends of one connection.
type stream struct {
	client, server *net.TCPConn
	sent, received int64
	sentSum, sum   [32]byte
	mss            int
	sendErr, err   error
}

func (s *stream) close() {
	_ = s.client.Close()
	_ = s.server.Close()
}

// connect sets all streams up.
func (c *TCPConfig) connect(ctx context.Context) (streams []*stream, err error) {
	var ln *net.TCPListener
	err = c.To.Do(func() (err error) {
		ln, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.Dst, 0)))
		return err
	})
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	deadline, _ := ctx.Deadline()
	if err := ln.SetDeadline(deadline); err != nil {
		return nil, err
	}
	d := net.Dialer{}
	if c.Src.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.Src, 0))
	}
	defer func() {
		if err != nil {
			for _, s := range streams {
				s.close()
			}
		}
	}()
	for range c.Streams {
		var client net.Conn
		err = c.From.Do(func() (err error) {
			client, err = d.DialContext(ctx, "tcp", ln.Addr().String())
			return err
		})
		if err != nil {
			return streams, err
		}
		server, err := ln.AcceptTCP()
		if err != nil {
			return streams, errors.Join(err, client.Close())
		}
		s := &stream{client: client.(*net.TCPConn), server: server}
		streams = append(streams, s)
		if err := errors.Join(s.client.SetDeadline(deadline), server.SetDeadline(deadline)); err != nil {
			return streams, err
		}
	}
	return streams, nil
}

// transfer runs the connected streams to their end.
func (c *TCPConfig) transfer(ctx context.Context, streams []*stream) (TCPResult, error) {
	stop := context.AfterFunc(ctx, func() {
		for _, s := range streams {
			s.close()
		}
	})
	defer stop()
	var wg sync.WaitGroup
	start := time.Now()
	for i, s := range streams {
		defer s.close()
		wg.Go(func() { s.send(c, uint64(i), start) })
		wg.Go(func() { s.receive(c) })
	}
	wg.Wait()
	r := TCPResult{Elapsed: time.Since(start)}
	var errs []error
	for i, s := range streams {
		r.Bytes += s.received
		r.LocalMSS = append(r.LocalMSS, s.mss)
		switch {
		case s.sendErr != nil || s.err != nil:
			errs = append(errs, s.sendErr, s.err, ctx.Err())
		case s.sent != s.received || s.sentSum != s.sum:
			errs = append(errs, fmt.Errorf("stream %d: %w: %d bytes sent, %d received", i, ErrCorrupt, s.sent, s.received))
		case !c.NoHash:
			r.SHA256 = append(r.SHA256, s.sum)
		}
	}
	return r, errors.Join(errs...)
}

// streamChunk is the size of a write and a read: large enough for superframes.
const streamChunk = 256 << 10

// send writes the stream: ChaCha8 where it is hashed, so that no two chunks are alike; else one chunk again and again.
func (s *stream) send(c *TCPConfig, seed uint64, start time.Time) {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	sum := sha256.New()
	chunk := make([]byte, streamChunk)
	_, _ = source.Read(chunk) // never fails
	for c.Bytes == 0 || s.sent < c.Bytes {
		if c.Duration > 0 && time.Since(start) >= c.Duration {
			break
		}
		b := chunk
		if c.Bytes > 0 {
			b = b[:min(int64(len(b)), c.Bytes-s.sent)]
		}
		if !c.NoHash {
			_, _ = source.Read(b) // never fails
			sum.Write(b)
		}
		n, err := s.client.Write(b)
		s.sent += int64(n)
		if err != nil {
			s.sendErr = fmt.Errorf("after %d bytes: %w", s.sent, err)
			_ = s.server.Close() // nothing more will come: do not let the reader wait for the deadline
			return
		}
	}
	s.mss = maxSegment(s.client)
	s.sendErr = s.client.CloseWrite()
	sum.Sum(s.sentSum[:0])
}

func (s *stream) receive(c *TCPConfig) {
	sum := sha256.New()
	b := make([]byte, streamChunk)
	for {
		n, err := s.server.Read(b)
		s.received += int64(n)
		if !c.NoHash {
			sum.Write(b[:n])
		}
		if errors.Is(err, io.EOF) {
			sum.Sum(s.sum[:0])
			return
		}
		if err != nil {
			s.err = fmt.Errorf("after %d bytes: %w", s.received, err)
			return
		}
	}
}

// maxSegment returns the sender's maximum segment size, 0 where the kernel does not tell.
func maxSegment(c *net.TCPConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	mss := 0
	if err := raw.Control(func(fd uintptr) { mss, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) }); err != nil {
		return 0
	}
	return mss
}
