package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
)

// LinkSpec describes a link, in the words of `ip link add ... type vxlan`. A nil field stands
// for the default when a link is added, and for no change when it is changed.
type LinkSpec struct {
	Name           string      `json:"name,omitempty" yaml:"name,omitempty"`
	ID             *uint32     `json:"id,omitempty" yaml:"id,omitempty"`
	Remote         *netip.Addr `json:"remote,omitempty" yaml:"remote,omitempty"`
	Group          *netip.Addr `json:"group,omitempty" yaml:"group,omitempty"`
	Local          *netip.Addr `json:"local,omitempty" yaml:"local,omitempty"`
	Dev            *string     `json:"dev,omitempty" yaml:"dev,omitempty"`
	DstPort        *uint16     `json:"dstport,omitempty" yaml:"dstport,omitempty"`
	SrcPort        *PortRange  `json:"srcport,omitempty" yaml:"srcport,omitempty"`
	TTL            *Value      `json:"ttl,omitempty" yaml:"ttl,omitempty"` // number, auto or inherit
	TOS            *Value      `json:"tos,omitempty" yaml:"tos,omitempty"` // number or inherit
	DF             *string     `json:"df,omitempty" yaml:"df,omitempty"`   // set, unset or inherit
	Learning       *bool       `json:"learning,omitempty" yaml:"learning,omitempty"`
	Ageing         *uint32     `json:"ageing,omitempty" yaml:"ageing,omitempty"`         // seconds; 0: never
	MaxAddress     *Value      `json:"maxaddress,omitempty" yaml:"maxaddress,omitempty"` // number or unlimited
	UDPCsum        *bool       `json:"udpcsum,omitempty" yaml:"udpcsum,omitempty"`
	UDP6ZeroCsumTx *bool       `json:"udp6zerocsumtx,omitempty" yaml:"udp6zerocsumtx,omitempty"`
	UDP6ZeroCsumRx *bool       `json:"udp6zerocsumrx,omitempty" yaml:"udp6zerocsumrx,omitempty"`
	MTU            *int        `json:"mtu,omitempty" yaml:"mtu,omitempty"`
	Address        *string     `json:"address,omitempty" yaml:"address,omitempty"`     // MAC address
	Accept         *string     `json:"accept,omitempty" yaml:"accept,omitempty"`       // peers, any, or prefixes with commas between
	MinTTL         *uint8      `json:"min_ttl,omitempty" yaml:"min_ttl,omitempty"`     // of packets from the network; 0: any
	Reserved       *string     `json:"reserved,omitempty" yaml:"reserved,omitempty"`   // ignore, drop, or the bits that drop as a hexadecimal number
	InnerVLAN      *string     `json:"innervlan,omitempty" yaml:"innervlan,omitempty"` // pass or drop
	Trunk          *string     `json:"trunk,omitempty" yaml:"trunk,omitempty"`         // port whose VLAN is the link's
	VLAN           *uint16     `json:"vlan,omitempty" yaml:"vlan,omitempty"`
	Queues         *int        `json:"queues,omitempty" yaml:"queues,omitempty"`
	Index          *int        `json:"index,omitempty" yaml:"index,omitempty"`
	MSS            *string     `json:"mss,omitempty" yaml:"mss,omitempty"`                   // clamp or none
	BUMLimit       *uint32     `json:"bumlimit,omitempty" yaml:"bumlimit,omitempty"`         // flooded frames a second; 0: any number
	PeerBUMLimit   *uint32     `json:"peerbumlimit,omitempty" yaml:"peerbumlimit,omitempty"` // the same of each remote
	MoveGuard      *string     `json:"moveguard,omitempty" yaml:"moveguard,omitempty"`       // on or off
	SameHost       *string     `json:"samehost,omitempty" yaml:"samehost,omitempty"`         // auto, none, or prefixes with commas between
	LoopGuard      *string     `json:"loopguard,omitempty" yaml:"loopguard,omitempty"`       // on or off
	Persist        *bool       `json:"persist,omitempty" yaml:"persist,omitempty"`
	User           *uint32     `json:"user,omitempty" yaml:"user,omitempty"`               // UID
	GroupOwner     *uint32     `json:"group-owner,omitempty" yaml:"group-owner,omitempty"` // GID
	LocalBypass    *bool       `json:"localbypass,omitempty" yaml:"localbypass,omitempty"`
	FlowLabel      *Value      `json:"flowlabel,omitempty" yaml:"flowlabel,omitempty"` // number or inherit
	Proxy          *bool       `json:"proxy,omitempty" yaml:"proxy,omitempty"`
	// ProxyLearn is set by `proxy learn`; proxy alone clears it.
	ProxyLearn *bool `json:"proxylearn,omitempty" yaml:"-"` // in a file, proxy: learn
	LearnLocal *bool `json:"learnlocal,omitempty" yaml:"learnlocal,omitempty"`
	// EVPN has an EVPN agent take the link; it brings learnlocal, and nolearning unless learning
	// is said.
	EVPN   *bool   `json:"evpn,omitempty" yaml:"evpn,omitempty"`
	L2Miss *bool   `json:"l2miss,omitempty" yaml:"l2miss,omitempty"`
	L3Miss *bool   `json:"l3miss,omitempty" yaml:"l3miss,omitempty"`
	GBP    *bool   `json:"gbp,omitempty" yaml:"gbp,omitempty"`
	GBPID  *uint16 `json:"gbpid,omitempty" yaml:"gbpid,omitempty"` // policy id to send; needs gbp
}

// LinkChange is a LinkSpec with the other words of `link set`. On a change, Name is the link's
// new name.
type LinkChange struct {
	LinkSpec
	Up     *bool   `json:"up,omitempty" yaml:"up,omitempty"`
	Master *string `json:"master,omitempty" yaml:"-"` // master of the link's device, such as a bridge; "": none
}

// PortRange is the lowest and the highest port of a range, both included.
// 0, 0 stands for the default.
type PortRange [2]uint16

// Value is a decimal number or a word in its place ("auto", "inherit",
// "unlimited"). JSON has numbers as numbers.
type Value string

// NumberValue is the Value of a number.
func NumberValue[T ~int | ~uint8 | ~uint32](n T) Value { return Value(strconv.FormatInt(int64(n), 10)) }

// Number is the number that v holds, or false where v is a word.
func (v Value) Number() (uint32, bool) {
	n, err := strconv.ParseUint(string(v), 10, 32)
	return uint32(n), err == nil
}

// MarshalJSON writes a number as a number, else a string.
func (v Value) MarshalJSON() ([]byte, error) {
	if n, ok := v.Number(); ok {
		return strconv.AppendUint(nil, uint64(n), 10), nil
	}
	return json.Marshal(string(v))
}

// UnmarshalJSON reads a number or a string.
func (v *Value) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte{'"'}) {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*v = Value(s)
		return nil
	}
	var n uint32
	if err := json.Unmarshal(b, &n); err != nil {
		return fmt.Errorf("%s is neither a whole number nor a word in quotes", b)
	}
	*v = NumberValue(n)
	return nil
}

// UnmarshalText reads a YAML scalar.
func (v *Value) UnmarshalText(b []byte) error {
	*v = Value(b)
	return nil
}
