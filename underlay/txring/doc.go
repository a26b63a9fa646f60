// Package txring sends copies of frames, and other datagrams that cannot be joined, without a system call or a walk through the
// kernel's UDP and IP layers for each: they are written, with all their headers, to a ring that the kernel
// shares (PACKET_TX_RING of packet(7)), and one call has it hand all of them to the device.
//
// What the kernel would have decided for a socket's packet is asked of it before, for each remote: route,
// source address, device, neighbour, path MTU. [Rings] has the rings and what is known of those paths, and forgets it where
// anything changed; [Transmitter] stands before another transmitter, by which all leaves that is unusual, and each second
// the first datagram to each remote, so that the kernel goes on confirming its neighbour.
// docs/decisions/0016-tx-ring.md says why it is made so.
package txring

// Mode says whether datagrams leave by rings.
type Mode uint8

const (
	// Off: none does.
	Off Mode = iota
	// Auto: those that no ruleset of this host would look at on their way out: what leaves by a ring is seen by none
	// (nftables and iptables, output and postrouting).
	Auto
	// On: also where there is such a ruleset.
	On
)

// leastCopies is how many datagrams of one call are worth a ring.
const leastCopies = 4

// restingCalls is how many calls are not looked at after one whose packets are all joined: bursts come in numbers, and to look at
// each takes 3 to 6 % of the time that the sockets take for them (BenchmarkCopies, remotes=10/burst=32).
const restingCalls = 7
