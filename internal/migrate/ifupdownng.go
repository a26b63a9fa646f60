package migrate

import "slices"

// ngOwn are the words of ifupdown-ng that ifupdown2 does not have
// (executors/linux/vxlan, with the names of 0.11 and of 0.12).
func ngOwn() []string {
	return []string{"vxlan-local-ip", "vxlan-peer-ips", "vxlan-remote-ip", "vxlan-peer-group", "vxlan-remote-group", "vxlan-dstport", "vxlan-evpn"}
}

// isNG reports whether a stanza is ifupdown-ng's: it has one of those words.
func (s *stanza) isNG() bool {
	own := ngOwn()
	return slices.ContainsFunc(s.attrs, func(a attribute) bool { return slices.Contains(own, a.key) })
}

// ngName is ifupdown2's name for an attribute of ifupdown-ng's.
func ngName(key string) string {
	switch key {
	case "vxlan-local-ip":
		return "vxlan-local-tunnelip"
	case "vxlan-peer-ips", "vxlan-remote-ip":
		return "vxlan-remoteip"
	case "vxlan-peer-group", "vxlan-remote-group":
		return "vxlan-mcastgrp"
	case "vxlan-dstport":
		return "vxlan-port"
	}
	return key
}
