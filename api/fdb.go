package api

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
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
	Master      bool       `json:"master,omitempty"`  // on a change: the bridge that the link is a port of gets the entry as well
	State       string     `json:"state,omitempty"`   // permanent (default), static or dynamic
	ExternLearn bool       `json:"extern_learn,omitempty"`
	Router      bool       `json:"router,omitempty"`
	// NoFlood, of an all-zeros entry: Dst is a peer, but no frames are flooded to it.
	NoFlood bool `json:"noflood,omitempty"`
	// Sticky, of an entry without Dst: the MAC address is on this side for good.
	Sticky     bool   `json:"sticky,omitempty"`
	Owner      string `json:"owner,omitempty"`      // the controller that put the entry in: see FDBBatch
	Generation uint64 `json:"generation,omitempty"` // of the owner
	Used       uint64 `json:"used"`                 // seconds ago
	Updated    uint64 `json:"updated"`              // seconds ago
}

// The states of an entry, iproute2's words.
const (
	Permanent = "permanent" // NUD_PERMANENT: neither ages nor moves
	Static    = "static"    // NUD_NOARP: neither ages nor moves
	Dynamic   = "dynamic"   // NUD_REACHABLE: ages and moves
	// Stale is NUD_STALE. No entry has it, but events of misses and of entries that aged do
	// (vxlan_fdb_miss and vxlan_cleanup in drivers/net/vxlan/vxlan_core.c), and a filter may.
	Stale = "stale"
)

// FDBFilter selects entries. A field that is not set selects all.
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
	Owner       string     `json:"owner,omitempty"`     // the controller that put an entry in
}

// Query is the filter as the keys of a URL.
func (f *FDBFilter) Query() url.Values {
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
	put("owner", f.Owner)
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

// ParseFDBFilter reads the keys that Query writes.
func ParseFDBFilter(q url.Values) (FDBFilter, error) {
	f := FDBFilter{}
	for key, values := range q {
		if key != "state" && len(values) != 1 {
			return f, Invalidf("%s is given %d times: give it once", key, len(values))
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
	case "owner":
		f.Owner = v
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
		return Invalidf("unknown key %q: the filter's are dev, mac, dst, port, vni, src_vni, via, state, extern_learn, router, offloaded, br, vlan, owner", key)
	}
	if err != nil {
		return Invalidf("%s %q is no value of a filter: see docs/api.md", key, v)
	}
	return nil
}
