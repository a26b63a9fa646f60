package tap

import (
	"strings"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// stateOf is the State that a link message describes: struct ifinfomsg and
// attributes (rtnetlink(7)). Thousands of devices make thousands of messages, of
// which a handful of attributes matters, so it decodes these alone.
func stateOf(m []byte, namespace uint64) State {
	s := State{Namespace: namespace}
	if len(m) < unix.SizeofIfInfomsg {
		return s
	}
	info := nl.DeserializeIfInfomsg(m)
	s.Index = int(info.Index)
	s.Up = info.Flags&unix.IFF_UP != 0
	s.LowerUp = info.Flags&unix.IFF_LOWER_UP != 0
	eachAttr(m[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			s.Name = cString(value)
		case unix.IFLA_ADDRESS:
			if len(value) == len(s.MAC) {
				copy(s.MAC[:], value)
			}
		case unix.IFLA_MTU:
			s.MTU = number(value)
		case unix.IFLA_TXQLEN:
			s.TxQueueLen = number(value)
		case unix.IFLA_GSO_MAX_SIZE:
			s.GSOMaxSize = number(value)
		case unix.IFLA_GSO_MAX_SEGS:
			s.GSOMaxSegs = number(value)
		}
	})
	return s
}

// newFeatures reports whether a link message tells of other features.
func newFeatures(m []byte) (is bool) {
	eachAttr(m[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
		is = is || kind == unix.IFLA_EVENT && number(value) == unix.IFLA_EVENT_FEATURES
	})
	return is
}

// eachAttr calls fn for each attribute of b, as far as b is whole.
func eachAttr(b []byte, fn func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofRtAttr {
		n := int(nl.NativeEndian().Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return
		}
		fn(nl.NativeEndian().Uint16(b[2:])&nl.NLA_TYPE_MASK, b[unix.SizeofRtAttr:n])
		b = b[min((n+syscall.NLMSG_ALIGNTO-1)&^(syscall.NLMSG_ALIGNTO-1), len(b)):]
	}
}

// number is an attribute of 32 bits, 0 where it is none.
func number(value []byte) int {
	if len(value) < 4 {
		return 0
	}
	return int(nl.NativeEndian().Uint32(value))
}

// cString is an attribute that ends with a zero byte.
func cString(value []byte) string {
	s, _, _ := strings.Cut(string(value), "\x00")
	return s
}
