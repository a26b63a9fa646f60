package encap

// Wire is how many frames f stands for on the wire, and the sum of their
// lengths without the Ethernet header, which is what the kernel's driver counts
// as bytes (drivers/net/vxlan/vxlan_core.c after eth_type_trans). in describes f.
func Wire(f *Frame, in *Inner) (frames, bytes int) {
	n := f.Len() - EthernetHeaderLen
	if f.Offload.Kind == GSONone || f.Offload.SegSize == 0 {
		return 1, n
	}
	headers := int(in.L4) + udpHeaderLen
	if f.Offload.Kind != GSOUDP && int(in.L4)+tcpHeaderLen <= len(f.Data) {
		headers = int(in.L4) + int(f.Data[in.L4+12]>>4)*4
	}
	size := int(f.Offload.SegSize)
	frames = max((n+EthernetHeaderLen-headers+size-1)/size, 1)
	return frames, n + (frames-1)*(headers-EthernetHeaderLen)
}
