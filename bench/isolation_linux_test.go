package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/load"
	"github.com/uvtep/uvtep/vtep/forward"
)

// beforeEnv names another build of uvtep, which is measured in turn with this one.
const beforeEnv = "UVTEP_BENCH_BEFORE"

const (
	// stormVNI is of the link that is stormed, beside the one of the victims.
	stormVNI = 43
	// stormRate is what a storm has a second, where the sender gets so far.
	stormRate = 250_000
	// stormHead is what a VTEP has to do something about it.
	stormHead = 3500 * time.Millisecond
	// strangeAddr is an address of a's that is nobody's peer.
	strangeAddr = "192.0.2.77"
	// deafPort is a port of b's whose socket takes nothing.
	deafPort = 9
)

// BenchmarkIsolation measures what a VTEP costs those who have nothing to do with it: how dear a stranger's packet is
// beside a peer's, what a peer loses while strangers knock, and what one link's storm leaves of the throughput of another;
// and whether all that costs something where there are neither.
func BenchmarkIsolation(b *testing.B) {
	h := newHarness(b)
	systems := []system{daemon("uvtep", h.exe, nil, nil)}
	reference := "uvtep"
	if exe := os.Getenv(beforeEnv); exe != "" {
		systems = append(systems, daemon("before", exe, nil, nil))
		reference = "before"
	}
	for i := range systems {
		systems[i].prepare = stormed
	}
	for _, row := range []struct {
		name string
		measure
	}{
		{"Strangers", h.strangers}, {"Beside", h.besideStrangers}, {"Storm", h.storm}, {"StormUDP", h.stormUDP},
		{"PlainTCP", h.tcp(1, false)}, {"PlainUDP", h.udp(load.FloodConfig{Sizes: []int{payload(64)}})},
	} {
		b.Run(row.name, func(b *testing.B) {
			g := h.group("as-is")
			defer g.close(b)
			h.row(b, "250kpps", reference, g.contestants(row.measure, systems...))
		})
	}
}

// stormed gives b's VTEP the second link, a the stranger's address, and b a socket that takes nothing.
func stormed(p *pair) error {
	id, local, remote := uint32(stormVNI), addrB, addrA
	err := p.controls[1].AddLink(context.Background(), api.LinkChange{LinkSpec: api.LinkSpec{Name: "vxlan1", ID: &id, Local: &local, Remote: &remote}})
	if err == nil {
		err = p.b.SetUp("vxlan1", true)
	}
	if err == nil {
		err = p.a.AddAddr(p.wire.A, netip.PrefixFrom(netip.MustParseAddr(strangeAddr), 24))
	}
	return err
}

// knock sends to the second link and returns what each packet cost b's daemon, in microseconds, and how many came from
// no peer by its count.
func (h *harness) knock(p *pair, from netip.Addr) (cost float64, sent, counted int64, err error) {
	was, err := strangersOf(p)
	if err != nil {
		return 0, 0, 0, err
	}
	cpu, err := spent(p.daemons[1])
	if err != nil {
		return 0, 0, 0, err
	}
	t, err := load.StartTunnel(load.TunnelConfig{From: p.a, Src: from, Dst: netip.AddrPortFrom(addrB, 4789), VNI: stormVNI,
		Rate: stormRate, Duration: h.round})
	if err != nil {
		return 0, 0, 0, err
	}
	if sent, _, err = t.Wait(); err != nil {
		return 0, 0, 0, err
	}
	time.Sleep(100 * time.Millisecond) // what lies in the socket
	after, err := spent(p.daemons[1])
	if err != nil {
		return 0, 0, 0, err
	}
	is, err := strangersOf(p)
	return float64(after-cpu) / float64(sent) / 1e3, sent, is - was, err
}

// strangers compares the cost of rejecting with that of delivering.
func (h *harness) strangers(p *pair) ([]figure, error) {
	give, _, _, err := h.knock(p, addrA)
	if err != nil {
		return nil, err
	}
	take, sent, counted, err := h.knock(p, netip.MustParseAddr(strangeAddr))
	if err != nil {
		return nil, err
	}
	return []figure{
		{unit: "ratio", value: take / give, less: true},
		{suffix: "reject", unit: "us", value: take, less: true},
		{suffix: "deliver", unit: "us", value: give, less: true},
		{suffix: "uncounted", unit: "%", value: 100 * float64(sent-counted) / float64(sent), less: true},
	}, nil
}

