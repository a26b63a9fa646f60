package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// patience is the longest that a start may take.
const patience = 30 * time.Second

// site is a host with a daemon and its file.
type site struct {
	*lab.Host
	proc *lab.Process
	file string
	n    int
	odd  bool // the file has the second link
}

// rig is two sites on a wire.
type rig struct{ sites [2]*site }

func outer(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }
func inner(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}), 24)
}

// newRig has two daemons with a link to each other.
func newRig(l *lab.Lab, exe, dir string) (*rig, error) {
	r := &rig{}
	for i := range r.sites {
		h, err := l.Host(string(rune('a' + i)))
		if err != nil {
			return nil, err
		}
		r.sites[i] = &site{Host: h, n: i + 1, file: filepath.Join(dir, fmt.Sprint(i, ".yaml"))}
	}
	w, err := l.Wire(r.sites[0].Host, r.sites[1].Host, lab.WireOptions{})
	if err != nil {
		return nil, err
	}
	for i, s := range r.sites {
		if err := s.start(exe, filepath.Join(dir, fmt.Sprint(i, ".sock")), []string{w.A, w.B}[i]); err != nil {
			return nil, err
		}
	}
	return r, r.sites[0].MustReach(inner(2).Addr(), 56, patience)
}

func (s *site) start(exe, socket, dev string) error {
	if err := errors.Join(s.AddAddr(dev, netip.PrefixFrom(outer(s.n), 24)), s.write()); err != nil {
		return err
	}
	var err error
	if s.proc, err = s.Start(lab.Command{Path: exe, Args: []string{"--control", socket, "run", "--config", s.file}}); err != nil {
		return err
	}
	if err := s.proc.WaitStderr("uvtep: ready\n", patience); err != nil {
		return fmt.Errorf("%w: %s", err, s.proc.Stderr())
	}
	return errors.Join(s.SetUp("vxlan0", true), s.AddAddr("vxlan0", inner(s.n)))
}

// write writes the file: the link that carries the traffic, whose ageing differs each time, and another one that comes and
// goes.
func (s *site) write() error {
	far := outer(3 - s.n)
	text := fmt.Sprintf("links:\n  - {name: vxlan0, id: 42, local: %s, remotes: [%s], ageing: %d}\n", outer(s.n), far, 300+s.n)
	if s.odd {
		text = strings.Replace(text, "ageing: 30", "ageing: 40", 1)
		text += fmt.Sprintf("  - {name: vxlan1, id: 43, local: %s, remotes: [%s]}\n", outer(s.n), far)
	}
	return os.WriteFile(s.file, []byte(text), 0o600)
}

// reload has the daemon read a file that differs from the one before.
func (s *site) reload() error {
	s.odd = !s.odd
	return errors.Join(s.write(), s.proc.Signal(syscall.SIGHUP))
}

// resident is what a daemon has in memory, in KiB.
func (s *site) resident() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.proc.Pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); words[0] == "VmRSS:" {
			return strconv.Atoi(words[1])
		}
	}
	return 0, errors.New("the kernel does not tell VmRSS")
}

// imix is the mix of packets: of 12, 7, 4 and 1 have 64, 594 and 1,450 bytes of Ethernet and IP, the last as many as the
// link's MTU has.
var imix = []struct{ size, of12 int }{{64 - 42, 7}, {594 - 42, 4}, {1450 - 28, 1}} //nolint:gochecknoglobals // never written

// count is what became of packets.
type count struct{ sent, lost, wrong int }

// send sends the mix both ways, rate packets a second each, and calls during meanwhile.
func (r *rig) send(ctx context.Context, rate int, d time.Duration, during func() error) (c count, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, from := range r.sites {
		to := r.sites[1-i]
		for _, part := range imix {
			all.Go(func() {
				n, rerr := lab.UDPAtRate(ctx, lab.RateConfig{
					From: from.Host, To: to.Host, Dst: inner(to.n).Addr(), Size: part.size, Rate: max(rate*part.of12/12, 1), Duration: d,
				})
				mu.Lock()
				defer mu.Unlock()
				c.sent += n.Sent
				c.lost += n.Lost()
				c.wrong += n.SendErrors + n.Duplicated + n.Corrupt
				err = errors.Join(err, rerr)
			})
		}
	}
	derr := during()
	all.Wait()
	return c, errors.Join(err, derr)
}

// The rates between which capacity looks, in packets a second each way.
const leastRate, mostRate = 2_000, 1_000_000

// capacity is the highest rate without loss, roughly: three times in a row for two seconds.
func (r *rig) capacity(ctx context.Context) (int, error) {
	clean := func(rate int, d time.Duration) (bool, error) {
		c, err := r.send(ctx, rate, d, func() error { return nil })
		return c.lost == 0 && c.wrong == 0 && float64(c.sent) > 1.8*float64(rate)*d.Seconds(), err
	}
	low, high := 0, leastRate
	for high <= mostRate {
		ok, err := clean(high, time.Second)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		low, high = high, high*5/4
	}
	for sure := 0; low >= leastRate && sure < 3; {
		ok, err := clean(low, 2*time.Second)
		switch {
		case err != nil:
			return 0, err
		case ok:
			sure++
		default:
			sure, low = 0, low*9/10
		}
	}
	if low < leastRate {
		return 0, fmt.Errorf("packets are lost at %d a second already: the machine does something else, or is too slow", leastRate)
	}
	return low, nil
}
