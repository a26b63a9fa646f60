package migrate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
)

// entries writes the entries that were given to the link.
func (w *script) entries(l *Link) {
	name, learned, controllers, quiet, pinned, standard := quote(l.Netdev.Name), 0, 0, 0, 0, false
	var lines []string
	for i := range l.FDB {
		e := &l.FDB[i]
		switch {
		case e.State == api.Dynamic && !e.ExternLearn:
			learned++
		case e.Owner != "":
			controllers++
		case e.NoFlood:
			quiet++
		case e.Sticky:
			pinned++
		case !standard && isDefault(l, e):
			standard = true
		default:
			lines = append(lines, entryLine(name, e))
		}
	}
	if learned > 0 {
		w.commentf("%s: learned entries left out: %d; the link learns them again", l.Netdev.Name, learned)
	}
	if controllers > 0 {
		w.commentf("%s: entries of controllers left out: %d; the controllers put them in again", l.Netdev.Name, controllers)
	}
	if quiet > 0 {
		w.commentf("%s: remotes with noflood left out: %d; the kernel floods to all", l.Netdev.Name, quiet)
	}
	if pinned > 0 {
		w.commentf("%s: sticky entries left out: %d; they are the bridge's port's (bridge fdb add MAC dev PORT master sticky static)", l.Netdev.Name, pinned)
	}
	if dst := destination(&l.Spec); dst != nil && !standard {
		lines = append([]string{fmt.Sprintf("bridge fdb del %s dev %s dst %v%s self", zeroMAC, name, dst, via(&l.Spec))}, lines...)
	}
	for _, line := range lines {
		w.linef("%s", line)
	}
}

func destination(s *api.LinkSpec) *netip.Addr {
	if s.Group != nil {
		return s.Group
	}
	return s.Remote
}

func via(s *api.LinkSpec) string {
	if s.Dev == nil {
		return ""
	}
	return " via " + quote(*s.Dev)
}

// isDefault reports whether e is the entry that the link's remote or group
// makes, here as in the kernel.
func isDefault(l *Link, e *api.FDBEntry) bool {
	dst := destination(&l.Spec)
	return dst != nil && e.MAC == zeroMAC && e.Dst == *dst && e.Port == 0 && e.VNI == nil && e.Via == value(l.Spec.Dev)
}

// entryLine is the command that makes an entry. A group has a list of remotes;
// a unicast address has one, and the script may be run where it is known.
func entryLine(dev string, e *api.FDBEntry) string {
	verb := "replace"
	if isGroup(e.MAC) {
		verb = "append"
	}
	s := sentence{"bridge fdb", verb, e.MAC, "dev", dev}
	if e.Dst.IsValid() {
		s.say("dst", e.Dst.String())
	}
	if e.Port != 0 {
		s.say("port", strconv.Itoa(int(e.Port)))
	}
	if e.VNI != nil {
		s.say("vni", strconv.FormatUint(uint64(*e.VNI), 10))
	}
	s.text("via", e.Via)
	s.say("self")
	if e.State == "" {
		s.say(api.Permanent)
	} else {
		s.say(e.State)
	}
	if e.ExternLearn {
		s.say("extern_learn")
	}
	if e.Router {
		s.say("router")
	}
	return strings.Join(s, " ")
}

// isGroup is the all-zeros or a multicast MAC address.
func isGroup(mac string) bool {
	first, err := strconv.ParseUint(mac[:min(2, len(mac))], 16, 8)
	return mac == zeroMAC || err == nil && first&1 != 0
}
