package vtep

import (
	"fmt"

	"github.com/uvtep/uvtep/encap"
)

// Relearn gives a link back what it had learned before this process, as if a frame had come from each address behind
// its remote now: the link's peer policy, its static entries and its limits decide what it takes. It returns how many
// entries those are. The remotes' ports and VNIs do not count, as when they are learned.
func (v *VTEP) Relearn(link string, entries []FDBEntry) (taken int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l, err := v.find(link)
	if err != nil {
		return 0, err
	}
	devices := make(map[string]uint32)
	for i := range entries {
		e := &entries[i]
		device, ok := devices[e.Remote.Via]
		if !ok {
			device = v.relearnDevice(e.Remote.Via)
			devices[e.Remote.Via] = device
		}
		addr := e.Remote.Addr.Unmap()
		if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr.Is6() != l.cfg.ipv6() {
			return taken, fmt.Errorf("%w: %s is no remote that %s can have learned from", ErrInvalid, addr, link)
		}
		if linkLocal(addr) && device == 0 {
			continue // its device is gone
		}
		if l.Relearn(e.MAC, encap.AddrFrom(addr), device, v.now()) {
			taken++
		}
	}
	return taken, nil
}

// relearnDevice is the index of a device that a link-local address was behind; 0: there is none.
func (v *VTEP) relearnDevice(name string) uint32 {
	if name == "" {
		return 0
	}
	i, err := v.host.Interface(name)
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}
