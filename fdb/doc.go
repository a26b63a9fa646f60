// Package fdb is the forwarding database of one VXLAN link: which remote is
// behind which MAC address. It learns from received frames, ages by ticks that
// the caller supplies, is bounded, and reports its changes.
//
// The package is pure: no goroutine, no clock, no I/O. A remote is an opaque
// handle ([RemoteID]) that the caller maps to an address, port and VNI.
//
// # Words
//
//   - unicast entry: one remote for one unicast MAC.
//   - group entry: one or more remotes for the all-zeros MAC (the default entry,
//     where broadcast and unknown unicast go) or for a multicast MAC.
//   - dynamic, static, permanent: see [State].
//   - tick: a second since the table's owner started ([Tick]).
//   - used, updated: the last tick at which a frame was sent to an entry, and at
//     which it was refreshed by received traffic or changed. Only updated counts
//     for ageing.
//
// # Concurrency
//
// All methods are safe for concurrent use. [Table.Lookup], [Table.Group] and
// the refreshing case of [Table.Learn] take no lock and do not allocate; what
// changes the table locks one shard of it. Shard locks are never nested.
//
// # Source
//
// Behaviour follows drivers/net/vxlan/vxlan_core.c of Linux 6.18
// (vxlan_find_mac, vxlan_snoop, vxlan_fdb_update, vxlan_cleanup) except where a
// method says otherwise.
package fdb
