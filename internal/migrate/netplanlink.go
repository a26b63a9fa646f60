package migrate

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// netplanLink is a definition that is being read: src/parse.c of netplan has its
// keys, write_vxlan_parameters in src/networkd.c and write_nm_vxlan_parameters in
// src/nm.c what becomes of them.
type netplanLink struct {
	*netplan
	link     *fileLink
	nm       bool // of the renderer NetworkManager
	checksum bool // checksums: [udp]
	gpe      bool
}

// link is the link of a definition.
func (r *netplan) link(d *netplanDef) *fileLink {
	renderer := d.text("renderer")
	if renderer == "" {
		renderer = r.renderer
	}
	n := &netplanLink{netplan: r, link: &fileLink{name: d.id, at: d.at, set: map[string]any{"ttl": "auto", "up": true}}, nm: renderer == "NetworkManager"}
	for i := range d.keys {
		k := &d.keys[i]
		if err := n.key(k); err != nil {
			r.notes.addf(k.at, "%s: %s is left out: %v", k.key, k.text(), err)
		}
	}
	n.finish()
	return n.link
}

// finish says what follows from all of the keys.
func (n *netplanLink) finish() {
	l := n.link
	if l.set["dstport"] == nil { // the kernel's; netdev_vxlan_verify in networkd's src/network/netdev/vxlan.c
		l.set["dstport"] = map[bool]int{true: 4790, false: 8472}[n.gpe]
	}
	if !n.nm && !l.ipv6() { // networkd turns them off unless asked
		l.set["udpcsum"] = n.checksum
	}
	if l.set["mtu"] == nil && l.set["dev"] == nil {
		tellKernelMTU(l, &n.notes)
	}
	if l.set["address"] == nil {
		n.notes.addf(l.at, "%s has no macaddress: who makes it chooses one, uvtep another; write address, if it is to stay", l.name)
	}
}

// key takes one key.
func (n *netplanLink) key(k *netplanKey) error {
	l, v := n.link, k.text()
	num := func(word string, most uint64) error { return n.number(word, v, most) }
	switch k.key {
	case "mode", "renderer":
		return nil
	case "id":
		return put[uint64](l, "id")(plainDecimal(v, 1<<24-1))
	case "local":
		if slices.Contains([]string{"ipv4_link_local", "ipv6_link_local", "dhcp4", "dhcp6", "slaac"}, v) {
			return errors.New("only networkd knows the address, when it runs; write local")
		}
		return put[string](l, "local")(address(v, false))
	case "remote":
		return n.remote(v)
	case "link":
		return n.parent(v)
	case "port":
		return num("dstport", math.MaxUint16)
	case "port-range":
		return n.portRange(strings.Fields(v))
	case "ttl":
		return num("ttl", math.MaxUint8)
	case "type-of-service":
		t, err := plainDecimal(v, math.MaxUint8)
		return put[any](l, "tos")(tos(t), err)
	case "ageing", "aging":
		return num("ageing", math.MaxUint32)
	case "limit":
		return num("maxaddress", math.MaxUint32)
	case "mac-learning":
		return put[bool](l, "learning")(netplanBool(v))
	case "arp-proxy":
		return put[bool](l, "proxy")(netplanBool(v))
	case "mtu":
		return num("mtu", math.MaxInt32)
	case "macaddress":
		return put[string](l, "address")(macOf(v))
	}
	return n.more(k, v)
}

