package control

import (
	"net"
	"sync"
)

// maxConnections is how many clients are served at once; a further one waits until
// another one's connection ends. Idle ones do after idleTimeout.
const maxConnections = 256

// limitedListener accepts at most so many connections at a time. The one of
// golang.org/x/net/netutil hides the unix socket, of which the peer is asked.
type limitedListener struct {
	net.Listener
	slots chan struct{} // one a connection
	done  chan struct{} // closed by Close
	close func() error  // once
}

func limitConnections(l net.Listener, n int) *limitedListener {
	ll := &limitedListener{Listener: l, slots: make(chan struct{}, n), done: make(chan struct{})}
	ll.close = sync.OnceValue(func() error {
		close(ll.done)
		return l.Close()
	})
	return ll
}

// Accept waits for a slot first, so that who waits holds no file descriptor of ours.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limitedListener) Close() error { return l.close() }

// limitedConn gives its slot back when it is closed.
type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
