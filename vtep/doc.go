// Package vtep is the control plane of a VXLAN tunnel endpoint (RFC 7348): links
// (one VNI each) and their configuration, trunk ports, the sockets of the underlay, the
// entries that a user or a controller gives, events and statistics.
//
// A [VTEP] is made with [New], given links with [VTEP.AddLink] and driven by
// [VTEP.Run]. TAP devices and UDP sockets are behind the interfaces [Port], [Netdev],
// [Receiver] and [Transmitter], which package vteptest implements in memory. Package
// forward forwards the frames.
package vtep
