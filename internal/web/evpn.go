package web

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/status"
)

// EVPN is what the agent says, where links are of a fabric.
type EVPN struct {
	Error     string         `json:"error,omitempty"` // why there is nothing else
	Neighbors []EVPNNeighbor `json:"neighbors,omitempty"`
	Links     []EVPNLink     `json:"links,omitempty"`
	More      int            `json:"more,omitempty"` // neighbors and links that are left out
}

// EVPNNeighbor is a BGP neighbour of the agent.
type EVPNNeighbor struct {
	Address   netip.Addr `json:"address"`
	AS        uint32     `json:"as"`
	State     string     `json:"state"`
	Seconds   int64      `json:"seconds"` // in that state
	Routes    int        `json:"routes"`
	Announced int        `json:"announced"`
	LastError string     `json:"last_error,omitempty"`
}

// EVPNLink is a link as the agent has it.
type EVPNLink struct {
	Name       string `json:"name"`
	Out        string `json:"out,omitempty"` // why it takes no part
	VTEPs      int    `json:"vteps"`
	MACs       int    `json:"macs"`
	LocalMACs  int    `json:"local_macs"`
	Duplicates int    `json:"duplicates,omitempty"`
}

const (
	mostEVPN = 64 // neighbours, and links
	// askAgent is how long the agent may take, and restAgent how long it is left alone after it
	// did not answer: everybody who looks waits for it.
	askAgent  = 500 * time.Millisecond
	restAgent = 10 * time.Second
)

// agentState is what the agent said last.
type agentState struct {
	said *EVPN
	next time.Time
}

// ask is what the agent says, or why it says nothing; nil: no link is of a fabric.
func (a *agentState) ask(ctx context.Context, from func(context.Context) (*EVPN, error), now *status.Snapshot) *EVPN {
	of := func(l api.Link) bool { return l.Spec.EVPN != nil && *l.Spec.EVPN }
	if from == nil || !slices.ContainsFunc(now.Links, of) {
		return nil
	}
	if now.At.Before(a.next) {
		return a.said
	}
	// Who asked may go away; the answer is for others, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askAgent)
	defer cancel()
	said, err := from(ctx)
	if err != nil {
		a.said, a.next = &EVPN{Error: err.Error()}, now.At.Add(restAgent)
		return a.said
	}
	n, l := min(len(said.Neighbors), mostEVPN), min(len(said.Links), mostEVPN)
	said.More = len(said.Neighbors) - n + len(said.Links) - l
	said.Neighbors, said.Links = said.Neighbors[:n], said.Links[:l]
	a.said = said
	return said
}
