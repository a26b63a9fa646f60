package vtep

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// maxQueues is the kernel's MAX_TAP_QUEUES (drivers/net/tun.c).
const maxQueues = 256

// normalise gives each address one form: IPv4-mapped IPv6 becomes IPv4, and an unspecified
// remote becomes none. An unspecified local stays, since it tells the address family.
func (c *LinkConfig) normalise() {
	c.Remote, c.Group, c.Local = c.Remote.Unmap(), c.Group.Unmap(), c.Local.Unmap()
	if c.Remote.IsUnspecified() {
		c.Remote = netip.Addr{}
	}
	c.Accept.Prefixes = slices.Clone(c.Accept.Prefixes) // the data path reads them
	c.SameHost.Prefixes = slices.Clone(c.SameHost.Prefixes)
}

// Validate reports why a configuration is impossible, as far as the host need not be asked.
// AddLink refuses the same before it opens anything.
func (c LinkConfig) Validate() error {
	c.normalise()
	return c.validate()
}

// validate checks what can be checked without the host.
func (c *LinkConfig) validate() error {
	if err := c.validateValues(); err != nil {
		return err
	}
	switch {
	case c.Name == "" || len(c.Name) > 15:
		return invalid("link name %q has %d bytes: write 1 to 15", c.Name, len(c.Name))
	case linkLocal(c.Remote) && c.Dev == "":
		return invalid("remote %s is link-local: give its device with dev", c.Remote)
	case linkLocal(c.Local) && c.Dev == "":
		return invalid("local %s is link-local: give its device with dev", c.Local)
	case c.Dev != "" && c.Dev == c.Name:
		return invalid("dev %s is the link itself: write the device that its packets leave by", c.Dev)
	case (c.FlowLabel != 0 || c.FlowLabelInherit) && !c.ipv6():
		return invalid("flowlabel needs an IPv6 underlay: give an IPv6 remote, group or local")
	case c.PolicyID != 0 && !c.GBP:
		return invalid("gbpid %d needs gbp: write gbp as well", c.PolicyID)
	case c.ProxyLearn && !c.Proxy:
		return invalid("proxylearn needs proxy: set both")
	}
	return c.validateTrunk()
}

// ValidateValues reports which values are impossible, each by itself and together, whatever
// the fields that are not set will have.
func (c LinkConfig) ValidateValues() error { return c.validateValues() }

func (c *LinkConfig) validateValues() error {
	switch {
	case c.VNI > encap.MaxVNI:
		return invalid("id %d is out of range: 0 to %d", c.VNI, encap.MaxVNI)
	case c.Remote.IsValid() && c.Group.IsValid():
		return invalid("remote %s and group %s together: write one of them; more remotes are added with \"fdb append\"", c.Remote, c.Group)
	case c.Remote.IsMulticast():
		return invalid("remote %s is a multicast address: write group %[1]s", c.Remote)
	case c.Group.IsValid() && !c.Group.IsMulticast():
		return invalid("group %s is no multicast address: write remote %[1]s, or a group such as 239.1.1.1 or ff05::100", c.Group)
	case c.Local.IsMulticast():
		return invalid("local %s is a multicast address: write one of this host's addresses", c.Local)
	case c.SrcPortMin > c.SrcPortMax:
		return invalid("srcport %d %d is no range: write the lower port first", c.SrcPortMin, c.SrcPortMax)
	case c.SrcPortMin == 0 && c.SrcPortMax != 0:
		return invalid("srcport 0 %d is no range: write 1 or more first, or 0 0 for the default", c.SrcPortMax)
	case c.MTU != 0 && (c.MTU < encap.MinMTU || c.MTU > encap.MaxMTU):
		return invalid("mtu %d is out of range: %d to %d", c.MTU, encap.MinMTU, encap.MaxMTU)
	case c.Address.IsMulticast():
		return invalid("address %s is a multicast MAC: write a unicast one", c.Address)
	case c.Queues < 0 || c.Queues > maxQueues:
		return invalid("queues %d is out of range: 1 to %d", c.Queues, maxQueues)
	case c.Accept.Mode == AcceptPrefixes && len(c.Accept.Prefixes) == 0:
		return invalid("accept has no prefix: write one")
	case c.SameHost.Mode == SameHostPrefixes && len(c.SameHost.Prefixes) == 0:
		return invalid("samehost has no prefix: write one")
	case c.FlowLabel > encap.MaxFlowLabel:
		return invalid("flowlabel %#x is out of range: 0 to %#x", c.FlowLabel, encap.MaxFlowLabel)
	}
	return c.validateFamily()
}

