// Package vtep is the forwarding core of a VXLAN tunnel endpoint (RFC 7348):
// links (one VNI each), their forwarding database and flood lists, the data
// path between access ports and the underlay, peer policy, drop reasons and
// statistics.
//
// A [VTEP] is made with [New], given links with [VTEP.AddLink] and driven by
// [VTEP.Run]. What it stands on, TAP devices and UDP sockets, is behind the
// seams [Port], [Receiver] and [Transmitter], which package vteptest has
// in-memory forms of. The way of a frame is in forward.go, in packet order.
package vtep
