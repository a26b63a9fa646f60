// Package tap is a VTEP's access ports: TAP devices, through which Ethernet
// frames enter from and leave to the host's stack, its bridges, containers
// and virtual machines.
//
// github.com/songgao/water creates the device. On Linux the package then
// attaches queues of its own with a virtio network header, so that frames
// cross with their checksum and segmentation offloads ([encap.Offload])
// instead of being cut and summed first. Elsewhere water's plain interface
// carries one frame a read.
//
// A [Device] stays usable when its netdev is renamed or moved to another
// network namespace: it finds the netdev through the queue's file descriptor,
// not through a name. [Device.Watch] reports what an operator changes.
package tap
