package control

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep"
)

// FDBEntry is one line of a link's forwarding database.
type FDBEntry struct {
	Dev         string     `json:"dev"`
	MAC         string     `json:"mac"`
	Dst         netip.Addr `json:"dst,omitzero"`
	Port        uint16     `json:"port,omitempty"`    // 0: the link's dstport
	VNI         *uint32    `json:"vni,omitempty"`     // nil: the link's
	SrcVNI      *uint32    `json:"src_vni,omitempty"` // the link's, on a change: another one is refused
	Via         string     `json:"via,omitempty"`     // outgoing device
	Master      bool       `json:"master,omitempty"`  // on a change: the bridge that the link is a port of is given the entry, too
	State       string     `json:"state,omitempty"`   // permanent (default), static or dynamic
	ExternLearn bool       `json:"extern_learn,omitempty"`
	Router      bool       `json:"router,omitempty"`
	Used        uint64     `json:"used"`    // seconds ago
	Updated     uint64     `json:"updated"` // seconds ago
}

// The states of an entry, iproute2's words.
const (
	Permanent = "permanent" // NUD_PERMANENT: neither ages nor moves
	Static    = "static"    // NUD_NOARP: neither ages nor moves
	Dynamic   = "dynamic"   // NUD_REACHABLE: ages and moves
	// Stale is NUD_STALE: no entry is, but one that ages is removed with it, and
	// misses are told with it (vxlan_cleanup and vxlan_fdb_miss in
	// drivers/net/vxlan/vxlan_core.c); a filter may name it.
	Stale = "stale"
)

// FDBFilter selects entries; what is unset selects all.
type FDBFilter struct {
	Dev         string     `json:"dev,omitempty"`
	Br          string     `json:"br,omitempty"` // the bridge that the link is a port of
	MAC         string     `json:"mac,omitempty"`
	Dst         netip.Addr `json:"dst,omitzero"`
	Port        uint16     `json:"port,omitempty"`
	VNI         *uint32    `json:"vni,omitempty"`     // the remote's
	SrcVNI      *uint32    `json:"src_vni,omitempty"` // the link's
	Via         string     `json:"via,omitempty"`
	States      []string   `json:"state,omitempty"` // any of them
	ExternLearn *bool      `json:"extern_learn,omitempty"`
	Router      *bool      `json:"router,omitempty"`
	Offloaded   *bool      `json:"offloaded,omitempty"` // no entry is
	VLAN        uint16     `json:"vlan,omitempty"`      // no entry has one
}

// none reports that no entry can be selected.
func (f *FDBFilter) none() bool {
	return f.VLAN != 0 || f.Offloaded != nil && *f.Offloaded ||
		len(f.States) > 0 && !slices.ContainsFunc(f.States, func(s string) bool { return s != Stale })
}

func stateOf(word string) (fdb.State, error) {
	switch word {
	case Permanent, "":
		return fdb.Permanent, nil
	case Static:
		return fdb.Static, nil
	case Dynamic:
		return fdb.Dynamic, nil
	}
	return 0, invalid("state %q: write permanent, static or dynamic", word)
}

func stateText(s fdb.State) string {
	switch s {
	case fdb.Permanent:
		return Permanent
	case fdb.Static:
		return Static
	case fdb.Dynamic:
		return Dynamic
	}
	return "state-" + strconv.Itoa(int(s))
}

// Validate reports what cannot be in an entry.
func (e *FDBEntry) Validate() error {
	_, err := e.entry()
	return err
}

// entry is the core's form of e.
func (e *FDBEntry) entry() (vtep.FDBEntry, error) {
	out := vtep.FDBEntry{Link: e.Dev, Remote: vtep.Remote{Addr: e.Dst, Port: e.Port, Via: e.Via}}
	if err := ValidName(e.Dev); err != nil {
		return out, invalid("dev: %v", err)
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
		if err := ValidName(e.Via); err != nil {
			return out, invalid("via: %v", err)
		}
	}
	if out.State, err = stateOf(e.State); err != nil {
		return out, err
	}
	out.Flags = flagsOf(e.ExternLearn, e.Router)
	return out, nil
}

func macOf(s string) (encap.MAC, error) {
	mac, err := encap.ParseMAC(s)
	if err != nil {
		return mac, invalid("%q is no MAC address: write six bytes such as 02:00:00:00:00:01", s)
	}
	return mac, nil
}

func vniOf(word string, n *uint32) (*encap.VNI, error) {
	switch {
	case n == nil:
		return nil, nil
	case *n > uint32(encap.MaxVNI):
		return nil, invalid("%s %d: a VNI has 24 bits, write 0-%d", word, *n, encap.MaxVNI)
	}
	return new(encap.VNI(*n)), nil
}

