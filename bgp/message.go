package bgp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message types (RFC 4271 section 4.1, RFC 2918 section 3).
const (
	typeOpen         = 1
	typeUpdate       = 2
	typeNotification = 3
	typeKeepalive    = 4
	typeRefresh      = 5
)

// Lengths of messages (RFC 4271 section 4).
const (
	headerLen  = 19
	maxMessage = 4096
)

// The one address family (RFC 7432 section 21).
const (
	afiL2VPN = 25
	safiEVPN = 70
)

// Error codes of a NOTIFICATION (RFC 4271 section 4.5).
const (
	codeHeader  = 1
	codeOpen    = 2
	codeUpdate  = 3
	codeHold    = 4
	codeFSM     = 5
	codeCease   = 6
	codeRefresh = 7 // RFC 7313 section 5
)

// Notification is the NOTIFICATION that ends a session (RFC 4271 section 4.5), and the
// error that makes this speaker send one.
type Notification struct {
	Code, Subcode uint8
	Data          []byte
}

// notificationNames are the subcodes' names by code; the first of each is that of the code.
func notificationNames(code uint8) []string {
	switch code {
	case codeHeader: // RFC 4271 section 6.1
		return []string{"message header error", "connection not synchronized", "bad message length", "bad message type"}
	case codeOpen: // RFC 4271 section 6.2, RFC 5492 section 5, RFC 9234 section 8
		return []string{
			"OPEN message error", "unsupported version", "bad peer AS", "bad BGP identifier",
			"unsupported optional parameter", "authentication failure", "unacceptable hold time", "unsupported capability",
		}
	case codeUpdate: // RFC 4271 section 6.3
		return []string{
			"UPDATE message error", "malformed attribute list", "unrecognized well-known attribute",
			"missing well-known attribute", "attribute flags error", "attribute length error", "invalid ORIGIN",
			"AS routing loop", "invalid NEXT_HOP", "optional attribute error", "invalid network field", "malformed AS_PATH",
		}
	case codeSendHold: // RFC 9687 section 3.3
		return []string{"send hold timer expired"}
	case codeHold:
		return []string{"hold timer expired"}
	case codeFSM: // RFC 6608 section 3
		return []string{"finite state machine error", "unexpected message in OpenSent", "unexpected message in OpenConfirm", "unexpected message in Established"}
	case codeCease: // RFC 4486 section 3, RFC 8538 section 3
		return []string{
			"cease", "maximum number of prefixes reached", "administrative shutdown", "peer de-configured",
			"administrative reset", "connection rejected", "other configuration change",
			"connection collision resolution", "out of resources", "hard reset", "BFD down",
		}
	case codeRefresh:
		return []string{"ROUTE-REFRESH message error", "invalid message length"}
	default:
		return []string{fmt.Sprintf("error %d", code)}
	}
}

// Subcodes that this speaker sends or tells apart.
const (
	subUnsynchronized  = 1
	subBadLength       = 2
	subBadType         = 3
	subBadVersion      = 1
	subBadPeerAS       = 2
	subBadID           = 3
	subBadParameter    = 4
	subBadHoldTime     = 6
	subNoCapability    = 7
	subMalformedList   = 1
	subOptional        = 9
	subMaxPrefixes     = 1
	subShutdown        = 2
	subDeconfigured    = 3
	subReset           = 4
	subRejected        = 5
	subCollision       = 7
	subHardReset       = 9
	subUnexpectedOpen  = 1
	subUnexpectedConf  = 2
	subUnexpectedEstab = 3
	subRefreshLength   = 1
)

// Error says the code and subcode in words, and the operator's own words of a shutdown
// (RFC 9003).
func (n *Notification) Error() string {
	names := notificationNames(n.Code)
	s := names[0]
	switch {
	case n.Subcode != 0 && int(n.Subcode) < len(names):
		s += ": " + names[n.Subcode]
	case n.Subcode != 0:
		s += fmt.Sprintf(": subcode %d", n.Subcode)
	}
	if n.Code == codeCease && (n.Subcode == subShutdown || n.Subcode == subReset) && len(n.Data) > 1 {
		if words := n.Data[1:min(len(n.Data), 1+int(n.Data[0]))]; len(words) > 0 && utf8.Valid(words) {
			s += fmt.Sprintf(" (%s)", strings.Map(printable, string(words)))
		}
	}
	return s
}

// printable keeps a neighbour's words from changing how a terminal shows a log.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// appendHeader begins a message of a type; endMessage sets its length.
func appendHeader(b []byte, typ byte) []byte {
	for range 16 {
		b = append(b, 0xff)
	}
	return append(b, 0, 0, typ)
}

// endMessage sets the length of the message that begins at start.
func endMessage(b []byte, start int) []byte {
	binary.BigEndian.PutUint16(b[start+16:], uint16(len(b)-start))
	return b
}

// AppendKeepalive appends a KEEPALIVE.
func AppendKeepalive(b []byte) []byte { return endMessage(appendHeader(b, typeKeepalive), len(b)) }

// AppendNotification appends the NOTIFICATION.
func AppendNotification(b []byte, n *Notification) []byte {
	start := len(b)
	b = append(appendHeader(b, typeNotification), n.Code, n.Subcode)
	b = append(b, n.Data[:min(len(n.Data), maxMessage-headerLen-2)]...)
	return endMessage(b, start)
}

// ParseNotification reads the body of a NOTIFICATION, which has two bytes at least.
func ParseNotification(body []byte) *Notification {
	return &Notification{Code: body[0], Subcode: body[1], Data: append([]byte(nil), body[2:]...)}
}

// Subtypes of a ROUTE-REFRESH (RFC 7313 section 3.2).
const (
	refreshRequest = 0
	refreshBegin   = 1
	refreshEnd     = 2
)

// appendRefresh appends a ROUTE-REFRESH of the family.
func appendRefresh(b []byte, subtype byte) []byte {
	return endMessage(append(appendHeader(b, typeRefresh), afiL2VPN>>8, afiL2VPN, subtype, safiEVPN), len(b))
}

// parseRefresh reads the body of a ROUTE-REFRESH. ours says that it is of the family.
func parseRefresh(body []byte) (subtype byte, ours bool) {
	return body[2], binary.BigEndian.Uint16(body) == afiL2VPN && body[3] == safiEVPN
}

// parseHeader checks the header of a message and returns the whole message's length (RFC 4271 section 6.1), also
// where a ROUTE-REFRESH has not the one that it must have, since the error is to have the whole message (RFC 7313
// section 5). After other errors it is not known.
func parseHeader(h []byte) (length int, typ byte, err error) {
	for _, v := range h[:16] {
		if v != 0xff {
			return 0, 0, &Notification{Code: codeHeader, Subcode: subUnsynchronized}
		}
	}
	length, typ = int(binary.BigEndian.Uint16(h[16:])), h[18]
	bad := length < headerLen || length > maxMessage
	switch typ {
	case typeOpen:
		bad = bad || length < headerLen+10
	case typeUpdate:
		bad = bad || length < headerLen+4
	case typeNotification:
		bad = bad || length < headerLen+2
	case typeKeepalive:
		bad = bad || length != headerLen
	case typeRefresh:
		if !bad && length != headerLen+4 {
			return length, typ, &Notification{Code: codeRefresh, Subcode: subRefreshLength}
		}
	default:
		return 0, 0, &Notification{Code: codeHeader, Subcode: subBadType, Data: []byte{typ}}
	}
	if bad {
		return 0, 0, &Notification{Code: codeHeader, Subcode: subBadLength, Data: []byte{h[16], h[17]}}
	}
	return length, typ, nil
}
