package control

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

type (
	spec   = api.LinkSpec
	config = vtep.LinkConfig
)

// conversions are a row a word. words.Check has read the values.
func conversions() []conversion {
	return []conversion{
		as(func(s *spec) **uint32 { return &s.ID }, func(c *config) *encap.VNI { return &c.VNI },
			func(n uint32) encap.VNI { return encap.VNI(n) }, func(n encap.VNI) (uint32, bool) { return uint32(n), true }),
		address(func(s *spec) **netip.Addr { return &s.Remote }, func(c *config) *netip.Addr { return &c.Remote }),
		address(func(s *spec) **netip.Addr { return &s.Group }, func(c *config) *netip.Addr { return &c.Group }),
		address(func(s *spec) **netip.Addr { return &s.Local }, func(c *config) *netip.Addr { return &c.Local }),
		said(func(s *spec) **string { return &s.Dev }, func(c *config) *string { return &c.Dev }),
		as(func(s *spec) **uint16 { return &s.DstPort }, func(c *config) *uint16 { return &c.DstPort }, func(n uint16) uint16 { return n },
			func(n uint16) (uint16, bool) {
				if n == 0 {
					n = encap.DefaultPort
				}
				return n, true
			}),
		{func(s *spec, c *config) {
			if r := s.SrcPort; r != nil {
				c.SrcPortMin, c.SrcPortMax = r[0], r[1]
			}
		}, func(c *config, s *spec) { s.SrcPort = &api.PortRange{c.SrcPortMin, c.SrcPortMax} }},
		orInherit(func(s *spec) **api.Value { return &s.TTL }, func(c *config) (*uint8, *bool) { return &c.TTL, &c.TTLInherit }, "auto"), // 0 is auto, as in the kernel
		tos(),
		enum(func(s *spec) **string { return &s.DF }, func(c *config) *vtep.DF { return &c.DF }, map[string]vtep.DF{"set": vtep.DFSet, "unset": vtep.DFUnset, "inherit": vtep.DFInherit}),
		orInherit(func(s *spec) **api.Value { return &s.FlowLabel }, func(c *config) (*uint32, *bool) { return &c.FlowLabel, &c.FlowLabelInherit }, ""),
		as(func(s *spec) **uint32 { return &s.Ageing }, func(c *config) *time.Duration { return &c.Ageing }, ageing, seconds),
		as(func(s *spec) **api.Value { return &s.MaxAddress }, func(c *config) *int { return &c.MaxAddresses }, limit, limitText),
		same(func(s *spec) **bool { return &s.LearnLocal }, func(c *config) *bool { return &c.LearnLocal }),
		evpn(), // before learning, which wins
		not(func(s *spec) **bool { return &s.Learning }, func(c *config) *bool { return &c.NoLearning }),
		same(func(s *spec) **bool { return &s.Proxy }, func(c *config) *bool { return &c.Proxy }),
		{func(s *spec, c *config) {
			if s.ProxyLearn != nil {
				c.ProxyLearn = *s.ProxyLearn
			}
		}, func(c *config, s *spec) {
			if c.Proxy {
				s.ProxyLearn = new(c.ProxyLearn)
			}
		}},
		same(func(s *spec) **bool { return &s.L2Miss }, func(c *config) *bool { return &c.L2Miss }),
		same(func(s *spec) **bool { return &s.L3Miss }, func(c *config) *bool { return &c.L3Miss }),
		not(func(s *spec) **bool { return &s.UDPCsum }, func(c *config) *bool { return &c.NoUDPChecksum }),
		same(func(s *spec) **bool { return &s.UDP6ZeroCsumTx }, func(c *config) *bool { return &c.UDP6ZeroCsumTx }),
		same(func(s *spec) **bool { return &s.UDP6ZeroCsumRx }, func(c *config) *bool { return &c.UDP6ZeroCsumRx }),
		not(func(s *spec) **bool { return &s.LocalBypass }, func(c *config) *bool { return &c.NoLocalBypass }),
		same(func(s *spec) **bool { return &s.GBP }, func(c *config) *bool { return &c.GBP }),
		{func(s *spec, c *config) {
			if s.GBPID != nil {
				c.PolicyID = *s.GBPID
			}
		}, func(c *config, s *spec) {
			if c.GBP {
				s.GBPID = new(c.PolicyID)
			}
		}},
		{func(s *spec, c *config) {
			if s.Accept != nil {
				c.Accept = accept(*s.Accept)
			}
		}, func(c *config, s *spec) { s.Accept = new(acceptText(c.Accept, c.Group.IsValid())) }},
		same(func(s *spec) **uint8 { return &s.MinTTL }, func(c *config) *uint8 { return &c.MinTTL }),
		as(func(s *spec) **string { return &s.Reserved }, func(c *config) *vtep.ReservedPolicy { return &c.Reserved }, reserved, reservedText),
		enum(func(s *spec) **string { return &s.InnerVLAN }, func(c *config) *vtep.InnerVLANPolicy { return &c.InnerVLAN }, map[string]vtep.InnerVLANPolicy{"pass": vtep.InnerVLANPass, "drop": vtep.InnerVLANDrop}),
		choice(func(s *spec) **string { return &s.MSS }, func(c *config) *bool { return &c.ClampMSS }, "clamp", "none"),
		same(func(s *spec) **uint32 { return &s.BUMLimit }, func(c *config) *uint32 { return &c.BUMLimit }),
		same(func(s *spec) **uint32 { return &s.PeerBUMLimit }, func(c *config) *uint32 { return &c.PeerBUMLimit }),
		choice(func(s *spec) **string { return &s.MoveGuard }, func(c *config) *bool { return &c.NoMoveGuard }, "off", "on"),
		choice(func(s *spec) **string { return &s.LoopGuard }, func(c *config) *bool { return &c.NoLoopGuard }, "off", "on"),
		as(func(s *spec) **string { return &s.SameHost }, func(c *config) *vtep.SameHost { return &c.SameHost }, sameHost, sameHostText),
		same(func(s *spec) **bool { return &s.Persist }, func(c *config) *bool { return &c.Persist }),
		id(func(s *spec) **uint32 { return &s.User }, func(c *config) **uint32 { return &c.Owner }),
		id(func(s *spec) **uint32 { return &s.GroupOwner }, func(c *config) **uint32 { return &c.OwnerGroup }),
		said(func(s *spec) **string { return &s.Trunk }, func(c *config) *string { return &c.Trunk }),
		said(func(s *spec) **uint16 { return &s.VLAN }, func(c *config) *uint16 { return &c.VLAN }),
		said(func(s *spec) **int { return &s.MTU }, func(c *config) *int { return &c.MTU }),
		as(func(s *spec) **string { return &s.Address }, func(c *config) *encap.MAC { return &c.Address },
			func(text string) encap.MAC { mac, _ := encap.ParseMAC(text); return mac }, func(mac encap.MAC) (string, bool) { return mac.String(), !mac.IsZero() }),
		as(func(s *spec) **int { return &s.Queues }, func(c *config) *int { return &c.Queues }, func(n int) int { return n }, func(n int) (int, bool) { return max(n, 1), true }),
		said(func(s *spec) **int { return &s.Index }, func(c *config) *int { return &c.Index }),
	}
}

