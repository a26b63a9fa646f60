package migrate

import (
	"fmt"
	"net/netip"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/config"
)

// Link is a link to export, with its entries.
type Link struct {
	api.Link
	FDB   []api.FDBEntry
	Names []string // remotes that a file gives by name
}

// OfDaemon pairs the links and the entries that a daemon shows.
func OfDaemon(links []api.Link, entries []api.FDBEntry) []Link {
	out := make([]Link, len(links))
	for i := range links {
		out[i].Link = links[i]
		for j := range entries {
			if entries[j].Dev == links[i].Netdev.Name {
				out[i].FDB = append(out[i].FDB, entries[j])
			}
		}
	}
	return out
}

// OfFile are the links of a configuration file, each as the daemon would show
// it: with its defaults, and the entries that its remotes make.
func OfFile(f *config.File) ([]Link, error) {
	out := make([]Link, 0, len(f.Links))
	for i := range f.Links {
		from := &f.Links[i]
		c, err := control.LinkConfig(&from.LinkSpec)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", from.Place, err)
		}
		l := Link{Link: api.Link{Spec: control.SpecOf(c), Netdev: api.Netdev{Name: from.Name}}}
		if from.Address != nil {
			l.Netdev.MAC = *from.Address
		}
		if from.MTU != nil {
			l.Netdev.MTU = *from.MTU
		}
		if *from.Up {
			l.Netdev.Flags = []string{"UP"}
		}
		dev := value(from.Dev)
		add := func(dst netip.Addr) {
			l.FDB = append(l.FDB, api.FDBEntry{Dev: from.Name, MAC: zeroMAC, Dst: dst, Via: dev, State: api.Permanent})
		}
		if from.Group != nil {
			add(*from.Group)
		}
		for _, h := range from.Remotes {
			if h.Name != "" {
				l.Names = append(l.Names, h.Name)
				continue
			}
			add(h.Addr)
		}
		for j := range from.FDB {
			l.FDB = append(l.FDB, from.FDB[j].FDBEntry)
		}
		out = append(out, l)
	}
	return out, nil
}
