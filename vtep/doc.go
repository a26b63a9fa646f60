// Package vtep is the control plane of a VXLAN tunnel endpoint (RFC 7348): links
// (one VNI each) and their configuration, trunk ports, the sockets of the underlay, the
// entries that a user or a controller gives, events and statistics.
//
// A [VTEP] is made with [New], given links with [VTEP.AddLink] and driven by
// [VTEP.Run]. What it stands on, TAP devices and UDP sockets, is behind the
// seams [Port], [Netdev], [Receiver] and [Transmitter], which package vteptest has
// in-memory forms of. What becomes of a frame is in package forward.
package vtep
