package txring

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/underlay"
)

// What leaves by a ring goes to the device at once: no policy of IPsec, no rule about ports, no chain of a
// firewall sees it. bypassed says why rings must not be used, or not in mode Auto; "": they may.
func (r *Rings) bypassed() string {
	if why := underPolicy(r.handle); why != "" {
		return why
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		rules, err := r.handle.RuleList(family)
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Sprintf("the rules of policy routing cannot be read: %v", err)
		}
		for i := range rules {
			if rule := &rules[i]; rule.IPProto != 0 || rule.Sport != nil || rule.Dport != nil {
				return fmt.Sprintf("rule %d of policy routing is about protocols or ports", rule.Priority)
			}
		}
	}
	if r.mode == On {
		return ""
	}
	if why := underlay.SentChains(true); why != "" {
		return why + ", which would not see a ring's packets"
	}
	return ""
}

// underPolicy refuses where IPsec has policies: which packets they are about is left to the kernel.
func underPolicy(h *netlink.Handle) string {
	switch policies, err := h.XfrmPolicyList(unix.AF_UNSPEC); {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.ECONNREFUSED): // the kernel has none
	case err != nil && !errors.Is(err, netlink.ErrDumpInterrupted):
		return fmt.Sprintf("the policies of IPsec cannot be read (CAP_NET_ADMIN): %v", err)
	case len(policies) > 0:
		return "there are IPsec policies, which a ring's packets would pass by"
	}
	return ""
}
