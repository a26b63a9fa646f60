package tunnelgso

import (
	"maps"
	"sync/atomic"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/underlay"
)

// pathKey is what the way of packets follows from.
type pathKey struct {
	local      encap.Addr // that the sockets are bound to; the zero Addr: the route's choice
	dst        encap.Addr
	zone       uint32
	port       uint16
	noChecksum bool
}

// path is what is known of the way to a remote. What is known anew makes another one.
type path struct {
	key        pathKey
	why        string // it is not taken; "": it is
	src        encap.Addr
	mtu        int
	hops       uint8 // TTL or hop limit where a packet has none
	v6         bool
	noChecksum bool
	pseudo     uint32 // of the pseudo-header but for the length
	ethernet   [ethernetLen]byte
	devices    []int  // that it may leave by
	metric     int    // hop limit of the route, 0 for none
	trial      *trial // nil where why is not ""

	used atomic.Bool // since it was last looked at
	idle int         // seconds since it was used; the follower's
}

// newPath is a path along which superframes leave.
func newPath(key pathKey, src encap.Addr, mtu int, hops uint8, mac encap.MAC) *path {
	h := &path{key: key, src: src, mtu: mtu, hops: hops, v6: !key.dst.Is4(), noChecksum: key.noChecksum}
	h.pseudo = underlay.PseudoSum(src, key.dst)
	copy(h.ethernet[:], mac[:])
	copy(h.ethernet[6:], []byte{2, 0, 0, 0, 0, 1}) // of nobody
	h.ethernet[12], h.ethernet[13] = 0x08, 0x00
	if h.v6 {
		h.ethernet[12], h.ethernet[13] = 0x86, 0xdd
	}
	return h
}

// taken reports whether superframes take the path.
func (h *path) taken() bool { return h.why == "" && h.trial.whole.Load() }

// reason is why none takes the path; "": some do, or it is not known yet.
func (h *path) reason() string {
	if h.why == "" && h.trial.decided.Load() && !h.trial.whole.Load() {
		return "whole they take longer than in pieces, since a device on the way cuts them in software"
	}
	return h.why
}

// mostPaths bounds the paths that are followed. Those of further remotes are not taken.
const mostPaths = 4096

// paths is the table that transmitters read. Its map is never changed, but another one made.
type paths struct {
	at atomic.Pointer[map[pathKey]*path]
}

func (t *paths) of(key *pathKey) *path {
	m := t.at.Load()
	if m == nil {
		return nil
	}
	return (*m)[*key]
}

// all is a copy of the table.
func (t *paths) all() map[pathKey]*path {
	all := make(map[pathKey]*path)
	if m := t.at.Load(); m != nil {
		maps.Copy(all, *m)
	}
	return all
}
