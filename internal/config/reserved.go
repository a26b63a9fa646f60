package config

import (
	"fmt"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
)

// reserved reads ignore, drop, or a mask as after reserved_bits.
func (p *linkParser) reserved(word string) error {
	if err := p.Once("reserved"); err != nil {
		return err
	}
	v, err := p.Value(word, "ignore, drop or MASK")
	if err != nil {
		return err
	}
	p.out.Reserved = new(reservedWord(v))
	return nil
}

// reservedBits reads iproute2's word for the header bits that drop a packet
// (IFLA_VXLAN_RESERVED_BITS, vxlan_rcv in drivers/net/vxlan/vxlan_core.c).
func (p *linkParser) reservedBits(word string) error {
	if err := p.Once("reserved"); err != nil {
		return err
	}
	v, err := p.Value(word, "MASK")
	if err != nil {
		return err
	}
	if _, err := words.ParseNumber(v); err != nil {
		return words.Usagef("reserved_bits %q cannot be: write the header bits that drop a packet, such as 0x%x for all", v, encap.AllReserved)
	}
	p.out.Reserved = new(reservedWord(v))
	return nil
}

// reservedWord gives a mask the form that control has it in: all of the bits
// and none have names.
func reservedWord(v string) string {
	mask, err := words.ParseNumber(v)
	switch {
	case err != nil:
		return v // a word, or control says why not
	case mask == encap.AllReserved:
		return "drop"
	case mask == 0:
		return "ignore"
	}
	return fmt.Sprintf("0x%x", mask)
}
