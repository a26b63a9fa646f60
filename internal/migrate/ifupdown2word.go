package migrate

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// ifaceReader reads one VXLAN stanza.
type ifaceReader struct {
	*interfaces
	stanza  *stanza
	ng      bool // as ifupdown-ng does
	link    *fileLink
	remotes []peer
	seen    map[string]bool // attributes of which the first counts
}

// peer is an address of vxlan-remoteip.
type peer struct {
	addr string
	at   place
}

// maxMTU is the most that sysfs takes of an MTU.
const maxMTU = math.MaxInt32

// take takes one attribute.
func (u *ifaceReader) take(a *attribute) error {
	switch a.key {
	case "vxlan-remoteip": // of which there may be many
		fields := strings.Fields(a.value)
		if len(fields) > 1 && !u.ng {
			u.notes.addf(a.at, "ifupdown2 takes one address of a vxlan-remoteip: here all of %s are kept", a.value)
		}
		for _, word := range fields {
			remote, err := u.host(a, word)
			if err != nil {
				return err
			}
			u.remotes = append(u.remotes, peer{remote, a.at})
		}
		return nil
	case "mtu", "hwaddress":
	default:
		if !strings.HasPrefix(a.key, "vxlan-") {
			return u.ofDevice(a)
		}
	}
	if u.seen[a.key] {
		return errors.New("the first one counts")
	}
	u.seen[a.key] = true
	return u.word(a)
}

// errDevice is said of what is not the link's.
var errDevice = errors.New("it is the device's: keep it in an iface without vxlan- lines, and mtu with it, without which ifupdown2 sets 1500")

// ofDevice tells of an attribute that is not of VXLAN. Commands are told with
// all others, and what decides about the link's state has been looked at.
func (u *ifaceReader) ofDevice(a *attribute) error {
	switch {
	case a.isCommand():
		return nil
	case a.key == "bridge-learning":
		return errors.New("it is the port's: keep it in an iface without vxlan- lines; the link's learning follows it")
	case u.ng:
		return errors.New("it is the device's: keep it in an iface without vxlan- lines")
	}
	return errDevice
}

// put sets a word of the link, unless its value cannot be.
func put[T any](l *fileLink, word string) func(T, error) error {
	return func(v T, err error) error {
		if err == nil {
			l.set[word] = v
		}
		return err
	}
}

// word takes an attribute that stands for one word of the link.
func (u *ifaceReader) word(a *attribute) error {
	l := u.link
	switch a.key {
	case "vxlan-id":
		return put[uint64](l, "id")(decimal(a.value, 1<<24-1))
	case "vxlan-local-tunnelip":
		return put[string](l, "local")(u.host(a, a.value))
	case "vxlan-svcnodeip", "vxlan-svcnodeip6", "vxlan-mcastgrp", "vxlan-mcastgrp6":
		return u.destination(a)
	case "vxlan-physdev":
		l.set["dev"] = a.value
		return nil
	case "vxlan-port":
		return put[uint64](l, "dstport")(decimal(a.value, math.MaxUint16))
	case "vxlan-learning":
		return put[bool](l, "learning")(u.yesNo(a), nil)
	case "vxlan-ageing":
		n, err := decimal(a.value, math.MaxUint32)
		if err == nil && n == 0 { // ifupdown2 leaves it to the kernel
			return errors.New("0 is the kernel's default to ifupdown2")
		}
		return put[uint64](l, "ageing")(n, err)
	case "vxlan-ttl":
		if strings.EqualFold(a.value, "auto") {
			l.set["ttl"] = "auto"
			return nil
		}
		n, err := decimal(a.value, math.MaxUint8)
		return put[any](l, "ttl")(ttl(n), err)
	case "vxlan-tos":
		return u.tos(a)
	case "vxlan-udp-csum":
		return put[bool](l, "udpcsum")(u.yesNo(a), nil)
	case "mtu":
		return put[uint64](l, "mtu")(sysfsNumber(a.value, maxMTU))
	case "hwaddress":
		return put[string](l, "address")(macOf(strings.TrimSpace(strings.TrimPrefix(a.value, "ether "))))
	case "vxlan-purge-remotes":
		return errors.New("the file has all the remotes that there are")
	case "vxlan-evpn": // ifupdown-ng's
		return errors.New("it is the bridge port's: give the device nolearning and neigh_suppress there")
	}
	return errors.New("uvtep knows no such attribute")
}

func (u *ifaceReader) tos(a *attribute) error {
	if strings.EqualFold(a.value, "inherit") {
		u.link.set["tos"] = "inherit"
		return nil
	}
	n, err := decimal(a.value, math.MaxUint8)
	return put[any](u.link, "tos")(tos(n), err)
}

// host reads a unicast address. ifupdown2 ignores a prefix length.
func (u *ifaceReader) host(a *attribute, v string) (string, error) {
	return address(u.withoutLength(a, v), false)
}

// destination is the link's remote or group, whatever of both the attribute
// says: ifupdown2 looks at the address.
func (u *ifaceReader) destination(a *attribute) error {
	if u.link.set["remote"] != nil || u.link.set["group"] != nil {
		return errors.New("the link has a destination already")
	}
	v, err := anyAddress(u.withoutLength(a, a.value))
	if err != nil {
		return err
	}
	word := "remote"
	if netip.MustParseAddr(v).IsMulticast() {
		word = "group"
	}
	u.link.set[word] = v
	return nil
}

// decimal reads a number as Python's int does: leading zeros say nothing, and
// underlines may stand between digits.
func decimal(v string, most uint64) (uint64, error) {
	digits := strings.TrimPrefix(strings.TrimSpace(v), "+")
	if !strings.HasPrefix(digits, "_") && !strings.HasSuffix(digits, "_") && !strings.Contains(digits, "__") {
		digits = strings.ReplaceAll(digits, "_", "")
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("it is no number from 0 to %d", most)
	}
	return n, nil
}

// sysfsNumber reads a number that ifupdown2 writes to sysfs as it stands
// (link_set_mtu in lib/sysfs.py), where a leading 0 makes it octal (kstrtoul in
// lib/kstrtox.c).
func sysfsNumber(v string, most uint64) (uint64, error) {
	if _, err := decimal(v, most); err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil || strings.Contains(v, "_") {
		return 0, errors.New("the kernel takes no such number")
	}
	return n, nil
}

// yesNo reads a switch. What ifupdown2 does not know is no (_string_values in
// ifupdown/utils.py), and is told.
func (u *interfaces) yesNo(a *attribute) bool {
	switch a.value {
	case "on", "yes", "1", "fast", "True": // True: JSON's, in a policy
		return true
	case "off", "no", "0", "slow", "False":
	default:
		u.notes.addf(a.at, "ifupdown2 reads %s %s as no: it knows yes, no, on, off, 1 and 0", a.key, a.value)
	}
	return false
}
