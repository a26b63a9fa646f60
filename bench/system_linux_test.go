package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

// setting is an underlay: what the hosts are joined by.
type setting struct {
	name    string
	mtu     int
	offload map[string]bool // of both ends, nil: as veth comes
}

// The underlays of docs/performance.md: a veth passes 64 KiB packets with a
// VXLAN header whole, as a NIC with VXLAN offload does; without
// tx-udp_tnl-segmentation the kernel's vxlan cuts them itself, but plain UDP
// still leaves in one piece (virtio and many a cloud's NIC); without anything
// each packet goes by itself.
func settings() map[string]setting {
	set := func(on bool, names ...string) map[string]bool {
		m := map[string]bool{}
		for _, n := range names {
			m[n] = on
		}
		return m
	}
	gro := func(m map[string]bool, on bool) map[string]bool { m["gro"] = on; return m }
	tunnel := []string{"tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"}
	all := append([]string{"tso", "gso", "tx-udp-segmentation"}, tunnel...)
	list := []setting{
		{"as-is", 1550, nil},
		{"jumbo", 9000, nil},
		{"nic", 1550, gro(set(false, tunnel...), false)},
		{"nic-gro", 1550, gro(set(false, tunnel...), true)},
		{"none", 1550, gro(set(false, all...), false)},
		{"none-gro", 1550, gro(set(false, all...), true)},
	}
	m := map[string]setting{}
	for _, u := range list {
		m[u.name] = u
	}
	return m
}

// overhead is what VXLAN over IPv4 adds to a packet of the overlay.
const overhead = 50

// end is where a VTEP is put.
type end struct {
	host          *lab.Host
	dev           string // of the underlay
	mtu           int    // of the underlay
	local, remote netip.Addr
	overlay       netip.Prefix
	dir           string // for sockets and databases
}

// system is a way to have a VTEP.
type system struct {
	name string
	// absent says why it cannot be measured here, or "".
	absent func() string
	// attach puts a VTEP on one end, with the overlay's address on its device.
	attach func(*pair, end) error
	// prepare does what else belongs to the system once its hosts reach each other.
	prepare func(*pair) error
}

// kernel is the kernel's vxlan.
func kernel() system {
	return system{name: "kernel", attach: func(_ *pair, e end) error {
		err := e.host.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: e.local, Remote: e.remote, Dev: e.dev})
		if err != nil {
			return err
		}
		return e.host.AddAddr("vxlan0", e.overlay)
	}}
}

// daemon is uvtep, the program exe with the flags of `uvtep run` and further words of the link's sentence.
func daemon(name, exe string, flags, words []string) system {
	return system{
		name: name,
		absent: func() string {
			help, err := exec.Command(exe, "run", "--help").CombinedOutput()
			if err != nil {
				return err.Error()
			}
			for _, f := range flags {
				if f, _, _ := strings.Cut(f, "="); strings.HasPrefix(f, "--") && !strings.Contains(string(help), f+" ") {
					return "uvtep run has no " + f
				}
			}
			return ""
		},
		attach: func(p *pair, e end) error {
			socket := filepath.Join(e.dir, "uvtep.sock")
			args := []string{"--control", socket, "run", "vxlan0", "id", "42", "local", e.local.String()}
			if e.remote.IsValid() {
				args = append(args, "remote", e.remote.String())
			}
			d, err := e.host.Start(lab.Command{Path: exe, Args: slices.Concat(args, words, flags)})
			if err != nil {
				return err
			}
			if err := d.WaitStderr("uvtep: ready", 10*time.Second); err != nil {
				return err
			}
			p.daemons = append(p.daemons, d)
			p.controls = append(p.controls, client.New(socket))
			return e.host.AddAddr("vxlan0", e.overlay)
		},
	}
}

// pair is two hosts joined by a wire, with a VTEP on each.
type pair struct {
	lab      *lab.Lab
	a, b     *lab.Host
	wire     *lab.Wire
	daemons  []*lab.Process   // uvtep's, a's first
	controls []*client.Client // theirs
	bare     float64          // KiB of memory that a's daemon had before prepare
	count    int              // of what prepare gave it
	remotes  int              // of the flood list, where it is filled by hand
}

// The overlay's addresses.
var (
	overlayA = netip.MustParsePrefix("198.51.100.1/24")
	overlayB = netip.MustParsePrefix("198.51.100.2/24")
)

// newHosts joins two hosts, without IPv6 on the devices that are made later.
func newHosts(u setting) (p *pair, err error) {
	p = &pair{}
	if p.lab, err = lab.New(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.a, err = p.lab.Host("a"); err != nil {
		return nil, err
	}
	if p.b, err = p.lab.Host("b"); err != nil {
		return nil, err
	}
	for _, h := range []*lab.Host{p.a, p.b} {
		// Thousands of links that ask for IPv6 routers are not idle, and neither is a flood list's broadcast domain.
		if err = h.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if p.wire, err = p.lab.Wire(p.a, p.b, lab.WireOptions{MTU: u.mtu, Offload: u.offload}); err != nil {
		return nil, err
	}
	return p, errors.Join(p.a.AddAddr(p.wire.A, netip.PrefixFrom(addrA, 24)),
		p.b.AddAddr(p.wire.B, netip.PrefixFrom(addrB, 24)))
}

// newPair joins two hosts with VTEPs.
func newPair(u setting, s system, dir string) (p *pair, err error) {
	if p, err = newHosts(u); err != nil {
		return nil, err
	}
	for _, e := range []end{
		{host: p.a, dev: p.wire.A, local: addrA, remote: addrB, overlay: overlayA},
		{host: p.b, dev: p.wire.B, local: addrB, remote: addrA, overlay: overlayB},
	} {
		e.mtu = u.mtu
		if e.dir, err = os.MkdirTemp(dir, e.host.Name()); err == nil {
			err = s.attach(p, e)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s on %s: %w", s.name, u.name, err), p.close())
		}
	}
	err = p.a.MustReach(overlayB.Addr(), u.mtu-overhead-28, 15*time.Second)
	if err == nil && s.prepare != nil {
		err = s.prepare(p)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s on %s: %w", s.name, u.name, err), p.close())
	}
	return p, nil
}

func (p *pair) close() error {
	for _, c := range p.controls {
		c.Close()
	}
	return errors.Join(p.a.DelLinks(idlePrefix), p.b.DelLinks(idlePrefix), p.lab.Close())
}

// entries returns how many FDB entries the link of the i-th daemon has.
func (p *pair) entries(i int) (int, error) {
	l, err := p.controls[i].Link(context.Background(), "vxlan0")
	return l.Entries, err
}
