package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethSSFeatures is the string set that names a device's features (include/uapi/linux/ethtool.h, ETH_SS_FEATURES).
const ethSSFeatures = 4

// ethStringLen is ETH_GSTRING_LEN.
const ethStringLen = 32

// feature is one offload of a device with its place in the feature bitmap.
type feature struct {
	name  string
	bit   int
	on    bool
	fixed bool // cannot be changed
}

// Offloads returns the device's offloads that can be changed, by ethtool's long names (tx-udp_tnl-segmentation,
// tx-checksum-ip-generic, rx-gro, ...) and whether they are on.
func (h *Host) Offloads(dev string) (map[string]bool, error) {
	list, err := h.features(dev)
	if err != nil {
		return nil, err
	}
	m := make(map[string]bool)
	for _, f := range list {
		if !f.fixed && f.name != "" {
			m[f.name] = f.on
		}
	}
	return m, nil
}

// SetOffload switches offloads, as `ethtool -K dev ...` does. A key is one of ethtool's long names or one of its short
// ones, which stand for every feature of the kind that can be changed: tx, rx, sg, tso, gso, gro, lro, txvlan, rxvlan.
// As in the kernel a feature that needs another goes off with it (tso with tx) and comes back with it. An unknown name, and
// a long name that cannot be changed, is an error.
func (h *Host) SetOffload(dev string, set map[string]bool) error {
	list, err := h.features(dev)
	if err != nil {
		return err
	}
	blocks := (len(list) + 31) / 32
	msg := make([]byte, 8+8*blocks) // struct ethtool_sfeatures: cmd, size, {valid, requested}...
	binary.NativeEndian.PutUint32(msg[0:], unix.ETHTOOL_SFEATURES)
	binary.NativeEndian.PutUint32(msg[4:], uint32(blocks))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		chosen, err := choose(list, name, set[name])
		if err != nil {
			return h.wrapf(err, "device %q", dev)
		}
		for _, f := range chosen {
			at := 8 + 8*(f.bit/32)
			mask := uint32(1) << (f.bit % 32)
			orUint32(msg[at:], mask)
			if set[name] {
				orUint32(msg[at+4:], mask)
			}
		}
	}
	return h.wrapf(h.ethtool(dev, msg), "device %q: offload", dev)
}

func orUint32(b []byte, v uint32) {
	binary.NativeEndian.PutUint32(b, binary.NativeEndian.Uint32(b)|v)
}

// choose returns the features that name stands for.
func choose(list []feature, name string, on bool) ([]feature, error) {
	patterns, short := shortNames()[name]
	if !short {
		patterns = []string{name}
	}
	var chosen []feature
	known := false
	for _, f := range list {
		if f.name == "" { // a bit of the map that no feature uses
			continue
		}
		for _, p := range patterns {
			if ok, _ := path.Match(p, f.name); !ok {
				continue
			}
			known = true
			if !f.fixed {
				chosen = append(chosen, f)
			} else if !short && f.on != on {
				return nil, fmt.Errorf("offload %q is fixed", name)
			}
		}
	}
	if !known {
		return nil, fmt.Errorf("no offload is called %q", name)
	}
	return chosen, nil
}

// shortNames gives what ethtool's short names stand for (ethtool.c, off_flag_def).
func shortNames() map[string][]string {
	return map[string][]string{
		"tx":     {"tx-checksum-*"},
		"rx":     {"rx-checksum"},
		"sg":     {"tx-scatter-gather*"},
		"tso":    {"tx-tcp*-segmentation"},
		"gso":    {"tx-generic-segmentation"},
		"gro":    {"rx-gro"},
		"lro":    {"rx-lro"},
		"txvlan": {"tx-vlan-hw-insert"},
		"rxvlan": {"rx-vlan-hw-parse"},
	}
}

// features asks the kernel for the device's features and their names.
func (h *Host) features(dev string) ([]feature, error) {
	info := make([]byte, 8+8+4) // struct ethtool_sset_info: cmd, reserved, sset_mask, data[1]
	binary.NativeEndian.PutUint32(info[0:], unix.ETHTOOL_GSSET_INFO)
	binary.NativeEndian.PutUint64(info[8:], 1<<ethSSFeatures)
	if err := h.ethtool(dev, info); err != nil {
		return nil, h.wrapf(err, "device %q: offloads", dev)
	}
	n := int(binary.NativeEndian.Uint32(info[16:]))
	names := make([]byte, 12+n*ethStringLen) // struct ethtool_gstrings: cmd, string_set, len, data
	binary.NativeEndian.PutUint32(names[0:], unix.ETHTOOL_GSTRINGS)
	binary.NativeEndian.PutUint32(names[4:], ethSSFeatures)
	binary.NativeEndian.PutUint32(names[8:], uint32(n))
	blocks := (n + 31) / 32
	state := make([]byte, 8+16*blocks) // struct ethtool_gfeatures: cmd, size, {available, requested, active, never_changed}...
	binary.NativeEndian.PutUint32(state[0:], unix.ETHTOOL_GFEATURES)
	binary.NativeEndian.PutUint32(state[4:], uint32(blocks))
	if err := errors.Join(h.ethtool(dev, names), h.ethtool(dev, state)); err != nil {
		return nil, h.wrapf(err, "device %q: offloads", dev)
	}
	list := make([]feature, n)
	for i := range list {
		word := func(k int) bool {
			return binary.NativeEndian.Uint32(state[8+16*(i/32)+4*k:])&(1<<(i%32)) != 0
		}
		list[i] = feature{
			name: unix.ByteSliceToString(names[12+i*ethStringLen:][:ethStringLen]), bit: i,
			fixed: !word(0) || word(3), on: word(2),
		}
	}
	return list, nil
}

// ethtool does one SIOCETHTOOL in the host; msg is the command's structure and receives the answer.
func (h *Host) ethtool(dev string, msg []byte) error {
	if len(dev) >= unix.IFNAMSIZ {
		return unix.ENAMETOOLONG
	}
	return h.Do(func() error {
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer unix.Close(s)
		var req struct { // struct ifreq with ifr_data
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [24 - unsafe.Sizeof(uintptr(0))]byte
		}
		copy(req.name[:], dev)
		req.data = unsafe.Pointer(&msg[0])
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(s), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		runtime.KeepAlive(msg)
		if errno != 0 {
			return os.NewSyscallError("ioctl SIOCETHTOOL", errno)
		}
		return nil
	})
}
