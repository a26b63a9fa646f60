package migrate

import (
	"errors"
	"strings"
)

// bridgeFDB takes an entry: networkd makes permanent ones
// (src/network/networkd-bridge-fdb.c).
func (d *netdev) bridgeFDB(s *unitSection) {
	e := entry{State: "permanent"}
	for _, v := range s.values {
		if v.key == "VLANId" { // which the driver does not look at
			d.notes.addf(v.at, "VLANId=%s is left out: it says nothing to a vxlan device", v.value)
			continue
		}
		if err := e.bridgeFDBKey(&v); err != nil {
			d.notes.addf(v.at, "the entry is left out: %s=%s: %v", v.key, v.value, err)
			return
		}
	}
	if e.MAC == "" || e.Dst == "" {
		d.notes.addf(s.at, "the entry is left out: it needs MACAddress= and Destination=")
		return
	}
	if strings.Contains(e.Dst, ":") != d.link.ipv6() {
		d.notes.addf(s.at, "the entry is left out: %s is of the other address family than the link", e.Dst)
		return
	}
	d.link.entry(e)
}

func (e *entry) bridgeFDBKey(v *unitValue) (err error) {
	switch v.key {
	case "MACAddress":
		e.MAC, err = macOf(v.value)
	case "Destination":
		e.Dst, err = anyAddress(v.value)
	case "VNI":
		var n uint64
		n, err = number(v.value, 1<<24-1)
		e.VNI = new(uint32(n))
	case "OutgoingInterface":
		e.Via = v.value
	case "AssociatedWith":
		switch v.value {
		case "", "self":
		case "router":
			e.Flags = []string{"router"}
		default:
			return errors.New("it is no entry of the link's own")
		}
	default:
		return errors.New("it is no key of [BridgeFDB] that uvtep knows")
	}
	return err
}
