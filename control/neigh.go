package control

import (
	"net/http"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep"
)

// changeNeigh answers POST /v1/neigh/{verb}: an operator's change, who may change what any
// controller put in.
func (s *Server) changeNeigh(r *http.Request) (any, error) {
	var n api.NeighEntry
	if err := decode(r, &n); err != nil {
		return nil, err
	}
	if n.Owner != "" || n.Generation != 0 {
		return nil, api.Invalidf("owner and generation are a controller's: send a batch, or leave them out")
	}
	change, isNew := api.NeighChange{Op: r.PathValue("verb"), NeighEntry: n}, false
	switch change.Op {
	case "add":
		change.Op, isNew = "replace", true
	case "replace", "del":
	default:
		return nil, api.Invalidf("%q is no change of a neighbour: write add, replace or del", change.Op)
	}
	c, err := neighbourOf(&change)
	if err != nil {
		return nil, err
	}
	c.New = isNew
	return done{}, s.config.Backend.NeighbourBatch(vtep.Owner{}, []vtep.NeighbourChange{c})[0]
}
