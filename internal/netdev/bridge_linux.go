package netdev

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
)

// ChangeBridge adds, appends, replaces or deletes an entry in the forwarding database of the
// bridge that the device is a port of (NTF_MASTER of include/uapi/linux/neighbour.h). It does
// nothing for a device that is no port of a bridge.
func (Host) ChangeBridge(known *api.Netdev, verb string, e *api.FDBEntry) error {
	d, err := deviceOf(known)
	if err != nil {
		return err
	}
	if d.Attrs().MasterIndex == 0 {
		return nil
	}
	master, err := netlink.LinkByIndex(d.Attrs().MasterIndex)
	if err != nil || master.Type() != "bridge" {
		return err
	}
	n, err := neighOf(e)
	if err != nil {
		return err
	}
	n.LinkIndex = d.Attrs().Index
	change, ok := map[string]func(*netlink.Neigh) error{
		"add": netlink.NeighAdd, "append": netlink.NeighAppend, "replace": netlink.NeighSet, "del": netlink.NeighDel,
	}[verb]
	if !ok {
		return fmt.Errorf("netdev: a change of an entry called %q: %w", verb, errors.ErrUnsupported)
	}
	switch err := change(n); {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w: bridge %s has %s", api.ErrExist, master.Attrs().Name, n.HardwareAddr)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: bridge %s has no %s", api.ErrNotExist, master.Attrs().Name, n.HardwareAddr)
	case err != nil:
		return fmt.Errorf("%w: bridge %s: %w", api.ErrInvalid, master.Attrs().Name, os.NewSyscallError("RTM_NEWNEIGH", err))
	}
	return nil
}

// neighOf is the kernel's form of a bridge's entry.
func neighOf(e *api.FDBEntry) (*netlink.Neigh, error) {
	mac, err := encap.ParseMAC(e.MAC)
	if err != nil {
		return nil, fmt.Errorf("netdev: %w", err)
	}
	n := &netlink.Neigh{Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_PERMANENT, HardwareAddr: mac[:]}
	switch e.State {
	case api.Static:
		n.State = netlink.NUD_NOARP
	case api.Dynamic:
		n.State = netlink.NUD_REACHABLE
	}
	if e.ExternLearn {
		n.Flags |= unix.NTF_EXT_LEARNED
	}
	return n, nil
}
