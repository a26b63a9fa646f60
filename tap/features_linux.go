package tap

import (
	"errors"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/internal/ethtool"
)

// A netdev's features say what the kernel may leave undone in frames that it sends there. TUNSETOFFLOAD
// grants some to a TAP; `ethtool -K` switches them off and on again (netdev_fix_features in
// net/core/dev.c, tun_net_fix_features in drivers/net/tun.c).

// lookAtFeatures asks the kernel which offloads the netdev has switched off. Without an answer, as where
// the process may not enter the netdev's namespace, all are taken to be as they were granted.
func (d *Device) lookAtFeatures() {
	var off Offload
	for range maxLocate {
		err := d.queues[0].control(func(fd int) error {
			var err error
			off, err = d.hub.switchedOff(fd)
			return err
		})
		if !errors.Is(err, unix.ENODEV) { // else it has another name or namespace by now
			break
		}
	}
	d.off.Store(uint32(off))
}

// switchedOff is which offloads the netdev of the queue fd has switched off, in whatever namespace it is.
func (h *hub) switchedOff(fd int) (Offload, error) {
	ns, err := deviceNetns(fd)
	if err != nil {
		return 0, err
	}
	defer unix.Close(ns)
	id, err := netnsOf(ns)
	if err != nil {
		return 0, err
	}
	name, _, err := attached(fd)
	if err != nil {
		return 0, err
	}
	if id == h.id {
		return h.features.off(h.rtnl, name)
	}
	r, err := dialRTNL(netns.NsHandle(ns))
	if err != nil {
		return 0, err
	}
	defer r.close()
	return h.features.off(r, name)
}

// features is what is known of the kernel's names of features.
type features struct{ ethtool.Features }

// off is which offloads the netdev called name has switched off: all or some of their features.
func (f *features) off(r *rtnl, name string) (off Offload, err error) {
	active, err := f.Active(r.sockets[unix.NETLINK_ROUTE].Socket.GetFd(), name)
	if err != nil {
		return 0, err
	}
	for feature, on := range active {
		if on {
			continue
		}
		switch feature {
		case "tx-checksum-ip-generic":
			off |= OffloadChecksum
		case "tx-tcp-segmentation", "tx-tcp6-segmentation":
			off |= OffloadTSO
		case "tx-udp-segmentation":
			off |= OffloadUSO
		}
	}
	return off, nil
}