// validateTrunk checks what a VLAN of a trunk port may have: it has no netdev of its own.
func (c *LinkConfig) validateTrunk() error {
	switch {
	case c.Trunk == "" && c.VLAN == 0:
		return nil
	case c.Trunk == "":
		return invalid("vlan %d has no port: give the port with trunk", c.VLAN)
	case c.VLAN == 0 || c.VLAN > encap.MaxVLAN:
		return invalid("vlan %d of port %s is out of range: 1 to %d", c.VLAN, c.Trunk, encap.MaxVLAN)
	case !c.Address.IsZero() || c.Queues != 0 || c.Index != 0 || c.Persist || c.Owner != nil || c.OwnerGroup != nil:
		return invalid("address, queues, index, persist, user and group-owner are those of the port %s: leave them out here", c.Trunk)
	}
	return nil
}

// validateFamily checks that the link's underlay has one address family, and one scope
// (vxlan_config_validate in drivers/net/vxlan/vxlan_core.c).
func (c *LinkConfig) validateFamily() error {
	dst := c.Remote
	if c.Group.IsValid() {
		dst = c.Group
	}
	if dst.IsValid() && c.Local.IsValid() && dst.Is4() != c.Local.Is4() {
		return invalid("local %s and %s are of two address families: write two IPv4 or two IPv6 addresses", c.Local, dst)
	}
	if unreached := dst.IsValid() && !linkLocal(dst) && !dst.IsLinkLocalMulticast(); linkLocal(c.Local) && unreached {
		return invalid("local %s is link-local and reaches no %s: write another local, or a link-local remote", c.Local, dst)
	}
	if linkLocal(c.Remote) && c.source().IsValid() && !linkLocal(c.Local) {
		return invalid("remote %s is link-local: write a link-local local, or none", c.Remote)
	}
	return nil
}

// linkLocal reports whether a is an address of one link of the underlay, IPv6 alone: the
// kernel routes IPv4's as any other.
func linkLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// onDevice is a as it is bound: a link-local address on the device of that index.
func onDevice(a netip.Addr, index int) netip.Addr {
	if linkLocal(a) && index != 0 {
		return a.WithZone(strconv.Itoa(index))
	}
	return a
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// ipv6 is the underlay's address family: that of the addresses given, else
// IPv4 as Linux has it.
func (c *LinkConfig) ipv6() bool {
	for _, a := range []netip.Addr{c.Remote, c.Group, c.Local} {
		if a.IsValid() {
			return a.Is6()
		}
	}
	return false
}

func (c *LinkConfig) dstPort() uint16 {
	if c.DstPort == 0 {
		return encap.DefaultPort
	}
	return c.DstPort
}

func (c *LinkConfig) ageing() time.Duration {
	if c.Ageing == 0 {
		return DefaultAgeing
	}
	return c.Ageing
}

// maxAddresses is the limit of the link's FDB, 0 for none.
func (c *LinkConfig) maxAddresses() int {
	switch {
	case c.MaxAddresses == 0:
		return DefaultMaxAddresses
	case c.MaxAddresses < 0:
		return 0
	}
	return c.MaxAddresses
}

func (c *LinkConfig) accept() AcceptMode {
	switch {
	case c.Accept.Mode != AcceptDefault:
		return c.Accept.Mode
	case c.Group.IsValid():
		return AcceptAny
	}
	return AcceptPeers
}

// source is the configured outer source address; invalid: none is.
func (c *LinkConfig) source() netip.Addr {
	if c.Local.IsUnspecified() {
		return netip.Addr{}
	}
	return c.Local
}

// destination is the default remote or group; invalid: there is none.
func (c *LinkConfig) destination() netip.Addr {
	if c.Group.IsValid() {
		return c.Group
	}
	return c.Remote
}

// transmitterKeys are the transmitters that the link's two lanes use; they are
// the same unless the DF bit is inherited.
//
// They are not bound to dev, but to a VRF that it is or belongs to: where a packet
// leaves is said by its remote (VTEP.remoteKey), else by the routing table, as in the
// kernel (vxlan_xmit_one in drivers/net/vxlan/vxlan_core.c;
// docs/decisions/0012-dev-routes.md).
func (c *LinkConfig) transmitterKeys(dev *underlay.Interface) [2]underlay.TransmitterConfig {
	key := underlay.TransmitterConfig{
		Local:         onDevice(c.source(), dev.Index),
		V6:            c.ipv6(),
		Device:        dev.VRF,
		SrcPortMin:    c.SrcPortMin,
		SrcPortMax:    c.SrcPortMax,
		NoChecksum:    c.NoUDPChecksum,
		MulticastLoop: true, // for other VTEPs on this host; the link drops its own echo
		InPieces:      c.SameHost.Mode == SameHostNone,
	}
	if c.ipv6() {
		key.NoChecksum = c.UDP6ZeroCsumTx
	}
	if c.Group.IsValid() {
		key.MulticastInterface = dev.Index
	}
	if c.DF == DFUnset {
		key.DF = underlay.DFUnset
	}
	keys := [2]underlay.TransmitterConfig{key, key}
	if c.DF == DFInherit {
		keys[1].DF = underlay.DFUnset
	}
	return keys
}
