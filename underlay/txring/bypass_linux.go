package txring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
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
	if why := chains(); why != "" {
		return why
	}
	return legacyTables()
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

// Of include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h and include/uapi/linux/netfilter.h.
const (
	nfnlSubsysNftables = 10
	nftMsgGetChain     = 4
	nftaChainTable     = 1
	nftaChainName      = 3
	nftaChainHook      = 4
	nftaHookNumber     = 1
	nfgenLen           = 4
	hookOutput         = 3 // NF_INET_LOCAL_OUT
	hookPostrouting    = 4 // NF_INET_POST_ROUTING
	nfprotoInet        = 1
)

// nfgenmsg is struct nfgenmsg of all families.
type nfgenmsg struct{}

func (nfgenmsg) Len() int          { return nfgenLen }
func (nfgenmsg) Serialize() []byte { return make([]byte, nfgenLen) }

// chains refuses where nftables has a chain for what this host sends (hook output or postrouting), of iptables-nft too.
func chains() string {
	req := nl.NewNetlinkRequest(nfnlSubsysNftables<<8|nftMsgGetChain, unix.NLM_F_DUMP)
	req.AddData(nfgenmsg{})
	all, err := req.Execute(unix.NETLINK_NETFILTER, 0)
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return "" // the kernel has no nftables
	case err != nil && !errors.Is(err, netlink.ErrDumpInterrupted):
		return fmt.Sprintf("the chains of nftables cannot be read (CAP_NET_ADMIN): %v", err)
	}
	for _, m := range all {
		if name := outputChain(m); name != "" {
			return fmt.Sprintf("chain %s of nftables is for what this host sends, and would not see a ring's packets", name)
		}
	}
	return ""
}

// outputChain is the name of a message's chain, where that is for what an IP socket sends.
func outputChain(m []byte) string {
	if len(m) < nfgenLen {
		return ""
	}
	if family := m[0]; family != nfprotoInet && family != unix.AF_INET && family != unix.AF_INET6 {
		return ""
	}
	attrs, err := nl.ParseRouteAttr(m[nfgenLen:])
	if err != nil {
		return ""
	}
	var table, name string
	hook := -1
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case nftaChainTable:
			table = nl.BytesToString(a.Value)
		case nftaChainName:
			name = nl.BytesToString(a.Value)
		case nftaChainHook:
			nested, err := nl.ParseRouteAttr(a.Value)
			if err != nil {
				return ""
			}
			for _, n := range nested {
				if n.Attr.Type == nftaHookNumber && len(n.Value) >= 4 {
					hook = int(binary.BigEndian.Uint32(n.Value))
				}
			}
		}
	}
	if hook != hookOutput && hook != hookPostrouting {
		return ""
	}
	return table + " " + name
}

// legacyTables refuses where iptables-legacy has tables: whether one of their chains for output has rules, only its own
// tool can tell.
func legacyTables() string {
	for _, name := range []string{"ip_tables_names", "ip6_tables_names"} {
		// thread-self, since tests have a network namespace a thread.
		switch b, err := os.ReadFile("/proc/thread-self/net/" + name); {
		case errors.Is(err, os.ErrNotExist): // the kernel has none
		case err != nil:
			return fmt.Sprintf("the tables of iptables-legacy cannot be read: %v", err)
		case len(strings.Fields(string(b))) > 0:
			return fmt.Sprintf("iptables-legacy has tables (%s), whose chains would not see a ring's packets", strings.Join(strings.Fields(string(b)), ", "))
		}
	}
	return ""
}
