package migrate

import (
	"net/netip"
	"slices"
	"strings"
)

// devOf is the device whose .network file asks for the link.
func (d *netdev) devOf() {
	name := d.link.name
	asked := false
	for i := range d.networks {
		n := &d.networks[i]
		for _, v := range n.stacked() {
			if v.value != name {
				continue
			}
			switch dev, why := d.lowerOf(i); {
			case d.independent:
				d.notes.addf(v.at, "%v is left out: Independent=yes says that it has no lower device", &v)
			case dev == name:
				d.notes.addf(v.at, "%v is left out: %s would be its own underlay, and networkd never makes it; write the dev that it is to have", &v, name)
			case why != "":
				d.notes.addf(v.at, "%v is left out: %s", &v, why)
				asked = true
			case d.link.set["dev"] != nil:
				d.notes.addf(v.at, "%v of %s is left out: %v asks for it before", &v, dev, d.said["dev"].at)
			default:
				d.link.set["dev"], d.said["dev"] = dev, v
				asked = true
			}
		}
	}
	if !asked && !d.independent {
		d.notes.addf(d.link.at, "no .network file has VXLAN=%s: networkd would not make it without Independent=yes; write dev, if it is to have one", name)
	}
}

// lowerOf is the device that a .network file is for, or why that cannot be told.
func (d *netdev) lowerOf(i int) (dev, why string) {
	n := &d.networks[i]
	dev = n.match.name()
	switch {
	case n.match.empty():
		return "", "its [Match] is empty, and networkd does not look at the file"
	case n.unmanaged() != nil:
		return "", "Unmanaged=yes says that networkd leaves the device alone"
	case dev == "":
		return "", "the dev of " + d.link.name + " cannot be told, for [Match] has no single Name=; write dev"
	case n.match.of(lower(dev)) == no:
		return "", "its [Match] is no device's"
	}
	for j := range i {
		if earlier := &d.networks[j]; earlier.match.of(lower(dev)) == yes {
			return "", "for " + dev + " networkd takes " + earlier.file + ", which comes first"
		}
	}
	d.conditions(n)
	return dev, ""
}

// conditions tells what is not known of a .network file before networkd runs.
func (d *netdev) conditions(n *network) {
	for _, c := range n.match.conditions {
		d.notes.addf(c.at, "[Match] %v cannot be evaluated here: the file is taken for %s", &c, d.link.name)
	}
}

// own is the place of the first .network file that is the device's; -1: none is.
func (r *netdevReader) own(dev candidate) int {
	return slices.IndexFunc(r.networks, func(n network) bool { return n.match.of(dev) != no })
}

// ownNetwork takes the first .network file that is the link's own: networkd
// brings a device up that has one. udev knows it as of kind, type and driver vxlan.
func (d *netdev) ownNetwork() {
	mac, _ := d.link.set["address"].(string)
	i := d.own(virtual(d.link.name, "vxlan", "vxlan", mac))
	d.link.set["up"] = false
	if i < 0 {
		d.notes.addf(d.link.at, "%s has no .network file: networkd leaves it down, and so does the file", d.link.name)
		d.heirs(i)
		return
	}
	n := &d.networks[i]
	d.conditions(n)
	if m := n.match.lists; m["MACAddress"] != nil && mac == "" || n.match.of(virtual(d.link.name, "vxlan", "vxlan", mac)) == maybe && len(n.match.conditions) == 0 {
		d.notes.addf(place{n.file, 1}, "only networkd knows, when it runs, whether [Match] is that of %s: the import takes the file for it", d.link.name)
	}
	if v := n.unmanaged(); v != nil {
		d.notes.addf(v.at, "%v: networkd leaves %s down and gives it nothing, and so does the file; what else the file says of it is left out", v, d.link.name)
		return
	}
	d.activation(n)
	d.linkSection(n)
	for j := range n.sections {
		if n.sections[j].name == "BridgeFDB" {
			d.bridgeFDB(&n.sections[j])
		}
	}
	d.heirs(i)
}

