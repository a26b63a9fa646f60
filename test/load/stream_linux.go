package load

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// StreamConfig describes TCP streams that send as much as goes.
type StreamConfig struct {
	From, To *lab.Host
	Dst      netip.Addr // an address of To
	Streams  int        // 0: 1
	Duration time.Duration
}

// StreamResult says what arrived.
type StreamResult struct {
	Bytes   int64
	Elapsed time.Duration // from the first byte that arrived to the last one
	CPU     time.Duration // of all the machine's CPUs, soft interrupts included
}

// BitsPerSecond returns the goodput.
func (r StreamResult) BitsPerSecond() float64 { return float64(r.Bytes) * 8 / r.Elapsed.Seconds() }

// CPUPerGigabit returns the CPU seconds that a gigabit cost.
func (r StreamResult) CPUPerGigabit() float64 { return r.CPU.Seconds() / (float64(r.Bytes) * 8 / 1e9) }

// Stream runs the streams c. Bytes that were sent and did not arrive are an error.
func Stream(c StreamConfig) (StreamResult, error) {
	addr := netip.AddrPortFrom(c.Dst, 0)
	streams := max(c.Streams, 1)
	sent, received, cpu, err := duel(c.From, c.To, order{Kind: "tcp-receive", Addr: addr, Streams: streams},
		order{Kind: "tcp-send", Addr: addr, Streams: streams, Duration: c.Duration})
	if err == nil && sent.Bytes != received.Bytes {
		err = fmt.Errorf("%w: %d bytes sent, %d received", lab.ErrCorrupt, sent.Bytes, received.Bytes)
	}
	if err != nil {
		return StreamResult{}, fmt.Errorf("load: tcp %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	return StreamResult{Bytes: received.Bytes, Elapsed: received.Elapsed, CPU: cpu}, nil
}

// streamBlock is what one write and one read move, iperf3's default.
const streamBlock = 128 << 10

// streamPatience is how long one write or read may take.
const streamPatience = 15 * time.Second

func sendStreams(o *order, l *line) (report, error) {
	conns := make([]net.Conn, o.Streams)
	for i := range conns {
		c, err := net.DialTimeout("tcp", o.Addr.String(), streamPatience)
		if err != nil {
			return report{}, err
		}
		defer c.Close()
		conns[i] = c
	}
	l.ready(0)
	l.wait()
	start := time.Now()
	return each(conns, func(fd int) (n int64, err error) {
		b := make([]byte, streamBlock)
		for i := range b {
			b[i] = byte(i * 7)
		}
		for time.Since(start) < o.Duration {
			k, err := write(fd, b)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return n, os.NewSyscallError("write", err)
			}
			n += int64(max(k, 0))
		}
		return n, os.NewSyscallError("shutdown", unix.Shutdown(fd, unix.SHUT_WR))
	})
}

func receiveStreams(o *order, l *line) (report, error) {
	ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(o.Addr))
	if err != nil {
		return report{}, err
	}
	defer ln.Close()
	l.ready(ln.Addr().(*net.TCPAddr).Port)
	if err := ln.SetDeadline(time.Now().Add(streamPatience)); err != nil {
		return report{}, err
	}
	conns := make([]net.Conn, o.Streams)
	for i := range conns {
		if conns[i], err = ln.Accept(); err != nil {
			return report{}, err
		}
		defer conns[i].Close()
	}
	var once sync.Once
	var start time.Time
	var last atomic.Int64
	r, err := each(conns, func(fd int) (n int64, err error) {
		b := make([]byte, streamBlock)
		for {
			k, err := read(fd, b)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return n, os.NewSyscallError("read", err)
			}
			once.Do(func() { start = time.Now() })
			if k == 0 {
				last.Store(int64(time.Since(start))) // the last stream to end is the last to store
				return n, nil
			}
			n += int64(k)
		}
	})
	r.Elapsed = time.Duration(last.Load())
	return r, err
}

// each runs f on all connections at once and adds the bytes up. The sockets block in their system calls, as those of other
// programs do: with Go's poller a reader that spins before it sleeps made the kernel's vxlan a third faster than with iperf3.
func each(conns []net.Conn, f func(fd int) (int64, error)) (report, error) {
	var total atomic.Int64
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			fd, err := blocking(c.(*net.TCPConn))
			if err == nil {
				defer unix.Close(fd)
				var n int64
				n, err = f(fd)
				total.Add(n)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return report{Bytes: total.Load()}, errors.Join(errs...)
}

// blocking returns a blocking descriptor of a connection, with time limits, and without TCP_NODELAY, which Go sets.
func blocking(c *net.TCPConn) (fd int, err error) {
	if err := c.SetNoDelay(false); err != nil {
		return -1, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	patience := unix.NsecToTimeval(streamPatience.Nanoseconds())
	var dup error
	err = raw.Control(func(s uintptr) {
		if fd, dup = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0); dup == nil {
			dup = errors.Join(unix.SetNonblock(fd, false),
				unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience),
				unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience))
		}
	})
	return fd, errors.Join(err, dup)
}
