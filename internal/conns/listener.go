// Package conns bounds the connections of an HTTP server, so that a client that holds many
// keeps no other out: where there is no room for a new connection, or no file descriptor, a
// connection whose client makes the server wait is closed for it.
package conns

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// graceTime is how long a client may take for the next bytes before its connection may
	// be closed for another. An idle connection may be closed at once.
	graceTime = 100 * time.Millisecond
	// lookEvery is how often admit looks again for a connection that may be closed.
	lookEvery = 20 * time.Millisecond
)

// phase is what a connection waits for. Connections of the first phases are closed first.
type phase int

const (
	idle phase = iota // the client's next request
	head              // the header of its request
	body              // the rest of its request
	send              // the client, to read its answer
	busy              // nothing: the server works on its request, and never closes it
)

// Listener accepts a bounded number of connections at a time. Its method State and the
// function Context are for the http.Server.
type Listener struct {
	net.Listener
	most int
	done chan struct{}
	end  func() error // once

	mu      sync.Mutex
	open    map[*Conn]struct{}
	waiting bool     // a connection waits for room
	spare   *os.File // a file descriptor that is closed where accept finds none
}

// Limit makes a Listener that accepts at most most connections of l at a time.
func Limit(l net.Listener, most int) *Listener {
	ll := &Listener{Listener: l, most: most, done: make(chan struct{}), open: make(map[*Conn]struct{})}
	ll.end = sync.OnceValue(ll.close)
	ll.mu.Lock()
	defer ll.mu.Unlock()
	ll.refill()
	return ll
}

// Close ends the listener, not its connections.
func (l *Listener) Close() error { return l.end() }

func (l *Listener) close() error {
	close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spare != nil {
		_ = l.spare.Close()
		l.spare = nil
	}
	return l.Listener.Close()
}

// Accept waits for a connection, and until it may be served.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && l.makeRoom() {
			time.Sleep(time.Millisecond) // until the kernel has the descriptor back
			continue
		}
		if err != nil {
			return nil, err // http.Server tries again after a while, where that may help
		}
		conn := &Conn{Conn: c, of: l, since: time.Now(), phase: head}
		if !l.admit(conn) {
			return nil, errors.Join(net.ErrClosed, c.Close())
		}
		return conn, nil
	}
}

// admit waits until there is room for c. It reports false where the listener was closed.
func (l *Listener) admit(c *Conn) bool {
	for {
		l.mu.Lock()
		full := len(l.open) >= l.most && !l.evict(idle)
		if !full {
			l.open[c] = struct{}{}
		}
		l.waiting = full
		l.mu.Unlock()
		if !full {
			return true
		}
		select {
		case <-l.done:
			return false
		case <-time.After(lookEvery):
		}
	}
}

// makeRoom closes a file descriptor: a connection's, or the spare one.
func (l *Listener) makeRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.evict(idle) {
		return true
	}
	if l.spare == nil {
		return false
	}
	_ = l.spare.Close()
	l.spare = nil
	return true
}

// refill opens a spare descriptor again, if it can. l.mu is held.
func (l *Listener) refill() {
	if l.spare == nil {
		l.spare, _ = os.Open(os.DevNull)
	}
}

// EvictStuck closes the connection whose client has not read its answer for the
// longest time, if there is one.
func (l *Listener) EvictStuck() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.evict(send)
}

// evict closes one connection in the phase from or a later one: of the first phase, the one
// that has been in it longest. It reports whether there was one. l.mu is held.
func (l *Listener) evict(from phase) bool {
	var first *Conn
	now := time.Now()
	for c := range l.open {
		if c.phase < from || c.phase == busy || c.phase != idle && now.Sub(c.since) < graceTime {
			continue
		}
		if first == nil || c.phase < first.phase || c.phase == first.phase && c.since.Before(first.since) {
			first = c
		}
	}
	if first == nil {
		return false
	}
	delete(l.open, first)
	_ = first.Conn.Close() // the server's next read or write of it fails
	return true
}

// State is the ConnState of the http.Server.
func (l *Listener) State(c net.Conn, s http.ConnState) {
	conn, ok := c.(*Conn)
	if !ok {
		return
	}
	switch s {
	case http.StateActive:
		conn.enter(busy)
	case http.StateIdle:
		conn.rest()
	case http.StateNew, http.StateHijacked, http.StateClosed:
	}
}

type connKey struct{}

// Context gives requests access to their connection. The server's ConnContext calls it.
func Context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ReadsBody notes that the server waits for the body of the request of ctx, until the
// returned function is called.
func ReadsBody(ctx context.Context) (done func()) {
	c, ok := ctx.Value(connKey{}).(*Conn)
	if !ok {
		return func() {}
	}
	c.enter(body)
	return func() { c.enter(busy) }
}

// Conn is a connection of a Listener.
type Conn struct {
	net.Conn
	of *Listener

	// Guarded by of.mu.
	phase phase
	since time.Time // of phase
}

// Inner is the connection itself.
func (c *Conn) Inner() net.Conn { return c.Conn }

// rest enters the phase idle. It closes the connection where another one waits for room:
// else a client that sends the next request at once could keep its connection for ever.
func (c *Conn) rest() {
	c.enter(idle)
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if _, open := c.of.open[c]; open && c.of.waiting {
		c.of.waiting = false
		delete(c.of.open, c)
		_ = c.Conn.Close()
	}
}

func (c *Conn) enter(p phase) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.phase, c.since = p, time.Now()
}

// Write implements net.Conn. While it waits for the client, the connection may be closed for
// another.
func (c *Conn) Write(b []byte) (int, error) {
	c.enter(send)
	n, err := c.Conn.Write(b)
	c.enter(busy)
	return n, err
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.open, c)
	select {
	case <-c.of.done:
	default:
		c.of.refill()
	}
	return err
}
