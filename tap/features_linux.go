package tap

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A netdev's features say what the kernel may leave undone in frames that it sends there. TUNSETOFFLOAD
// grants some to a TAP; `ethtool -K` switches them off and on again (netdev_fix_features in
// net/core/dev.c, tun_net_fix_features in drivers/net/tun.c).

const (
	// featureStrings is ETH_SS_FEATURES, and stringLen ETH_GSTRING_LEN (include/uapi/linux/ethtool.h).
	featureStrings, stringLen = 4, 32
	// maxFeatures is more than any kernel has: Linux 6.18 has 64.
	maxFeatures = 1024
)

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

// features knows the kernel's names of features, which are the same for all netdevs.
type features struct {
	mu    sync.Mutex
	names []string // by bit; nil: not asked for yet
}

// off is which offloads the netdev called name has switched off: all or some of their features.
func (f *features) off(r *rtnl, name string) (off Offload, err error) {
	names, err := f.known(r, name)
	if err != nil {
		return 0, err
	}
	blocks := (len(names) + 31) / 32
	msg := make([]byte, 8+16*blocks) // struct ethtool_gfeatures: cmd, size, {available, requested, active, never_changed}...
	nl.NativeEndian().PutUint32(msg, unix.ETHTOOL_GFEATURES)
	nl.NativeEndian().PutUint32(msg[4:], uint32(blocks))
	if err := r.ethtool(name, msg); err != nil {
		return 0, err
	}
	for bit, feature := range names {
		active := nl.NativeEndian().Uint32(msg[8+16*(bit/32)+8:])
		if active&(1<<(bit%32)) != 0 {
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

// known are the names of all features, which the kernel is asked for once.
func (f *features) known(r *rtnl, name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names != nil {
		return f.names, nil
	}
	info := make([]byte, 8+8+4) // struct ethtool_sset_info: cmd, reserved, sset_mask, data[1]
	nl.NativeEndian().PutUint32(info, unix.ETHTOOL_GSSET_INFO)
	nl.NativeEndian().PutUint64(info[8:], 1<<featureStrings)
	if err := r.ethtool(name, info); err != nil {
		return nil, err
	}
	n := min(int(nl.NativeEndian().Uint32(info[16:])), maxFeatures)
	text := make([]byte, 12+maxFeatures*stringLen) // struct ethtool_gstrings: cmd, string_set, len, data
	nl.NativeEndian().PutUint32(text, unix.ETHTOOL_GSTRINGS)
	nl.NativeEndian().PutUint32(text[4:], featureStrings)
	nl.NativeEndian().PutUint32(text[8:], uint32(n))
	if err := r.ethtool(name, text); err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = unix.ByteSliceToString(text[12+i*stringLen:][:stringLen])
	}
	f.names = names
	return names, nil
}

// ethtool is SIOCETHTOOL, which any socket takes for the netdevs of its namespace (sock_do_ioctl in
// net/socket.c). msg is the command's structure and receives the answer.
func (r *rtnl) ethtool(name string, msg []byte) error {
	var req struct { // struct ifreq with ifr_data
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24 - unsafe.Sizeof(uintptr(0))]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	var pinned runtime.Pinner
	pinned.Pin(&msg[0])
	defer pinned.Unpin()
	req.data = unsafe.Pointer(&msg[0])
	fd := r.sockets[unix.NETLINK_ROUTE].Socket.GetFd()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return os.NewSyscallError("ioctl SIOCETHTOOL", errno)
	}
	return nil
}
