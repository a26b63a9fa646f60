// Package netdev is what is asked of the network devices of this network namespace,
// and done to them, by netlink: what `ip -d link show` prints of one, which device it
// is a slave of, and the entries of the bridge that it is a port of.
//
// A device goes by its index, since names change hands. Whoever asks says what it knows
// of the device. One that was moved to another network namespace keeps its index there,
// which here may be another's: so name and MAC address have to agree.
package netdev

// Host is the host that this process runs on.
type Host struct{}
