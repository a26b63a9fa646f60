// Package netdev reads network devices, and changes those of this network namespace, by
// netlink: what `ip -d link show` prints of a device, which device it is a slave of, and the
// entries of the bridge that it is a port of.
//
// The index identifies a device, since another device may get its name. A caller passes what
// it knows of the device. A device that was moved to another network namespace keeps its
// index there, and here another one may get that index: so name and MAC address have to
// agree as well.
package netdev

// Host is the host that this process runs on.
type Host struct{}
