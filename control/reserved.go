package control

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

// parseReserved reads ignore, drop, or the mask of the header's reserved bits
// that drop a packet. The I flag and the VNI are not reserved, and Linux
// refuses them, too (vxlan_nl2conf in drivers/net/vxlan/vxlan_core.c).
func parseReserved(s string) (vtep.ReservedPolicy, error) {
	switch s {
	case "ignore":
		return vtep.ReservedIgnore, nil
	case "drop":
		return vtep.ReservedDrop, nil
	}
	digits, hex := strings.CutPrefix(s, "0x")
	mask, err := strconv.ParseUint(digits, 16, 64)
	if !hex || err != nil {
		return 0, api.Invalidf("reserved %q: write ignore or drop, or the header bits that drop a packet, such as 0x%x for all", s, encap.AllReserved)
	}
	if more := mask &^ encap.AllReserved; more != 0 {
		return 0, api.Invalidf("reserved 0x%x: 0x%x of it is the I flag or the VNI, which are not reserved: leave that out", mask, more)
	}
	return vtep.ReservedPolicy(mask), nil
}

func reservedText(p vtep.ReservedPolicy) string {
	switch p {
	case vtep.ReservedIgnore:
		return "ignore"
	case vtep.ReservedDrop:
		return "drop"
	}
	return fmt.Sprintf("0x%x", uint64(p))
}
