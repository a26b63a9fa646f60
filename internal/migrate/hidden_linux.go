package migrate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Attributes of include/uapi/linux/if_link.h that are newer than the ip of some
// distributions, which does not print them: from Linux 6.5, 6.7, 6.14 and 6.16.
const (
	iflaVXLANLocalBypass  = 31
	iflaVXLANLabelPolicy  = 32
	iflaVXLANReservedBits = 33
	iflaVXLANMCRoute      = 34
)

// labelInherit is VXLAN_LABEL_INHERIT.
const labelInherit = 1

// ReadHidden asks the kernel, in this network namespace or the one that has the
// name, for what an old ip does not print of VXLAN links.
func ReadHidden(namespace string) (Hidden, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	if namespace != "" {
		ns, err := netns.GetFromName(namespace)
		if err != nil {
			return nil, fmt.Errorf("network namespace %q: %w", namespace, err)
		}
		defer func() { _ = ns.Close() }() // a descriptor, read from only
		socket, err := nl.GetNetlinkSocketAt(ns, netns.None(), unix.NETLINK_ROUTE)
		if err != nil {
			return nil, fmt.Errorf("network namespace %q: %w", namespace, err)
		}
		defer socket.Close()
		req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
	}
	msgs, err := repeated(func() ([][]byte, error) { return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK) })
	if err != nil {
		return nil, os.NewSyscallError("RTM_GETLINK", err)
	}
	all := Hidden{}
	for _, m := range msgs {
		if len(m) < unix.SizeofIfInfomsg {
			continue
		}
		if name, hidden := hiddenOf(m[unix.SizeofIfInfomsg:]); hidden != nil {
			all[name] = hidden
		}
	}
	return all, nil
}

// dumps is how often a dump is asked for that devices come and go in.
const dumps = 10

// repeated repeats a dump that was interrupted (NLM_F_DUMP_INTR): what came may
// have a device twice, or lack one.
func repeated(dump func() ([][]byte, error)) (msgs [][]byte, err error) {
	for range dumps {
		if msgs, err = dump(); !errors.Is(err, nl.ErrDumpInterrupted) {
			break
		}
	}
	return msgs, err
}

// hiddenOf reads the attributes of one device; nil where it is no vxlan.
func hiddenOf(attrs []byte) (name string, hidden map[string]any) {
	device, err := nl.ParseRouteAttrAsMap(attrs)
	if err != nil {
		return "", nil
	}
	info, err := nl.ParseRouteAttrAsMap(device[unix.IFLA_LINKINFO].Value)
	if err != nil || unix.ByteSliceToString(info[nl.IFLA_INFO_KIND].Value) != "vxlan" {
		return "", nil
	}
	data, err := nl.ParseRouteAttrAsMap(info[nl.IFLA_INFO_DATA].Value)
	if err != nil {
		return "", nil
	}
	hidden = map[string]any{}
	if v := data[iflaVXLANLocalBypass].Value; len(v) == 1 {
		hidden["localbypass"] = v[0] != 0
	}
	if v := data[iflaVXLANLabelPolicy].Value; len(v) == 4 && binary.NativeEndian.Uint32(v) == labelInherit {
		hidden["flowlabel"] = "inherit"
	}
	if v := data[iflaVXLANReservedBits].Value; len(v) == 8 {
		hidden["reserved_bits"] = fmt.Sprintf("%#x", binary.BigEndian.Uint64(v))
	}
	if v := data[iflaVXLANMCRoute].Value; len(v) == 1 && v[0] != 0 {
		hidden["mcroute"] = true
	}
	return unix.ByteSliceToString(device[unix.IFLA_IFNAME].Value), hidden
}
