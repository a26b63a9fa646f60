package netdev

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
)

// Find is the index of the device called name.
func (Host) Find(name string) (int, error) {
	d, err := netlink.LinkByName(name)
	if err != nil {
		return 0, fmt.Errorf("netdev: device %q: %w", name, err)
	}
	return d.Attrs().Index, nil
}

// Master is the index of the device that a device is a slave of; 0: it is no slave.
func (Host) Master(known *api.Netdev) (int, error) {
	d, err := deviceOf(known)
	if err != nil {
		return 0, err
	}
	return d.Attrs().MasterIndex, nil
}

// SetMaster makes a device the slave of the one called master, such as a bridge or a VRF
// device (IFLA_MASTER, do_set_master in net/core/rtnetlink.c); "": of none.
func (h Host) SetMaster(known *api.Netdev, master string) error {
	d, err := deviceOf(known)
	if err != nil {
		return err
	}
	index := 0
	if master != "" {
		if index, err = h.Find(master); err != nil {
			return fmt.Errorf("%w: master %q: there is no such device: see ip link", api.ErrInvalid, master)
		}
	}
	switch err := netlink.LinkSetMasterByIndex(d, index); {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: master %q takes no devices: write the name of a bridge or of a VRF device", api.ErrInvalid, master)
	case err != nil:
		return fmt.Errorf("%w: master %q: %w", api.ErrInvalid, master, os.NewSyscallError("RTM_NEWLINK", err))
	}
	return nil
}

// deviceOf finds the device, if it is in this network namespace.
func deviceOf(known *api.Netdev) (netlink.Link, error) {
	if known.NSID == nil {
		d, err := netlink.LinkByIndex(known.Index)
		if err == nil {
			if a := d.Attrs(); a.Name == known.Name && a.HardwareAddr.String() == known.MAC {
				return d, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: link %q has no device in the daemon's network namespace: say it to ip or bridge where it is", api.ErrInvalid, known.Name)
}
