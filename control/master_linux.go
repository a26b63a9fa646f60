package control

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/vtep"
)

// SetMaster makes the netdev of the link that info describes the slave of another
// device, such as a bridge or a VRF device, in this network namespace (IFLA_MASTER,
// do_set_master in net/core/rtnetlink.c), and with "" of none.
func SetMaster(info *vtep.LinkInfo, master string) error {
	link, err := deviceOf(info)
	if err != nil {
		return err
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

// deviceOf is the netdev of a link by its index, since names change hands. One that was
// moved to another network namespace keeps its index there, which here may be
// another's: so name and MAC address have to agree.
func deviceOf(info *vtep.LinkInfo) (netlink.Link, error) {
	d, err := netlink.LinkByIndex(info.Index)
	if err == nil {
		if a := d.Attrs(); a.Name == info.Name && bytes.Equal(a.HardwareAddr, info.MAC[:]) {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%w: link %q has no device in the daemon's network namespace: say it to ip or bridge where it is", vtep.ErrInvalid, info.Name)
}
