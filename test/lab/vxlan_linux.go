package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// KernelVXLAN describes a vxlan device of the kernel: what `ip link add NAME type vxlan ...` can say. The zero value of
// each field but Name and VNI is iproute2's default, except the port: 4789, which iproute2 wants to be told.
type KernelVXLAN struct {
	Name   string
	VNI    uint32
	Local  netip.Addr
	Remote netip.Addr // unicast default destination
	Group  netip.Addr // multicast default destination; needs Dev
	Dev    string     // the underlay device; the kernel derives the MTU only from it
	Port   uint16     // 0: 4789

	NoLearning             bool
	Ageing                 uint32 // seconds; 0: 300
	MaxAddress             uint32 // 0: no limit
	NoUDPChecksum          bool
	UDP6ZeroCsumTx         bool
	UDP6ZeroCsumRx         bool
	TTL                    uint8 // 0: auto
	TTLInherit             bool
	TOS                    uint8 // 1: inherit
	DF                     uint8 // 0 unset, 1 set, 2 inherit (enum ifla_vxlan_df)
	SrcPortMin, SrcPortMax uint16
	GBP                    bool
	Proxy, L2Miss, L3Miss  bool
	NoLocalBypass          bool // from Linux 6.5 on

	MTU int              // 0: the kernel's choice
	MAC net.HardwareAddr // nil: the kernel's choice
}

// AddKernelVXLAN makes a vxlan device and brings it up. The error wraps [ErrUnavailable] where the kernel has no vxlan.
func (h *Host) AddKernelVXLAN(k KernelVXLAN) error {
	data, err := h.vxlanAttrs(k)
	if err != nil {
		return err
	}
	err = h.Do(func() error {
		req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(k.Name)))
		if k.MTU != 0 {
			req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(k.MTU))))
		}
		if k.MAC != nil {
			req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, k.MAC))
		}
		info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("vxlan"))
		info.AddChild(data)
		req.AddData(info)
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = fmt.Errorf("%w: the kernel has no vxlan devices (modprobe vxlan): %w", ErrUnavailable, err)
	}
	if err != nil {
		return h.wrapf(err, "vxlan %q", k.Name)
	}
	return h.SetUp(k.Name, true)
}

// iflaVXLANLocalBypass is IFLA_VXLAN_LOCALBYPASS, which x/sys does not have.
const iflaVXLANLocalBypass = 31

// vxlanAttrs writes IFLA_INFO_DATA (include/uapi/linux/if_link.h, IFLA_VXLAN_*). Ports are in network byte order.
func (h *Host) vxlanAttrs(k KernelVXLAN) (*nl.RtAttr, error) {
	data := nl.NewRtAttr(nl.IFLA_INFO_DATA, nil)
	flag := func(attr int, v bool) {
		b := []byte{0}
		if v {
			b[0] = 1
		}
		data.AddRtAttr(attr, b)
	}
	data.AddRtAttr(unix.IFLA_VXLAN_ID, nl.Uint32Attr(k.VNI))
	group := k.Remote
	if k.Group.IsValid() {
		group = k.Group
	}
	addAddr(data, unix.IFLA_VXLAN_GROUP, unix.IFLA_VXLAN_GROUP6, group)
	addAddr(data, unix.IFLA_VXLAN_LOCAL, unix.IFLA_VXLAN_LOCAL6, k.Local)
	if k.Dev != "" {
		l, err := h.Link(k.Dev)
		if err != nil {
			return nil, err
		}
		data.AddRtAttr(unix.IFLA_VXLAN_LINK, nl.Uint32Attr(uint32(l.Attrs().Index)))
	}
	port := k.Port
	if port == 0 {
		port = 4789
	}
	data.AddRtAttr(unix.IFLA_VXLAN_PORT, binary.BigEndian.AppendUint16(nil, port))
	if k.SrcPortMin != 0 || k.SrcPortMax != 0 {
		b := binary.BigEndian.AppendUint16(nil, k.SrcPortMin)
		data.AddRtAttr(unix.IFLA_VXLAN_PORT_RANGE, binary.BigEndian.AppendUint16(b, k.SrcPortMax))
	}
	if k.TTLInherit {
		flag(unix.IFLA_VXLAN_TTL_INHERIT, true)
	} else if k.TTL != 0 {
		data.AddRtAttr(unix.IFLA_VXLAN_TTL, []byte{k.TTL})
	}
	data.AddRtAttr(unix.IFLA_VXLAN_TOS, []byte{k.TOS})
	if k.DF != 0 {
		data.AddRtAttr(unix.IFLA_VXLAN_DF, []byte{k.DF})
	}
	if k.Ageing != 0 {
		data.AddRtAttr(unix.IFLA_VXLAN_AGEING, nl.Uint32Attr(k.Ageing))
	}
	if k.MaxAddress != 0 {
		data.AddRtAttr(unix.IFLA_VXLAN_LIMIT, nl.Uint32Attr(k.MaxAddress))
	}
	flag(unix.IFLA_VXLAN_LEARNING, !k.NoLearning)
	flag(unix.IFLA_VXLAN_PROXY, k.Proxy)
	flag(unix.IFLA_VXLAN_L2MISS, k.L2Miss)
	flag(unix.IFLA_VXLAN_L3MISS, k.L3Miss)
	flag(unix.IFLA_VXLAN_UDP_CSUM, !k.NoUDPChecksum)
	flag(unix.IFLA_VXLAN_UDP_ZERO_CSUM6_TX, k.UDP6ZeroCsumTx)
	flag(unix.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, k.UDP6ZeroCsumRx)
	if k.NoLocalBypass {
		flag(iflaVXLANLocalBypass, false)
	}
	if k.GBP {
		data.AddRtAttr(unix.IFLA_VXLAN_GBP, nil)
	}
	return data, nil
}

// addAddr adds an address under the attribute of its family; an invalid one is left out.
func addAddr(data *nl.RtAttr, attr4, attr6 int, a netip.Addr) {
	switch {
	case a.Is4():
		data.AddRtAttr(attr4, a.AsSlice())
	case a.Is6():
		data.AddRtAttr(attr6, a.AsSlice())
	}
}
