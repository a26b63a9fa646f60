package vtep_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// hooked starts a VTEP on a host that can be told to refuse.
func hooked(t *testing.T, net *vteptest.Network, addrs ...netip.Addr) (*node, *hooks) {
	t.Helper()
	h := &hooks{Host: net.Host(addrs...)}
	return startNode(t, net, h.Host, h, addrs[0]), h
}

// empty checks that nothing of a link is left.
func (n *node) empty(t *testing.T, what string) {
	t.Helper()
	synctest.Wait()
	if d, r, x, l := n.host.Devices(), n.host.Receivers(), n.host.Transmitters(), n.Links(); d+len(r)+len(x)+len(l) != 0 {
		t.Errorf("%s: left behind %d devices, receivers %v, transmitters %v, links %v", what, d, r, x, l)
	}
}

func TestAddLinkRefused(t *testing.T) {
	base := vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, Local: addrA, Dev: "eth0", DF: vtep.DFInherit}
	for _, tt := range []struct {
		name  string
		rules func() rules
	}{
		{"device", func() rules { return rules{device: func(tap.Config) error { return errRefused }} }},
		{"state", func() rules { return rules{state: func() error { return errRefused }} }},
		{"listen", func() rules { return rules{listen: func(underlay.ReceiverConfig) error { return errRefused }} }},
		{"first transmitter", func() rules { return rules{transmit: func(underlay.TransmitterConfig) error { return errRefused }} }},
		{"second transmitter", func() rules {
			return rules{transmit: func(c underlay.TransmitterConfig) error {
				if c.DF == underlay.DFUnset {
					return errRefused
				}
				return nil
			}}
		}},
		{"dev", func() rules { return rules{iface: func(string) error { return errRefused }} }},
		{"dev, second time", func() rules {
			n := 0
			return rules{iface: func(string) error {
				if n++; n > 1 {
					return errRefused
				}
				return nil
			}}
		}},
	} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			n, h := hooked(t, net, addrA)
			h.let(tt.rules())
			if err := n.AddLink(base); !errors.Is(err, errRefused) {
				t.Errorf("%s: %v", tt.name, err)
			}
			n.empty(t, tt.name)
			h.let(rules{})
			n.addUp(t, base)
		})
	}
}

func TestAddLinkInvalid(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA, addrA6)
		for name, edit := range map[string]func(*vtep.LinkConfig){
			"no name":                func(c *vtep.LinkConfig) { c.Name = "" },
			"long name":              func(c *vtep.LinkConfig) { c.Name = "sixteen-bytes-16" },
			"VNI":                    func(c *vtep.LinkConfig) { c.VNI = encap.MaxVNI + 1 },
			"remote and group":       func(c *vtep.LinkConfig) { c.Group = group },
			"remote multicast":       func(c *vtep.LinkConfig) { c.Remote = group },
			"group unicast":          func(c *vtep.LinkConfig) { c.Remote, c.Group = netip.Addr{}, addrB },
			"local multicast":        func(c *vtep.LinkConfig) { c.Local = group },
			"families":               func(c *vtep.LinkConfig) { c.Local = addrA6 },
			"link-local without dev": func(c *vtep.LinkConfig) { c.Remote = netip.MustParseAddr("fe80::2") },
			"srcport order":          func(c *vtep.LinkConfig) { c.SrcPortMin, c.SrcPortMax = 2, 1 },
			"srcport 0":              func(c *vtep.LinkConfig) { c.SrcPortMax = 1 },
			"mtu small":              func(c *vtep.LinkConfig) { c.MTU = 67 },
			"mtu large":              func(c *vtep.LinkConfig) { c.MTU = 65536 },
			"address multicast":      func(c *vtep.LinkConfig) { c.Address = bcast },
			"queues":                 func(c *vtep.LinkConfig) { c.Queues = -1 },
			"no prefixes":            func(c *vtep.LinkConfig) { c.Accept.Mode = vtep.AcceptPrefixes },
		} {
			c := vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}
			edit(&c)
			if err := n.AddLink(c); !errors.Is(err, vtep.ErrInvalid) {
				t.Errorf("%s: %v", name, err)
			}
			n.empty(t, name)
		}
	})
}

// TestUnspecified: the unspecified address and IPv4 in IPv6 clothes mean what
// they mean to ip(8).
func TestUnspecified(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA)
		n.addUp(t, vtep.LinkConfig{Name: "vxlan1", VNI: 1, Remote: netip.MustParseAddr("::ffff:192.0.2.2")})
		n.addUp(t, vtep.LinkConfig{Name: "vxlan2", VNI: 2, Remote: addrB, Local: netip.IPv4Unspecified()})
		n.addUp(t, vtep.LinkConfig{Name: "vxlan3", VNI: 3, Remote: netip.IPv4Unspecified()})
		if r := n.host.Receivers(); len(r) != 1 || r[0].V6 || r[0].Local.IsValid() {
			t.Errorf("receivers %+v, want one, the wildcard", r)
		}
		for link, want := range map[string]int{"vxlan1": 1, "vxlan2": 1, "vxlan3": 0} {
			if e := n.entries(t, link, encap.MAC{}); len(e) != want || want == 1 && e[0].Remote.Addr != addrB {
				t.Errorf("%s: flood list %+v", link, e)
			}
		}
	})
}

