package tap

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

const (
	// connected are the states in which an entry may be used without asking
	// (NUD_CONNECTED in include/net/neighbour.h).
	connected = unix.NUD_PERMANENT | unix.NUD_NOARP | unix.NUD_REACHABLE
	// ndaIfindex is NDA_IFINDEX of include/uapi/linux/neighbour.h, which limits a dump.
	ndaIfindex = 8
)

// Neighbours are the usable entries of the netdev's neighbour tables, IPv4 and
// IPv6, in whatever namespace it is.
func (d *Device) Neighbours() ([]Neighbour, error) {
	s, nsid, err := d.locate()
	if err != nil {
		if errors.Is(err, ErrGone) || errors.Is(err, os.ErrClosed) {
			return nil, err
		}
		return nil, fmt.Errorf("tap: neighbours: %w", err)
	}
	var all []Neighbour
	err = d.queues[0].control(func(fd int) (err error) {
		if nsid == home {
			all, err = d.hub.rtnl.neighbours(s.Index)
		} else {
			all, err = neighboursElsewhere(fd, s.Index)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tap: neighbours: %w", err)
	}
	return all, nil
}

// neighboursElsewhere asks in the namespace that the netdev of fd moved to:
// RTM_GETNEIGH takes no namespace id.
func neighboursElsewhere(fd, index int) ([]Neighbour, error) {
	ns, err := deviceNetns(fd)
	if err != nil {
		return nil, err
	}
	defer unix.Close(ns)
	r, err := dialRTNL(netns.NsHandle(ns))
	if err != nil {
		return nil, err
	}
	defer r.close()
	return r.neighbours(index)
}

// neighbours lists the usable neighbours of the netdev index of the socket's
// own namespace.
func (r *rtnl) neighbours(index int) ([]Neighbour, error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETNEIGH, unix.NLM_F_DUMP)
	req.Sockets = r.sockets
	req.AddData(&netlink.Ndmsg{Family: unix.AF_UNSPEC, Index: uint32(index)})
	req.AddData(nl.NewRtAttr(ndaIfindex, nl.Uint32Attr(uint32(index))))
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH)
	if err != nil {
		return nil, os.NewSyscallError("RTM_GETNEIGH", err)
	}
	var all []Neighbour
	for _, m := range msgs {
		n, err := netlink.NeighDeserialize(m)
		if err != nil {
			return nil, fmt.Errorf("RTM_NEWNEIGH: %w", err)
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok || n.LinkIndex != index || n.State&connected == 0 || len(n.HardwareAddr) != len(encap.MAC{}) {
			continue
		}
		if mac := encap.MAC(n.HardwareAddr); !mac.IsMulticast() && !mac.IsZero() {
			all = append(all, Neighbour{IP: ip.Unmap(), MAC: mac})
		}
	}
	return all, nil
}