// more takes the keys that only some renderers take, lists and what is not of the link.
func (n *netplanLink) more(k *netplanKey, v string) error {
	l := n.link
	switch k.key {
	case "checksums", "extensions", "flow-label", "do-not-fragment":
		if n.nm {
			return errors.New("NetworkManager has no such setting, and netplan leaves it out")
		}
	}
	switch k.key {
	case "flow-label":
		return n.number("flowlabel", v, 1<<20-1)
	case "do-not-fragment":
		on, err := netplanBool(v)
		return put[string](l, "df")(map[bool]string{true: "set", false: "unset"}[on], err)
	case "notifications", "checksums", "extensions":
		return n.flags(v)
	case "short-circuit":
		on, err := netplanBool(v)
		if on {
			return errors.New("uvtep has no such setting")
		}
		if err == nil {
			n.notes.addf(k.at, "short-circuit: %s is uvtep's way anyhow", v)
		}
		return err
	case "activation-mode": // ActivationPolicy= of systemd.network(5)
		l.set["up"] = false
		n.notes.addf(k.at, "%s stays down: activation-mode: %s", l.name, v)
		return nil
	}
	return errors.New("it is the device's: define " + l.name + " with it under ethernets, once uvtep makes it")
}

// number sets a word of which 0 says nothing (the fields of src/types-internal.h
// are not written where they are 0).
func (n *netplanLink) number(word, v string, most uint64) error {
	i, err := plainDecimal(v, most)
	if err == nil && i == 0 {
		return errors.New("0 is what is given anyhow")
	}
	return put[uint64](n.link, word)(i, err)
}

// portRange takes two ports, in any order; with a 0 they say nothing.
func (n *netplanLink) portRange(ports []string) error {
	if len(ports) != 2 {
		return errors.New("it is no pair of ports")
	}
	low, err := plainDecimal(ports[0], math.MaxUint16)
	if err != nil {
		return err
	}
	high, err := plainDecimal(ports[1], math.MaxUint16)
	if err == nil && (low == 0 || high == 0) {
		return errors.New("0 is what is given anyhow")
	}
	return put[any](n.link, "srcport")([]any{min(low, high), max(low, high)}, err)
}

// remote takes a host's address or a group's.
func (n *netplanLink) remote(v string) error {
	a, err := anyAddress(v)
	if err != nil {
		return err
	}
	if netip.MustParseAddr(a).IsMulticast() {
		n.link.set["group"] = a
	} else {
		n.link.set["remote"] = a
	}
	return nil
}

// parent is the device of a definition: its ID, unless it is matched and named
// otherwise.
func (n *netplanLink) parent(id string) error {
	d := n.defs[id]
	if d == nil {
		return errors.New("it is not defined, and netplan refuses it; write dev")
	}
	name := d.text("set-name")
	for _, k := range d.keys {
		if k.key != "match" || name != "" {
			continue
		}
		for key, v := range pairs(k.values[0]) {
			if key.Value == "name" && !strings.ContainsAny(v.Value, "*?[! ") {
				name = v.Value
			}
		}
		if name == "" {
			return errors.New("its match names no single device; write dev")
		}
	}
	if name == "" {
		name = id
	}
	n.link.set["dev"] = name
	return nil
}

// flags takes a list of words.
func (n *netplanLink) flags(v string) error {
	var unknown []string
	for word := range strings.FieldsSeq(v) {
		switch word {
		case "l2-miss":
			n.link.set["l2miss"] = true
		case "l3-miss":
			n.link.set["l3miss"] = true
		case "udp":
			n.checksum = true
		case "zero-udp6-tx":
			n.link.set["udp6zerocsumtx"] = true
		case "zero-udp6-rx":
			n.link.set["udp6zerocsumrx"] = true
		case "group-policy":
			n.link.set["gbp"] = true
		case "generic-protocol":
			n.gpe = true
			unknown = append(unknown, word)
		default:
			unknown = append(unknown, word)
		}
	}
	if unknown != nil {
		return fmt.Errorf("uvtep has no %s", strings.Join(unknown, ", "))
	}
	return nil
}

// plainDecimal reads a number as strtoull with base 10 does.
func plainDecimal(v string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("it is no number from 0 to %d", most)
	}
	return n, nil
}

// netplanBool reads what netplan takes for yes and no (handle_generic_bool in
// src/parse.c).
func netplanBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "y":
		return true, nil
	case "false", "off", "no", "n":
		return false, nil
	}
	return false, errors.New("it is neither true nor false")
}
