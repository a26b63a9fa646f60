package control

import (
	"net/netip"
	"slices"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
)

// selectsNone reports whether f selects no entry of any link.
func selectsNone(f *api.FDBFilter) bool {
	return f.VLAN != 0 || f.Offloaded != nil && *f.Offloaded ||
		len(f.States) > 0 && !slices.ContainsFunc(f.States, func(s string) bool { return s != api.Stale })
}

func stateOf(word string) (fdb.State, error) {
	if word == "" {
		return fdb.Permanent, nil
	}
	for s := fdb.Dynamic; s <= fdb.Permanent; s++ {
		if s.String() == word {
			return s, nil
		}
	}
	return 0, api.Invalidf("state %q is unknown: write permanent, static or dynamic", word)
}

// ValidateEntry reports what is wrong with an entry.
func ValidateEntry(e *api.FDBEntry) error {
	_, err := Entry(e)
	return err
}

// Entry converts e to an entry of package vtep.
func Entry(e *api.FDBEntry) (vtep.FDBEntry, error) {
	out := vtep.FDBEntry{Link: e.Dev, Remote: vtep.Remote{Addr: e.Dst, Port: e.Port, Via: e.Via}}
	if err := words.ValidName(e.Dev); err != nil {
		return out, api.Invalidf("dev: %v", err)
	}
	var err error
	if out.MAC, err = macOf(e.MAC); err != nil {
		return out, err
	}
	if out.Remote.VNI, err = vniOf("vni", e.VNI); err != nil {
		return out, err
	}
	if _, err := vniOf("src_vni", e.SrcVNI); err != nil {
		return out, err
	}
	if err := checkDst(e.Dst); err != nil {
		return out, err
	}
	if e.Via != "" {
		if err := words.ValidName(e.Via); err != nil {
			return out, api.Invalidf("via: %v", err)
		}
	}
	if out.State, err = stateOf(e.State); err != nil {
		return out, err
	}
	out.Flags = flagsOf(e.ExternLearn, e.Router)
	if e.NoFlood {
		out.Flags |= fdb.FlagNoFlood
	}
	if e.Sticky {
		out.State = fdb.Permanent // static, as bridge has it of its ports, says no more here
		if err := sticky(e, &out); err != nil {
			return out, err
		}
	}
	if e.Owner != "" {
		out.Owner, err = ownerOf(e.Owner, e.Generation)
	}
	return out, err
}

// sticky refuses what cannot be on this side for good.
func sticky(e *api.FDBEntry, out *vtep.FDBEntry) error {
	switch {
	case e.Dst.IsValid() && !e.Dst.IsUnspecified():
		return api.Invalidf("sticky is for a MAC address on this side, and dst %s is a remote: write one of them", e.Dst)
	case e.State == api.Dynamic:
		return api.Invalidf("a sticky address neither ages nor moves: leave dynamic out")
	case fdb.IsGroup(out.MAC):
		return api.Invalidf("%s is no host's address, as a sticky one is: write six bytes such as 02:00:00:00:00:01", e.MAC)
	}
	return nil
}

func macOf(s string) (encap.MAC, error) {
	mac, err := encap.ParseMAC(s)
	if err != nil {
		return mac, api.Invalidf("%q is no MAC address: write six bytes such as 02:00:00:00:00:01", s)
	}
	return mac, nil
}

func vniOf(word string, n *uint32) (*encap.VNI, error) {
	switch {
	case n == nil:
		return nil, nil
	case *n > uint32(encap.MaxVNI):
		return nil, api.Invalidf("%s %d is out of range: 0 to %d", word, *n, encap.MaxVNI)
	}
	return new(encap.VNI(*n)), nil
}

// checkDst refuses an address that is neither a host's nor, as in the kernel, a group's.
func checkDst(a netip.Addr) error {
	if !a.IsValid() || a.IsMulticast() && a.Zone() == "" {
		return nil
	}
	return words.Unicast("dst", a)
}

func flagsOf(externLearn, router bool) fdb.Flags {
	var f fdb.Flags
	if externLearn {
		f |= fdb.FlagExternLearn
	}
	if router {
		f |= fdb.FlagRouter
	}
	return f
}

// remoteGiven is the remote that an entry names; nil: the entry names none, and its deletion
// means all remotes.
func remoteGiven(e *vtep.FDBEntry) *vtep.Remote {
	if !e.Remote.Addr.IsValid() && e.Remote.Port == 0 && e.Remote.VNI == nil && e.Remote.Via == "" {
		return nil
	}
	return &e.Remote
}

func entryOf(e vtep.FDBEntry) api.FDBEntry {
	out := api.FDBEntry{
		Dev: e.Link, MAC: e.MAC.String(), Dst: e.Remote.Addr, Port: e.Remote.Port, Via: e.Remote.Via,
		State:       e.State.String(),
		ExternLearn: e.Flags&fdb.FlagExternLearn != 0,
		Router:      e.Flags&fdb.FlagRouter != 0,
		Used:        uint64(e.Used / time.Second), Updated: uint64(e.Updated / time.Second),
	}
	out.NoFlood = e.Flags&fdb.FlagNoFlood != 0
	if e.State == fdb.Permanent && !fdb.IsGroup(e.MAC) && (!e.Remote.Addr.IsValid() || e.Remote.Addr.IsUnspecified()) {
		out.Sticky, out.Dst, out.Port, out.Via = true, netip.Addr{}, 0, ""
	}
	out.Owner, out.Generation = e.Owner.Name, e.Owner.Generation
	if e.Remote.VNI != nil && !out.Sticky {
		out.VNI = new(uint32(*e.Remote.VNI))
	}
	return out
}

func localOf(e *vtep.LocalEntry) api.LocalEntry {
	return api.LocalEntry{
		Dev: e.Link, MAC: e.MAC.String(), IP: e.IP, Router: e.Router, Contested: e.Contested, Sticky: e.Pinned,
		Updated: uint64(e.Updated / time.Second),
	}
}

// filterOf converts f to a filter of package vtep. SrcVNI is left out: all entries of a link
// have the link's VNI.
func filterOf(f *api.FDBFilter) (vtep.FDBFilter, error) {
	out := vtep.FDBFilter{Link: f.Dev, Dst: f.Dst, Port: f.Port, Via: f.Via, Owner: f.Owner}
	if f.MAC != "" {
		mac, err := macOf(f.MAC)
		if err != nil {
			return out, err
		}
		out.MAC = &mac
	}
	var err error
	if out.VNI, err = vniOf("vni", f.VNI); err != nil {
		return out, err
	}
	if _, err := vniOf("src_vni", f.SrcVNI); err != nil {
		return out, err
	}
	for _, word := range f.States {
		if word == api.Stale {
			continue
		}
		s, err := stateOf(word)
		if err != nil {
			return out, err
		}
		out.States = append(out.States, s)
	}
	for flag, want := range map[fdb.Flags]*bool{fdb.FlagExternLearn: f.ExternLearn, fdb.FlagRouter: f.Router} {
		switch {
		case want == nil:
		case *want:
			out.Flags |= flag
		default:
			out.NotFlags |= flag
		}
	}
	return out, nil
}

// ValidateFilter reports what is wrong with a filter.
func ValidateFilter(f *api.FDBFilter) error {
	_, err := filterOf(f)
	return err
}
