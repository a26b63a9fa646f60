package reliability_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// family is an underlay: formats of addresses.
type family struct {
	name, own, b, c string // the VTEP's own address, and those of the wires to b and to c
	ip, nft         string // words of ip and nft
}

func families() []family {
	all := []family{
		{"IPv4", "203.0.113.1/32", "192.0.2.%d/28", "192.0.2.%d/28", "ip", "ip"},
		{"IPv6", "2001:db8::1/128", "2001:db8:b::%d/64", "2001:db8:c::%d/64", "ip -6", "ip6"},
	}
	if raceDetector { // what races does so over both
		return all[1:]
	}
	return all
}

// triangle is a daemon on a, and VTEPs of the kernel on b and on c, each behind a wire of its own.
type triangle struct {
	f         family
	a, b, c   *lab.Host
	toB       string // a's device
	outer     netip.Addr
	farB      netip.Addr // b's underlay address
	d         *daemon
	macB      net.HardwareAddr
	near      *lab.PacketSocket // a's link
	innerOf   func(n int) netip.Prefix
	outerBits int
}

func newTriangle(t *testing.T, f family) *triangle {
	t.Helper()
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	r := &triangle{f: f, a: must(l.Host("a"))(t), b: must(l.Host("b"))(t), c: must(l.Host("c"))(t)}
	r.innerOf = func(n int) netip.Prefix { return prefix("198.51.100.%d/24", n) }
	own := netip.MustParsePrefix(f.own)
	r.outer, r.outerBits = own.Addr(), own.Bits()
	check(t, r.a.AddAddr("lo", own))
	for i, far := range []*lab.Host{r.b, r.c} {
		format, base := f.b, 1
		if i == 1 {
			format, base = f.c, 17
		}
		w := must(l.Wire(r.a, far, lab.WireOptions{}))(t)
		mine, its := prefix(format, base), prefix(format, base+1)
		if f.name == "IPv6" { // addresses stay when the device is down
			check(t, r.a.Sysctl("net.ipv6.conf."+w.A+".keep_addr_on_down", "1"))
		}
		check(t, r.a.AddAddr(w.A, mine), far.AddAddr(w.B, its), far.AddRoute(lab.Route{Dst: own, Via: mine.Addr()}))
		check(t, far.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: its.Addr(), Remote: r.outer, Dev: w.B}),
			far.SetMTU("vxlan0", 1400), far.AddAddr("vxlan0", r.innerOf(i+2)))
		if i == 0 {
			r.toB, r.farB = w.A, its.Addr()
			r.d = start(t, r.a, "vxlan0", "id", "42", "local", r.outer.String(), "remote", its.Addr().String(), "mtu", "1400")
		} else {
			r.d.uvtep(t, "fdb append 00:00:00:00:00:00 dev vxlan0 dst "+its.Addr().String())
		}
	}
	r.macB = must(r.b.MAC("vxlan0"))(t)
	check(t, r.a.AddAddr("vxlan0", r.innerOf(1)), r.a.SetNeighbour("vxlan0", r.innerOf(2).Addr(), r.macB))
	check(t, r.a.MustReach(r.innerOf(2).Addr(), 56, soon), r.a.MustReach(r.innerOf(3).Addr(), 56, soon))
	r.near = must(r.a.OpenPacket("vxlan0"))(t)
	return r
}

