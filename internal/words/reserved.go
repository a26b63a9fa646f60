package words

import (
	"fmt"

	"github.com/uvtep/uvtep/encap"
)

// reserved is ignore, drop, or a mask. After reserved_bits, which is iproute2's word, it is a
// mask (IFLA_VXLAN_RESERVED_BITS, vxlan_rcv in drivers/net/vxlan/vxlan_core.c).
func reserved(f field[string]) Value {
	v := valueOf("ignore|drop|MASK", `type: string, pattern: '^(ignore|drop|0x[0-9a-f]{1,16})$'`, f, func(s *Sentence, word string) (string, error) {
		v, err := s.Value(word, "ignore, drop or MASK")
		mask, merr := ParseNumber(v)
		switch {
		case err != nil:
			return "", err
		case word == "reserved" && (v == "ignore" || v == "drop"):
			return v, nil
		case merr != nil && word == "reserved_bits":
			return "", Usagef("reserved_bits %q is no mask: write the header bits that drop a packet, such as 0x%x for all", v, encap.AllReserved)
		case merr != nil:
			return "", Usagef("reserved %q is unknown: write ignore or drop, or the header bits that drop a packet, such as 0x%x for all", v, encap.AllReserved)
		case mask&^encap.AllReserved != 0: // Linux refuses them, too (vxlan_nl2conf in drivers/net/vxlan/vxlan_core.c)
			return "", Usagef("reserved 0x%x has bits of the I flag or the VNI, 0x%x: leave them out", mask, mask&^encap.AllReserved)
		case mask == encap.AllReserved:
			return "drop", nil
		case mask == 0:
			return "ignore", nil
		}
		return fmt.Sprintf("0x%x", mask), nil
	}, nil)
	v.Samples = []string{"ignore", "drop", "0xff"}
	return v
}
