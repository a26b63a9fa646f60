package migrate

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/words"
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
	if n := value(l.Spec.Index); n != 0 {
		line.say("index", strconv.Itoa(n))
	}
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
	line.vxlan(&api.LinkChange{LinkSpec: l.Spec})
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

// vxlan says a link's settings, those that are not the kernel's defaults, and
// always the port: ip means 8472 where it is unset.
func (s *sentence) vxlan(l *api.LinkChange) {
	for _, w := range words.Table() {
		text := w.Text(l)
		if w.Owner != words.VXLAN || text == "" || text == w.Kernel && w.Name != "dstport" {
			continue
		}
		said := w.Say(l)
		if other, ok := w.Instead[text]; ok {
			said = []string{w.Name, other[0]}
		}
		for _, one := range said {
			s.say(quote(one))
		}
	}
}

// lost is what the kernel cannot be told of a link.
func lost(l *api.LinkChange) (all []string) {
	ip, own := words.Shown()
	for _, w := range append(own, ip...) {
		switch text := w.Text(l); {
		case text == "" || text == w.Kernel || w.Name == "reserved": // which has a comment of its own
		case w.Instead[text][1] != "":
			all = append(all, w.Instead[text][1])
		case w.Owner == words.Own && !w.Elsewhere:
			all = append(all, strings.Join(w.Say(l), " "))
		}
	}
	if l.MTU == nil {
		all = append(all, "an mtu that follows the route")
	}
	return all
}

// comments say what the kernel cannot be told.
func (w *script) comments(l *Link) {
	s, name := &l.Spec, l.Netdev.Name
	if lost := lost(&api.LinkChange{LinkSpec: *s}); lost != nil {
		w.commentf("%s: the kernel has no word for: %s", name, strings.Join(lost, ", "))
	}
	if bits := value(s.Reserved); bits != "" && bits != "drop" {
		mask := bits
		if bits == "ignore" {
			mask = "0"
		}
		w.commentf("%s: reserved %s is reserved_bits %s to Linux and iproute2 from 6.14 on: write it behind type vxlan there", name, bits, mask)
	}
	if trunk := value(s.Trunk); trunk != "" {
		w.commentf("%s: the kernel has no trunk ports, and %[1]s was VLAN %d of %s: make it and the devices of the other VLANs ports of a bridge with vlan_filtering 1, "+
			"and run bridge vlan add dev %[4]s vid %[2]d pvid untagged", name, value(s.VLAN), trunk, quote(name))
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
