package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// PingConfig describes datagrams that are sent back, the next one when the one before it has returned.
type PingConfig struct {
	From, To *lab.Host
	Dst      netip.Addr // an address of To
	Size     int        // UDP payload, at least [MinDatagram]
	Duration time.Duration
}

// PingResult says what came back.
type PingResult struct {
	RTT  Latencies
	Lost int64 // not back within 50 ms
}

// Latencies are round-trip times in ascending order.
type Latencies []time.Duration

// Percentile returns the value that p per cent of the round trips do not exceed, 0 where there are none.
func (l Latencies) Percentile(p float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(int(float64(len(l))*p/100), len(l)-1)]
}

// Ping runs c. Both ends block in their system calls, in processes of their own on CPUs of their own: as between real
// hosts no datagram finds its receiver awake or on the CPU that sent it, which a kernel with two hosts otherwise arranges.
func Ping(c PingConfig) (PingResult, error) {
	o := order{Kind: "udp-echo", Addr: netip.AddrPortFrom(c.Dst, 0), Sizes: []int{c.Size}, Duration: c.Duration}
	send := o
	send.Kind = "udp-ping"
	sent, _, _, err := duel(c.From, c.To, o, send)
	if err == nil && len(sent.Trips) == 0 {
		err = fmt.Errorf("%d datagrams sent, none came back", sent.Refused)
	}
	if err != nil {
		return PingResult{}, fmt.Errorf("load: ping %s -> %s (%s): %w", c.From, c.To, c.Dst, err)
	}
	slices.Sort(sent.Trips)
	return PingResult{RTT: sent.Trips, Lost: sent.Refused}, nil
}

// pin keeps the process on the first or the last of the CPUs that it may use.
func pin(last bool) error {
	var may, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	cpu := -1
	for i := range len(may) * 64 {
		if may.IsSet(i) && (last || cpu < 0) {
			cpu = i
		}
	}
	set.Set(cpu)
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil {
			return os.NewSyscallError("sched_setaffinity", err)
		}
	}
	return nil
}

// maxTrips bounds the report of a process.
const maxTrips = 1 << 20

func ping(o *order, l *line) (r report, err error) {
	fd, err := udpSocket(netip.AddrPort{}, o.Addr)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	timeout := unix.NsecToTimeval(floodSilence.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return r, os.NewSyscallError("setsockopt SO_RCVTIMEO", err)
	}
	if err := pin(false); err != nil {
		return r, err
	}
	l.ready(0)
	l.wait()
	out, in := make([]byte, o.Sizes[0]), make([]byte, 2048)
	begin := time.Now()
	for seq := uint64(0); time.Since(begin) < o.Duration && seq < maxTrips; seq++ {
		number(out, 0, seq)
		start := time.Now()
		if _, err := write(fd, out); err != nil && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ENOBUFS) {
			return r, os.NewSyscallError("write", err)
		}
		for {
			n, err := read(fd, in)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				r.Refused++
				break
			}
			if n == len(out) && binary.BigEndian.Uint64(in[4:]) == seq { // else one that was given up
				r.Trips = append(r.Trips, time.Since(start))
				break
			}
		}
	}
	return r, nil
}

func echo(o *order, l *line) (r report, err error) {
	if err := pin(true); err != nil {
		return r, err
	}
	fd, err := listen(o, l)
	if err != nil {
		return r, err
	}
	defer unix.Close(fd)
	b := make([]byte, 2048)
	var from sockname
	for {
		n, err := receiveFrom(fd, b, &from)
		if errors.Is(err, unix.EAGAIN) && l.told() {
			return r, nil
		}
		if err != nil {
			continue // silence, a signal, or an ICMP error
		}
		if _, err := sendTo(fd, b[:n], &from); err == nil {
			r.Count++
		}
	}
}