// activation is whether the link is up (ActivationPolicy= of systemd.network(5)).
func (d *netdev) activation(n *network) {
	policies := []string{"up", "always-up", "manual", "always-down", "down", "bound"}
	for _, s := range n.sections {
		for _, v := range s.values {
			if s.name == "Link" && v.key == "ActivationPolicy" && !slices.Contains(policies, v.value) {
				d.notes.addf(v.at, "%v is left out: it is none of networkd's policies", &v)
			}
		}
	}
	v := n.linkValue("ActivationPolicy", func(s string) bool { return slices.Contains(policies, s) })
	switch {
	case v == nil || v.value == "up" || v.value == "always-up":
		d.link.set["up"] = true
	case v.value == "bound":
		d.link.set["up"] = true
		d.notes.addf(v.at, "%v is left out: networkd has %s up while one of BindCarrier= has a carrier, the file has it up", v, d.link.name)
	default:
		d.notes.addf(v.at, "%v: networkd leaves %s down, and so does the file", v, d.link.name)
	}
}

// linkSection takes what networkd sets of the device itself once it is there.
func (d *netdev) linkSection(n *network) {
	if v := n.linkValue("MTUBytes", func(s string) bool { _, err := unitSize(s); return err == nil }); v != nil {
		d.counts("mtu", v)
		d.link.set["mtu"], _ = unitSize(v.value)
	}
	if v := n.linkValue("MACAddress", func(s string) bool { _, err := unitMAC(s); return err == nil }); v != nil {
		d.counts("address", v)
		d.link.set["address"], _ = unitMAC(v.value)
	}
}

// heirs tells which .network file networkd will take for uvtep's device, which
// is of kind and driver tun and of type ether (drivers/net/tun.c), and what of the
// link's own, networks[i], stays with it.
func (d *netdev) heirs(i int) {
	name := d.link.name
	mac, _ := d.link.set["address"].(string)
	j := d.own(virtual(name, "tun", "ether", mac))
	if i >= 0 {
		n := &d.networks[i]
		switch stays := n.stays(); {
		case stays == "" && j == i:
			return
		case j == i:
			d.notes.addf(place{n.file, 1}, "%s: stays with networkd, whose [Match] has uvtep's device, too (kind and driver tun, type ether)", stays)
			return
		case stays != "":
			d.notes.addf(place{n.file, 1}, "%s: does not stay: uvtep's device is of kind and driver tun and of type ether, which this [Match] is not; write Name=%s alone there", stays, name)
		}
	}
	if j >= 0 && j != i {
		d.notes.addf(place{d.networks[j].file, 1}, "networkd will take this file for uvtep's device %s, which is of kind and driver tun and of type ether; write what keeps it from that, such as Name=!%s", name, name)
	}
}

// linkLocalDev is the device of a link-local Local= that no file asks for the link on: that which
// has the address, else the one that its entries leave by. The kernel makes no such link without dev
// (vxlan_config_validate in drivers/net/vxlan/vxlan_core.c).
func (d *netdev) linkLocalDev() {
	text, _ := d.link.set["local"].(string)
	local, err := netip.ParseAddr(text)
	if err != nil || !local.Is6() || !local.IsLinkLocalUnicast() || d.link.set["dev"] != nil {
		return
	}
	dev := ""
	for i := range d.networks {
		if n := &d.networks[i]; dev == "" && n.hasAddress(local) {
			dev = n.match.name()
		}
	}
	for _, e := range d.link.fdb {
		for _, kv := range e {
			if via, ok := kv.value.(string); ok && kv.key == "via" && dev == "" {
				dev = via
			}
		}
	}
	if dev != "" && dev != d.link.name {
		d.link.set["dev"] = dev
		d.notes.addf(d.link.at, "the dev of %s is %s, for Local=%s is link-local and says none", d.link.name, dev, text)
	}
}

// hasAddress reports whether the file gives its device the address.
func (n *network) hasAddress(a netip.Addr) bool {
	for _, s := range n.sections {
		for _, v := range s.values {
			text, _, _ := strings.Cut(v.value, "/")
			if has, err := netip.ParseAddr(text); err == nil && has == a && v.key == "Address" && (s.name == "Network" || s.name == "Address") {
				return true
			}
		}
	}
	return false
}
