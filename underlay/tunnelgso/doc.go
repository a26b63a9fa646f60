// Package tunnelgso sends TCP superframes to the underlay whole: as one packet with its VXLAN
// headers and a description of how to cut it (UDP tunnel GSO), which the device that it leaves by
// cuts, or passes on to a receiver on this host that takes it whole. A UDP socket takes none of
// the kind, but a TAP does since Linux 6.17 (struct virtio_net_hdr_v1_hash_tunnel in
// include/uapi/linux/virtio_net.h): the packet is written to a TAP of this package's own, and the kernel
// forwards it as a router would. So routes, neighbours and the firewall are the kernel's.
//
// A [Way] has the TAP and what is known of the paths to remotes; [Transmitter] is one of package
// underlay that takes the way where a path has it, superframe by superframe, and its sockets for
// all else. docs/decisions/0014-tunnel-gso.md says why it is made so.
package tunnelgso

// Settings is the directory that is written to once packets to IPv6 remotes leave whole.
const Settings = "/proc/sys/net/ipv6/conf"

// Mode says by which devices superframes leave whole.
type Mode uint8

const (
	// Off: by none.
	Off Mode = iota
	// Auto: by those that are known to pass them on without cutting them in software, which are
	// veth devices, and VLANs, bridges and their like on them.
	Auto
	// On: by each that has the offload. Whether a network card's driver takes packets of this
	// form, and does not have the kernel cut them, which is several times slower than a socket, has to
	// be measured.
	On
)