// checkDst: a multicast group may stand in an entry, as in the kernel.
func checkDst(a netip.Addr) error {
	if !a.IsValid() || a.IsMulticast() && a.Zone() == "" {
		return nil
	}
	return unicast("dst", a)
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

// remote is the remote that the entry names, nil where it names none: then a
// deletion means all of them.
func remoteGiven(e *vtep.FDBEntry) *vtep.Remote {
	if !e.Remote.Addr.IsValid() && e.Remote.Port == 0 && e.Remote.VNI == nil && e.Remote.Via == "" {
		return nil
	}
	return &e.Remote
}

func entryOf(e vtep.FDBEntry) FDBEntry {
	out := FDBEntry{
		Dev: e.Link, MAC: e.MAC.String(), Dst: e.Remote.Addr, Port: e.Remote.Port, Via: e.Remote.Via,
		State:       stateText(e.State),
		ExternLearn: e.Flags&fdb.FlagExternLearn != 0,
		Router:      e.Flags&fdb.FlagRouter != 0,
		Used:        uint64(e.Used / time.Second), Updated: uint64(e.Updated / time.Second),
	}
	if e.Remote.VNI != nil {
		out.VNI = new(uint32(*e.Remote.VNI))
	}
	return out
}

// filter is the core's form of f. SrcVNI is not in it: a link's entries all
// have the link's.
func (f *FDBFilter) filter() (vtep.FDBFilter, error) {
	out := vtep.FDBFilter{Link: f.Dev, Dst: f.Dst, Port: f.Port, Via: f.Via}
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
		if word == Stale {
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

// Validate reports what cannot be in a filter.
func (f *FDBFilter) Validate() error {
	_, err := f.filter()
	return err
}

// query is the filter as the keys of a URL.
func (f *FDBFilter) query() url.Values {
	q := url.Values{}
	put := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	put("dev", f.Dev)
	put("mac", f.MAC)
	put("via", f.Via)
	put("br", f.Br)
	if f.Dst.IsValid() {
		put("dst", f.Dst.String())
	}
	if f.Port != 0 {
		put("port", strconv.Itoa(int(f.Port)))
	}
	if f.VLAN != 0 {
		put("vlan", strconv.Itoa(int(f.VLAN)))
	}
	for key, n := range map[string]*uint32{"vni": f.VNI, "src_vni": f.SrcVNI} {
		if n != nil {
			put(key, strconv.FormatUint(uint64(*n), 10))
		}
	}
	for key, b := range map[string]*bool{"extern_learn": f.ExternLearn, "router": f.Router, "offloaded": f.Offloaded} {
		if b != nil {
			put(key, strconv.FormatBool(*b))
		}
	}
	q["state"] = slices.Clone(f.States)
	return q
}

// filterOf reads what query wrote.
func filterOf(q url.Values) (FDBFilter, error) {
	f := FDBFilter{}
	for key, values := range q {
		if key != "state" && len(values) != 1 {
			return f, invalid("%s is given %d times: give it once", key, len(values))
		}
		if err := f.setKey(key, values); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *FDBFilter) setKey(key string, values []string) error {
	v, err := values[0], error(nil)
	var n uint64
	switch key {
	case "dev":
		f.Dev = v
	case "mac":
		f.MAC = v
	case "via":
		f.Via = v
	case "br":
		f.Br = v
	case "vlan":
		n, err = strconv.ParseUint(v, 10, 12)
		f.VLAN = uint16(n)
	case "state":
		f.States = values
	case "dst":
		f.Dst, err = netip.ParseAddr(v)
	case "port":
		n, err = strconv.ParseUint(v, 10, 16)
		f.Port = uint16(n)
	case "vni":
		n, err = strconv.ParseUint(v, 10, 32)
		f.VNI = new(uint32(n))
	case "src_vni":
		n, err = strconv.ParseUint(v, 10, 32)
		f.SrcVNI = new(uint32(n))
	case "extern_learn":
		f.ExternLearn = new(false)
		*f.ExternLearn, err = strconv.ParseBool(v)
	case "router":
		f.Router = new(false)
		*f.Router, err = strconv.ParseBool(v)
	case "offloaded":
		f.Offloaded = new(false)
		*f.Offloaded, err = strconv.ParseBool(v)
	default:
		return invalid("unknown key %q: the filter's are dev, mac, dst, port, vni, src_vni, via, state, extern_learn, router, offloaded, br, vlan", key)
	}
	if err != nil {
		return invalid("%s: %q cannot be", key, v)
	}
	return nil
}