// besideStrangers is what a peer's flow of 5,000 packets a second loses.
func (h *harness) besideStrangers(p *pair) ([]figure, error) {
	t, err := load.StartTunnel(load.TunnelConfig{From: p.a, Src: netip.MustParseAddr(strangeAddr), Dst: netip.AddrPortFrom(addrB, 4789),
		VNI: 42, Rate: stormRate, Duration: h.round + time.Second/2})
	if err != nil {
		return nil, err
	}
	c, err := lab.UDPAtRate(context.Background(), lab.RateConfig{From: p.a, To: p.b, Dst: overlayB.Addr(), Size: 200, Rate: 5000, Duration: h.round})
	sent, elapsed, terr := t.Wait()
	if err = errors.Join(err, terr); err != nil {
		return nil, err
	}
	return []figure{
		{unit: "%", value: 100 * float64(c.Sent-c.Received) / float64(c.Sent), less: true},
		{suffix: "strangers", unit: "kpps", value: float64(sent) / elapsed.Seconds() / 1e3},
	}, nil
}

// beside runs f while a storm goes to a port and VNI of b's.
func (h *harness) beside(p *pair, port uint16, f func() (float64, error)) (v, kpps float64, err error) {
	head := stormHead
	if testing.Short() { // which measures nothing
		head = h.round
	}
	t, err := load.StartTunnel(load.TunnelConfig{From: p.a, Src: addrA, Dst: netip.AddrPortFrom(addrB, port),
		VNI: stormVNI, Rate: stormRate, Duration: h.round + head + time.Second/2})
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(head)
	v, err = f()
	sent, elapsed, terr := t.Wait()
	return v, float64(sent) / elapsed.Seconds() / 1e3, errors.Join(err, terr)
}

// storm is what a TCP stream of one link keeps while another is stormed: of what it has by itself, and of what it has
// while the same storm goes to a socket that takes nothing, so that its sender and the wire cost the same.
func (h *harness) storm(p *pair) ([]figure, error) {
	return h.stormed(p, func() (float64, error) {
		r, err := load.Stream(load.StreamConfig{From: p.a, To: p.b, Dst: overlayB.Addr(), Streams: 1, Duration: h.round})
		if err != nil {
			return 0, err
		}
		return r.BitsPerSecond() / 1e9, nil
	}, "Gb/s")
}

// stormUDP is the same with 20,000 datagrams a second.
func (h *harness) stormUDP(p *pair) ([]figure, error) {
	return h.stormed(p, func() (float64, error) {
		c, err := lab.UDPAtRate(context.Background(), lab.RateConfig{From: p.a, To: p.b, Dst: overlayB.Addr(), Size: 200, Rate: 20000, Duration: h.round})
		return float64(c.Received) / h.round.Seconds() / 1e3, err
	}, "kpps")
}

func (h *harness) stormed(p *pair, victim func() (float64, error), unit string) ([]figure, error) {
	idle, err := victim()
	if err != nil {
		return nil, err
	}
	deaf, err := listenDeaf(p.b)
	if err != nil {
		return nil, err
	}
	defer deaf.Close()
	floor, _, err := h.beside(p, deafPort, victim)
	if err != nil {
		return nil, err
	}
	stormed, kpps, err := h.beside(p, 4789, victim)
	if err != nil {
		return nil, err
	}
	return []figure{
		{unit: "of floor", value: stormed / floor},
		{suffix: "stormed", unit: "of idle", value: stormed / idle},
		{suffix: "floor", unit: "of idle", value: floor / idle},
		{suffix: "victim", unit: unit, value: stormed},
		{suffix: "sent", unit: "kpps", value: kpps},
	}, nil
}

// strangersOf is what the second link has rejected.
func strangersOf(p *pair) (int64, error) {
	l, err := p.controls[1].Link(context.Background(), "vxlan1")
	return int64(l.Stats.Drops[forward.RxNotPeer.String()]), err
}

// listenDeaf opens a socket whose filter takes nothing.
func listenDeaf(h *lab.Host) (conn *net.UDPConn, err error) {
	err = h.Do(func() error {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrB, deafPort)))
		return err
	})
	if err != nil {
		return nil, err
	}
	nothing, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return nil, err
	}
	return conn, ipv4.NewPacketConn(conn).SetBPF(nothing)
}

// spent is the CPU time of a process, all of its threads, and what the kernel did in their name.
func spent(p *lab.Process) (ns int64, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.Pid()))
	if err != nil {
		return 0, err
	}
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue // it has ended
		}
		first, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t, err)
		}
		ns += n
	}
	return ns, nil
}