func address(a func(*spec) **netip.Addr, v func(*config) *netip.Addr) conversion {
	return as(a, v, func(x netip.Addr) netip.Addr { return x }, func(x netip.Addr) (netip.Addr, bool) { return x, x.IsValid() })
}

// id converts a UID or GID; nil: none is set.
func id(a func(*spec) **uint32, v func(*config) **uint32) conversion {
	return as(a, v, func(n uint32) *uint32 { return &n }, func(p *uint32) (n uint32, ok bool) {
		if p != nil {
			n = *p
		}
		return n, p != nil
	})
}

// tos converts the TOS. The kernel has the number 1 for inherit (drivers/net/vxlan/vxlan_core.c).
func tos() conversion {
	w := orInherit(func(s *spec) **api.Value { return &s.TOS }, func(c *config) (*uint8, *bool) { return &c.TOS, &c.TOSInherit }, "")
	number := w.apply
	w.apply = func(s *spec, c *config) {
		number(s, c)
		if s.TOS != nil && c.TOS == 1 {
			c.TOS, c.TOSInherit = 0, true
		}
	}
	return w
}

func ageing(n uint32) time.Duration {
	if n == 0 {
		return vtep.NeverAge
	}
	return time.Duration(n) * time.Second
}

func seconds(d time.Duration) (uint32, bool) {
	switch {
	case d < 0:
		d = 0
	case d == 0:
		d = vtep.DefaultAgeing
	}
	return uint32(d / time.Second), true
}

// limit converts maxaddress. The kernel has the number 0 for unlimited.
func limit(v api.Value) int {
	if n, _ := v.Number(); n != 0 {
		return int(n)
	}
	return vtep.UnlimitedAddresses
}

func limitText(n int) (api.Value, bool) {
	switch {
	case n < 0:
		return "unlimited", true
	case n == 0:
		n = vtep.DefaultMaxAddresses
	}
	return api.NumberValue(n), true
}

func accept(text string) vtep.Accept {
	switch text {
	case "peers":
		return vtep.Accept{Mode: vtep.AcceptPeers}
	case "any":
		return vtep.Accept{Mode: vtep.AcceptAny}
	}
	prefixes, _ := words.ParsePrefixes(text)
	return vtep.Accept{Mode: vtep.AcceptPrefixes, Prefixes: prefixes}
}

// acceptText is accept's inverse. group says whether the link has one, which
// decides on the default.
func acceptText(a vtep.Accept, group bool) string {
	switch {
	case a.Mode == vtep.AcceptAny, a.Mode == vtep.AcceptDefault && group:
		return "any"
	case a.Mode == vtep.AcceptPrefixes:
		return prefixText(a.Prefixes)
	}
	return "peers"
}

func sameHost(text string) vtep.SameHost {
	switch text {
	case "auto":
		return vtep.SameHost{}
	case "none":
		return vtep.SameHost{Mode: vtep.SameHostNone}
	}
	prefixes, _ := words.ParsePrefixes(text)
	return vtep.SameHost{Mode: vtep.SameHostPrefixes, Prefixes: prefixes}
}

func sameHostText(h vtep.SameHost) (string, bool) {
	switch h.Mode {
	case vtep.SameHostNone:
		return "none", true
	case vtep.SameHostPrefixes:
		return prefixText(h.Prefixes), true
	default:
		return "auto", true
	}
}

func prefixText(prefixes []netip.Prefix) string {
	text := make([]string, len(prefixes))
	for i, p := range prefixes {
		text[i] = p.String()
	}
	return strings.Join(text, ",")
}

func reserved(text string) vtep.ReservedPolicy {
	switch text {
	case "ignore":
		return vtep.ReservedIgnore
	case "drop":
		return vtep.ReservedDrop
	}
	mask, _ := strconv.ParseUint(text, 0, 64)
	return vtep.ReservedPolicy(mask)
}

func reservedText(p vtep.ReservedPolicy) (string, bool) {
	switch p {
	case vtep.ReservedIgnore:
		return "ignore", true
	case vtep.ReservedDrop:
		return "drop", true
	}
	return fmt.Sprintf("0x%x", uint64(p)), true
}
