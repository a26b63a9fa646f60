package reload

import (
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/names"
	"github.com/uvtep/uvtep/vtep"
)

// link is a link as the file has it, with the addresses of its names.
type link struct {
	config vtep.LinkConfig
	up     bool
	// entries are the file's and those of the remotes beside the default one,
	// each once.
	entries []vtep.FDBEntry
	place   config.Place
	index   int // of its netdev, once the link exists
}

// linkOf is the link of a file. present is its default remote at present: an address of a name
// stays the default as long as the name has it.
func linkOf(f *config.FileLink, known map[string]names.Answer, present netip.Addr) (link, error) {
	l := link{up: *f.Up, place: f.Place}
	var err error
	if l.config, err = control.LinkConfig(&f.LinkSpec); err != nil { // with the first address among the remotes
		return l, err
	}
	remotes := addresses(f, known, present)
	if !l.config.Remote.IsValid() && len(remotes) > 0 {
		l.config.Remote = remotes[0]
		if slices.Contains(remotes, present) {
			l.config.Remote = present
		}
	}
	seen := map[entryKey]bool{keyOf(l.defaultEntry()): l.config.Remote.IsValid()}
	add := func(e vtep.FDBEntry) { // once: a remote may also stand in `fdb`
		if key := keyOf(e); !seen[key] {
			seen[key] = true
			l.entries = append(l.entries, e)
		}
	}
	for _, a := range remotes {
		// The default entry has such a Via; with another one they would be two remotes.
		add(vtep.FDBEntry{Link: l.config.Name, Remote: vtep.Remote{Addr: a, Via: l.config.Dev}, State: fdb.Permanent})
	}
	for i := range f.FDB {
		e, err := control.Entry(&f.FDB[i].FDBEntry)
		if err != nil {
			return l, err
		}
		add(e)
	}
	return l, nil
}

// defaultEntry is the entry that the VTEP makes for the default remote.
func (l *link) defaultEntry() vtep.FDBEntry {
	return vtep.FDBEntry{Remote: vtep.Remote{Addr: l.config.Remote, Via: l.config.Dev}}
}

// addresses are a link's remotes, in the order of the file, of one address family: the family
// that the link's words tell, else that of its default remote, else IPv4 if a name has an
// IPv4 address.
func addresses(f *config.FileLink, known map[string]names.Answer, present netip.Addr) []netip.Addr {
	v4, v6 := f.Families()
	var four, six []netip.Addr
	add := func(all ...netip.Addr) {
		for _, a := range all {
			switch {
			case !host(a, f.Dev != nil):
			case a.Is4() && v4 && !slices.Contains(four, a):
				four = append(four, a)
			case a.Is6() && v6 && !slices.Contains(six, a):
				six = append(six, a)
			}
		}
	}
	for _, h := range f.Remotes {
		if h.Name == "" {
			add(h.Addr)
			continue
		}
		add(known[h.Name].IPv4.Addrs...)
		add(known[h.Name].IPv6.Addrs...)
	}
	if len(four) == 0 || len(six) > 0 && present.Is6() {
		return six
	}
	return four
}

// host reports whether a may be the address of a VTEP, since a name server may answer
// anything. A link-local address needs the device.
func host(a netip.Addr, dev bool) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a.Zone() == "" &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && (dev || !a.IsLinkLocalUnicast())
}

// isGroup reports whether a MAC address has a list of remotes.
func isGroup(mac encap.MAC) bool { return mac.IsZero() || mac.IsMulticast() }

// entryKey identifies an entry in its link's table: a unicast MAC address has one entry, a
// group one for each remote.
type entryKey struct {
	mac  encap.MAC
	addr netip.Addr
	port uint16
	vni  int // -1: the link's
	via  string
}

func keyOf(e vtep.FDBEntry) entryKey {
	if !isGroup(e.MAC) {
		return entryKey{mac: e.MAC}
	}
	return wholeKey(e)
}

// wholeKey identifies an entry by its remote as well, even that of a unicast MAC address.
func wholeKey(e vtep.FDBEntry) entryKey {
	key := entryKey{mac: e.MAC, addr: e.Remote.Addr, port: e.Remote.Port, vni: -1, via: e.Remote.Via}
	if e.Remote.VNI != nil {
		key.vni = int(*e.Remote.VNI)
	}
	return key
}

func sameEntry(a, b vtep.FDBEntry) bool {
	return wholeKey(a) == wholeKey(b) && a.State == b.State && a.Flags == b.Flags
}

// byKey is the index of each entry in a list.
func byKey(entries []vtep.FDBEntry) map[entryKey]int {
	at := make(map[entryKey]int, len(entries))
	for i, e := range entries {
		at[keyOf(e)] = i
	}
	return at
}
