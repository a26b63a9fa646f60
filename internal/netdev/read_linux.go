package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
)

// Read asks the kernel for what `ip -d link show` prints of a device (RTM_GETLINK,
// rtnetlink(7), include/uapi/linux/if_link.h).
func (Host) Read(known *api.Netdev) (api.Netdev, error) {
	fail := func(err error) (api.Netdev, error) {
		return api.Netdev{}, fmt.Errorf("netdev: device %q: %w", known.Name, err)
	}
	head, attrs, err := get(known.Index, known.NSID)
	if err != nil {
		return fail(err)
	}
	d := netdevOf(int(head.Index), head.Flags, attrs)
	if d.Name != known.Name || d.MAC != known.MAC {
		return fail(errors.New("it is in another network namespace"))
	}
	d.NSID = known.NSID
	if master := number(attrs[unix.IFLA_MASTER]); master != 0 {
		d.Master = "if" + strconv.FormatUint(uint64(master), 10) // as ip prints an index without a name
		if _, of, err := get(int(master), known.NSID); err == nil {
			d.Master = text(of[unix.IFLA_IFNAME])
		}
	}
	return d, nil
}

// get is the kernel's answer to RTM_GETLINK for a device of this network namespace, or of the one that
// has the id nsid here (IFLA_TARGET_NETNSID, Linux 4.20: rtnl_getlink in net/core/rtnetlink.c).
func get(index int, nsid *int) (*nl.IfInfomsg, attributes, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	head := nl.NewIfInfomsg(unix.AF_UNSPEC)
	head.Index = int32(index)
	req.AddData(head)
	if nsid != nil {
		req.AddData(nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(*nsid))))
	}
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if err != nil {
		return nil, nil, os.NewSyscallError("RTM_GETLINK", err)
	}
	if len(msgs) != 1 || len(msgs[0]) < unix.SizeofIfInfomsg {
		return nil, nil, fmt.Errorf("%d answers from the kernel", len(msgs))
	}
	attrs, err := nl.ParseRouteAttrAsMap(msgs[0][unix.SizeofIfInfomsg:])
	return nl.DeserializeIfInfomsg(msgs[0]), attrs, err
}

type attributes = map[uint16]syscall.NetlinkRouteAttr // what nl.ParseRouteAttrAsMap makes

// number is an attribute of 32 bits, 0 where there is none.
func number(a syscall.NetlinkRouteAttr) uint32 {
	if len(a.Value) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(a.Value)
}

// text is an attribute that ends with a zero byte, "" where there is none.
func text(a syscall.NetlinkRouteAttr) string {
	if len(a.Value) == 0 {
		return ""
	}
	return unix.ByteSliceToString(a.Value)
}

func netdevOf(index int, flags uint32, attrs attributes) api.Netdev {
	number := func(t uint16) uint32 { return number(attrs[t]) }
	text := func(t uint16) string { return text(attrs[t]) }
	d := api.Netdev{
		Index: index, Name: text(unix.IFLA_IFNAME), MTU: int(number(unix.IFLA_MTU)), Flags: flagNames(flags),
		MAC: net.HardwareAddr(attrs[unix.IFLA_ADDRESS].Value).String(), Broadcast: net.HardwareAddr(attrs[unix.IFLA_BROADCAST].Value).String(),
		Qdisc: text(unix.IFLA_QDISC), Alias: text(unix.IFLA_IFALIAS), TxQLen: number(unix.IFLA_TXQLEN),
		OperState: operState(attrs[unix.IFLA_OPERSTATE].Value), LinkMode: "DEFAULT", Group: "default",
		Promiscuity: number(unix.IFLA_PROMISCUITY), AllMulti: number(unix.IFLA_ALLMULTI),
		MinMTU: number(unix.IFLA_MIN_MTU), MaxMTU: number(unix.IFLA_MAX_MTU),
		AddrGenMode: addrGenMode(attrs[unix.IFLA_AF_SPEC].Value),
		NumTxQueues: number(unix.IFLA_NUM_TX_QUEUES), NumRxQueues: number(unix.IFLA_NUM_RX_QUEUES),
		GSOMaxSize: number(unix.IFLA_GSO_MAX_SIZE), GSOMaxSegs: number(unix.IFLA_GSO_MAX_SEGS),
		TSOMaxSize: number(unix.IFLA_TSO_MAX_SIZE), TSOMaxSegs: number(unix.IFLA_TSO_MAX_SEGS),
		GROMaxSize: number(unix.IFLA_GRO_MAX_SIZE),
	}
	if v := attrs[unix.IFLA_LINKMODE].Value; len(v) > 0 && v[0] == 1 { // IF_LINK_MODE_DORMANT
		d.LinkMode = "DORMANT"
	}
	if g := number(unix.IFLA_GROUP); g != 0 {
		d.Group = strconv.FormatUint(uint64(g), 10)
	}
	return d
}

// flagNames are a device's flags in iproute2's order (print_link_flags in
// ip/ipaddress.c).
func flagNames(flags uint32) []string {
	names := []string{}
	if flags&unix.IFF_UP != 0 && flags&unix.IFF_RUNNING == 0 {
		names = append(names, "NO-CARRIER")
	}
	for _, f := range []struct {
		bit  uint32
		name string
	}{
		{unix.IFF_LOOPBACK, "LOOPBACK"}, {unix.IFF_BROADCAST, "BROADCAST"}, {unix.IFF_POINTOPOINT, "POINTOPOINT"},
		{unix.IFF_MULTICAST, "MULTICAST"}, {unix.IFF_NOARP, "NOARP"}, {unix.IFF_ALLMULTI, "ALLMULTI"},
		{unix.IFF_PROMISC, "PROMISC"}, {unix.IFF_MASTER, "MASTER"}, {unix.IFF_SLAVE, "SLAVE"},
		{unix.IFF_DEBUG, "DEBUG"}, {unix.IFF_DYNAMIC, "DYNAMIC"}, {unix.IFF_AUTOMEDIA, "AUTOMEDIA"},
		{unix.IFF_PORTSEL, "PORTSEL"}, {unix.IFF_NOTRAILERS, "NOTRAILERS"}, {unix.IFF_UP, "UP"},
		{unix.IFF_LOWER_UP, "LOWER_UP"}, {unix.IFF_DORMANT, "DORMANT"}, {unix.IFF_ECHO, "ECHO"},
	} {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	return names
}

// operState is a device's operational state (RFC 2863, IF_OPER_* in
// include/uapi/linux/if.h).
func operState(v []byte) string {
	names := []string{"UNKNOWN", "NOTPRESENT", "DOWN", "LOWERLAYERDOWN", "TESTING", "DORMANT", "UP"}
	if len(v) == 0 || int(v[0]) >= len(names) {
		return "UNKNOWN"
	}
	return names[v[0]]
}

// addrGenMode is how the device makes IPv6 addresses, "" where it has no IPv6
// (IN6_ADDR_GEN_MODE_* in include/uapi/linux/if_link.h).
func addrGenMode(spec []byte) string {
	const inet6AddrGenMode = 8 // IFLA_INET6_ADDR_GEN_MODE
	families, err := nl.ParseRouteAttrAsMap(spec)
	if err != nil {
		return ""
	}
	inet6, err := nl.ParseRouteAttrAsMap(families[unix.AF_INET6].Value)
	if err != nil {
		return ""
	}
	names := []string{"eui64", "none", "stable_secret", "random"}
	v := inet6[inet6AddrGenMode].Value
	if len(v) == 0 || int(v[0]) >= len(names) {
		return ""
	}
	return names[v[0]]
}
