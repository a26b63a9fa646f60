package check

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/ping"
	"github.com/uvtep/uvtep/underlay"
)

// mostPeers bounds the remotes of a link that are asked: each takes a second where it is
// silent.
const mostPeers = 8

// Gather reads the facts about links from this host, and asks their remotes.
func Gather(links []Want) *Facts {
	f := &Facts{Caps: effective(), KernelFault: underlay.KernelFault(), NetworkFiles: networkFiles("/etc/systemd/network", "/run/systemd/network")}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if f.TUN = err; err == nil {
		_ = tun.Close() // nothing was done with it
	}
	f.RmemMax, f.WmemMax = sysctl("net/core/rmem_max"), sysctl("net/core/wmem_max")
	// Where NetworkManager keeps its profiles (NetworkManager.conf(5), keyfile).
	f.Profiles = profiles("/etc/NetworkManager/system-connections", "/run/NetworkManager/system-connections", "/usr/lib/NetworkManager/system-connections")
	four, _ := os.ReadFile("/proc/self/net/snmp")
	six, _ := os.ReadFile("/proc/self/net/snmp6") // not there without IPv6
	f.Checksums = parseChecksums(string(four), string(six))
	said := make(map[netip.Addr][]net.HardwareAddr)
	for _, w := range links {
		f.Links = append(f.Links, gatherLink(w, said))
	}
	askPeers(f.Links)
	return f
}

// atOnce is how many remotes are asked at once: a silent one takes seconds.
const atOnce = 32

// askPeers asks the remotes of all links.
func askPeers(links []Link) {
	var asked errgroup.Group
	asked.SetLimit(atOnce)
	for i := range links {
		l := &links[i]
		all := l.Remotes[:min(len(l.Remotes), mostPeers)]
		l.Peers = make([]Peer, len(all))
		for k, a := range all {
			asked.Go(func() error {
				l.Peers[k] = gatherPeer(new(ping.Host), l, a)
				return nil
			})
		}
	}
	_ = asked.Wait() // what fails is a fact
}

// effective are the effective capabilities (CapEff of proc_pid_status(5)).
func effective() (caps uint64) {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, _ = strconv.ParseUint(strings.TrimSpace(v), 16, 64)
		}
	}
	return caps
}

// sysctl is a number under /proc/sys, 0 where it cannot be read.
func sysctl(name string) int {
	b, _ := os.ReadFile("/proc/sys/" + name)
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

// networkFiles reads the [Match] sections of .network files.
func networkFiles(dirs ...string) (files []NetworkFile) {
	for _, dir := range dirs {
		paths, _ := filepath.Glob(filepath.Join(dir, "*.network"))
		for _, p := range paths {
			if names := matched(p); len(names) > 0 {
				files = append(files, NetworkFile{p, names})
			}
		}
	}
	return files
}

// matched are the globs of Name= in [Match]; none where the device is not managed or another
// key narrows the match (systemd.network(5)).
func matched(name string) (globs []string) {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was read
	section := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		key, value, _ := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case strings.HasPrefix(line, "["):
			section = line
		case line == "" || line[0] == '#' || line[0] == ';':
		case section == "[Match]" && key == "Name":
			globs = append(globs, strings.Fields(value)...)
		case section == "[Match]", section == "[Link]" && key == "Unmanaged" && value != "no" && value != "false":
			return nil
		}
	}
	return globs
}

// gatherLink is a link without what its remotes say. Who else has a local address is asked once for
// all links that have it, and kept in said.
func gatherLink(w Want, said map[netip.Addr][]net.HardwareAddr) Link {
	l := Link{Want: w}
	if !w.Running {
		l.Holder = holder(w.Local, w.Port)
	}
	if w.Local.IsValid() {
		if i := deviceOf(w.Local); i != nil {
			l.LocalDev = i.Name
			l.RPFilter = max(sysctl("net/ipv4/conf/"+i.Name+"/rp_filter"), sysctl("net/ipv4/conf/all/rp_filter"))
			if _, asked := said[w.Local]; !asked {
				said[w.Local] = claims(new(ping.Host), i, w.Local)
			}
			l.Claims = said[w.Local]
		}
	}
	if w.Group.IsValid() {
		_, l.GroupRoute = underlay.RouteTo(w.Group, w.Dev)
		l.Snooping = snooping(w.Dev)
	}
	return l
}

