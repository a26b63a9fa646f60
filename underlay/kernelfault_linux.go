package underlay

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// version is a kernel's release as numbers.
type version [3]int

func (v version) less(o version) bool {
	for i := range v {
		if v[i] != o[i] {
			return v[i] < o[i]
		}
	}
	return false
}

// faultySegmentation says why UDP_SEGMENT is not used on a kernel of that release, ""
// where nothing speaks against it. It is for faults that no call shows: Linux
// 7.0 to 7.1.4 take messages of datagrams of equal length and spoil their UDP headers
// on the way to some NICs (torvalds/linux b10b446, mended by 78effd8 and 5f17ae0;
// tailscale #19777 and #19918).
func faultySegmentation(release string) string {
	v, ok := parseRelease(release)
	if !ok || v.less(version{7, 0, 0}) || !v.less(version{7, 1, 5}) {
		return ""
	}
	return fmt.Sprintf("Linux %s spoils datagrams of equal length on the way to some NICs, mended in 7.1.5; say --force-udp-gso where it is mended or the NIC is none of those", release)
}

// parseRelease reads the numbers that a release begins with, such as 6.18.44-amd64
// and 7.1-rc2.
func parseRelease(release string) (v version, ok bool) {
	n, _ := fmt.Sscanf(release, "%d.%d.%d", &v[0], &v[1], &v[2])
	return v, n >= 2
}

// kernelRelease returns the release of this kernel, "" where uname fails.
func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// KernelFault says which fault this kernel is known to have that no call shows, "" for none.
func KernelFault() string { return faultySegmentation(kernelRelease()) }
