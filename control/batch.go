package control

import (
	"net/http"
	"regexp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// ControllerBackend has what controllers need: changes in bulk with an owner, and neighbours
// for a proxy. Its errors are vtep's.
type ControllerBackend interface {
	// FDBBatch and NeighbourBatch make changes as the owner's and return what became of
	// each, nil where it was made.
	FDBBatch(vtep.Owner, []vtep.FDBChange) []error
	NeighbourBatch(vtep.Owner, []vtep.NeighbourChange) []error
	// Sweep removes what an owner put in before its present generation, of one link, or
	// of all for "".
	Sweep(w vtep.Owner, link string) (vtep.Swept, error)
	WalkNeighbours(link string, fn func(*vtep.Neighbour) bool) error
	// WalkLocal calls fn with the addresses on this side of a link, or of all for "",
	// until it returns false; mac selects one where it is not nil.
	WalkLocal(link string, mac *encap.MAC, fn func(*vtep.LocalEntry) bool) error
}

// maxBatchBody is how long a batch of api.MaxBatch changes may be, in bytes.
const maxBatchBody = 4 << 20

// ownerName is what a controller may call itself.
var ownerName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// ownerOf is the owner of a batch.
func ownerOf(name string, generation uint64) (vtep.Owner, error) {
	if !ownerName.MatchString(name) {
		return vtep.Owner{}, api.Invalidf("owner %q is no name: write 1 to 32 letters, digits, - and _", name)
	}
	return vtep.Owner{Name: name, Generation: generation}, nil
}

// batchOwner is the owner of a batch of n changes, which may not be too many.
func batchOwner(name string, generation uint64, n int) (vtep.Owner, error) {
	owner, err := ownerOf(name, generation)
	if err == nil && n > api.MaxBatch {
		err = api.Invalidf("the batch has %d changes: send at most %d at a time", n, api.MaxBatch)
	}
	return owner, err
}

// verbOf is the verb of a change.
func verbOf(op string) (vtep.FDBVerb, error) {
	switch op {
	case "add":
		return vtep.VerbAdd, nil
	case "append":
		return vtep.VerbAppend, nil
	case "replace":
		return vtep.VerbReplace, nil
	case "del":
		return vtep.VerbDel, nil
	}
	return 0, api.Invalidf("op %q is unknown: write add, append, replace or del", op)
}

// fdbBatch answers POST /v1/fdb/batch.
func (s *Server) fdbBatch(r *http.Request) (any, error) {
	b := api.FDBBatch{Changes: make([]api.FDBChange, 0, atMost(r))}
	if err := decode(r, &b); err != nil {
		return nil, err
	}
	owner, err := batchOwner(b.Owner, b.Generation, len(b.Changes))
	if err != nil {
		return nil, err
	}
	vnis := s.vnis(b.Changes)
	return inBatch(len(b.Changes), func(i int) (vtep.FDBChange, error) {
		c := &b.Changes[i]
		verb, err := verbOf(c.Op)
		if err != nil {
			return vtep.FDBChange{}, err
		}
		if c.Master {
			return vtep.FDBChange{}, api.Invalidf("master is not for a batch: change the bridge's entry by itself")
		}
		e, err := Entry(&c.FDBEntry)
		if err == nil {
			err = complete(&c.FDBEntry, c.Op, vnis)
		}
		return vtep.FDBChange{Verb: verb, Entry: e}, err
	}, func(c []vtep.FDBChange) []error { return s.config.Backend.FDBBatch(owner, c) }), nil
}

// shortChange is how many bytes of JSON a change has at least, but for ones that say almost nothing.
const shortChange = 100

// atMost is how many changes a batch probably has: room for them at once costs less than room that grows.
func atMost(r *http.Request) int { return int(min(max(r.ContentLength, 0)/shortChange, api.MaxBatch)) }

// vnis are the VNIs of the links by name, where one of the changes has a source VNI, which
// complete compares.
func (s *Server) vnis(changes []api.FDBChange) map[string]vtep.LinkConfig {
	for i := range changes {
		if changes[i].SrcVNI != nil {
			return s.configs()
		}
	}
	return nil
}

// neighBatch answers POST /v1/neigh/batch.
func (s *Server) neighBatch(r *http.Request) (any, error) {
	var b api.NeighBatch
	if err := decode(r, &b); err != nil {
		return nil, err
	}
	owner, err := batchOwner(b.Owner, b.Generation, len(b.Changes))
	if err != nil {
		return nil, err
	}
	return inBatch(len(b.Changes), func(i int) (vtep.NeighbourChange, error) { return neighbourOf(&b.Changes[i]) },
		func(c []vtep.NeighbourChange) []error { return s.config.Backend.NeighbourBatch(owner, c) }), nil
}

// neighbourOf converts a change of a neighbour.
func neighbourOf(c *api.NeighChange) (out vtep.NeighbourChange, err error) {
	switch c.Op {
	case "replace":
	case "del":
		out.Delete = true
	default:
		return out, api.Invalidf("op %q is unknown: write replace or del", c.Op)
	}
	if !c.IP.IsValid() || c.IP.IsMulticast() || c.IP.IsUnspecified() || c.IP.Zone() != "" {
		return out, api.Invalidf("ip %s is no host's address: write one such as 192.0.2.7", c.IP)
	}
	out.Link, out.IP = c.Dev, encap.AddrFrom(c.IP.Unmap())
	if out.Delete {
		return out, nil
	}
	mac, err := macOf(c.MAC)
	if err == nil && (mac.IsZero() || mac.IsMulticast()) {
		err = api.Invalidf("mac %s is no host's address: write six bytes such as 02:00:00:00:00:01", c.MAC)
	}
	out.ToldNeighbour = forward.ToldNeighbour{MAC: mac, Router: c.Router, Override: c.Override}
	return out, err
}

// inBatch converts n changes, has those made that could be converted, and says what became of
// each.
func inBatch[T any](n int, convert func(i int) (T, error), do func([]T) []error) api.BatchResult {
	results := make([]api.ChangeResult, n)
	changes, places := make([]T, 0, n), make([]int, 0, n)
	refuse := func(i int, err error) {
		wire, _ := wireError(err)
		results[i] = api.ChangeResult{Error: wire.Message, Code: wire.Code}
	}
	for i := range n {
		c, err := convert(i)
		if err != nil {
			refuse(i, err)
			continue
		}
		changes, places = append(changes, c), append(places, i)
	}
	for i, err := range do(changes) {
		if err != nil {
			refuse(places[i], err)
		}
	}
	return api.BatchResult{Results: results}
}

// sweep answers POST /v1/sweep.
func (s *Server) sweep(r *http.Request) (any, error) {
	var w api.Sweep
	if err := decode(r, &w); err != nil {
		return nil, err
	}
	owner, err := ownerOf(w.Owner, w.Generation)
	if err != nil {
		return nil, err
	}
	n, err := s.config.Backend.Sweep(owner, w.Dev)
	return api.Swept{FDB: n.Entries, Neighs: n.Neighbours, Latest: n.Latest}, err
}

// neighs answers GET /v1/neigh.
func (s *Server) neighs(r *http.Request) (any, error) {
	q := r.URL.Query()
	for key, values := range q {
		if key != "dev" || len(values) != 1 {
			return nil, api.Invalidf("%s is no query of neigh: write dev=NAME once, or nothing", key)
		}
	}
	if q.Has("dev") {
		if err := words.ValidName(q.Get("dev")); err != nil {
			return nil, err
		}
	}
	all := []api.NeighEntry{}
	err := s.config.Backend.WalkNeighbours(q.Get("dev"), func(n *vtep.Neighbour) bool {
		all = append(all, api.NeighEntry{
			Dev: n.Link, IP: n.IP.Netip(), MAC: n.MAC.String(), Router: n.Router, Override: n.Override,
			Owner: n.Owner.Name, Generation: n.Owner.Generation,
		})
		return true
	})
	return all, err
}

// locals answers GET /v1/local.
func (s *Server) locals(r *http.Request) (any, error) {
	q := r.URL.Query()
	for key, values := range q {
		if key != "dev" && key != "mac" || len(values) != 1 {
			return nil, api.Invalidf("%s is no query of local: write dev=NAME and mac=MAC, each once, or nothing", key)
		}
	}
	var mac *encap.MAC
	if q.Has("mac") {
		m, err := macOf(q.Get("mac"))
		if err != nil {
			return nil, err
		}
		mac = &m
	}
	all := []api.LocalEntry{}
	err := s.config.Backend.WalkLocal(q.Get("dev"), mac, func(e *vtep.LocalEntry) bool {
		all = append(all, localOf(e))
		return true
	})
	return all, err
}
