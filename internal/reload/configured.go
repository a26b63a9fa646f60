package reload

import (
	"cmp"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

// Configured is what a configuration file gave a VTEP. The zero value is nothing.
type Configured struct {
	links map[string]map[entryKey]bool
	ports map[string]bool
}

// Configured is what the file has given by now.
func (k *Keeper) Configured() *Configured {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &Configured{links: make(map[string]map[entryKey]bool, len(k.applied)), ports: make(map[string]bool, len(k.ports))}
	for name := range k.ports {
		c.ports[name] = true
	}
	for name, l := range k.applied {
		entries := make(map[entryKey]bool, len(l.entries))
		for _, e := range l.entries {
			entries[shortKey(e, l.config.DstPort, l.config.VNI)] = true
		}
		c.links[name] = entries
	}
	return c
}

// shortKey is the key of an entry as a VTEP lists it: without the port and VNI that are the link's own. The device that
// a group's remote is behind does not count: the VTEP lists that of the default remote where the file has none.
func shortKey(e vtep.FDBEntry, port uint16, vni encap.VNI) entryKey {
	if !isGroup(e.MAC) {
		return keyOf(e)
	}
	key := keyOf(e)
	key.via = ""
	if key.port == cmp.Or(port, encap.DefaultPort) {
		key.port = 0
	}
	if key.vni == int(vni) {
		key.vni = -1
	}
	return key
}

// HasLink reports whether the file gave the link.
func (c *Configured) HasLink(name string) bool { return c.links[name] != nil }

// HasPort reports whether the file gave the port.
func (c *Configured) HasPort(name string) bool { return c.ports[name] }

// HasEntry reports whether the file gave an entry of a link, as the VTEP lists it. A unicast address that the file gave
// is the file's, whatever a client of the API made of it since.
func (c *Configured) HasEntry(link string, e *vtep.FDBEntry) bool {
	return c.links[link][shortKey(*e, 0, encap.MaxVNI+1)]
}
