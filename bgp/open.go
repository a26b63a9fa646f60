package bgp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// asTrans stands for an AS number of four bytes where there is room for two (RFC 6793 section 9).
const asTrans = 23456

// Capability codes.
const (
	capMultiprotocol   = 1  // RFC 4760 section 8
	capRefresh         = 2  // RFC 2918 section 2
	capRestart         = 64 // RFC 4724 section 3
	capAS4             = 65 // RFC 6793 section 3
	capEnhancedRefresh = 70 // RFC 7313 section 3.1
)

// Open is an OPEN message (RFC 4271 section 4.2) with the capabilities that a Speaker knows.
type Open struct {
	AS       uint32
	RouterID netip.Addr
	// HoldTime is in whole seconds; 0 is a session without keepalives.
	HoldTime time.Duration
	// EVPN, AS4, Refresh and EnhancedRefresh say that the capability is there.
	EVPN, AS4, Refresh, EnhancedRefresh bool
	// Restart is nil where RFC 4724 is not supported.
	Restart *Restart
	// Codes are the codes of all capabilities that were received, sorted.
	Codes []uint8
}

// Restart is the graceful restart capability (RFC 4724 section 3, RFC 8538 section 2).
type Restart struct {
	// Restarted says that the sender restarted, Notification that it keeps routes also
	// after a NOTIFICATION.
	Restarted, Notification bool
	// Time is how long its routes are to be kept, in whole seconds up to 4095.
	Time time.Duration
	// EVPN says that this holds for EVPN routes, Forwarding that forwarding went on.
	EVPN, Forwarding bool
}

// AppendOpen appends the OPEN.
func AppendOpen(b []byte, o *Open) []byte {
	start := len(b)
	as := o.AS
	if as > 0xffff {
		as = asTrans
	}
	id := o.RouterID.As4()
	b = append(appendHeader(b, typeOpen), 4)
	b = binary.BigEndian.AppendUint16(b, uint16(as))
	b = binary.BigEndian.AppendUint16(b, uint16(o.HoldTime/time.Second))
	b = append(b, id[:]...)
	var caps []byte
	if o.EVPN {
		caps = append(caps, capMultiprotocol, 4, afiL2VPN>>8, afiL2VPN, 0, safiEVPN)
	}
	if o.Refresh {
		caps = append(caps, capRefresh, 0)
	}
	if o.EnhancedRefresh {
		caps = append(caps, capEnhancedRefresh, 0)
	}
	if o.AS4 {
		caps = binary.BigEndian.AppendUint32(append(caps, capAS4, 4), o.AS)
	}
	if o.Restart != nil {
		caps = appendRestart(caps, o.Restart)
	}
	// One optional parameter with all capabilities (RFC 5492 section 4): type 2.
	b = append(b, byte(2+len(caps)), 2, byte(len(caps)))
	return endMessage(append(b, caps...), start)
}

// appendRestart appends the capability; without the family it says that routes of
// neighbours are kept, and nothing of the sender's own (RFC 4724 section 3).
func appendRestart(b []byte, r *Restart) []byte {
	flags := uint16(min(r.Time/time.Second, 0xfff))
	if r.Restarted {
		flags |= 0x8000
	}
	if r.Notification {
		flags |= 0x4000
	}
	if !r.EVPN {
		return binary.BigEndian.AppendUint16(append(b, capRestart, 2), flags)
	}
	b = binary.BigEndian.AppendUint16(append(b, capRestart, 6), flags)
	f := byte(0)
	if r.Forwarding {
		f = 0x80
	}
	return append(b, afiL2VPN>>8, afiL2VPN, safiEVPN, f)
}

