package migrate

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// bridgeFDB takes an entry: networkd makes permanent ones of the device's own
// (src/network/networkd-bridge-fdb.c), of zeros where there is no MACAddress=.
func (d *netdev) bridgeFDB(s *unitSection) {
	e := entry{State: "permanent", MAC: zeroMAC}
	said := make([]string, len(s.values))
	for i := range s.values {
		said[i] = s.values[i].String()
	}
	leave := func(at place, format string, a ...any) {
		d.notes.addf(at, "the entry "+strings.ReplaceAll(strings.Join(said, " "), "%", "%%")+" is left out: "+format, a...)
	}
	for _, v := range s.values {
		if left, err := e.bridgeFDBKey(&v); err != nil && left {
			leave(v.at, "%v: %v", &v, err)
			return
		} else if err != nil {
			d.notes.addf(v.at, "%v is left out: %v", &v, err)
		}
	}
	dst, _ := netip.ParseAddr(e.Dst)
	dev, _ := d.link.set["dev"].(string)
	same := func(f yamlEntry) bool { return slices.Equal(f, e.say()) }
	switch {
	case e.Dst == "":
		leave(s.at, "it has no Destination=, which one of uvtep's needs")
	case dst.Is6() != d.link.ipv6():
		leave(s.at, "its address is of the other family than the link's")
	case dst.IsLinkLocalUnicast() && dst.Is6() && e.Via == "" && dev == "":
		leave(s.at, "its address is link-local, and nothing says the device; write via")
	case e.MAC == zeroMAC && e.Dst == d.link.set["remote"] && e.VNI == nil && e.Via == dev:
		leave(s.at, "it is the one that Remote= makes")
	case slices.ContainsFunc(d.link.fdb, same):
		leave(s.at, "it is there already")
	case !isGroup(e.MAC) && slices.ContainsFunc(d.link.fdb, func(f yamlEntry) bool { return f[0].value == e.MAC }):
		leave(s.at, "there is one of %s already, and a unicast address has one destination; networkd makes any of them", e.MAC)
	default:
		d.link.entry(e)
	}
}

// bridgeFDBKey takes a key. left: what is wrong with it costs the entry, as it
// does with networkd.
func (e *entry) bridgeFDBKey(v *unitValue) (left bool, err error) {
	switch v.key {
	case "MACAddress":
		e.MAC, err = unitMAC(v.value)
		return true, err
	case "Destination":
		e.Dst, err = anyAddress(v.value)
		return true, err
	case "VNI":
		var n uint64
		n, err = unitNumber(v.value, 1<<24-1)
		e.VNI = new(uint32(n))
		return true, err
	case "OutgoingInterface":
		e.Via = v.value
		if index, err := strconv.Atoi(v.value); err == nil && index > 0 {
			e.Via = ""
			return false, errors.New("only the host knows the device with that index; write via")
		}
	case "AssociatedWith":
		if v.value != "self" {
			return true, errors.New("it is no entry of the device's own, and networkd fails at it")
		}
	case "VLANId": // which the driver does not look at
		return false, errors.New("it says nothing to a vxlan device")
	default:
		return false, errors.New("it is no key of [BridgeFDB] that uvtep knows")
	}
	return false, nil
}

func anyAddress(v string) (string, error) {
	a, err := address(v, false)
	if err != nil {
		a, err = address(v, true)
	}
	return a, err
}
