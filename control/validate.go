package control

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

const (
	maxQueues  = 256     // MAX_TAP_QUEUES, include/uapi/linux/if_tun.h
	maxEntries = 1 << 30 // more FDB entries than memory holds
)

// ValidateLink reports what cannot be in the fields that were said, each by itself
// and together. A Name is not needed.
func ValidateLink(s *api.LinkSpec) error {
	for _, check := range []func(*api.LinkSpec) error{checkAddresses, checkPorts, checkHeader, checkNetdev, checkPolicy, checkOptions} {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

func checkAddresses(s *api.LinkSpec) error {
	if s.ID != nil && *s.ID > uint32(encap.MaxVNI) {
		return api.Invalidf("id %d: a VNI has 24 bits, write 0-%d", *s.ID, encap.MaxVNI)
	}
	if s.Remote != nil && s.Group != nil {
		return api.Invalidf("remote and group together: a link has one default destination, write one of them (more remotes: uvtep fdb append 00:00:00:00:00:00 dev NAME dst IP)")
	}
	if a := s.Remote; a != nil {
		if a.IsMulticast() {
			return api.Invalidf("remote %v is a multicast address: write group %v", a, a)
		}
		if err := unicast("remote", *a); err != nil {
			return err
		}
	}
	if a := s.Group; a != nil {
		if !a.IsValid() {
			return api.Invalidf("group needs an IP address")
		}
		if !a.IsMulticast() {
			return api.Invalidf("group %v is no multicast address: write remote %v, or a group such as 239.1.1.1 or ff05::100", a, a)
		}
		if a.Zone() != "" {
			return api.Invalidf("group %v: write the device as dev %s", a, a.Zone())
		}
	}
	if s.Local != nil {
		if s.Local.IsMulticast() {
			return api.Invalidf("local %v is a multicast address: write one of this host's addresses", s.Local)
		}
		// Unspecified is the route's choice, as ip has it.
		if err := unicast("local", *s.Local); err != nil && !s.Local.IsUnspecified() {
			return err
		}
	}
	for word, a := range map[string]*netip.Addr{"remote": s.Remote, "group": s.Group} {
		if a != nil && s.Local != nil && a.Is4() != s.Local.Is4() {
			return api.Invalidf("%s %v and local %v: write two IPv4 or two IPv6 addresses", word, a, s.Local)
		}
	}
	return nil
}

// unicast reports why a cannot be the address of a host.
func unicast(word string, a netip.Addr) error {
	switch {
	case !a.IsValid() || a.IsUnspecified():
		return api.Invalidf("%s needs an IP address of a host", word)
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return api.Invalidf("%s %v is the broadcast address: write a host's", word, a)
	case a.Is4In6():
		return api.Invalidf("%s %v: write %v", word, a, a.Unmap())
	case a.Zone() != "":
		return api.Invalidf("%s %v: write the device as dev %s", word, a, a.Zone())
	}
	return nil
}

func checkPorts(s *api.LinkSpec) error {
	if s.DstPort != nil && *s.DstPort == 0 {
		return api.Invalidf("dstport 0: write 4789, the assigned port, or 8472, which `ip` means where a port is unset")
	}
	if r := s.SrcPort; r != nil {
		if r[0] > r[1] {
			return api.Invalidf("srcport %d %d: write the lower port first", r[0], r[1])
		}
		if r[0] == 0 && r[1] != 0 {
			return api.Invalidf("srcport 0 %d: write 1 or more first, or 0 0 for the default", r[1])
		}
	}
	return nil
}

func checkHeader(s *api.LinkSpec) error {
	if s.TTL != nil && *s.TTL != "auto" && *s.TTL != "inherit" {
		if n, ok := s.TTL.Number(); !ok || n > 255 {
			return api.Invalidf("ttl %s: write 1-255, auto or inherit", *s.TTL)
		}
	}
	if s.TOS != nil && *s.TOS != "inherit" {
		if n, ok := s.TOS.Number(); !ok || n > 255 {
			return api.Invalidf("tos %s: write 0x00-0xff or inherit", *s.TOS)
		}
	}
	return oneOf("df", s.DF, "set", "unset", "inherit")
}

func checkNetdev(s *api.LinkSpec) error {
	if s.Name != "" {
		if err := words.ValidName(s.Name); err != nil {
			return err
		}
	}
	if s.Dev != nil {
		if err := words.ValidName(*s.Dev); err != nil {
			return api.Invalidf("dev: %v", err)
		}
	}
	if s.MTU != nil && (*s.MTU < encap.MinMTU || *s.MTU > encap.MaxMTU) {
		return api.Invalidf("mtu %d: write %d-%d", *s.MTU, encap.MinMTU, encap.MaxMTU)
	}
	if s.Queues != nil && (*s.Queues < 1 || *s.Queues > maxQueues) {
		return api.Invalidf("queues %d: write 1-%d", *s.Queues, maxQueues)
	}
	if s.Address != nil {
		mac, err := encap.ParseMAC(*s.Address)
		if err != nil {
			return api.Invalidf("address %q: write a MAC address such as 02:00:00:00:00:01", *s.Address)
		}
		if mac.IsZero() || mac.IsMulticast() {
			return api.Invalidf("address %s: a device's MAC address is unicast and not zero, such as 02:00:00:00:00:01", *s.Address)
		}
	}
	return nil
}

func checkPolicy(s *api.LinkSpec) error {
	if s.MaxAddress != nil && *s.MaxAddress != "unlimited" {
		if _, err := maxAddresses(*s.MaxAddress); err != nil {
			return err
		}
	}
	if s.Accept != nil {
		if _, err := parseAccept(*s.Accept); err != nil {
			return err
		}
	}
	if s.Reserved != nil {
		if _, err := parseReserved(*s.Reserved); err != nil {
			return err
		}
	}
	return oneOf("innervlan", s.InnerVLAN, "pass", "drop")
}

func oneOf(word string, v *string, allowed ...string) error {
	if v == nil || slices.Contains(allowed, *v) {
		return nil
	}
	return api.Invalidf("%s %q: write %s", word, *v, strings.Join(allowed, " or "))
}

// parseAccept reads peers, any, or prefixes with commas between.
func parseAccept(s string) (vtep.Accept, error) {
	switch s {
	case "peers":
		return vtep.Accept{Mode: vtep.AcceptPeers}, nil
	case "any":
		return vtep.Accept{Mode: vtep.AcceptAny}, nil
	}
	prefixes, err := parsePrefixes("accept", "peers, any", s)
	return vtep.Accept{Mode: vtep.AcceptPrefixes, Prefixes: prefixes}, err
}

// parsePrefixes reads prefixes with commas between; words are what else could be
// said.
func parsePrefixes(word, words, s string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for one := range strings.SplitSeq(s, ",") {
		p, err := netip.ParsePrefix(one)
		if err != nil {
			host, herr := netip.ParseAddr(one)
			if herr != nil || host.Zone() != "" {
				return nil, api.Invalidf("%s %q: write %s, or prefixes such as 192.0.2.0/24,2001:db8::/32", word, s, words)
			}
			p = netip.PrefixFrom(host, host.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, api.Invalidf("%s %q: write IPv4 prefixes as such", word, s)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// prefixText is parsePrefixes' inverse.
func prefixText(prefixes []netip.Prefix) string {
	words := make([]string, len(prefixes))
	for i, p := range prefixes {
		words[i] = p.String()
	}
	return strings.Join(words, ",")
}

// acceptText is parseAccept's inverse. group says whether the link has one,
// which decides on the default.
func acceptText(a vtep.Accept, group bool) string {
	switch {
	case a.Mode == vtep.AcceptAny, a.Mode == vtep.AcceptDefault && group:
		return "any"
	case a.Mode == vtep.AcceptPrefixes:
		return prefixText(a.Prefixes)
	}
	return "peers"
}

// maxAddresses is the number that v, the `maxaddress` of a link or of the daemon, is;
// vtep.UnlimitedAddresses for unlimited.
func maxAddresses(v api.Value) (int, error) {
	if v == "unlimited" {
		return vtep.UnlimitedAddresses, nil
	}
	n, ok := v.Number()
	if !ok || n > maxEntries {
		return 0, api.Invalidf("maxaddress %s: write a number up to %d or unlimited", v, maxEntries)
	}
	return int(n), nil
}

// TotalAddresses is the number of unicast entries that v, the `maxaddress` of the
// daemon, lets all links' FDBs hold together, in vtep.Config's form.
func TotalAddresses(v api.Value) (int, error) {
	n, err := maxAddresses(v)
	if err == nil && n == 0 {
		err = api.Invalidf("maxaddress 0 of the daemon: write how many addresses all links may hold together, or unlimited")
	}
	return n, err
}