func TestAddLinkConflicts(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		addr2 := netip.MustParseAddr("192.0.2.11")
		n := newNode(t, net, addrA, addr2)
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}))
		receivers, transmitters := len(n.host.Receivers()), len(n.host.Transmitters())
		for what, c := range map[string]vtep.LinkConfig{
			"name": {Name: "vxlan0", VNI: 43, Remote: addrB},
			"VNI":  {Name: "vxlan1", VNI: 42, Remote: addrC, DstPort: 4789, DF: vtep.DFUnset},
		} {
			if err := n.AddLink(c); !errors.Is(err, vtep.ErrExist) {
				t.Errorf("the same %s: %v", what, err)
			}
		}
		if len(n.Links()) != 1 || n.host.Devices() != 1 || len(n.host.Receivers()) != receivers || len(n.host.Transmitters()) != transmitters {
			t.Errorf("a link that was refused left something: %v, %v", n.host.Receivers(), n.host.Transmitters())
		}
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan1", VNI: 42, Remote: addrB, Local: addrA}))
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan2", VNI: 42, Remote: addrB, Local: addr2}))
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan3", VNI: 42, Remote: addrB, DstPort: 8472}))
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan4", VNI: 42, Remote: addrB6}))
		must(t, n.DelLink("vxlan0"))
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}))
	})
}

// TestZeroChecksumConflict: a socket accepts zero checksums or it does not.
// The kernel refuses the second device as well (vxlan_find_sock).
func TestZeroChecksumConflict(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n := newNode(t, net, addrA6)
		must(t, n.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 1, Remote: addrB6}))
		transmitters := len(n.host.Transmitters())
		if err := n.AddLink(vtep.LinkConfig{Name: "vxlan1", VNI: 2, Remote: addrB6, UDP6ZeroCsumRx: true}); err == nil {
			t.Error("two links share a port that only one wants zero checksums on")
		}
		if n.host.Devices() != 1 || len(n.host.Transmitters()) != transmitters {
			t.Error("the refused link left something")
		}
	})
}

// TestLocalBesideWildcard: packets for an address that has a socket of its own
// are heard there, whichever link they are for.
func TestLocalBesideWildcard(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		addr2 := netip.MustParseAddr("192.0.2.11")
		n := newNode(t, net, addrA, addr2)
		wild := n.addUp(t, vtep.LinkConfig{Name: "wild", VNI: 1, Remote: addrB})
		local := n.addUp(t, vtep.LinkConfig{Name: "local", VNI: 2, Remote: addrB, Local: addrA})
		both := n.addUp(t, vtep.LinkConfig{Name: "both", VNI: 1, Remote: addrB, Local: addrA})
		check := func(what string, to netip.Addr, vni encap.VNI, want *vteptest.Device) {
			t.Helper()
			net.Send(netip.AddrPortFrom(addrB, 1), netip.AddrPortFrom(to, 4789), 0, pack(vni, frame(bcast, macB, "x")))
			synctest.Wait()
			for _, d := range []*vteptest.Device{wild, local, both} {
				if got := len(drain(d.Output())); got == 1 != (d == want) {
					s, err := d.State()
					t.Errorf("%s: to %s, VNI %d: %s got %d frames (%v)", what, to, vni, s.Name, got, err)
				}
			}
		}
		check("all", addr2, 1, wild)
		check("all", addrA, 1, both)
		check("all", addrA, 2, local)
		check("all", addr2, 2, nil)
		must(t, n.DelLink("both"))
		check("without both", addrA, 1, wild)
		must(t, n.DelLink("local"))
		check("wildcard alone", addrA, 1, wild)
		check("wildcard alone", addrA, 2, nil)
		local = n.addUp(t, vtep.LinkConfig{Name: "local", VNI: 2, Remote: addrB, Local: addrA})
		must(t, n.DelLink("wild"))
		check("local alone", addrA, 2, local)
		check("local alone", addrA, 1, nil)
	})
}

// TestLocalBesideOtherWildcard: the same where the two differ in udp6zerocsumrx.
func TestLocalBesideOtherWildcard(t *testing.T) {
	for _, zero := range []bool{false, true} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			n := newNode(t, net, addrA6)
			wild := n.addUp(t, vtep.LinkConfig{Name: "wild", VNI: 1, Remote: addrB6, UDP6ZeroCsumRx: zero})
			n.addUp(t, vtep.LinkConfig{Name: "local", VNI: 2, Remote: addrB6, Local: addrA6, UDP6ZeroCsumRx: !zero})
			net.Send(netip.AddrPortFrom(addrB6, 1), netip.AddrPortFrom(addrA6, 4789), 0, pack(1, frame(bcast, macB, "x")))
			synctest.Wait()
			if got := len(drain(wild.Output())); got != 1 {
				t.Errorf("udp6zerocsumrx %v: the link of every address got %d frames, want 1", zero, got)
			}
		})
	}
}

