package check

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
)

// Rule looks for one kind of fault.
type Rule struct {
	Name string
	find func(*Facts, func(link, what, do string))
}

// Rules are all rules, in the order in which a fault makes the next ones moot.
func Rules() []Rule {
	return []Rule{
		{"tun", tun}, {"capabilities", capabilities}, {"kernel", kernel}, {"buffers", buffers}, {"checksums", checksums}, {"reload", reload}, {"networkd", networkd}, {"networkmanager", networkManager},
		{"port", each(port)}, {"local", each(local)}, {"duplicate", each(duplicate)},
		{"group", each(group)}, {"querier", each(querier)},
		{"route", peers(route)}, {"loop", peers(loop)}, {"rp-filter", peers(rpFilter)}, {"mtu", peers(mtu)},
		{"echo", peers(echo)}, {"path-mtu", peers(pathMTU)}, {"path-back", peers(pathBack)}, {"dstport", peers(dstport)}, {"firewall", peers(firewall)},
	}
}

// Judge applies all rules.
func Judge(f *Facts) []Finding {
	all := []Finding{}
	for _, r := range Rules() {
		r.find(f, func(link, what, do string) { all = append(all, Finding{r.Name, link, what, do}) })
	}
	return all
}

type say = func(what, do string)

// each is a rule for each link.
func each(rule func(*Link, say)) func(*Facts, func(link, what, do string)) {
	return func(f *Facts, found func(link, what, do string)) {
		for i := range f.Links {
			l := &f.Links[i]
			rule(l, func(what, do string) { found(l.Name, what, do) })
		}
	}
}

// peers is a rule for each remote of each link.
func peers(rule func(*Link, *Peer, say)) func(*Facts, func(link, what, do string)) {
	return each(func(l *Link, found say) {
		for i := range l.Peers {
			rule(l, &l.Peers[i], found)
		}
	})
}

const capNetAdmin = 12 // capabilities(7), include/uapi/linux/capability.h

func tun(f *Facts, found func(link, what, do string)) {
	switch {
	case f.TUN == nil:
	case errors.Is(f.TUN, fs.ErrNotExist), errors.Is(f.TUN, syscall.ENODEV), errors.Is(f.TUN, syscall.ENXIO):
		found("", "/dev/net/tun is not there", "modprobe tun; in a container, give it the device (--device /dev/net/tun)")
	default:
		found("", f.TUN.Error(), "let the daemon's user open /dev/net/tun; in a container, allow the device in its cgroup")
	}
}

func capabilities(f *Facts, found func(link, what, do string)) {
	if f.Caps&(1<<capNetAdmin) == 0 {
		found("", "CAP_NET_ADMIN is missing, which making a TAP device needs", "run as root, or with AmbientCapabilities=CAP_NET_ADMIN in the unit")
	}
}

func kernel(f *Facts, found func(link, what, do string)) {
	if f.KernelFault != "" {
		found("", f.KernelFault, "uvtep goes without UDP_SEGMENT here, which is slower: take a mended kernel")
	}
}

// wantedBuffer is the least net.core.rmem_max and wmem_max that bursts fit in, where
// SO_RCVBUFFORCE is not allowed.
const wantedBuffer = 4 << 20

func buffers(f *Facts, found func(link, what, do string)) {
	if f.Caps&(1<<capNetAdmin) != 0 {
		return // which makes buffers of any size
	}
	for _, b := range []struct {
		name string
		size int
	}{{"net.core.rmem_max", f.RmemMax}, {"net.core.wmem_max", f.WmemMax}} {
		if b.size != 0 && b.size < wantedBuffer {
			found("", fmt.Sprintf("%s is %d: bursts are dropped", b.name, b.size), fmt.Sprintf("sysctl -w %s=%d, or give CAP_NET_ADMIN", b.name, wantedBuffer))
		}
	}
}

func reload(f *Facts, found func(link, what, do string)) {
	if r := f.Reload; r != nil {
		found("", fmt.Sprintf("the daemon did not apply %s when it last read it, %d s ago: %s", r.File, r.Seconds, r.Error), "correct it, and uvtep config apply")
	}
}

func networkd(f *Facts, found func(link, what, do string)) {
	for i := range f.Links {
		for _, file := range f.NetworkFiles {
			for _, glob := range file.Names {
				if ok, err := path.Match(glob, f.Links[i].Name); ok && err == nil {
					found(f.Links[i].Name, "systemd-networkd takes the device by "+file.Path,
						"make Name= in its [Match] narrower, or give the device a file of its own with Unmanaged=yes in [Link]")
				}
			}
		}
	}
}

func networkManager(f *Facts, found func(link, what, do string)) {
	for i := range f.Links {
		for _, p := range f.Profiles {
			if p.Device != f.Links[i].Name {
				continue
			}
			what := "NetworkManager takes the device by " + p.Path
			if p.Type != "tun" {
				what = fmt.Sprintf("NetworkManager makes a device of this name and type %s by %s", p.Type, p.Path)
			}
			found(p.Device, what, "delete the profile (nmcli connection delete), or give it autoconnect=false or another interface-name")
		}
	}
}

