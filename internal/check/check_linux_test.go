package check

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/ping"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("192.0.2.2")
)

// healthy is a host on which a link works.
func healthy() *Facts {
	return &Facts{
		Caps: 1 << capNetAdmin, RmemMax: 212992, WmemMax: 212992,
		Profiles:     []Profile{{"/etc/NetworkManager/system-connections/eth.nmconnection", "ethernet", "eth0"}},
		NetworkFiles: []NetworkFile{{"/etc/systemd/network/eth.network", []string{"eth*", "en*"}}},
		Links: []Link{{
			Want:     Want{Name: "vxlan0", VNI: 42, Port: 4789, Local: here, MTU: 1450, Remotes: []netip.Addr{there}},
			LocalDev: "eth0", RPFilter: 1,
			Peers: []Peer{{Addr: there, Dev: "eth0", RouteMTU: 1500, Width: 1500}},
		}},
	}
}

func TestHealthyHost(t *testing.T) {
	if all := Judge(healthy()); len(all) > 0 {
		t.Errorf("%v", all)
	}
	f := healthy()
	f.Links[0].MTU = 0 // it will follow the route
	if all := Judge(f); len(all) > 0 {
		t.Errorf("an MTU that follows the route: %v", all)
	}
}

// TestRules: each fixture is found by its rule, and by no other; each rule has one.
func TestRules(t *testing.T) {
	with := func(edit func(*Link, *Peer)) func(*Facts) {
		return func(f *Facts) { edit(&f.Links[0], &f.Links[0].Peers[0]) }
	}
	tested := make(map[string]bool)
	for _, tt := range []struct {
		rule string
		made func(*Facts)
		want string // is in the line
	}{
		{"tun", func(f *Facts) { f.TUN = &fs.PathError{Op: "open", Path: "/dev/net/tun", Err: syscall.ENOENT} }, "modprobe tun"},
		{"tun", func(f *Facts) { f.TUN = &fs.PathError{Op: "open", Path: "/dev/net/tun", Err: syscall.EACCES} }, "let the daemon's user open"},
		{"capabilities", func(f *Facts) { f.Caps, f.RmemMax, f.WmemMax = 0, 0, 0 }, "CAP_NET_ADMIN is missing"},
		{"kernel", func(f *Facts) { f.KernelFault = "Linux 7.1.0 spoils datagrams" }, "take a mended kernel"},
		{"checksums", func(f *Facts) { f.Checksums = []Checksums{{"udp", 10, 10_000}, {"tcp", 1, 500}} }, "10 of 10000 UDP datagrams for a wrong checksum: find who spoils them"},
		{"checksums", func(f *Facts) { f.Checksums = []Checksums{{"udp6", 50, 60}} }, "50 of 60 UDP datagrams over IPv6 for a wrong checksum or for none: where a remote sends none (udp6zerocsumtx), give"},
		{"checksums", func(f *Facts) { f.Checksums = []Checksums{{"tcp", 600, 60_000}} }, "600 of 60000 TCP segments"},
		{"networkd", func(f *Facts) { f.NetworkFiles[0].Names = []string{"eth0", "vx*"} }, "/etc/systemd/network/eth.network"},
		{"reload", func(f *Facts) { f.Reload = &api.FailedReload{File: "/etc/u.yaml", Seconds: 90, Error: "line 3: no"} }, "did not apply /etc/u.yaml when it last read it, 90 s ago: line 3: no"},
		{"networkmanager", func(f *Facts) {
			f.Profiles = []Profile{{"/etc/NetworkManager/system-connections/v.nmconnection", "vxlan", "vxlan0"}}
		}, "makes a device of this name and type vxlan by /etc/NetworkManager/system-connections/v.nmconnection"},
		{"networkmanager", func(f *Facts) { f.Profiles = []Profile{{"/etc/t", "tun", "vxlan0"}} }, "takes the device by /etc/t"},
		{"port", with(func(l *Link, _ *Peer) { l.Holder = "the kernel's vxlan device vx1" }), "UDP port 4789 is taken by the kernel's vxlan device vx1"},
		{"local", with(func(l *Link, _ *Peer) { l.LocalDev = "" }), "no device of this host has the local address 192.0.2.1"},
		{"duplicate", with(func(l *Link, _ *Peer) { l.Claims = []net.HardwareAddr{{2, 0, 0, 0, 0, 9}} }), "another host, 02:00:00:00:00:09, has the local address 192.0.2.1"},
		{"group", with(func(l *Link, _ *Peer) { l.Group, l.GroupRoute = netip.MustParseAddr("239.1.1.1"), syscall.ENETUNREACH }), "no route to the group 239.1.1.1"},
		{"querier", with(func(l *Link, _ *Peer) { l.Group, l.Snooping = netip.MustParseAddr("239.1.1.1"), "br0" }), "mcast_querier 1"},
		{"route", with(func(_ *Link, p *Peer) { *p = Peer{Addr: there, Route: syscall.ENETUNREACH} }), "no route to remote 192.0.2.2"},
		{"loop", with(func(l *Link, p *Peer) { p.Dev, l.RPFilter = "vxlan0", 0 }), "leads through the link itself"},
		{"rp-filter", with(func(_ *Link, p *Peer) { p.Dev = "eth1" }), "net.ipv4.conf.eth0.rp_filter=2"},
		{"mtu", with(func(l *Link, p *Peer) { l.MTU, p.Width = 1500, 1500 }), "uvtep link set vxlan0 mtu 1450"},
		{"echo", with(func(_ *Link, p *Peer) { p.Echo, p.Width = ping.ErrSilent, 0 }), "does not answer ICMP echo: no answer"},
		{"path-mtu", with(func(_ *Link, p *Peer) { p.Width = 1450 }), "uvtep link set vxlan0 mtu 1400"},
		{"path-back", with(func(_ *Link, p *Peer) { p.Back = 1480 }), "of 1500 bytes only 1480 come back from 192.0.2.2 in one piece: make the path back as wide, or uvtep link set vxlan0 mtu 1430"},
		{"dstport", with(func(_ *Link, p *Peer) { p.UDP, p.Listens = os.NewSyscallError("read", syscall.ECONNREFUSED), 8472 }), "listens on port 8472 and not on 4789"},
		{"dstport", with(func(_ *Link, p *Peer) { p.UDP = os.NewSyscallError("read", syscall.ECONNREFUSED) }), "nobody listens on port 4789"},
		{"firewall", with(func(_ *Link, p *Peer) { p.UDP = os.NewSyscallError("write", syscall.EPERM) }), "operation not permitted"},
	} {
		f := healthy()
		tt.made(f)
		all := Judge(f)
		if len(all) != 1 || all[0].Rule != tt.rule || !strings.Contains(all[0].String(), tt.want) || all[0].Do == "" {
			t.Errorf("%s: %v, want %q", tt.rule, all, tt.want)
		}
		tested[tt.rule] = true
	}
	f := healthy()
	f.Caps = 0
	if all := Judge(f); len(all) != 3 || all[1].Rule != "buffers" || !strings.Contains(all[2].What, "wmem_max") {
		t.Errorf("buffers: %v", all)
	}
	tested["buffers"] = true
	for _, r := range Rules() {
		if !tested[r.Name] {
			t.Errorf("rule %s has no fixture", r.Name)
		}
	}
}

