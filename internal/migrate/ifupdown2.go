package migrate

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// IfUpDown2 reads /etc/network/interfaces, or a file like it, as ifupdown2 does
// (its addons/vxlan.py). It returns a configuration file, and a line with
// file:line for each thing that it cannot say.
func IfUpDown2(name string) (file []byte, told []string, err error) {
	i, err := readInterfaces(name)
	if err != nil {
		return nil, nil, err
	}
	links := i.links()
	file, err = fileOf(links, &i.notes)
	return file, i.notes, err
}

// vxlanPort is VXLAN_UDP_PORT of nlmanager: ifupdown2 does not leave it to the
// kernel.
const vxlanPort = 4789

// links are the VXLAN links of the stanzas.
func (i *interfaces) links() []*fileLink {
	local := i.globalLocal()
	var links []*fileLink
	for _, s := range i.stanzas {
		if s.first("vxlan-id") == nil {
			i.notLinks(s)
			continue
		}
		u := &ifaceReader{interfaces: i, link: &fileLink{name: s.name, at: s.at, set: map[string]any{"dstport": vxlanPort}}, seen: map[string]bool{}}
		if many := s.manyVNIs(); many != nil {
			i.notes.addf(many.at, "%s is left out: %s is of a device with many VNIs, and uvtep has a link for each", s.name, many.key)
			continue
		}
		for _, a := range s.attrs {
			if err := u.take(&a); err != nil {
				i.notes.addf(a.at, "%s %s is left out: %v", a.key, a.value, err)
			}
		}
		u.finish(s, local)
		links = append(links, u.link)
	}
	return links
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

// notLinks tells what a stanza without a vxlan-id has to do with VXLAN.
func (i *interfaces) notLinks(s *stanza) {
	if many := s.manyVNIs(); many != nil {
		i.notes.addf(many.at, "%s is left out: %s is of a device with many VNIs, and uvtep has a link for each", s.name, many.key)
		return
	}
	for _, a := range s.attrs {
		switch {
		case a.key == "vxlan-local-tunnelip" && s.name == "lo":
		case a.key == "clagd-vxlan-anycast-ip":
			i.notes.addf(a.at, "%s %s is left out: clagd makes it the local of links while its peer is there; write local, if it is to be", a.key, a.value)
		case strings.HasPrefix(a.key, "vxlan-"):
			i.notes.addf(a.at, "%s %s is left out: %s has no vxlan-id", a.key, a.value, s.name)
		}
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
	return nil
}

// ifaceReader reads one VXLAN stanza.
type ifaceReader struct {
	*interfaces
	link    *fileLink
	remotes []string
	seen    map[string]bool // attributes of which the first counts
}

// take takes one attribute.
func (u *ifaceReader) take(a *attribute) error {
	if a.key == "vxlan-remoteip" { // of which there may be many
		for word := range strings.FieldsSeq(a.value) {
			remote, err := u.host(a, word)
			if err != nil {
				return err
			}
			u.remotes = append(u.remotes, remote)
		}
		return nil
	}
	if u.seen[a.key] && strings.HasPrefix(a.key, "vxlan-") {
		return errors.New("the first one counts")
	}
	u.seen[a.key] = true
	return u.word(a)
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
		return put[uint64](l, "id")(number(a.value, 1<<24-1))
	case "vxlan-local-tunnelip":
		return put[string](l, "local")(u.host(a, a.value))
	case "vxlan-svcnodeip", "vxlan-svcnodeip6", "vxlan-mcastgrp", "vxlan-mcastgrp6":
		return u.destination(a)
	case "vxlan-physdev":
		l.set["dev"] = a.value
		return nil
	case "vxlan-port":
		return put[uint64](l, "dstport")(number(a.value, math.MaxUint16))
	case "vxlan-learning":
		return put[bool](l, "learning")(boolean(a.value))
	case "vxlan-ageing":
		n, err := number(a.value, math.MaxUint32)
		if n == 0 { // ifupdown2 leaves it to the kernel
			return err
		}
		return put[uint64](l, "ageing")(n, err)
	case "vxlan-ttl":
		if strings.EqualFold(a.value, "auto") {
			return nil
		}
		n, err := number(a.value, math.MaxUint8)
		return put[any](l, "ttl")(ttl(n), err)
	case "vxlan-tos":
		return u.tos(a)
	case "vxlan-udp-csum":
		return put[bool](l, "udpcsum")(boolean(a.value))
	case "mtu":
		return put[uint64](l, "mtu")(number(a.value, math.MaxInt32))
	case "hwaddress":
		return put[string](l, "address")(macOf(strings.TrimSpace(strings.TrimPrefix(a.value, "ether "))))
	case "bridge-learning":
		return errors.New("it is the port's: keep it in an iface without vxlan- lines; the link's learning follows it")
	case "vxlan-purge-remotes":
		return errors.New("the file has all the remotes that there are")
	}
	if strings.HasPrefix(a.key, "vxlan-") {
		return errors.New("uvtep knows no such attribute")
	}
	return errors.New("it is the device's: keep it in an iface without vxlan- lines")
}

func (u *ifaceReader) tos(a *attribute) error {
	if strings.EqualFold(a.value, "inherit") {
		u.link.set["tos"] = "inherit"
		return nil
	}
	n, err := number(a.value, math.MaxUint8)
	if n == 0 {
		return err
	}
	return put[any](u.link, "tos")(tos(n), err)
}

// host reads a unicast address. ifupdown2 ignores a prefix length.
func (u *ifaceReader) host(a *attribute, v string) (string, error) {
	return address(u.withoutLength(a, v), false)
}

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

// finish says what follows from all of the attributes, and from other stanzas.
func (u *ifaceReader) finish(s *stanza, local *attribute) {
	l := u.link
	if l.set["local"] == nil && local != nil {
		if err := put[string](l, "local")(u.host(local, local.value)); err != nil {
			u.notes.addf(local.at, "%s %s is left out: %v", local.key, local.value, err)
		}
	}
	if l.set["group"] != nil && l.set["dev"] == nil {
		u.notes.addf(s.at, "%s has a group and no vxlan-physdev: ifupdown2 makes a dummy device for it; write dev", s.name)
	}
	if l.set["learning"] == nil { // ifupdown2's bridges make a port's the link's, too
		if a := u.portLearning(s); a != nil {
			_, v, _ := strings.Cut("="+a.value, s.name+"=")
			if v == "" {
				v = a.value
			}
			v, _ = cutWord(v)
			if on, err := boolean(v); err == nil {
				l.set["learning"] = on
			}
		}
	}
	if l.ipv6() && l.set["udpcsum"] == false {
		delete(l.set, "udpcsum")
		u.notes.addf(s.at, "vxlan-udp-csum of %s is left out: it says nothing of an IPv6 underlay", s.name)
	}
	for _, r := range u.remotes {
		switch {
		case r == l.set["local"]: // ifupdown2 takes it out
			u.notes.addf(s.at, "vxlan-remoteip %s is left out: it is the local address", r)
		case strings.Contains(r, ":") != l.ipv6():
			u.notes.addf(s.at, "vxlan-remoteip %s is left out: it is of the other address family than the link", r)
		default:
			l.entry(entry{MAC: zeroMAC, Dst: r, State: "permanent"})
		}
	}
	l.set["up"] = u.comesUp(s)
	if l.set["up"] == false {
		u.notes.addf(s.at, "%s is neither auto nor a bridge's port: ifupdown2 leaves it, and it stays down", s.name)
	}
}

// portLearning is the bridge-learning of a link, its own or that of a bridge
// that lists it (addons/bridge.py).
func (u *ifaceReader) portLearning(s *stanza) *attribute {
	if a := s.first("bridge-learning"); a != nil {
		return a
	}
	for _, other := range u.stanzas {
		if a := other.first("bridge-learning"); a != nil && strings.Contains(" "+a.value, " "+s.name+"=") {
			return a
		}
	}
	return nil
}

// comesUp reports whether ifupdown2 brings the link up by itself: it is auto, or
// a port of a bridge.
func (u *ifaceReader) comesUp(s *stanza) bool {
	if a := s.first("link-down"); a != nil && a.value == "yes" {
		return false
	}
	if slices.Contains(u.auto, s.name) || slices.Contains(u.auto, "all") {
		return true
	}
	for _, other := range u.stanzas {
		a := other.first("bridge-ports")
		if a == nil {
			continue
		}
		ports := strings.Fields(a.value)
		if slices.Contains(ports, s.name) || slices.Contains(ports, "glob") || slices.Contains(ports, "regex") {
			return true
		}
	}
	return false
}