// deviceOf is the device that has an address; nil: none has.
func deviceOf(a netip.Addr) *net.Interface {
	all, _ := net.Interfaces()
	for i := range all {
		addrs, _ := all[i].Addrs()
		for _, b := range addrs {
			if p, err := netip.ParsePrefix(b.String()); err == nil && p.Addr().WithZone("") == a.WithZone("") {
				return &all[i]
			}
		}
	}
	return nil
}

// claims are the MACs of others that have an address of this host: an answer to an ARP probe or
// a neighbour solicitation for it. This host does not hear its own.
func claims(n *ping.Host, i *net.Interface, a netip.Addr) []net.HardwareAddr {
	if i.Flags&net.FlagLoopback != 0 || len(i.HardwareAddr) != len(encap.MAC{}) {
		return nil
	}
	macs, _ := n.Probe(i.Name, i.HardwareAddr, a, 300*time.Millisecond)
	return macs
}

// snooping is the bridge that a device is, or is a port of, where it filters multicast and
// does not query; "": there is none, or it is well.
func snooping(dev string) string {
	if dev == "" {
		return ""
	}
	bridge := dev
	if to, err := os.Readlink("/sys/class/net/" + dev + "/master"); err == nil {
		bridge = filepath.Base(to)
	}
	flag := func(name string) string {
		b, _ := os.ReadFile("/sys/class/net/" + bridge + "/bridge/" + name)
		return strings.TrimSpace(string(b))
	}
	if flag("multicast_snooping") == "1" && flag("multicast_querier") == "0" {
		return bridge
	}
	return ""
}

func gatherPeer(n *ping.Host, l *Link, a netip.Addr) Peer {
	p := Peer{Addr: a}
	var src netip.Addr
	if p.Dev, src, p.RouteMTU, p.Route = n.Route(a, l.Local); p.Route != nil || p.Dev == l.Name {
		return p
	}
	if l.Local.IsValid() {
		if l.LocalDev == "" {
			return p // nothing can be sent from there
		}
		src = l.Local
	}
	c := &ping.Config{Remote: a, Port: l.Port, Local: src, MTU: l.MTU, VNI: l.VNI, Probe: true}
	// The layers one by one: each is a fact of its own.
	p.Echo = ping.Ask(n, c, src)
	if p.Echo == nil {
		p.Width, p.Back = ping.Width(n, c, src, l.Needed(&p))
	}
	to := netip.AddrPortFrom(a, l.Port)
	if p.UDP = n.UDP(src, to, make([]byte, encap.HeaderLen)); errors.Is(p.UDP, unix.ECONNREFUSED) {
		for _, other := range []uint16{4789, 8472} {
			if other != l.Port && n.UDP(src, netip.AddrPortFrom(a, other), make([]byte, encap.HeaderLen)) == nil {
				p.Listens = other
			}
		}
	}
	return p
}

// holder is who has a UDP port; "": it is free.
func holder(local netip.Addr, port uint16) string {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, port)))
	if err == nil {
		_ = c.Close() // nothing came
		return ""
	}
	if !errors.Is(err, unix.EADDRINUSE) {
		return "" // the address is not there: another rule's
	}
	if dev := kernelVXLAN(port); dev != "" {
		return "the kernel's vxlan device " + dev
	}
	if pid := owner(port); pid != "" {
		comm, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(comm)), pid)
	}
	return "a socket of the kernel, or of a process that this user may not see"
}

// kernelVXLAN is a vxlan device of the kernel that has a port.
func kernelVXLAN(port uint16) string {
	links, _ := netlink.LinkList()
	for _, l := range links {
		if v, ok := l.(*netlink.Vxlan); ok && v.Port == int(port) && v.Flags&net.FlagUp != 0 {
			return v.Name
		}
	}
	return ""
}

// owner is the process that has a socket of a UDP port (proc_net(5), proc_pid_fd(5)).
func owner(port uint16) (pid string) {
	inodes := make(map[string]bool)
	for _, table := range []string{"udp", "udp6"} {
		b, _ := os.ReadFile("/proc/self/net/" + table)
		for line := range strings.Lines(string(b)) {
			if w := strings.Fields(line); len(w) > 9 && strings.HasSuffix(w[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+w[9]+"]"] = true
			}
		}
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && inodes[to] {
			return strings.Split(fd, "/")[2]
		}
	}
	return ""
}
