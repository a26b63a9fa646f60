package control

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/vtep"
)

// SetMaster makes a link's device the slave of another device, such as a bridge
// or a VRF device, in this network namespace (IFLA_MASTER, do_set_master in
// net/core/rtnetlink.c), and with "" of none.
func SetMaster(name, master string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%w: device %q is not in the daemon's network namespace: give its master with ip link set where it is", vtep.ErrInvalid, name)
	}
	index := 0
	if master != "" {
		m, err := netlink.LinkByName(master)
		if err != nil {
			return fmt.Errorf("%w: master %q: there is no such device: see ip link", vtep.ErrInvalid, master)
		}
		index = m.Attrs().Index
	}
	switch err := netlink.LinkSetMasterByIndex(link, index); {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: master %q takes no devices: write the name of a bridge or of a VRF device", vtep.ErrInvalid, master)
	case err != nil:
		return fmt.Errorf("%w: master %q: %w", vtep.ErrInvalid, master, os.NewSyscallError("RTM_NEWLINK", err))
	}
	return nil
}
