package config

// allReserved are the header's bits but for the I flag and the VNI (RFC 7348
// section 5), the kernel's default for reserved_bits.
const allReserved = 0xf7ffffff000000ff

// reservedBits reads iproute2's word for the header bits that drop a packet
// (IFLA_VXLAN_RESERVED_BITS, vxlan_rcv in drivers/net/vxlan/vxlan_core.c): all
// of them or none, which is `reserved drop` or `reserved ignore`.
func (p *linkParser) reservedBits(word string) error {
	if err := p.once("reserved"); err != nil {
		return err
	}
	v, err := p.value(word, "MASK")
	if err != nil {
		return err
	}
	mask, err := parseNumber(v)
	switch {
	case err == nil && mask == allReserved:
		p.out.Reserved = new("drop")
	case err == nil && mask == 0:
		p.out.Reserved = new("ignore")
	default:
		return usagef("reserved_bits %q cannot be: write 0x%x, which is reserved drop, or 0, which is reserved ignore", v, uint64(allReserved))
	}
	return nil
}
