// Package conns bounds the connections of an HTTP server, so that who holds many
// keeps nobody out: where there are as many as may be, or no file descriptor is
// free, the one whose client lets the server wait goes for the one that waits for the
// server.
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
	// graceTime is how long a client may take for the next bytes before its connection
	// may have to go. One that is idle has none.
	graceTime = 100 * time.Millisecond
	// lookEvery is how often a connection that may go is looked for, where there is none.
	lookEvery = 20 * time.Millisecond
)

// phase is what a connection waits for, in the order in which they go.
type phase int

const (
	idle phase = iota // the client's next request
	head              // the header of its request
	body              // the rest of its request
	send              // the client, to read its answer
	busy              // nothing: its request is worked on; it never has to go
)

// Listener accepts connections, at most so many at a time. Its methods State and
// Context are for the http.Server.
type Listener struct {
	net.Listener
	most int
	done chan struct{}
	end  func() error // once

	mu      sync.Mutex
	open    map[*Conn]struct{}
	waiting bool     // a connection waits for room
	spare   *os.File // a descriptor to accept with where there is none
}

// Limit has l accept no more than so many connections at a time. Close it.
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

// admit waits until there is room for c; false: the listener ended.
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

// makeRoom gives up a file descriptor: a connection's, or the spare one.
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

// refill has a spare descriptor again, if there is one to have. l.mu is held.
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

// evict closes the connection that goes first, of those in a phase or a later one,
// and reports whether there is one. l.mu is held.
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
	_ = first.Conn.Close() // the server meets it at its next read or write
	return true
}

// State follows a connection of the server's: it is its ConnState.
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

// Context keeps a connection for its requests: it is part of a server's ConnContext.
func Context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ReadsBody says that the request of ctx is not worked on until the returned function
// is called, but waits for the rest of itself.
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

// rest enters idle. Where another connection waits for room, this one has had its
// turn: a client may have sent its next request already, and be idle for no time.
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

// Write implements net.Conn. While it waits for the client, the connection may have
// to go.
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
