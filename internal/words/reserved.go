package words

import (
	"fmt"

	"github.com/uvtep/uvtep/encap"
)

// reserved reads ignore, drop, or a mask; after reserved_bits, which is
// iproute2's word, a mask (IFLA_VXLAN_RESERVED_BITS, vxlan_rcv in
// drivers/net/vxlan/vxlan_core.c).
func reserved(f field[string]) Value {
	v := valueOf("ignore|drop|MASK", `type: string, pattern: '^(ignore|drop|0x[0-9a-f]{1,16})$'`, f, func(s *Sentence, word string) (string, error) {
		v, err := s.Value(word, "ignore, drop or MASK")
		if err != nil {
			return "", err
		}
		if _, err := ParseNumber(v); err != nil && word == "reserved_bits" {
			return "", Usagef("reserved_bits %q is no mask: write the header bits that drop a packet, such as 0x%x for all", v, encap.AllReserved)
		}
		return reservedWord(v), nil
	}, nil)
	v.Samples = []string{"ignore", "drop", "0xff"}
	return v
}

// reservedWord gives a mask the form that the API has it in: all of the bits
// and none have names.
func reservedWord(v string) string {
	mask, err := ParseNumber(v)
	switch {
	case err != nil:
		return v // a word, or what is refused later
	case mask == encap.AllReserved:
		return "drop"
	case mask == 0:
		return "ignore"
	}
	return fmt.Sprintf("0x%x", mask)
}
