package tap

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// home is the network namespace of a netlink socket in messages that can name
// another one by its id: no id is its own.
const home = -1

// Attributes of RTM_GETNSID and RTM_NEWNSID (include/uapi/linux/net_namespace.h).
const (
	netnsaNSID = 1
	netnsaFD   = 3

	// rtgenLen is struct rtgenmsg, one byte, padded to NLMSG_ALIGNTO.
	rtgenLen = 4

	// rtextFilterSkipStats leaves the counters out of a link message
	// (RTEXT_FILTER_SKIP_STATS in include/uapi/linux/rtnetlink.h).
	rtextFilterSkipStats = 1 << 3
)

// rtnl asks and changes netdevs over one rtnetlink socket (rtnetlink(7)). The
// socket stays in the namespace it was opened in, whatever thread uses it.
type rtnl struct {
	sockets map[int]*nl.SocketHandle
	answer  []byte // exchange's; the socket's lock guards it
}

// dialRTNL opens a socket in the namespace at, or in the calling thread's for
// netns.None().
func dialRTNL(at netns.NsHandle) (*rtnl, error) {
	s, err := nl.GetNetlinkSocketAt(at, netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	return &rtnl{sockets: map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}}, nil
}

func (r *rtnl) close() {
	for _, s := range r.sockets {
		s.Close()
	}
}

func (r *rtnl) request(kind int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, unix.NLM_F_ACK)
	req.Sockets = r.sockets
	return req
}

// link looks up a netdev by name in the namespace with the id nsid.
// IFLA_TARGET_NETNSID (Linux 4.20) saves entering it, which would take
// CAP_SYS_ADMIN. The answer is a link message, with what ext does not leave out
// (IFLA_EXT_MASK); the error wraps ENODEV where there is none.
func (r *rtnl) link(name string, nsid int, ext uint32) ([]byte, error) {
	req := r.request(unix.RTM_GETLINK)
	req.Flags = unix.NLM_F_REQUEST // the answer is its own acknowledgement
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name)))
	if nsid != home {
		req.AddData(nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(nsid))))
	}
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(ext)))
	m, err := r.exchange(req, unix.RTM_NEWLINK)
	return m, os.NewSyscallError("RTM_GETLINK", err)
}

// dump calls fn with a link message of each netdev of the socket's namespace. Where others come and go meanwhile the
// kernel says so (NLM_F_DUMP_INTR); each message is true all the same.
func (r *rtnl) dump(fn func(m []byte)) error {
	req := r.request(unix.RTM_GETLINK)
	req.Flags = unix.NLM_F_REQUEST | unix.NLM_F_DUMP
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_EXT_MASK, nl.Uint32Attr(rtextFilterSkipStats)))
	err := req.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWLINK, func(m []byte) bool {
		fn(m)
		return true
	})
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		err = nil
	}
	return os.NewSyscallError("RTM_GETLINK", err)
}

// set applies ch to the netdev index of the socket's own namespace, in one
// message: the kernel (do_setlink in net/core/rtnetlink.c) stops at the first
// part that it refuses.
func (r *rtnl) set(index int, ch Change) error {
	req := r.request(unix.RTM_SETLINK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	if ch.Up != nil {
		msg.Change = unix.IFF_UP
		if *ch.Up {
			msg.Flags = unix.IFF_UP
		}
	}
	req.AddData(msg)
	if ch.MAC != nil {
		req.AddData(nl.NewRtAttr(unix.IFLA_ADDRESS, ch.MAC[:]))
	}
	if ch.MTU != nil {
		req.AddData(nl.NewRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(*ch.MTU))))
	}
	if ch.TxQueueLen != nil {
		req.AddData(nl.NewRtAttr(unix.IFLA_TXQLEN, nl.Uint32Attr(uint32(*ch.TxQueueLen))))
	}
	// Up to 64 KiB the limit for IPv4 follows that for IPv6 (netif_set_gso_max_size
	// in include/linux/netdevice.h), and a TAP allows no more.
	if ch.GSOMaxSize != nil {
		req.AddData(nl.NewRtAttr(unix.IFLA_GSO_MAX_SIZE, nl.Uint32Attr(uint32(*ch.GSOMaxSize))))
	}
	if ch.GSOMaxSegs != nil {
		req.AddData(nl.NewRtAttr(unix.IFLA_GSO_MAX_SEGS, nl.Uint32Attr(uint32(*ch.GSOMaxSegs))))
	}
	if ch.Name != "" {
		req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(ch.Name)))
	}
	_, err := r.exchange(req, unix.NLMSG_NOOP)
	return os.NewSyscallError("RTM_SETLINK", err)
}

// del deletes the netdev index.
func (r *rtnl) del(index int) error {
	req := r.request(unix.RTM_DELLINK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	_, err := r.exchange(req, unix.NLMSG_NOOP)
	return os.NewSyscallError("RTM_DELLINK", err)
}

// nsid is the id of the namespace that fd is open on, as the socket's own
// namespace numbers it; one is assigned where there was none.
func (r *rtnl) nsid(fd int) (int, error) {
	id, err := r.getNSID(fd)
	if err != nil || id != home {
		return id, err
	}
	req := r.request(unix.RTM_NEWNSID)
	req.AddData(nl.NewRtGenMsg())
	req.AddData(nl.NewRtAttr(netnsaFD, nl.Uint32Attr(uint32(fd))))
	unassigned := int32(home) // the kernel then chooses one
	req.AddData(nl.NewRtAttr(netnsaNSID, nl.Uint32Attr(uint32(unassigned))))
	// EEXIST: somebody else assigned one meanwhile.
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return home, os.NewSyscallError("RTM_NEWNSID", err)
	}
	return r.getNSID(fd)
}

func (r *rtnl) getNSID(fd int) (int, error) {
	req := r.request(unix.RTM_GETNSID)
	req.AddData(nl.NewRtGenMsg())
	req.AddData(nl.NewRtAttr(netnsaFD, nl.Uint32Attr(uint32(fd))))
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNSID)
	if err != nil {
		return home, os.NewSyscallError("RTM_GETNSID", err)
	}
	for _, m := range msgs {
		if id, ok := nsidIn(m); ok {
			return id, nil
		}
	}
	return home, nil
}

// nsidIn is the namespace id that the payload of a RTM_NEWNSID or RTM_DELNSID
// message carries.
func nsidIn(m []byte) (int, bool) {
	if len(m) < rtgenLen {
		return home, false
	}
	attrs, err := nl.ParseRouteAttr(m[rtgenLen:])
	if err != nil {
		return home, false
	}
	for _, a := range attrs {
		if a.Attr.Type == netnsaNSID && len(a.Value) >= 4 {
			return int(int32(nl.NativeEndian().Uint32(a.Value))), true
		}
	}
	return home, false
}
