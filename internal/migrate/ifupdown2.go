package migrate

import (
	"net/netip"
	"slices"
	"strings"
)

// IfUpDown2 reads /etc/network/interfaces, or a file like it, as ifupdown2 does
// (its addons/vxlan.py), and a stanza with ifupdown-ng's words as that does. It
// returns a configuration file, and a line with file:line for each thing that it
// cannot say.
func IfUpDown2(name string) (file []byte, told []string, err error) {
	i, err := readInterfaces(name)
	if err != nil {
		return nil, nil, err
	}
	links := i.links()
	looked := append(slices.Clone(i.read), i.policy.dirs...)
	return madeOf(links, &i.notes, looked)
}

// vxlanPort is VXLAN_UDP_PORT of nlmanager: ifupdown2 does not leave it to the
// kernel, and ifupdown-ng does not, either.
const vxlanPort = 4789

// links are the VXLAN links of the stanzas.
func (i *interfaces) links() []*fileLink {
	i.inherit()
	local := i.globalLocal()
	var links []*fileLink
	for _, s := range i.stanzas {
		switch {
		case s.template:
		case s.first("vxlan-id") == nil:
			i.notLinks(s)
		case s.manyVNIs() != nil:
			i.tellMany(s)
		default:
			links = append(links, i.link(s, local))
		}
	}
	if local != nil && !i.localTaken && i.isLo(local) {
		i.notes.addf(local.at, "%s %s is left out: each link has one of its own", local.key, local.value)
	}
	i.tellUnused()
	links = i.made(links)
	i.commands(links)
	i.tellPorts(links)
	return links
}

// link is the link of a stanza.
func (i *interfaces) link(s *stanza, local *attribute) *fileLink {
	u := &ifaceReader{
		interfaces: i, stanza: s, ng: s.isNG(),
		link: &fileLink{name: s.name, at: s.at, set: map[string]any{"dstport": vxlanPort}}, seen: map[string]bool{},
	}
	for _, a := range s.attrs {
		if u.ng {
			a.key = ngName(a.key)
		}
		if err := u.take(&a); err != nil {
			i.notes.addf(a.at, "%s %s is left out: %v", a.key, a.value, err)
		}
	}
	if !u.ng {
		u.defaults(local)
	}
	u.finish()
	return u.link
}

// made leaves out the links of which the kernel has one already when their turn
// comes: it takes one of an id and port (vxlan_vni_in_use in
// drivers/net/vxlan/vxlan_core.c), as where a range has one vxlan-id.
func (i *interfaces) made(links []*fileLink) []*fileLink {
	type key struct{ id, port, ipv6 any }
	first := map[key]*fileLink{}
	var all []*fileLink
	for _, l := range links {
		k := key{l.set["id"], l.set["dstport"], l.ipv6()}
		if l.set["id"] != nil && first[k] != nil {
			i.notes.addf(l.at, "%s is left out: %s has its vxlan-id and port, and the kernel makes one link of both", l.name, first[k].name)
			continue
		}
		first[k] = l
		all = append(all, l)
	}
	return all
}

func (s *stanza) first(key string) *attribute {
	if n := slices.IndexFunc(s.attrs, func(a attribute) bool { return a.key == key }); n >= 0 {
		return &s.attrs[n]
	}
	return nil
}

// manyVNIs is what makes a stanza one of a single VXLAN device.
func (s *stanza) manyVNIs() *attribute {
	for _, key := range []string{"bridge-vlan-vni-map", "vxlan-vni", "vxlan-vnifilter", "vxlan-remoteip-map", "vxlan-mcastgrp-map"} {
		if a := s.first(key); a != nil && a.value != "off" && a.value != "no" {
			return a
		}
	}
	return nil
}

// tellMany tells of a device with many VNIs, whose other lines go with it.
func (i *interfaces) tellMany(s *stanza) {
	many := s.manyVNIs()
	i.notes.addf(many.at, "%s is left out: %s is of a device with many VNIs, and uvtep has a link for each", s.name, many.key)
	for _, a := range s.attrs {
		if a != *many && mentionsVXLAN(a.key, a.value) {
			i.notes.addf(a.at, "%s %s is left out with it", a.key, a.value)
		}
	}
}

// mentionsVXLAN reports whether somebody who looks for VXLAN would find a line.
func mentionsVXLAN(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(w), "vxlan") })
}

// notLinks tells what a stanza without a vxlan-id has to do with VXLAN. Its
// commands are told with all others.
func (i *interfaces) notLinks(s *stanza) {
	if s.manyVNIs() != nil {
		i.tellMany(s)
		return
	}
	told := len(i.notes)
	for _, a := range s.attrs {
		switch {
		case a.key == "vxlan-local-tunnelip" && s.name == "lo":
		case a.key == "clagd-vxlan-anycast-ip":
			i.notes.addf(a.at, "%s %s is left out: clagd makes it the local of links while its peer is there; write local, if it is to be", a.key, a.value)
		case strings.HasPrefix(a.key, "vxlan-"):
			i.notes.addf(a.at, "%s %s is left out: %s has no vxlan-id", a.key, a.value, s.name)
		case a.isCommand(), a.key == "bridge-ports", !mentionsVXLAN(a.value):
		default:
			i.notes.addf(a.at, "%s %s is of %s, which has no vxlan-id", a.key, a.value, s.name)
		}
	}
	if mentionsVXLAN(s.name) && len(i.notes) == told && !slices.ContainsFunc(s.attrs, func(a attribute) bool { return a.isCommand() }) {
		i.notes.addf(s.at, "%s is left out: it has no vxlan-id", s.name)
	}
}

