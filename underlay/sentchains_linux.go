package underlay

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

// SentChains names what filters packets that this host's sockets send, and a packet that leaves another way passes by: a
// chain of nftables for output, or postrouting where that is asked for, of iptables-nft too, or tables of
// iptables-legacy. It is a sentence without its end; "": there is nothing. What cannot be read is told as well.
func SentChains(postrouting bool) string {
	if why := nftChains(postrouting); why != "" {
		return why
	}
	return legacyTables()
}

// nftChains is SentChains of nftables.
func nftChains(postrouting bool) string {
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
		if name, hook := chainOf(m); hook == hookOutput || postrouting && hook == hookPostrouting {
			return fmt.Sprintf("chain %s of nftables is for what this host sends", name)
		}
	}
	return ""
}

// chainOf is a message's chain with its table, and the hook that it is at, -1 for none of IP.
func chainOf(m []byte) (name string, hook int) {
	if len(m) < nfgenLen {
		return "", -1
	}
	if family := m[0]; family != nfprotoInet && family != unix.AF_INET && family != unix.AF_INET6 {
		return "", -1
	}
	attrs, err := nl.ParseRouteAttr(m[nfgenLen:])
	if err != nil {
		return "", -1
	}
	table, hook := "", -1
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case nftaChainTable:
			table = nl.BytesToString(a.Value)
		case nftaChainName:
			name = nl.BytesToString(a.Value)
		case nftaChainHook:
			nested, err := nl.ParseRouteAttr(a.Value)
			if err != nil {
				return "", -1
			}
			for _, n := range nested {
				if n.Attr.Type == nftaHookNumber && len(n.Value) >= 4 {
					hook = int(binary.BigEndian.Uint32(n.Value))
				}
			}
		}
	}
	return table + " " + name, hook
}

// legacyTables is SentChains of iptables-legacy: whether one of their chains for output has rules, only its own
// tool can tell.
func legacyTables() string {
	for _, name := range []string{"ip_tables_names", "ip6_tables_names"} {
		// thread-self, since tests have a network namespace a thread.
		switch b, err := os.ReadFile("/proc/thread-self/net/" + name); {
		case errors.Is(err, os.ErrNotExist): // the kernel has none
		case err != nil:
			return fmt.Sprintf("the tables of iptables-legacy cannot be read: %v", err)
		case len(strings.Fields(string(b))) > 0:
			return fmt.Sprintf("iptables-legacy has tables (%s)", strings.Join(strings.Fields(string(b)), ", "))
		}
	}
	return ""
}
