package control

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/uvtep/uvtep/internal/conns"
	"github.com/uvtep/uvtep/vtep"
)

// handOver gives the connection of a daemon that wants to take over to HandOver. What is handed over can do whatever the
// daemon can, so that only root and the daemon's user may ask, not the group of the socket.
func (s *Server) handOver(w http.ResponseWriter, r *http.Request) {
	if err := s.mayHandOver(r); err != nil {
		s.reply(w, r, nil, err)
		return
	}
	h, ok := w.(http.Hijacker)
	if !ok {
		s.reply(w, r, nil, vtep.ErrNotSupported)
		return
	}
	c, _, err := h.Hijack()
	if err != nil {
		s.reply(w, r, nil, err)
		return
	}
	defer c.Close()
	inner := c
	if l, ok := c.(*conns.Conn); ok {
		inner = l.Inner()
	}
	u, ok := inner.(*net.UnixConn)
	if !ok {
		return
	}
	_ = u.SetDeadline(time.Time{})
	if _, err := fmt.Fprintf(u, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", s.config.Protocol); err != nil {
		return
	}
	s.config.HandOver(u)
}

func (s *Server) mayHandOver(r *http.Request) error {
	switch err := s.peers.mayTakeOver(r.Context()); {
	case err != nil:
		return err
	case s.config.HandOver == nil:
		return fmt.Errorf("%w: this daemon cannot hand over", vtep.ErrNotSupported)
	case r.Header.Get("Upgrade") != s.config.Protocol:
		return fmt.Errorf("%w: this daemon hands over by %q, not by %q: stop it and start the new one instead", vtep.ErrNotSupported, s.config.Protocol, r.Header.Get("Upgrade"))
	}
	return nil
}