// ParseOpen reads the body of an OPEN. An error is the *Notification that answers it.
func ParseOpen(body []byte) (*Open, error) {
	if body[0] != 4 {
		return nil, &Notification{Code: codeOpen, Subcode: subBadVersion, Data: []byte{0, 4}}
	}
	o := &Open{
		AS:       uint32(binary.BigEndian.Uint16(body[1:])),
		HoldTime: time.Duration(binary.BigEndian.Uint16(body[3:])) * time.Second,
		RouterID: netip.AddrFrom4([4]byte(body[5:9])),
	}
	if o.HoldTime == time.Second || o.HoldTime == 2*time.Second { // RFC 4271 section 6.2
		return nil, &Notification{Code: codeOpen, Subcode: subBadHoldTime}
	}
	if o.RouterID.IsUnspecified() { // RFC 6286 section 2.1
		return nil, &Notification{Code: codeOpen, Subcode: subBadID}
	}
	if err := o.parseParameters(body[9:]); err != nil {
		return nil, err
	}
	if o.AS == 0 { // RFC 7607 section 2
		return nil, &Notification{Code: codeOpen, Subcode: subBadPeerAS}
	}
	slices.Sort(o.Codes)
	o.Codes = slices.Compact(o.Codes)
	return o, nil
}

// parseParameters reads the optional parameters, whose lengths have two bytes where the
// first one says so (RFC 9072 section 2).
func (o *Open) parseParameters(b []byte) error {
	malformed := &Notification{Code: codeOpen}
	length, lenBytes := int(b[0]), 1
	b = b[1:]
	if length > 0 && len(b) > 0 && b[0] == 255 {
		if len(b) < 3 {
			return malformed
		}
		length, lenBytes = int(binary.BigEndian.Uint16(b[1:])), 2
		b = b[3:]
	}
	if length != len(b) {
		return malformed
	}
	for len(b) > 0 {
		if len(b) < 1+lenBytes {
			return malformed
		}
		typ, n := b[0], int(b[1])
		if lenBytes == 2 {
			n = int(binary.BigEndian.Uint16(b[1:]))
		}
		b = b[1+lenBytes:]
		if n > len(b) {
			return malformed
		}
		if typ != 2 {
			return &Notification{Code: codeOpen, Subcode: subBadParameter}
		}
		if err := o.parseCapabilities(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// parseCapabilities reads the capabilities of one parameter. Unknown ones, and those whose
// length is not theirs, are ignored (RFC 5492 section 3).
func (o *Open) parseCapabilities(b []byte) error {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return &Notification{Code: codeOpen}
		}
		code, v := b[0], b[2:2+int(b[1])]
		b = b[2+len(v):]
		o.Codes = append(o.Codes, code)
		switch code {
		case capMultiprotocol:
			if len(v) == 4 && binary.BigEndian.Uint16(v) == afiL2VPN && v[3] == safiEVPN {
				o.EVPN = true
			}
		case capRefresh:
			o.Refresh = true
		case capEnhancedRefresh:
			o.EnhancedRefresh = true
		case capAS4:
			if len(v) == 4 {
				o.AS4, o.AS = true, binary.BigEndian.Uint32(v)
			}
		case capRestart:
			if len(v) >= 2 {
				o.Restart = parseRestart(v)
			}
		}
	}
	return nil
}

func parseRestart(v []byte) *Restart {
	flags := binary.BigEndian.Uint16(v)
	r := &Restart{
		Restarted: flags&0x8000 != 0, Notification: flags&0x4000 != 0,
		Time: time.Duration(flags&0xfff) * time.Second,
	}
	for v = v[2:]; len(v) >= 4; v = v[4:] {
		if binary.BigEndian.Uint16(v) == afiL2VPN && v[2] == safiEVPN {
			r.EVPN, r.Forwarding = true, v[3]&0x80 != 0
		}
	}
	return r
}

// capabilityNames are the codes in words, for show.
func capabilityNames(codes []uint8) []string {
	var s []string
	for _, c := range codes {
		switch c {
		case capMultiprotocol:
			s = append(s, "multiprotocol")
		case capRefresh:
			s = append(s, "route-refresh")
		case capEnhancedRefresh:
			s = append(s, "enhanced-route-refresh")
		case capRestart:
			s = append(s, "graceful-restart")
		case capAS4:
			s = append(s, "4-octet-as")
		default:
			s = append(s, fmt.Sprintf("capability-%d", c))
		}
	}
	return s
}
