package tap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// fewest devices are worth the two dumps of Remove.
	fewest = 16
	// together is how many netdevs the kernel deletes at a time. It holds the lock
	// of all netdevs of the host meanwhile.
	together = 512
	// tagged is how many are tagged in one system call.
	tagged = 128
	// iffPersist is the flag by which TUNGETIFF reports TUNSETPERSIST (tun_flags in
	// drivers/net/tun.c).
	iffPersist = 0x0800
)

// Remove deletes the netdevs of many devices in little time, as far as it can.
// Those that are persistent or in another namespace than they were opened in
// stay, and so does whatever fails: to Close every device is up to the caller.
//
// A TAP that is closed is deleted by itself, for which the kernel waits for RCU
// grace periods: 16 ms each. The members of a device group it deletes together,
// with the wait of one (rtnl_group_dellink in net/core/rtnetlink.c). So the
// netdevs get a group that no other has, and that is deleted.
func Remove(devices []*Device) error {
	byHub := make(map[*hub][]*Device)
	for _, d := range devices {
		byHub[d.hub] = append(byHub[d.hub], d)
	}
	var all error
	for h, of := range byHub {
		if len(of) < fewest || !hubs.retain(h) {
			continue
		}
		if err := h.remove(of); err != nil {
			all = errors.Join(all, fmt.Errorf("tap: remove: %w", err))
		}
		hubs.release(h)
	}
	return all
}

// remove is Remove of devices of one hub.
func (h *hub) remove(devices []*Device) error {
	mine, others, err := h.find(devices)
	if err != nil || len(mine) == 0 {
		return err
	}
	first := freeGroups(others, (len(mine)+together-1)/together)
	groups := make(map[uint32][]int)
	for i, index := range mine {
		g := first + uint32(i/together)
		groups[g] = append(groups[g], index)
	}
	for g, indexes := range groups {
		for len(indexes) > 0 {
			n := min(len(indexes), tagged)
			if err := h.rtnl.tag(indexes[:n], g); err != nil {
				return err
			}
			indexes = indexes[n:]
		}
	}
	if err := h.onlyOurs(groups, mine); err != nil {
		return err
	}
	for g := range groups {
		if err := h.rtnl.delGroup(g); err != nil {
			return err
		}
	}
	return nil
}

// find returns the indexes of the devices that Remove may delete, and the groups that
// netdevs of the namespace are in.
//
// A netdev is known by its queue. The queue shows its name (TUNGETIFF), and a dump the
// index of a name; the name before and after the dump must be one, so that the
// index is not another's that took the name. Only who may delete any netdev here,
// with CAP_NET_ADMIN in this namespace, can rename so fast as to have one of its
// own taken for ours.
func (h *hub) find(devices []*Device) (mine []int, groups map[uint32]bool, err error) {
	names := h.deletable(devices)
	indexes := make(map[string]int)
	groups = make(map[uint32]bool)
	err = h.rtnl.dump(func(m []byte) {
		s, group := stateOf(m, 0), groupOf(m)
		indexes[s.Name] = s.Index
		groups[group] = true
	})
	if err != nil {
		return nil, nil, err
	}
	for d, name := range h.deletable(devices) {
		if index, ok := indexes[name]; ok && names[d] == name {
			mine = append(mine, index)
		}
	}
	return mine, groups, nil
}

// deletable are the names of the devices' netdevs that are in the hub's namespace
// and go with their last queue.
func (h *hub) deletable(devices []*Device) map[*Device]string {
	names := make(map[*Device]string, len(devices))
	for _, d := range devices {
		_ = d.queues[0].control(func(fd int) error { // one that is closed or gone needs nothing
			ns, err := deviceNetns(fd)
			if err != nil {
				return err
			}
			id, err := netnsOf(ns)
			if err = errors.Join(err, unix.Close(ns)); err != nil || id != h.id {
				return err
			}
			name, flags, err := attached(fd)
			if err == nil && flags&iffPersist == 0 {
				names[d] = name
			}
			return err
		})
	}
	return names
}

// freeGroups is the first of n group numbers that are not in use. People number
// groups from 0 up, so it is a large one.
func freeGroups(used map[uint32]bool, n int) uint32 {
	for {
		first := 1<<30 + rand.Uint32N(1<<30)
		free := true
		for g := range uint32(n) {
			free = free && !used[first+g]
		}
		if free {
			return first
		}
	}
}

// onlyOurs refuses groups that a netdev has which is not among mine.
func (h *hub) onlyOurs(groups map[uint32][]int, mine []int) error {
	known := make(map[int]bool, len(mine))
	for _, index := range mine {
		known[index] = true
	}
	stranger := ""
	err := h.rtnl.dump(func(m []byte) {
		if _, tagged := groups[groupOf(m)]; tagged {
			if s := stateOf(m, 0); !known[s.Index] {
				stranger = s.Name
			}
		}
	})
	if err == nil && stranger != "" {
		err = fmt.Errorf("netdev %s has a group that was free a moment ago: the netdevs are deleted one by one", stranger)
	}
	return err
}

// tag sets netdevs down and puts them into a group, in one system call. What is refused
// shows in the group. A netdev that is up would notify everybody of its new group,
// and the kernel walk all IPv6 routes for it (rt6_sync_up in net/ipv6/route.c);
// to set it down costs one walk that its deletion then saves.
func (r *rtnl) tag(indexes []int, group uint32) error {
	s := r.sockets[unix.NETLINK_ROUTE].Socket
	var messages []byte
	for _, index := range indexes {
		req := nl.NewNetlinkRequest(unix.RTM_SETLINK, 0)
		msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
		msg.Index, msg.Change = int32(index), unix.IFF_UP
		req.AddData(msg)
		req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
		messages = append(messages, req.Serialize()...)
	}
	err := unix.Sendto(s.GetFd(), messages, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	return os.NewSyscallError("RTM_SETLINK", err)
}

// delGroup deletes the netdevs of a group.
func (r *rtnl) delGroup(group uint32) error {
	req := r.request(unix.RTM_DELLINK)
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
	_, err := r.exchange(req, unix.NLMSG_NOOP)
	return os.NewSyscallError("RTM_DELLINK", err)
}

// groupOf is the group of the netdev of a link message.
func groupOf(m []byte) (group uint32) {
	if len(m) >= unix.SizeofIfInfomsg {
		eachAttr(m[unix.SizeofIfInfomsg:], func(kind uint16, value []byte) {
			if kind == unix.IFLA_GROUP {
				group = uint32(number(value))
			}
		})
	}
	return group
}
