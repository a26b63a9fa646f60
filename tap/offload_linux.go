package tap

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// grantOffload asks for c.Offload and returns what was granted. The kernel
// grants all that one call asks for or nothing, so without knowing which part
// it lacks, less and less is asked for: USO came with Linux 6.2 and is the
// first to go.
func grantOffload(fd int, c Config) (Offload, error) {
	set := c.setOffload
	if set == nil {
		set = setOffload
	}
	want := c.Offload
	for _, less := range []Offload{0, OffloadUSO, OffloadTSO, OffloadUSO | OffloadTSO, want} {
		if less&^want != 0 {
			continue
		}
		err := set(fd, want&^less)
		if err == nil {
			return want &^ less, nil
		}
		if !errors.Is(err, unix.EINVAL) {
			return 0, os.NewSyscallError("TUNSETOFFLOAD", err)
		}
	}
	return 0, os.NewSyscallError("TUNSETOFFLOAD", unix.EINVAL)
}

// setOffload is TUNSETOFFLOAD.
func setOffload(fd int, o Offload) error {
	var bits uint
	if o&OffloadChecksum != 0 {
		bits |= unix.TUN_F_CSUM
	}
	if o&OffloadTSO != 0 {
		bits |= unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	}
	if o&OffloadUSO != 0 {
		bits |= unix.TUN_F_USO4 | unix.TUN_F_USO6
	}
	return unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, int(bits))
}

// WriteOffload is what the kernel takes of superframes in WriteBatch, as far as
// is known: all until it refuses one. Those of other kinds are cut here.
func (d *Device) WriteOffload() Offload { return d.super.offload() }