func TestWantOf(t *testing.T) {
	s := &api.LinkSpec{Name: "vxlan0", ID: new(uint32(42)), Local: &here, Remote: &there, MTU: new(1400)}
	w := WantOf(s, 0, []netip.Addr{there, netip.MustParseAddr("239.1.1.1"), {}, netip.MustParseAddr("192.0.2.3")}, false)
	if w.Name != "vxlan0" || w.VNI != 42 || w.Port != 4789 || w.Local != here || w.MTU != 1400 ||
		!slices.Equal(w.Remotes, []netip.Addr{there, netip.MustParseAddr("192.0.2.3")}) {
		t.Errorf("%+v", w)
	}
	if w := WantOf(s, 1450, nil, true); w.MTU != 1450 || !w.Running {
		t.Errorf("%+v", w)
	}
}

// TestNetworkFiles reads [Match] as systemd does.
func TestNetworkFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"all.network":       "[Match]\nName=*\n[Network]\nDHCP=yes\n",
		"two.network":       "# a comment\n[Match]\nName = vx* eth0\n",
		"unmanaged.network": "[Match]\nName=vx*\n[Link]\nUnmanaged=yes\n",
		"narrow.network":    "[Match]\nName=*\nType=ether\n",
		"none.network":      "[Network]\nName=no\n",
		"other.netdev":      "[Match]\nName=*\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := networkFiles(dir)
	if len(got) != 2 || !slices.Equal(got[0].Names, []string{"*"}) || !slices.Equal(got[1].Names, []string{"vx*", "eth0"}) {
		t.Errorf("%v", got)
	}
}
