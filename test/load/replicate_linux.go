package load

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// ReplicateConfig describes broadcast frames that a VTEP copies to each of its remotes, all of them addresses of one
// host that has no VTEP. The next burst leaves when the last remote has its copy of the one before.
type ReplicateConfig struct {
	From      *lab.Host
	Broadcast netip.Addr // the overlay's broadcast address at From
	To        *lab.Host  // has the remotes' addresses
	Remotes   int
	Last      netip.AddrPort // the remote that is last in the flood list, and the VXLAN port
	Burst     int            // frames: 1, or more to be sent with one call
	Duration  time.Duration
}

// ReplicateResult says what arrived.
type ReplicateResult struct {
	Frames  int // sent
	Copies  int // that arrived at To
	Elapsed time.Duration
}

// PerSecond returns the rate of the copies.
func (r ReplicateResult) PerSecond() float64 { return float64(r.Copies) / r.Elapsed.Seconds() }

// Replicate runs c. The copies end in a socket that nobody reads, and are counted by the kernel: reading each would cost
// more than making it. The socket has UDP_GRO, as a VTEP's has, so that what was sent as one is not cut for it.
func Replicate(c ReplicateConfig) (ReplicateResult, error) {
	r, err := c.run()
	if err != nil {
		return r, fmt.Errorf("load: replicate %s -> %d remotes: %w", c.From, c.Remotes, err)
	}
	return r, nil
}

func (c *ReplicateConfig) run() (r ReplicateResult, err error) {
	sender, err := c.sender()
	if err != nil {
		return r, err
	}
	defer unix.Close(sender)
	sink, last, err := c.sinks()
	if err != nil {
		return r, err
	}
	defer unix.Close(sink)
	defer unix.Close(last)
	before, err := arrived(c.To)
	if err != nil {
		return r, err
	}
	out, in := newMessages(c.Burst, 18), newMessages(batch, 2048) // frames of 64 bytes
	heard, start := 0, time.Now()
	for time.Since(start) < c.Duration {
		n, err := out.send(sender, c.Burst)
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return r, err
		}
		r.Frames += n
		for got := 0; got < n; {
			k, err := in.receive(last)
			if errors.Is(err, unix.EAGAIN) {
				break // lost: a queue on the way was full
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return r, err
			}
			got += k
			heard += k
		}
	}
	r.Elapsed = time.Since(start)
	after, err := arrived(c.To)
	r.Copies = after - before
	if err == nil && heard == 0 {
		err = fmt.Errorf("%d frames sent, no copy arrived at %s", r.Frames, c.Last)
	}
	return r, err
}

func (c *ReplicateConfig) sender() (fd int, err error) {
	err = c.From.Do(func() (err error) {
		if fd, err = udpSocket(netip.AddrPort{}, netip.AddrPort{}); err != nil {
			return err
		}
		if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err == nil {
			err = unix.Connect(fd, sockaddr(netip.AddrPortFrom(c.Broadcast, 9)))
		}
		if err != nil {
			err = errors.Join(err, unix.Close(fd))
		}
		return err
	})
	return fd, err
}

// sinks opens a deaf socket of all addresses, and one of the last remote's.
func (c *ReplicateConfig) sinks() (sink, last int, err error) {
	err = c.To.Do(func() (err error) {
		if sink, err = deafSocket(netip.AddrPortFrom(netip.IPv4Unspecified(), c.Last.Port())); err != nil {
			return err
		}
		if last, err = udpSocket(c.Last, netip.AddrPort{}); err != nil {
			return errors.Join(err, unix.Close(sink))
		}
		patience := unix.NsecToTimeval(floodSilence.Nanoseconds())
		err = errors.Join(unix.SetsockoptInt(last, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, floodBuffer),
			unix.SetsockoptTimeval(last, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience))
		if err != nil {
			err = errors.Join(os.NewSyscallError("setsockopt", err), unix.Close(sink), unix.Close(last))
		}
		return err
	})
	return sink, last, err
}

// deafSocket opens a socket whose buffer is full at once. It has UDP_GRO.
func deafSocket(local netip.AddrPort) (fd int, err error) {
	if fd, err = udpSocket(local, netip.AddrPort{}); err != nil {
		return -1, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1), unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1))
	if err != nil {
		return -1, errors.Join(os.NewSyscallError("setsockopt", err), unix.Close(fd))
	}
	return fd, nil
}

// arrived returns how many IPv4 packets a host has received. Those with each ECN codepoint are counted apart, and there
// one that the network joined counts as what it was made of (ip_rcv_core in net/ipv4/ip_input.c).
func arrived(h *lab.Host) (int, error) {
	netstat, err := h.ReadProcNet("netstat")
	if err != nil {
		return 0, err
	}
	return parseArrived(netstat)
}

func parseArrived(netstat string) (int, error) {
	var names []string
	for line := range strings.Lines(netstat) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "IpExt:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		sum := 0
		for i, name := range names {
			if i >= len(f) || !slices.Contains([]string{"InNoECTPkts", "InECT1Pkts", "InECT0Pkts", "InCEPkts"}, name) {
				continue
			}
			n, err := strconv.Atoi(f[i])
			if err != nil {
				return 0, err
			}
			sum += n
		}
		return sum, nil
	}
	return 0, fmt.Errorf("no IP counters in /proc/net/netstat: %q", netstat)
}