func TestMTU(t *testing.T) {
	for _, tt := range []struct {
		c      vtep.LinkConfig
		mtu    int
		source string
	}{
		{vtep.LinkConfig{Remote: addrB}, 1550, "route"},
		{vtep.LinkConfig{Remote: addrB6}, 1530, "route"},
		{vtep.LinkConfig{Remote: addrB, Dev: "eth0"}, 1550, "dev eth0"},
		{vtep.LinkConfig{Group: group, Dev: "eth0"}, 1550, "dev eth0"},
		{vtep.LinkConfig{Remote: addrB, MTU: 9000}, 9000, "mtu"},
		{vtep.LinkConfig{}, 1500, "default"},
		{vtep.LinkConfig{Remote: addrC}, 1500, "default"}, // no route yet
	} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			n := newNode(t, net, addrA, addrA6)
			n.host.SetMTU(1600)
			n.host.Block(addrC)
			tt.c.Name = "vxlan0"
			must(t, n.AddLink(tt.c))
			info, err := n.Link("vxlan0")
			must(t, err)
			if info.MTU != tt.mtu || info.MTUSource != tt.source || info.Up {
				t.Errorf("%+v: MTU %d from %s, up %v", tt.c, info.MTU, info.MTUSource, info.Up)
			}
		})
	}
}

// TestMTUFollows: a derived MTU follows the route, within ten seconds.
func TestMTUFollows(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    vtep.LinkConfig
		set  int // by somebody else; 0: not
		want int
		from string
	}{
		{"route", vtep.LinkConfig{Remote: addrB}, 0, 1350, "route"},
		{"dev", vtep.LinkConfig{Remote: addrB, Dev: "eth0"}, 0, 1350, "dev eth0"},
		{"flood list", vtep.LinkConfig{}, 0, 1350, "route"},
		{"mtu", vtep.LinkConfig{Remote: addrB, MTU: 1500}, 0, 1500, "mtu"},
		{"set by somebody", vtep.LinkConfig{Remote: addrB}, 1280, 1280, "device"},
		{"another than mtu", vtep.LinkConfig{Remote: addrB, MTU: 1500}, 1280, 1280, "device"},
		{"what it was", vtep.LinkConfig{Remote: addrB}, 1550, 1350, "route"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				n := newNode(t, net, addrA)
				n.host.SetMTU(1600)
				tt.c.Name = "vxlan0"
				must(t, n.AddLink(tt.c))
				if tt.name == "flood list" {
					must(t, n.FDBAppend(vtep.FDBEntry{Link: "vxlan0", Remote: vtep.Remote{Addr: addrB}, State: fdb.Permanent}))
				}
				if tt.set != 0 {
					must(t, n.host.Device("vxlan0").Set(tap.Change{MTU: &tt.set}))
				}
				synctest.Wait()
				n.host.SetMTU(1400)
				time.Sleep(11 * time.Second)
				synctest.Wait()
				info, err := n.Link("vxlan0")
				must(t, err)
				if info.MTU != tt.want || info.MTUSource != tt.from {
					t.Errorf("MTU %d from %s, want %d from %s", info.MTU, info.MTUSource, tt.want, tt.from)
				}
			})
		})
	}
}

func TestClosed(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		v := vtep.New(vtep.Config{Host: h})
		must(t, v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 1, Remote: addrB}))
		must(t, v.Close())
		must(t, v.Close())
		if err := v.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 1}); !errors.Is(err, vtep.ErrClosed) {
			t.Errorf("AddLink after Close: %v", err)
		}
		if _, err := v.Link("vxlan0"); !errors.Is(err, vtep.ErrNoLink) {
			t.Errorf("Link after Close: %v", err)
		}
		if h.Devices() != 0 {
			t.Error("a device is left")
		}
	})
}

// TestChecksumOptions: each option is for its own IP version.
func TestChecksumOptions(t *testing.T) {
	all := func(c vtep.LinkConfig) vtep.LinkConfig {
		c.Name, c.UDP6ZeroCsumTx, c.UDP6ZeroCsumRx = "vxlan0", true, true
		return c
	}
	for _, tt := range []struct {
		c      vtep.LinkConfig
		tx, rx bool
	}{
		{all(vtep.LinkConfig{Remote: addrB}), false, false},
		{all(vtep.LinkConfig{Remote: addrB6}), true, true},
		{vtep.LinkConfig{Name: "vxlan0", Remote: addrB, NoUDPChecksum: true}, true, false},
		{vtep.LinkConfig{Name: "vxlan0", Remote: addrB6}, false, false},
		{vtep.LinkConfig{Name: "vxlan0", Remote: addrB6, NoUDPChecksum: true}, false, false},
	} {
		bubble(t, func(t *testing.T, net *vteptest.Network) {
			n := newNode(t, net, addrA, addrA6)
			must(t, n.AddLink(tt.c))
			if tx, rx := n.host.Transmitters()[0].NoChecksum, n.host.Receivers()[0].ZeroChecksum6; tx != tt.tx || rx != tt.rx {
				t.Errorf("%+v: zero sent %v, accepted %v", tt.c, tx, rx)
			}
		})
	}
}
