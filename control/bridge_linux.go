package control

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
)

// changeBridge makes a change of an entry in the forwarding database of the
// bridge that the netdev of its link, info, is a port of, in this network namespace (NTF_MASTER of
// include/uapi/linux/neighbour.h). A link that is no bridge's port has none to
// change.
func changeBridge(info *vtep.LinkInfo, verb string, e *vtep.FDBEntry) error {
	link, err := deviceOf(info)
	if err != nil {
		return err
	}
	if link.Attrs().MasterIndex == 0 {
		return nil
	}
	master, err := netlink.LinkByIndex(link.Attrs().MasterIndex)
	if err != nil || master.Type() != "bridge" {
		return err
	}
	n := &netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_PERMANENT,
		HardwareAddr: e.MAC[:],
	}
	switch e.State {
	case fdb.Static:
		n.State = netlink.NUD_NOARP
	case fdb.Dynamic:
		n.State = netlink.NUD_REACHABLE
	case fdb.Permanent:
	}
	if e.Flags&fdb.FlagExternLearn != 0 {
		n.Flags |= unix.NTF_EXT_LEARNED
	}
	change, ok := map[string]func(*netlink.Neigh) error{
		"add": netlink.NeighAdd, "append": netlink.NeighAppend, "replace": netlink.NeighSet, "del": netlink.NeighDel,
	}[verb]
	if !ok {
		return api.ErrNoPath
	}
	switch err := change(n); {
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w: bridge %s has %s", vtep.ErrExist, master.Attrs().Name, e.MAC)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("%w: bridge %s has no %s", vtep.ErrNotExist, master.Attrs().Name, e.MAC)
	case err != nil:
		return fmt.Errorf("%w: bridge %s: %w", vtep.ErrInvalid, master.Attrs().Name, os.NewSyscallError("RTM_NEWNEIGH", err))
	}
	return nil
}