// globalLocal is the local address of links that have none: the first one that
// lo or a VXLAN link says.
func (i *interfaces) globalLocal() *attribute {
	for _, s := range i.stanzas {
		if a := s.first("vxlan-local-tunnelip"); a != nil && (s.name == "lo" || s.first("vxlan-id") != nil) {
			return a
		}
	}
	return i.policy.attribute("vxlan", "vxlan-local-tunnelip", policyDefaults)
}

// isLo reports whether an attribute stands in lo's stanza.
func (i *interfaces) isLo(a *attribute) bool {
	s := i.stanza("lo")
	return s != nil && slices.ContainsFunc(s.attrs, func(of attribute) bool { return of == *a })
}

// defaults are what ifupdown2 takes from elsewhere where the stanza is silent.
func (u *ifaceReader) defaults(local *attribute) {
	l := u.link
	if l.set["local"] == nil && local != nil {
		u.localTaken = true
		if err := put[string](l, "local")(u.host(local, local.value)); err != nil {
			u.notes.addf(local.at, "%s %s is left out: %v", local.key, local.value, err)
		}
	}
	for _, key := range policyKeys() {
		if a := u.policy.attribute("vxlan", key, policyDefaults); a != nil && !u.seen[key] {
			if err := u.take(a); err != nil {
				u.notes.addf(a.at, "%s %s is left out: %v", a.key, a.value, err)
			}
		}
	}
	if l.set["group"] != nil && l.set["dev"] == nil {
		if a := u.policy.attribute("vxlan", "vxlan-physdev-mcastgrp", policyGlobals); a != nil {
			l.set["dev"] = a.value
		} else {
			u.notes.addf(u.stanza.at, "%s has a group and no vxlan-physdev: ifupdown2 joins it on a dummy device, or not at all; write dev", l.name)
		}
	}
	if l.set["learning"] == nil {
		u.learning()
	}
	if a := u.policy.attribute("address", "mtu", policyDefaults); a != nil && l.set["mtu"] == nil {
		if err := put[uint64](l, "mtu")(sysfsNumber(a.value, maxMTU)); err != nil {
			u.notes.addf(a.at, "mtu %s is left out: %v", a.value, err)
		}
	}
}

// finish says what follows from all of the attributes, and from other stanzas.
func (u *ifaceReader) finish() {
	l, at := u.link, u.stanza.at
	if l.ipv6() && l.set["udpcsum"] == false {
		delete(l.set, "udpcsum")
		u.notes.addf(at, "vxlan-udp-csum of %s is left out: it has no meaning over an IPv6 underlay", l.name)
	}
	u.peers()
	u.tellMTU()
	l.set["up"] = u.comesUp(u.stanza)
	switch s := u.stanza; {
	case l.set["up"] == true:
	case s.first("link-down") != nil && s.first("link-down").value == "yes":
		u.notes.addf(at, "%s stays down: link-down says so", l.name)
	case s.lateAuto != nil:
		u.notes.addf(*s.lateAuto, "auto %s stands behind its iface, where ifupdown2 does not look at it: it stays down", l.name)
	default:
		u.notes.addf(at, "%s is neither auto nor what an auto interface stands on, such as a bridge's port: ifup -a leaves it, and it stays down", l.name)
	}
}

// peers makes the entries of vxlan-remoteip.
func (u *ifaceReader) peers() {
	l := u.link
	if u.ng && len(u.remotes) == 1 && l.set["group"] == nil { // executors/linux/vxlan of ifupdown-ng
		l.set["remote"] = u.remotes[0].addr
		return
	}
	done := map[string]bool{}
	for _, r := range u.remotes {
		why := ""
		switch {
		case r.addr == l.set["local"]: // ifupdown2 takes it out
			why = "it is the local address"
		case done[r.addr]:
			why = "it has been said before"
		case strings.Contains(r.addr, ":") != l.ipv6():
			why = "it is of the other address family than the link"
		default:
			done[r.addr] = true
			l.entry(entry{MAC: zeroMAC, Dst: r.addr, State: "permanent"})
			continue
		}
		u.notes.addf(r.at, "vxlan-remoteip %s is left out: %s", r.addr, why)
	}
}

// tellMTU tells what becomes of a device's MTU, which ifupdown2 sets where
// nothing is said (_process_mtu_config_mtu_none in addons/address.py) and
// ifupdown-ng leaves to the kernel.
func (u *ifaceReader) tellMTU() {
	l := u.link
	switch {
	case l.set["mtu"] != nil:
	case l.set["dev"] == nil && u.ng:
		tellKernelMTU(l, &u.notes)
	case l.set["dev"] == nil:
		u.notes.addf(u.stanza.at, "mtu %d of %s is left out: ifupdown2 gives it to a link without mtu, uvtep takes what fits the route; write mtu: %[1]d to keep it", etherMTU, l.name)
	case !u.ng:
		u.notes.addf(u.stanza.at, "the mtu of %s is left out: ifupdown2 gives a link without mtu %d where %v takes that, uvtep takes what fits; write mtu to keep it", l.name, etherMTU, l.set["dev"])
	}
}

// withoutLength takes the length of a prefix off, as ifupdown2 does.
func (u *ifaceReader) withoutLength(a *attribute, v string) string {
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return v
	}
	if said := a.at.String() + ": the length of " + v + " is left out"; !slices.Contains(u.notes, said) {
		u.notes = append(u.notes, said)
	}
	return p.Addr().String()
}
