package underlay

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errGROStays is the error where the kernel accepted the request and GRO is still off.
var errGROStays = errors.New("the kernel accepted the request and the device leaves GRO off")

// EnableGRO switches generic receive offload on at the interface of that
// index, as `ethtool -K DEV gro on` does, and returns its name and whether it was
// off before.
func EnableGRO(index int) (device string, changed bool, err error) {
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return "", false, fmt.Errorf("underlay: interface %d: %w", index, err)
	}
	changed, err = enableGRO(ifi.Name)
	if err != nil {
		err = fmt.Errorf("underlay: ethtool -K %s gro on: %w", ifi.Name, err)
	}
	return ifi.Name, changed, err
}

func enableGRO(device string) (changed bool, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	on, err := ethtoolValue(fd, device, unix.ETHTOOL_GGRO, 0)
	if err != nil || on != 0 {
		return false, err
	}
	if _, err := ethtoolValue(fd, device, unix.ETHTOOL_SGRO, 1); err != nil {
		return false, err
	}
	if on, err = ethtoolValue(fd, device, unix.ETHTOOL_GGRO, 0); err == nil && on == 0 {
		err = errGROStays
	}
	return err == nil, err
}

// ethtoolValue is a SIOCETHTOOL that sets or returns one number: struct
// ethtool_value of include/uapi/linux/ethtool.h, behind struct ifreq.
func ethtoolValue(fd int, device string, cmd, data uint32) (uint32, error) {
	value := struct{ cmd, data uint32 }{cmd, data}
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24 - unsafe.Sizeof(uintptr(0))]byte
	}
	copy(req.name[:len(req.name)-1], device)
	req.data = unsafe.Pointer(&value)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return 0, os.NewSyscallError("SIOCETHTOOL", errno)
	}
	return value.data, nil
}
