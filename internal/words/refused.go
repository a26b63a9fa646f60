package words

// Refused are the words of iproute2 that uvtep does not accept, each with the reason.
func Refused() map[string]string {
	refused := map[string]string{
		"external":  "for tunnel keys of the kernel's routes, tc and bridges, which reach no device outside of it: add a link for each VNI",
		"vnifilter": "for external links, which uvtep has not: add a link for each VNI",
		"gpe":       "another protocol, VXLAN-GPE, which uvtep does not speak: leave it out, or leave that link to the kernel",
		"rsc":       "not supported, short cuts past the host's routing: leave it out",
		"link":      "not a VXLAN's: write the underlay device as dev NAME",
	}
	for _, w := range []string{"remcsumtx", "remcsumrx"} {
		refused[w] = "not supported, an extension that only Linux speaks (remote checksum offload): leave it out"
	}
	refused["mcroute"] = "not supported, for routers of multicast on this host (ip_mr_output): leave it out, and have the group's device said with dev"
	for _, w := range []string{"txqueuelen", "txqlen", "qlen"} {
		refused[w] = "not supported yet: leave it out"
	}
	for _, w := range []string{
		"master", "nomaster", "netns", "promisc", "multicast", "allmulticast", "arp", "dynamic", "alias",
		"broadcast", "addrgenmode", "link-netnsid", "gso_max_size", "gso_max_segs", "vrf", "altname",
	} {
		refused[w] = "not uvtep's to set: give it with ip link set NAME " + w + " ..."
	}
	return refused
}

// Absent are the words of iproute2 that switch off what no link of uvtep has.
func Absent() []string {
	return []string{"nomcroute", "noexternal", "norsc", "novnifilter", "nogpe", "noremcsumtx", "noremcsumrx"}
}
