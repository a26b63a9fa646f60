package migrate

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
)

// ToIPRoute2 returns a shell script that makes the same links with ip and
// bridge. What the kernel has no word for is a comment above the link.
func ToIPRoute2(links []Link) []byte {
	w := &script{users: map[vniPort]string{}}
	w.linef("#!/bin/sh")
	w.linef("# The VXLAN links of uvtep as links of the kernel: made by uvtep export --to iproute2.")
	w.linef("# End uvtep before this is run: the devices have the same names.")
	w.linef("set -e")
	for i := range links {
		w.linef("")
		w.link(&links[i])
	}
	return w.out.Bytes()
}

// script is the script that comes to be.
type script struct {
	out   bytes.Buffer
	users map[vniPort]string // which link has it
}

// vniPort is what the kernel has one link of in a namespace, whatever its local
// address (vxlan_vni_in_use in drivers/net/vxlan/vxlan_core.c).
type vniPort struct {
	vni  uint32
	port uint16
	v6   bool
}

func (w *script) linef(format string, a ...any) {
	fmt.Fprintf(&w.out, format+"\n", a...)
}

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (w *script) link(l *Link) {
	d, name := &l.Netdev, l.Netdev.Name
	w.comments(l)
	line := sentence{"ip link add name", quote(name)}
	if d.MTU != 0 {
		line.say("mtu", strconv.Itoa(d.MTU))
	}
	if l.Spec.Trunk == nil { // else it is the trunk's, and the same for all of its links
		line.text("address", d.MAC)
	}
	if n := value(l.Spec.Queues); n > 1 {
		line.say("numtxqueues", strconv.Itoa(n), "numrxqueues", strconv.Itoa(n))
	}
	line = append(line, "type vxlan")
	line.vxlan(&l.Spec)
	w.linef("%s", strings.Join(line, " "))
	own := deviceWords{name: name, txqlen: int(d.TxQLen), usualTxQLen: vtep.TxQueueLen, group: d.Group, alias: d.Alias, genMode: d.AddrGenMode}
	if d.Index != 0 { // there is a device
		own.flags = d.Flags
	}
	for _, words := range own.commands() {
		w.linef("ip link %s", words)
	}
	w.entries(l)
	if d.Master != "" {
		w.linef("ip link set dev %s master %s", quote(name), quote(d.Master))
	}
	if slices.Contains(d.Flags, "UP") {
		w.linef("ip link set dev %s up", quote(name))
	}
}

// sentence is a command line that comes to be.
type sentence []string

func (s *sentence) say(words ...string) { *s = append(*s, words...) }

// text says a word and what follows it, where something does.
func (s *sentence) text(word, v string) {
	if v != "" {
		s.say(word, quote(v))
	}
}

// flag says a word where the value is not the kernel's own.
func (s *sentence) flag(v *bool, kernels bool, word string) {
	if v != nil && *v != kernels {
		s.say(word)
	}
}

// vxlan says a link's settings, those that are not the kernel's defaults
// (vxlan_nl2conf in drivers/net/vxlan/vxlan_core.c), and always the port: ip
// means 8472 where it is unset.
func (s *sentence) vxlan(l *api.LinkSpec) {
	s.say("id", strconv.FormatUint(uint64(value(l.ID)), 10))
	for _, a := range []struct {
		word string
		addr *netip.Addr
	}{{"remote", l.Remote}, {"group", l.Group}, {"local", l.Local}} {
		if a.addr != nil {
			s.say(a.word, a.addr.String())
		}
	}
	s.text("dev", value(l.Dev))
	s.say("dstport", strconv.Itoa(int(value(l.DstPort))))
	if r := value(l.SrcPort); r[1] != 0 {
		s.say("srcport", strconv.Itoa(int(r[0])), strconv.Itoa(int(r[1])))
	}
	if v := value(l.TTL); v != "auto" {
		s.text("ttl", string(v))
	}
	if v := value(l.TOS); v != "" {
		s.say("tos", hexadecimal(v))
	}
	if v := value(l.DF); v != "unset" {
		s.text("df", v)
	}
	if v := value(l.FlowLabel); v != "" {
		s.say("flowlabel", hexadecimal(v))
	}
	switch {
	case l.Ageing == nil || *l.Ageing == kernelAgeing:
	case *l.Ageing == 0: // never; 0 is the default to the kernel (vxlan_config_validate)
		s.say("ageing", strconv.FormatUint(math.MaxUint32, 10))
	default:
		s.say("ageing", strconv.FormatUint(uint64(*l.Ageing), 10))
	}
	if n, ok := value(l.MaxAddress).Number(); ok && n != 0 {
		s.say("maxaddress", strconv.FormatUint(uint64(n), 10))
	}
	s.flag(l.Learning, true, "nolearning")
	s.flag(l.Proxy, false, "proxy")
	s.flag(l.L2Miss, false, "l2miss")
	s.flag(l.L3Miss, false, "l3miss")
	s.flag(l.UDPCsum, true, "noudpcsum")
	s.flag(l.UDP6ZeroCsumTx, false, "udp6zerocsumtx")
	s.flag(l.UDP6ZeroCsumRx, false, "udp6zerocsumrx")
	s.flag(l.LocalBypass, true, "nolocalbypass")
	s.flag(l.GBP, false, "gbp")
}

