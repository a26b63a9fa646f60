package control

import (
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Viewed is what a View tells of. *vtep.VTEP is one.
type Viewed interface {
	Links() []vtep.LinkInfo
	// RemoteStats lists the counters of at most most remotes of a link, and how many are left out.
	RemoteStats(link string, most int) (list []vtep.RemoteStats, left int, err error)
	Stats() forward.Stats
	Addresses() (held, limit int)
	WalkFDB(f vtep.FDBFilter, fn func(*vtep.FDBEntry) bool) error
}

// View tells in the API's types what a VTEP does, to other parts of this process that show it. It
// reads alone, and asks the kernel nothing: of devices it has what package vtep knows.
type View struct{ Of Viewed }

// Links describes the links, with the counters of at most mostRemotes remotes of all of them
// together, beyond the 64 that each link tells of.
func (v View) Links(mostRemotes int) []api.Link {
	infos := v.Of.Links()
	links := make([]api.Link, len(infos))
	for i := range infos {
		info := &infos[i]
		if more := min(info.MoreRemotes, mostRemotes); more > 0 {
			list, left, err := v.Of.RemoteStats(info.Config.Name, len(info.Remotes)+more)
			if err == nil { // else the link has gone meanwhile
				mostRemotes -= max(len(list)-len(info.Remotes), 0)
				info.Remotes, info.MoreRemotes = list, left
			}
		}
		links[i] = linkOf(*info)
	}
	return links
}

// Stats counts what belongs to no link.
func (v View) Stats() api.Stats {
	stats := v.Of.Stats()
	held, limit := v.Of.Addresses()
	return api.Stats{LinkStats: statsOf(&stats), Panics: fault.Caught(), Addresses: held, MaxAddress: limit}
}

// WalkFDB calls fn with each entry that f selects by link, MAC address and remote, by MAC, until fn
// returns false. The entry is fn's until it returns.
func (v View) WalkFDB(f *api.FDBFilter, fn func(*api.FDBEntry) bool) error {
	filter, err := filterOf(f)
	if err != nil {
		return err
	}
	var entry api.FDBEntry // one for all calls, since it escapes to fn
	return v.Of.WalkFDB(filter, func(e *vtep.FDBEntry) bool {
		entry = entryOf(*e)
		return fn(&entry)
	})
}
