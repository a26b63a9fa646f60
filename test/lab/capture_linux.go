package lab

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Capture records the frames of one device in memory until Stop. Its methods are safe for concurrent use.
type Capture struct {
	socket *PacketSocket
	done   chan struct{} // closed when the reader has ended
	once   sync.Once

	mu      sync.Mutex
	packets []Packet
	more    chan struct{} // closed and replaced at each packet
	err     error
}

// Capture starts recording on a device; every frame that passes after the call is seen, cut at snaplen bytes (0: whole).
func (h *Host) Capture(dev string, snaplen int) (*Capture, error) {
	if snaplen <= 0 {
		snaplen = snapAll
	}
	s, err := h.openPacket(dev, snaplen)
	if err != nil {
		return nil, err
	}
	c := &Capture{socket: s, done: make(chan struct{}), more: make(chan struct{})}
	go c.run()
	if err := h.lab.keep(c); err != nil {
		return nil, errors.Join(h.wrap(err), c.Close())
	}
	return c, nil
}

// run reads until Stop sets a deadline that has passed, then takes what is still in the socket.
func (c *Capture) run() {
	defer close(c.done)
	read := c.socket.read
	for {
		p, err := read()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			read = c.socket.readNow
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		}
		c.mu.Lock()
		if err == nil {
			c.packets = append(c.packets, p)
		}
		c.err = err
		close(c.more)
		c.more = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Packets returns what was recorded so far.
func (c *Capture) Packets() []Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.packets)
}

// WaitFor waits until a recorded packet, an earlier one included, satisfies want, and returns the first such.
func (c *Capture) WaitFor(want func(Packet) bool, timeout time.Duration) (Packet, error) {
	t := time.NewTimer(timeout)
	defer t.Stop()
	for next := 0; ; {
		c.mu.Lock()
		fresh, more, err := c.packets[next:], c.more, c.err
		c.mu.Unlock()
		if i := slices.IndexFunc(fresh, want); i >= 0 {
			return fresh[i], nil
		}
		next += len(fresh)
		if err != nil {
			return Packet{}, err
		}
		select {
		case <-more:
		case <-c.done:
			return Packet{}, fmt.Errorf("lab: capture on %q: %w: stopped", c.socket.dev, ErrTimeout)
		case <-t.C:
			return Packet{}, fmt.Errorf("lab: capture on %q: %w: %d packets in %v", c.socket.dev, ErrTimeout, next, timeout)
		}
	}
}

// Stop ends the recording and returns all of it. Frames that passed before the call are there.
func (c *Capture) Stop() ([]Packet, error) {
	err := c.Close()
	return c.Packets(), err
}

// Close ends the recording. The error is one of the recording.
func (c *Capture) Close() error {
	c.once.Do(func() {
		c.socket.host.lab.forget(c)
		deadline := c.socket.file.SetReadDeadline(time.Unix(1, 0))
		<-c.done
		if err := errors.Join(deadline, c.socket.Close()); err != nil {
			c.mu.Lock()
			c.err = errors.Join(c.err, err)
			c.mu.Unlock()
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// WriteFile writes what was recorded so far to a pcap file.
func (c *Capture) WriteFile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	return errors.Join(WritePCAP(f, c.socket.snaplen, c.Packets()), f.Close())
}
