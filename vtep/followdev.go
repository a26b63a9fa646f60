package vtep

import "github.com/uvtep/uvtep/vtep/forward"

// followDevs moves links to a new underlay device of the same name, after the old one was
// deleted: sockets and group memberships belong to the old interface index. The kernel
// deletes a link with its device (vxlan_handle_lowerdev_unregister in
// drivers/net/vxlan/vxlan_core.c); the daemon's links wait for a new one. The caller holds
// v.mu.
func (v *VTEP) followDevs() {
	indexes := make(map[string]int) // thousands of links may have the same
	find := func(name string) int {
		index, asked := indexes[name]
		if !asked {
			if i, err := v.host.Interface(name); err == nil {
				index = i.Index
			}
			indexes[name] = index
		}
		return index
	}
	for _, l := range v.links {
		l.followVias(find)
		dev := v.device(&l.cfg)
		if dev == "" {
			continue
		}
		index := find(dev)
		if index != 0 && uint32(index) != l.State.Load().Dev {
			if l.newDev != index { // else the change was logged, and the new device refused something
				l.log.Info("the underlay device is another one now", "dev", dev, "index", index)
			}
			l.retry, l.tuned = true, false
		}
		l.newDev = index
	}
}

// moveDev moves the entries that go out of a device, the link's or one that they name with
// via, to the device's new index, and what was learned by it.
func (l *link) moveDev(name string, was, is uint32) {
	if was == is || was == 0 || is == 0 {
		return
	}
	move := func(key *forward.RemoteKey) {
		if key.Zone == was && (key.Via == "" || key.Via == name) {
			key.Zone = is
		}
	}
	move(&l.first)
	l.changeRemotes(l.vtep.now(), move)
}