// kernelAgeing is FDB_AGE_DEFAULT, in seconds (drivers/net/vxlan/vxlan_core.c).
const kernelAgeing = 300

// hexadecimal is how ip reads a TOS, and prints a flow label.
func hexadecimal(v api.Value) string {
	if n, ok := v.Number(); ok {
		return fmt.Sprintf("%#x", n)
	}
	return string(v)
}

// comments say what the kernel cannot be told.
func (w *script) comments(l *Link) {
	s, name := &l.Spec, l.Netdev.Name
	var lost []string
	say := func(is bool, format string, a ...any) {
		if is {
			lost = append(lost, fmt.Sprintf(format, a...))
		}
	}
	say(s.Accept != nil && *s.Accept != "any", "accept %s", value(s.Accept))
	// As reserved_bits, only Linux and ip from 6.14 on have it.
	say(s.Reserved != nil && *s.Reserved != "drop", "reserved %s", value(s.Reserved))
	say(value(s.InnerVLAN) == "drop", "innervlan drop")
	say(value(s.ProxyLearn), "proxy learn")
	say(value(s.MSS) == "clamp", "mss clamp")
	say(value(s.BUMLimit) != 0, "bumlimit %d", value(s.BUMLimit))
	say(value(s.PeerBUMLimit) != 0, "peerbumlimit %d", value(s.PeerBUMLimit))
	say(value(s.MoveGuard) == "on", "moveguard on")
	say(value(s.LoopGuard) == "on", "loopguard on")
	say(s.SameHost != nil && *s.SameHost != "auto", "samehost %s", value(s.SameHost))
	say(value(s.GBPID) != 0, "gbpid %d", value(s.GBPID))
	say(value(s.Persist), "persist")
	say(s.User != nil, "user %d", value(s.User))
	say(s.GroupOwner != nil, "group-owner %d", value(s.GroupOwner))
	say(s.Ageing != nil && *s.Ageing == 0, "ageing 0 (136 years stand for it)")
	say(s.MTU == nil, "an mtu that follows the route")
	if lost != nil {
		w.commentf("%s: the kernel has no word for: %s", name, strings.Join(lost, ", "))
	}
	if trunk := value(s.Trunk); trunk != "" {
		w.commentf("%s: the kernel has no trunk ports, and %[1]s was VLAN %d of %s: have it and the devices of the other VLANs in a bridge with vlan_filtering 1, "+
			"and write bridge vlan add dev %[4]s vid %[2]d pvid untagged", name, value(s.VLAN), trunk, quote(name))
	}
	if s.Group != nil && s.Dev == nil {
		w.commentf("%s: the kernel wants a device for a group: write dev DEVICE", name)
	}
	for _, n := range l.Names {
		w.commentf("%s: remote %s is a name, and the kernel has addresses only: bridge fdb append %s dev %s dst IP", name, n, zeroMAC, quote(name))
	}
	key := vniPort{vni: value(s.ID), port: value(s.DstPort), v6: isV6(s)}
	if other, taken := w.users[key]; taken {
		w.commentf("%s: the kernel refuses it beside %s: one id on one dstport, whatever the local address", name, other)
	}
	w.users[key] = name
}

// commentf writes a comment of one line.
func (w *script) commentf(format string, a ...any) {
	w.linef("# %s", printable(fmt.Sprintf(format, a...)))
}

// isV6 is the address family of a link's underlay.
func isV6(s *api.LinkSpec) bool {
	for _, a := range []*netip.Addr{s.Remote, s.Group, s.Local} {
		if a != nil {
			return a.Is6()
		}
	}
	return false
}

// quote makes one word of s for a shell (XCU section 2.2.2): a device may have
// almost any name.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:@/+,=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
