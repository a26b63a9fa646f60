package migrate

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/uvtep/uvtep/encap"
)

// vxlanKey takes a key of [VXLAN]: systemd.netdev(5), with the older names of
// src/network/netdev/netdev-gperf.gperf. What networkd makes of a value is in
// src/network/netdev/vxlan.c.
func (d *netdev) vxlanKey(v *unitValue) error {
	num := func(most uint64, as func(uint64) any) func(string) (any, error) {
		return func(s string) (any, error) {
			n, err := unitNumber(s, most)
			if err != nil || as == nil {
				return n, err
			}
			return as(n), nil
		}
	}
	flag := func(s string) (any, error) { return boolean(s) }
	switch v.key {
	case "VNI", "Id":
		return d.vni(v)
	case "Remote":
		return d.orTakeBack("remote", v, func(s string) (any, error) { return address(s, false) })
	case "Group":
		return d.orTakeBack("group", v, func(s string) (any, error) { return address(s, true) })
	case "Local":
		return d.local(v)
	case "TOS": // of which networkd sends 8 bits
		return d.zero("tos", v, num(math.MaxUint32, func(n uint64) any { return tos(n & 0xff) }))
	case "TTL":
		return d.assignTo("ttl", v, ttlOf)
	case "FlowLabel":
		return d.zero("flowlabel", v, num(1<<20-1, nil))
	case "FDBAgeingSec":
		return d.zero("ageing", v, func(s string) (any, error) { return unitSeconds(s) })
	case "MaximumFDBEntries":
		return d.zero("maxaddress", v, num(math.MaxUint32, nil))
	case "DestinationPort":
		return d.orTakeBack("dstport", v, destinationPort)
	case "PortRange":
		return d.assignTo("srcport", v, portRange)
	case "IPDoNotFragment":
		return d.assignTo("df", v, dontFragment)
	case "MacLearning":
		return d.assignTo("learning", v, flag)
	case "ReduceARPProxy", "ARPProxy":
		return d.assignTo("proxy", v, flag)
	case "L2MissNotification":
		return d.assignTo("l2miss", v, flag)
	case "L3MissNotification":
		return d.assignTo("l3miss", v, flag)
	case "UDP6ZeroChecksumTx", "UDP6ZeroCheckSumTx":
		return d.assignTo("udp6zerocsumtx", v, flag)
	case "UDP6ZeroChecksumRx", "UDP6ZeroCheckSumRx":
		return d.assignTo("udp6zerocsumrx", v, flag)
	case "GroupPolicyExtension":
		return d.assignTo("gbp", v, flag)
	}
	return d.otherKey(v)
}

// zero is assignTo for a word of which 0 says nothing.
func (d *netdev) zero(word string, v *unitValue, read func(string) (any, error)) error {
	if err := d.assignTo(word, v, read); err != nil {
		return err
	}
	if n := fmt.Sprint(d.link.set[word]); n == "0" || n == "0x0" {
		delete(d.link.set, word)
	}
	return nil
}

// vni takes VNI=: a number that is too large is no mistake of the line, but the
// device is not made.
func (d *netdev) vni(v *unitValue) error {
	err := d.assignTo("id", v, func(s string) (any, error) { return unitNumber(s, math.MaxUint32) })
	if err == nil {
		d.invalid = d.link.set["id"].(uint64) > uint64(encap.MaxVNI)
	}
	return err
}

// local takes Local=, which may also say what kind of address.
func (d *netdev) local(v *unitValue) error {
	switch v.value {
	case "ipv4_link_local", "ipv6_link_local", "dhcp4", "dhcp6", "slaac":
		d.counts("local", v)
		delete(d.link.set, "local")
		d.anyLocal = new(*v)
		return nil
	}
	err := d.orTakeBack("local", v, func(s string) (any, error) { return address(s, false) })
	if err == nil && v.value != "" {
		d.anyLocal = nil
	}
	return err
}

// otherKey takes a key that is no word of a link.
func (d *netdev) otherKey(v *unitValue) error {
	switch v.key {
	case "Independent", "UDPChecksum", "UDPCheckSum", "GenericProtocolExtension", "RouteShortCircuit", "RemoteChecksumTx", "RemoteChecksumRx":
	default:
		return errors.New("it is no key of [VXLAN] that uvtep knows")
	}
	if v.value == "" {
		return errEmpty
	}
	on, err := boolean(v.value)
	if err != nil {
		return err
	}
	d.counts(strings.ToLower(v.key), v)
	switch v.key {
	case "Independent":
		d.independent = on
		return nil
	case "UDPChecksum", "UDPCheckSum":
		d.checksum, d.saidChecksum = on, true
		return nil
	case "GenericProtocolExtension":
		d.gpe = on
	}
	if on {
		return errors.New("uvtep has no such setting")
	}
	return nil
}

// destinationPort reads DestinationPort=, which cannot be 0.
func destinationPort(v string) (any, error) {
	n, err := unitNumber(v, math.MaxUint16)
	if n == 0 {
		return nil, errors.New("it is no port")
	}
	return n, err
}

// ttlOf reads TTL=: 0 is the kernel's auto, whatever the manual says.
func ttlOf(v string) (any, error) {
	if v == "inherit" {
		return v, nil
	}
	n, err := unitNumber(v, 255)
	return ttl(n), err
}

func dontFragment(v string) (any, error) {
	if v == "inherit" {
		return v, nil
	}
	on, err := boolean(v)
	if on {
		return "set", err
	}
	return "unset", err
}

// portRange reads LOW-HIGH, or one port.
func portRange(v string) (any, error) {
	low, high, both := strings.Cut(v, "-")
	if !both {
		high = low
	}
	l, lerr := unitNumber(low, math.MaxUint16)
	h, herr := unitNumber(strings.TrimLeft(high, whitespace), math.MaxUint16)
	if lerr != nil || herr != nil || l == 0 || h < l {
		return nil, errors.New("it is no range of ports")
	}
	return []any{l, h}, nil
}
