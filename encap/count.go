package encap

// Wire is how many frames f stands for on the wire, and the sum of their
// lengths without the Ethernet header, which is what the kernel's driver counts
// as bytes (drivers/net/vxlan/vxlan_core.c after eth_type_trans). in describes f, which
// has an Ethernet header; whatever its offload metadata claims, bytes is not negative.
func Wire(f *Frame, in *Inner) (frames, bytes int) {
	n := f.Len() - EthernetHeaderLen
	if f.Offload.Kind == GSONone || f.Offload.SegSize == 0 || in.L4 == 0 {
		return 1, n // without a transport header nothing can be cut
	}
	headers := int(in.L4) + udpHeaderLen
	if f.Offload.Kind != GSOUDP {
		if in.Proto != ProtoTCP {
			return 1, n
		}
		headers = int(in.L4) + max(int(f.Data[in.L4+12]>>4)*4, tcpHeaderLen)
	}
	size := int(f.Offload.SegSize)
	frames = max((n+EthernetHeaderLen-headers+size-1)/size, 1)
	return frames, n + (frames-1)*(headers-EthernetHeaderLen)
}
