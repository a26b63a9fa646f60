package ethtool

import (
	"encoding/binary"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// featureStrings is ETH_SS_FEATURES, and stringLen ETH_GSTRING_LEN (include/uapi/linux/ethtool.h).
	featureStrings, stringLen = 4, 32
	// maxFeatures is more than any kernel has: Linux 6.18 has 64.
	maxFeatures = 1024
)

// Features knows the kernel's names of features, which are the same for all devices. The zero value is ready.
type Features struct {
	mu    sync.Mutex
	names []string // by bit; nil: not asked for yet
}

// Active tells of each feature whether the device called name has it on. fd is a socket of the device's namespace.
func (f *Features) Active(fd int, name string) (map[string]bool, error) {
	names, err := f.known(fd, name)
	if err != nil {
		return nil, err
	}
	blocks := (len(names) + 31) / 32
	msg := make([]byte, 8+16*blocks) // struct ethtool_gfeatures: cmd, size, {available, requested, active, never_changed}...
	binary.NativeEndian.PutUint32(msg, unix.ETHTOOL_GFEATURES)
	binary.NativeEndian.PutUint32(msg[4:], uint32(blocks))
	if err := ioctl(fd, name, msg); err != nil {
		return nil, err
	}
	active := make(map[string]bool, len(names))
	for bit, feature := range names {
		active[feature] = binary.NativeEndian.Uint32(msg[8+16*(bit/32)+8:])&(1<<(bit%32)) != 0
	}
	return active, nil
}

// known are the names of all features, which the kernel is asked for once.
func (f *Features) known(fd int, name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.names != nil {
		return f.names, nil
	}
	info := make([]byte, 8+8+4) // struct ethtool_sset_info: cmd, reserved, sset_mask, data[1]
	binary.NativeEndian.PutUint32(info, unix.ETHTOOL_GSSET_INFO)
	binary.NativeEndian.PutUint64(info[8:], 1<<featureStrings)
	if err := ioctl(fd, name, info); err != nil {
		return nil, err
	}
	n := min(int(binary.NativeEndian.Uint32(info[16:])), maxFeatures)
	text := make([]byte, 12+maxFeatures*stringLen) // struct ethtool_gstrings: cmd, string_set, len, data
	binary.NativeEndian.PutUint32(text, unix.ETHTOOL_GSTRINGS)
	binary.NativeEndian.PutUint32(text[4:], featureStrings)
	binary.NativeEndian.PutUint32(text[8:], uint32(n))
	if err := ioctl(fd, name, text); err != nil {
		return nil, err
	}
	names := make([]string, n)
	for i := range names {
		names[i] = unix.ByteSliceToString(text[12+i*stringLen:][:stringLen])
	}
	f.names = names
	return names, nil
}

// ioctl is SIOCETHTOOL (sock_do_ioctl in net/socket.c). msg is the command's structure and receives the answer.
func ioctl(fd int, name string, msg []byte) error {
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
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return os.NewSyscallError("ioctl SIOCETHTOOL", errno)
	}
	return nil
}
