package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/agent"
	"github.com/uvtep/uvtep/internal/status"
)

// agentPatience is how long the agent may take to answer: it is no reason to wait.
const agentPatience = time.Second

// agentAsker asks the EVPN agent of this host.
type agentAsker struct {
	path string // its socket; "": it is not asked
	met  bool   // it answered before
}

// agentSocket is the socket of the agent that is asked; "": none is. That of another network
// namespace is not known.
func (a *app) agentSocket() string {
	if a.netns != "" && os.Getenv(evpnEnv) == "" {
		return ""
	}
	return evpnSocket()
}

// neighbours asks the agent, where one runs; nil: none does.
func (t *agentAsker) neighbours(ctx context.Context) *status.EVPN {
	if t.path == "" {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, agentPatience)
	defer stop()
	var all []agent.Neighbor
	err := agent.Asker{Path: t.path}.Get(ctx, "neighbor", &all)
	if errors.Is(err, client.ErrNotRunning) && !t.met {
		return nil
	}
	if t.met = true; err != nil {
		return &status.EVPN{Err: err, Error: err.Error()}
	}
	e := &status.EVPN{Neighbours: []status.Neighbour{}}
	for i := range all {
		n := &all[i]
		e.Neighbours = append(e.Neighbours, status.Neighbour{Address: n.Address, State: n.State, Routes: n.Routes, LastError: n.LastError})
	}
	return e
}
