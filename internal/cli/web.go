package cli

import (
	"context"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/internal/agent"
	"github.com/uvtep/uvtep/internal/logging"
	"github.com/uvtep/uvtep/internal/web"
	"github.com/uvtep/uvtep/vtep"
)

// mostOfAgent bounds what the page takes of an agent's answer, in bytes.
const mostOfAgent = 4 << 20

// page is the status page; nil: none is asked for.
func (o *runOptions) page(v *vtep.VTEP, lines *logging.Log) *web.Page {
	if o.web == "" {
		return nil
	}
	return web.New(web.Config{Source: control.View{Of: v}, EVPN: askEVPN, Version: version(), Log: lines.Of(logging.Web)})
}

// listenWeb listens on the page's port; nil: it has none, and there is nothing to serve.
func (o *runOptions) listenWeb(p *web.Page, lines *logging.Log) (*web.Server, error) {
	if p == nil || o.web == web.OnControl {
		return nil, nil
	}
	return web.Listen(o.web, p, lines.Of(logging.Web))
}

// askEVPN asks the agent what the page tells of it.
func askEVPN(ctx context.Context) (*web.EVPN, error) {
	ask := agent.Asker{Path: evpnSocket(), Most: mostOfAgent}
	var neighbors []agent.Neighbor
	if err := ask.Get(ctx, "neighbor", &neighbors); err != nil {
		return nil, err
	}
	var links []evpn.VNI
	if err := ask.Get(ctx, "vni", &links); err != nil {
		return nil, err
	}
	e := &web.EVPN{}
	for _, n := range neighbors {
		e.Neighbors = append(e.Neighbors, web.EVPNNeighbor{
			Address: n.Address, AS: n.RemoteAS, State: n.State, Seconds: n.Since, Routes: n.Routes, Announced: n.Announced, LastError: n.LastError,
		})
	}
	for _, l := range links {
		e.Links = append(e.Links, web.EVPNLink{
			Name: l.Link, Out: l.Out, VTEPs: len(l.VTEPs), MACs: l.MACs, LocalMACs: l.LocalMACs, Duplicates: l.Duplicates,
		})
	}
	return e, nil
}
