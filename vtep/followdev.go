package vtep

import "github.com/uvtep/uvtep/vtep/forward"

// followDevs moves links to a new underlay device of the same name, after the old one was
// deleted: sockets and group memberships belong to the old interface index. The kernel
// deletes a link with its device (vxlan_handle_lowerdev_unregister in
// drivers/net/vxlan/vxlan_core.c); the daemon's links wait for a new one. The caller holds
// v.mu.
func (v *VTEP) followDevs() {
	indexes := make(map[string]int) // thousands of links may have the same
	for _, l := range v.links {
		if l.cfg.Dev == "" {
			continue
		}
		index, asked := indexes[l.cfg.Dev]
		if !asked {
			if i, err := v.host.Interface(l.cfg.Dev); err == nil {
				index = i.Index
			}
			indexes[l.cfg.Dev] = index
		}
		if index != 0 && uint32(index) != l.State.Load().Dev {
			if l.newDev != index { // else the change was logged, and the new device refused something
				l.log.Info("the underlay device is another one now", "dev", l.cfg.Dev, "index", index)
			}
			l.retry, l.tuned = true, false
		}
		l.newDev = index
	}
}

// moveDev moves the entries that go out of the link's device to the device's new index.
func (l *Link) moveDev(was, is uint32) {
	if was == is || was == 0 || is == 0 {
		return
	}
	move := func(key *forward.RemoteKey) {
		if key.Zone == was && (key.Via == "" || key.Via == l.cfg.Dev) {
			key.Zone = is
		}
	}
	move(&l.first)
	l.changeRemotes(l.vtep.now(), move)
}
