package underlay

import (
	"sync"

	"github.com/uvtep/uvtep/encap"
)

// ICMPKind says what an ICMP error complains of.
type ICMPKind uint8

// The kinds of RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1 and
// RFC 4443 section 3. That a packet is too big is none: see [Transmitter.PathMTU].
const (
	PortUnreachable ICMPKind = iota
	HostUnreachable
	NetUnreachable
	Prohibited
	TimeExceeded
	OtherICMP
)

// ICMPError is how often ICMP complained of the packets to one remote. Whoever
// can send to this host can make it up.
type ICMPError struct {
	Dst   encap.Addr
	Port  uint16
	Kind  ICMPKind
	Count uint64
}

// icmpErrors bounds the memory that a stranger's ICMP can take between two reads;
// what it says of further remotes is lost.
const icmpErrors = 1024

// icmpTable collects what ICMP said of packets. It is written on errors only.
type icmpTable struct {
	mu     sync.Mutex // innermost: nothing is locked below it
	counts map[ICMPError]uint64
}

func (t *icmpTable) note(dst encap.Addr, port uint16, kind ICMPKind) {
	key := ICMPError{Dst: dst, Port: port, Kind: kind}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[ICMPError]uint64)
	}
	if n, known := t.counts[key]; known || len(t.counts) < icmpErrors {
		t.counts[key] = n + 1
	}
}

// take empties the table.
func (t *icmpTable) take() []ICMPError {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.counts) == 0 {
		return nil
	}
	all := make([]ICMPError, 0, len(t.counts))
	for e, n := range t.counts {
		e.Count = n
		all = append(all, e)
	}
	t.counts = nil
	return all
}

// icmpKind4 is the kind of an ICMP error (RFC 792; codes of RFC 1122 section
// 3.2.2.1 and RFC 1812 section 5.2.7.1).
func icmpKind4(kind, code uint8) (ICMPKind, bool) {
	const unreachable, timeExceeded, fragNeeded = 3, 11, 4
	switch {
	case kind == timeExceeded:
		return TimeExceeded, true
	case kind != unreachable:
		return OtherICMP, true
	case code == fragNeeded:
		return 0, false
	}
	switch code {
	case 0, 6, 11:
		return NetUnreachable, true
	case 1, 7, 8, 12:
		return HostUnreachable, true
	case 3:
		return PortUnreachable, true
	case 9, 10, 13, 14, 15:
		return Prohibited, true
	}
	return OtherICMP, true
}

// icmpKind6 is the same of ICMPv6 (RFC 4443 section 3).
func icmpKind6(kind, code uint8) (ICMPKind, bool) {
	const unreachable, tooBig, timeExceeded = 1, 2, 3
	switch {
	case kind == tooBig:
		return 0, false
	case kind == timeExceeded:
		return TimeExceeded, true
	case kind != unreachable:
		return OtherICMP, true
	}
	switch code {
	case 0:
		return NetUnreachable, true
	case 1, 5, 6:
		return Prohibited, true
	case 2, 3:
		return HostUnreachable, true
	case 4:
		return PortUnreachable, true
	}
	return OtherICMP, true
}
