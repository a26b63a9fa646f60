package migrate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// vxlanKey takes a key of [VXLAN]: systemd.netdev(5), with the older names of
// src/network/netdev/netdev-gperf.gperf. What networkd makes of a value is in
// src/network/netdev/vxlan.c.
func (d *netdev) vxlanKey(v *unitValue) error {
	num := func(most uint64, as func(uint64) any) func(string) (any, error) {
		return func(s string) (any, error) {
			n, err := number(s, most)
			if err != nil || as == nil {
				return n, err
			}
			return as(n), nil
		}
	}
	flag := func(s string) (any, error) { return boolean(s) }
	switch v.key {
	case "VNI", "Id":
		return d.assignTo("id", v, num(1<<24-1, nil))
	case "Remote":
		return d.assignTo("remote", v, func(s string) (any, error) { return address(s, false) })
	case "Group":
		return d.assignTo("group", v, func(s string) (any, error) { return address(s, true) })
	case "Local":
		return d.assignTo("local", v, localAddress)
	case "TOS":
		return d.zero("tos", v, num(255, tos))
	case "TTL":
		return d.assignTo("ttl", v, ttlOf)
	case "FlowLabel":
		return d.zero("flowlabel", v, num(1<<20-1, nil))
	case "FDBAgeingSec":
		return d.zero("ageing", v, func(s string) (any, error) { return seconds(s) })
	case "MaximumFDBEntries":
		return d.zero("maxaddress", v, num(math.MaxUint32, nil))
	case "DestinationPort":
		return d.zero("dstport", v, num(math.MaxUint16, nil))
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

// otherKey takes a key that is no word of a link.
func (d *netdev) otherKey(v *unitValue) error {
	on, err := boolean(v.value)
	if v.value == "" {
		on, err = false, nil
	}
	switch v.key {
	case "Independent":
		d.independent = on
	case "UDPChecksum", "UDPCheckSum":
		d.checksum, d.saidChecksum = on, true
	case "GenericProtocolExtension":
		d.gpe = on
		fallthrough
	case "RouteShortCircuit", "RemoteChecksumTx", "RemoteChecksumRx":
		if on {
			return errors.New("uvtep has no such setting")
		}
	default:
		return errors.New("it is no key of [VXLAN] that uvtep knows")
	}
	return err
}

// localAddress reads Local=, which may also say what kind of address.
func localAddress(v string) (any, error) {
	switch v {
	case "ipv4_link_local", "ipv6_link_local", "dhcp4", "dhcp6", "slaac":
		return nil, errors.New("which address that is shows when networkd runs; write local")
	}
	return address(v, false)
}

func anyAddress(v string) (string, error) {
	a, err := address(v, false)
	if err != nil {
		a, err = address(v, true)
	}
	return a, err
}

// ttlOf reads TTL=: 0 is the kernel's auto, whatever the manual says.
func ttlOf(v string) (any, error) {
	if v == "inherit" {
		return v, nil
	}
	n, err := number(v, 255)
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

// portRange reads LOW-HIGH.
func portRange(v string) (any, error) {
	low, high, both := strings.Cut(v, "-")
	if !both {
		high = low
	}
	l, lerr := number(strings.TrimSpace(low), math.MaxUint16)
	h, herr := number(strings.TrimSpace(high), math.MaxUint16)
	if lerr != nil || herr != nil || l == 0 || h < l {
		return nil, errors.New("it is no range of ports")
	}
	return []any{l, h}, nil
}

// seconds reads a time span of systemd.time(7), in whole seconds.
func seconds(v string) (uint64, error) {
	units := map[string]float64{
		"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60,
		"h": 3600, "hr": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800,
		"ms": 1e-3, "msec": 1e-3, "us": 1e-6, "usec": 1e-6,
	}
	wrong := errors.New("it is no time such as 300 or 5min")
	total, rest := 0.0, strings.TrimSpace(v)
	if rest == "" {
		return 0, wrong
	}
	for rest != "" {
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789."))]
		rest = strings.TrimLeft(rest[len(digits):], " ")
		unit := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
		rest = strings.TrimLeft(rest[len(unit):], " ")
		n, err := strconv.ParseFloat(digits, 64)
		factor, known := units[unit]
		if err != nil || !known {
			return 0, wrong
		}
		total += n * factor
	}
	if total > math.MaxUint32 {
		return 0, wrong
	}
	return uint64(total), nil
}