func port(l *Link, found say) {
	if l.Holder != "" {
		found(fmt.Sprintf("UDP port %d is taken by %s", l.Port, l.Holder), "end that, or give this link another dstport, and its peers the same")
	}
}

func local(l *Link, found say) {
	if l.Local.IsValid() && l.LocalDev == "" {
		found(fmt.Sprintf("no device of this host has the local address %s", l.Local), fmt.Sprintf("ip addr add %s/PREFIX dev DEV, or correct local", l.Local))
	}
}

func duplicate(l *Link, found say) {
	for _, mac := range l.Claims {
		found(fmt.Sprintf("another host, %s, has the local address %s, too", mac, l.Local), "give each VTEP an address of its own")
	}
}

func group(l *Link, found say) {
	if l.GroupRoute != nil {
		found(fmt.Sprintf("no route to the group %s: %v", l.Group, l.GroupRoute), fmt.Sprintf("name the underlay device with dev, or ip route add %s dev DEV", l.Group))
	}
}

func querier(l *Link, found say) {
	if l.Snooping != "" {
		found(fmt.Sprintf("bridge %s filters multicast and nobody queries: the group %s is cut off some minutes after it was joined", l.Snooping, l.Group),
			fmt.Sprintf("ip link set %s type bridge mcast_querier 1, or mcast_snooping 0", l.Snooping))
	}
}

func route(_ *Link, p *Peer, found say) {
	if p.Route != nil {
		found(fmt.Sprintf("no route to remote %s: %v", p.Addr, p.Route), fmt.Sprintf("ip route get %s; add the route", p.Addr))
	}
}

func loop(l *Link, p *Peer, found say) {
	if p.Dev != "" && p.Dev == l.Name {
		found(fmt.Sprintf("the route to remote %s leads through the link itself", p.Addr), "give the remote a route out of an underlay device")
	}
}

func rpFilter(l *Link, p *Peer, found say) {
	if l.RPFilter == 1 && l.LocalDev != "" && p.Dev != "" && p.Dev != l.LocalDev {
		found(fmt.Sprintf("%s drops what comes from %s (rp_filter is strict), since the route there leaves by %s", l.LocalDev, p.Addr, p.Dev),
			fmt.Sprintf("make the route symmetric, or sysctl -w net.ipv4.conf.%s.rp_filter=2", l.LocalDev))
	}
}

func mtu(l *Link, p *Peer, found say) {
	if need := l.Needed(p); p.Route == nil && p.RouteMTU > 0 && need > p.RouteMTU {
		found(fmt.Sprintf("mtu %d needs %d bytes of the underlay, and the route to %s has %d", l.MTU, need, p.Addr, p.RouteMTU),
			fmt.Sprintf("uvtep link set %s mtu %d, or make the underlay's MTU %d", l.Name, l.MTU-need+p.RouteMTU, need))
	}
}

func echo(_ *Link, p *Peer, found say) {
	if p.Route == nil && p.Echo != nil {
		found(fmt.Sprintf("remote %s does not answer ICMP echo: %v", p.Addr, p.Echo), "see whether it is up and has a route back; where it drops ICMP on purpose, ask the overlay: uvtep ping")
	}
}

func pathMTU(l *Link, p *Peer, found say) {
	if need := l.Needed(p); p.Echo == nil && p.Width > 0 && p.Width < need && need <= p.RouteMTU {
		found(fmt.Sprintf("of %d bytes only %d pass to %s", need, p.Width, p.Addr),
			fmt.Sprintf("uvtep link set %s mtu %d, or widen the path", l.Name, p.Width-(need-l.MTU)))
	}
}

func pathBack(l *Link, p *Peer, found say) {
	if need := l.Needed(p); p.Width >= need && p.Back != 0 && p.Back < need {
		found(fmt.Sprintf("of %d bytes only %d come back from %s in one piece", need, p.Back, p.Addr),
			fmt.Sprintf("make the path back as wide, or uvtep link set %s mtu %d on both ends", l.Name, p.Back-(need-l.MTU)))
	}
}

func dstport(l *Link, p *Peer, found say) {
	if !errors.Is(p.UDP, syscall.ECONNREFUSED) {
		return
	}
	if p.Listens != 0 {
		found(fmt.Sprintf("remote %s listens on port %d and not on %d", p.Addr, p.Listens, l.Port), fmt.Sprintf("set dstport %d on one end (ip means 8472 where no port is given)", p.Listens))
		return
	}
	found(fmt.Sprintf("nobody listens on port %d of remote %s", l.Port, p.Addr), "start the VTEP there, or correct dstport")
}

func firewall(l *Link, p *Peer, found say) {
	if p.UDP != nil && p.Route == nil && !errors.Is(p.UDP, syscall.ECONNREFUSED) {
		found(fmt.Sprintf("UDP port %d of remote %s is refused: %v", l.Port, p.Addr, p.UDP), "look for a firewall that refuses it, here (nft list ruleset) or on the way")
	}
}
