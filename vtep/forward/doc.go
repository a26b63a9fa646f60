// Package forward is the data path of a VXLAN tunnel endpoint: what becomes of a frame
// from an access port, and of a packet from the underlay.
//
// It knows of frames, packets and tables. What a link is configured to be, netdevs, sockets
// and the control plane's lock it cannot name; package vtep gives it what it needs of
// them: a [State] for each link, an immutable snapshot, and to the [Plane] that all links
// share what own packets and senders on this host are known by. The way back are
// counters, [Plane.Woken] and the functions that Plane and [Link] are given.
//
// A [PortWorker], [TrunkWorker] or [NetWorker] forwards what one read brought, to
// completion. The way of a frame is in forward.go, in packet order.
package forward