// burst sends frames to b.
func (r *triangle) burst(n int) error {
	f := append(append([]byte{}, r.macB...), 2, 0, 0, 0, 0, 9, 0x88, 0xb5)
	f = append(f, make([]byte, 1000)...)
	for range n {
		if err := r.near.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// fault is something that goes wrong between a and b.
type fault struct {
	name   string
	make   func()
	mend   func()
	counts string // drop reason
}

func (r *triangle) faults(t *testing.T) []fault {
	at := fmt.Sprintf("%s/%d", r.farB, r.farB.BitLen())
	return []fault{
		{"the device is down", func() { check(t, r.a.SetUp(r.toB, false)) }, func() { check(t, r.a.SetUp(r.toB, true)) }, "tx-unreachable"},
		{"no route", func() { run(t, r.a, r.f.ip+" route add unreachable "+at) }, func() { run(t, r.a, r.f.ip+" route del unreachable "+at) }, "tx-unreachable"},
		{"a firewall (EPERM)", func() {
			run(t, r.a, "nft add table inet t")
			run(t, r.a, "nft add chain inet t out { type filter hook output priority 0 ; }")
			run(t, r.a, "nft add rule inet t out "+r.f.nft+" daddr "+r.farB.String()+" drop")
		}, func() { run(t, r.a, "nft delete table inet t") }, "tx-refused"},
		{"a full queue (ENOBUFS)", func() { run(t, r.a, "tc qdisc add dev "+r.toB+" root tbf rate 8kbit burst 2000 limit 2000") },
			func() { run(t, r.a, "tc qdisc del dev "+r.toB+" root") }, "tx-no-buffer"},
	}
}

// TestUnderlayFaults: what goes wrong on the way to one remote is counted, costs traffic with another one nothing, costs no
// time of the processor, and is over when it is mended.
func TestUnderlayFaults(t *testing.T) {
	installed(t, "ip", "nft", "tc")
	for _, f := range families() {
		t.Run(f.name, func(t *testing.T) {
			r := newTriangle(t, f)
			until := make(chan struct{})
			var counts [2]lab.UDPCount
			var both sync.WaitGroup
			for i := range counts {
				from, to, n := r.a, r.c, 3
				if i == 1 {
					from, to, n = to, from, 1
				}
				both.Go(func() {
					var err error
					counts[i], err = lab.UDPAtRate(t.Context(), lab.RateConfig{
						From: from, To: to, Dst: r.innerOf(n).Addr(), Size: 200, Rate: 500, Duration: 2 * time.Minute, Until: until,
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			end := sync.OnceFunc(func() {
				close(until)
				both.Wait()
			})
			defer end()
			for _, what := range r.faults(t) {
				r.breaks(t, &what)
			}
			end()
			for i, n := range counts {
				if n.Lost() > 0 || n.SendErrors > 0 || n.Duplicated+n.Corrupt > 0 || n.Sent < 100 {
					t.Errorf("%s the other remote: %v, %d lost", []string{"to", "from"}[i], n, n.Lost())
				}
				t.Logf("%s the other remote: %v", []string{"to", "from"}[i], n)
			}
		})
	}
}

// breaks makes a fault, waits until it is counted, mends it and waits until b is reached.
func (r *triangle) breaks(t *testing.T, f *fault) {
	t.Helper()
	before := must(r.d.drops(t.Context()))(t)[f.counts]
	f.make()
	eventually(t, func() error {
		if err := r.burst(20); err != nil {
			return err
		}
		now, err := r.d.drops(t.Context())
		if err == nil && now[f.counts] == before {
			err = fmt.Errorf("%s: nothing is counted as %s: %v", f.name, f.counts, now)
		}
		return err
	})
	f.mend()
	begin := time.Now()
	check(t, r.a.MustReach(r.innerOf(2).Addr(), 56, soon))
	t.Logf("%s: reached again after %v", f.name, time.Since(begin).Round(time.Millisecond))
}

// TestIdleAndBroken: a daemon that has nothing to do takes no time of the processor, and neither does one whose frames
// cannot leave.
func TestIdleAndBroken(t *testing.T) {
	installed(t, "ip")
	r := newTriangle(t, families()[0])
	share := func(what string, do func() error) float64 {
		t.Helper()
		begin, before := time.Now(), r.d.spent(t)
		var errs []error
		for time.Since(begin) < time.Second {
			errs = append(errs, do())
			time.Sleep(10 * time.Millisecond) // it is a rate
		}
		share := float64(r.d.spent(t)-before) / float64(time.Since(begin))
		check(t, errors.Join(errs...))
		t.Logf("%s: %.1f %% of a processor", what, 100*share)
		return share
	}
	idle := share("idle", func() error { return nil })
	run(t, r.a, r.f.ip+" route add unreachable "+fmt.Sprintf("%s/%d", r.farB, r.farB.BitLen()))
	broken := share("100 frames a second that cannot leave", func() error { return r.burst(1) })
	if idle == 0 {
		t.Error("the kernel tells no time of the daemon's threads: this tests nothing")
	}
	if limit := 0.05; (idle > limit || broken > limit) && !raceDetector {
		t.Errorf("%.1f %% of a processor idle, %.1f %% with frames that cannot leave, want at most 5 %%", 100*idle, 100*broken)
	}
}
