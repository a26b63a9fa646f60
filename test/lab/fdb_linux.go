package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ntfSticky is NTF_STICKY of include/uapi/linux/neighbour.h, which golang.org/x/sys/unix lacks.
const ntfSticky = 1 << 6

// FDBEntry is a line of a kernel vxlan device's FDB.
type FDBEntry struct {
	MAC   net.HardwareAddr
	Dst   netip.Addr
	Port  uint16 // 0: the device's
	VNI   uint32 // 0: the device's
	Via   string // outgoing device, or ""
	State int    // netlink.NUD_PERMANENT, NUD_NOARP (static), NUD_REACHABLE (dynamic); 0 on a change: permanent
	Flags int    // netlink.NTF_SELF (always there), NTF_ROUTER, NTF_EXT_LEARNED

	// Used and Updated are seconds ago, as `bridge -s fdb show` prints them; output only.
	Used, Updated uint32
}

// String returns the line as `bridge fdb show dev X` (iproute2 6.1, bridge/fdb.c) prints it, without the line feed. A
// dynamic entry ends in a space, as there.
func (e FDBEntry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s ", e.MAC)
	if e.Dst.IsValid() {
		fmt.Fprintf(&b, "dst %s ", e.Dst)
	}
	if e.Port != 0 {
		fmt.Fprintf(&b, "port %d ", e.Port)
	}
	if e.VNI != 0 {
		fmt.Fprintf(&b, "vni %d ", e.VNI)
	}
	if e.Via != "" {
		fmt.Fprintf(&b, "via %s ", e.Via)
	}
	for _, f := range []struct {
		bit  int
		word string
	}{{unix.NTF_SELF, "self "}, {unix.NTF_ROUTER, "router "}, {unix.NTF_EXT_LEARNED, "extern_learn "},
		{unix.NTF_OFFLOADED, "offload "}, {unix.NTF_MASTER, "master "}, {ntfSticky, "sticky "}} {
		if e.Flags&f.bit != 0 {
			b.WriteString(f.word)
		}
	}
	switch {
	case e.State&netlink.NUD_PERMANENT != 0:
		b.WriteString("permanent")
	case e.State&netlink.NUD_NOARP != 0:
		b.WriteString("static")
	case e.State&netlink.NUD_STALE != 0:
		b.WriteString("stale")
	case e.State&netlink.NUD_REACHABLE != 0:
	default:
		fmt.Fprintf(&b, "state=%#x", e.State)
	}
	return b.String()
}

// FormatFDB returns the lines of entries, each with its line feed: what `bridge fdb show dev X` prints.
func FormatFDB(entries []FDBEntry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}

