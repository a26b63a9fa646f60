package underlay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/uvtep/uvtep/encap"
	"github.com/vishvananda/netlink"
)

// FindOrigins asks the kernel for the addresses of the network namespace, and for
// its devices unless they are known. Of thousands of devices that takes some tens of
// milliseconds.
func FindOrigins(known map[uint32]Device) (Origins, error) {
	if known == nil {
		links, err := steady(netlink.LinkList)
		if err != nil {
			return Origins{}, fmt.Errorf("underlay: list the network devices: %w", err)
		}
		known = originsOf(links)
	}
	addrs, err := steady(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		return Origins{}, fmt.Errorf("underlay: list the addresses: %w", err)
	}
	o := Origins{Devices: known, Own: make(map[encap.Addr]uint32, len(addrs))}
	for _, a := range addrs {
		if ip, ok := netip.AddrFromSlice(a.IP); ok {
			o.Own[encap.AddrFrom(ip.Unmap())] = uint32(a.LinkIndex)
		}
	}
	return o, nil
}

// dumps is how often a list is asked for that changes meanwhile.
const dumps = 3

// steady asks for a list again where it changed meanwhile (NLM_F_DUMP_INTR). While thousands of devices are made that is
// always so: then what there is counts, each element of which is true, and the rest comes with the next look.
func steady[T any](list func() ([]T, error)) (all []T, err error) {
	for range dumps {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, nil
}

// originsOf returns what is behind each device.
func originsOf(links []netlink.Link) map[uint32]Device {
	f := finder{
		links:   make(map[int]netlink.Link, len(links)),
		members: make(map[int][]netlink.Link),
	}
	for _, l := range links {
		a := l.Attrs()
		f.links[a.Index] = l
		if a.MasterIndex != 0 {
			f.members[a.MasterIndex] = append(f.members[a.MasterIndex], l)
		}
	}
	all := acceptsLocal("all")
	devices := make(map[uint32]Device, len(links))
	for _, l := range links {
		d := Device{Name: l.Attrs().Name, Origin: f.of(l, 0)}
		// Of thousands of TAPs none has to be asked: nothing is looped back by them.
		d.Martian = d.Origin != encap.OriginHere && l.Type() != "tun" && !all && !acceptsLocal(l.Attrs().Name)
		devices[uint32(l.Attrs().Index)] = d
	}
	return devices
}

// acceptsLocal reads the sysctl net.ipv4.conf.DEVICE.accept_local; true where it
// cannot be read.
func acceptsLocal(device string) bool {
	b, err := os.ReadFile("/proc/sys/net/ipv4/conf/" + device + "/accept_local")
	return err != nil || strings.TrimSpace(string(b)) != "0"
}

type finder struct {
	links   map[int]netlink.Link
	members map[int][]netlink.Link // of bonds, teams and others, by their index
}

// maxStacked bounds how many devices are looked for below one another.
const maxStacked = 8

// of is the origin of a device by its kind (IFLA_INFO_KIND), which a driver of
// hardware, or of a virtual machine's hardware, does not have.
func (f *finder) of(l netlink.Link, depth int) encap.Origin {
	a := l.Attrs()
	switch kind := l.Type(); {
	case a.Flags&net.FlagLoopback != 0:
		return encap.OriginHere
	case depth == maxStacked:
		return encap.OriginMixed
	case kind == "veth" || kind == "netkit":
		return encap.OriginHere
	case kind == "vrf":
		return encap.OriginHere // what it names itself for was looped back within the VRF
	case kind == "device":
		return encap.OriginWire
	case kind == "vlan":
		lower := f.links[a.ParentIndex]
		if lower == nil || a.NetNsID >= 0 {
			return encap.OriginMixed // its device is in another namespace
		}
		return f.of(lower, depth+1)
	case kind == "bond" || kind == "team":
		return f.ofMembers(a.Index, depth+1)
	}
	return encap.OriginMixed
}

// ofMembers: a bond of wires is one.
func (f *finder) ofMembers(index, depth int) encap.Origin {
	members := f.members[index]
	for _, m := range members {
		if f.of(m, depth) != encap.OriginWire {
			return encap.OriginMixed
		}
	}
	if len(members) == 0 {
		return encap.OriginMixed
	}
	return encap.OriginWire
}