// FDBAdd adds an entry to a kernel vxlan device, as `bridge fdb add` does; it must not exist.
func (h *Host) FDBAdd(dev string, e FDBEntry) error {
	return h.changeFDB(dev, e, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
}

// FDBAppend adds a further remote to the all-zeros or a multicast MAC, as `bridge fdb append` does.
func (h *Host) FDBAppend(dev string, e FDBEntry) error {
	return h.changeFDB(dev, e, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
}

// FDBReplace adds an entry or changes it, as `bridge fdb replace` does.
func (h *Host) FDBReplace(dev string, e FDBEntry) error {
	return h.changeFDB(dev, e, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
}

// FDBDel deletes an entry, or with Dst set the one remote, as `bridge fdb del` does.
func (h *Host) FDBDel(dev string, e FDBEntry) error { return h.changeFDB(dev, e, unix.RTM_DELNEIGH, 0) }

func (h *Host) changeFDB(dev string, e FDBEntry, msgType, flags int) error {
	l, err := h.Link(dev)
	if err != nil {
		return err
	}
	var attrs []*nl.RtAttr
	add := func(attr int, b []byte) { attrs = append(attrs, nl.NewRtAttr(attr, b)) }
	add(unix.NDA_LLADDR, e.MAC)
	if e.Dst.IsValid() {
		add(unix.NDA_DST, e.Dst.AsSlice())
	}
	if e.Port != 0 {
		add(unix.NDA_PORT, binary.BigEndian.AppendUint16(nil, e.Port))
	}
	if e.VNI != 0 {
		add(unix.NDA_VNI, nl.Uint32Attr(e.VNI))
	}
	if e.Via != "" {
		via, err := h.Link(e.Via)
		if err != nil {
			return err
		}
		add(unix.NDA_IFINDEX, nl.Uint32Attr(uint32(via.Attrs().Index)))
	}
	state := e.State
	switch state {
	case 0:
		state = netlink.NUD_PERMANENT
	case netlink.NUD_NOARP: // vxlan_fdb_add refuses it alone; bridge(8) says static with both bits as well
		state |= netlink.NUD_REACHABLE
	}
	err = h.Do(func() error {
		req := nl.NewNetlinkRequest(msgType, flags|unix.NLM_F_ACK)
		req.AddData(&netlink.Ndmsg{Family: unix.AF_BRIDGE, Index: uint32(l.Attrs().Index), State: uint16(state),
			Flags: uint8(e.Flags | unix.NTF_SELF)})
		for _, a := range attrs {
			req.AddData(a)
		}
		_, err := req.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	return h.wrapf(err, "fdb entry %s of %q", e.MAC, dev)
}

// FDB returns the FDB of a kernel device in the kernel's order.
func (h *Host) FDB(dev string) ([]FDBEntry, error) {
	l, err := h.Link(dev)
	if err != nil {
		return nil, err
	}
	var msgs [][]byte
	err = h.Do(func() (err error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETNEIGH, unix.NLM_F_DUMP)
		req.AddData(&netlink.Ndmsg{Family: unix.AF_BRIDGE})
		msgs, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGH)
		return err
	})
	if err != nil {
		return nil, h.wrapf(err, "fdb of %q", dev)
	}
	var entries []FDBEntry
	for _, m := range msgs {
		e, index, err := h.parseFDB(m)
		if err != nil {
			return nil, h.wrapf(err, "fdb of %q", dev)
		}
		if index == l.Attrs().Index {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// parseFDB reads one RTM_NEWNEIGH message: struct ndmsg (12 bytes), then NDA_* attributes.
func (h *Host) parseFDB(m []byte) (FDBEntry, int, error) {
	if len(m) < unix.SizeofNdMsg {
		return FDBEntry{}, 0, unix.EBADMSG
	}
	index := int(int32(binary.NativeEndian.Uint32(m[4:])))
	e := FDBEntry{State: int(binary.NativeEndian.Uint16(m[8:])), Flags: int(m[10])}
	attrs, err := nl.ParseRouteAttr(m[unix.SizeofNdMsg:])
	if err != nil {
		return FDBEntry{}, 0, err
	}
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.NDA_LLADDR:
			e.MAC = a.Value
		case unix.NDA_DST:
			e.Dst, _ = netip.AddrFromSlice(a.Value)
		case unix.NDA_PORT:
			e.Port = binary.BigEndian.Uint16(a.Value)
		case unix.NDA_VNI:
			e.VNI = binary.NativeEndian.Uint32(a.Value)
		case unix.NDA_IFINDEX:
			e.Via = h.nameOf(int(binary.NativeEndian.Uint32(a.Value)))
		case unix.NDA_CACHEINFO: // struct nda_cacheinfo: confirmed, used, updated, refcnt, in clock ticks of 1/100 s
			e.Used = binary.NativeEndian.Uint32(a.Value[4:]) / 100
			e.Updated = binary.NativeEndian.Uint32(a.Value[8:]) / 100
		}
	}
	return e, index, nil
}

// nameOf returns the name of the device with an index, or as bridge(8) does "if7".
func (h *Host) nameOf(index int) string {
	name := fmt.Sprint("if", index)
	_ = h.Netlink(func(n *netlink.Handle) error {
		l, err := n.LinkByIndex(index)
		if err == nil {
			name = l.Attrs().Name
		}
		return err
	})
	return name
}
