package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/internal/logging"
	"github.com/uvtep/uvtep/internal/metrics"
)

// Options are those of `uvtep evpn run`.
type Options struct {
	File    string
	Control string // of the data plane, where the file does not say
	Version string
	Log     func(class string) *slog.Logger // the log of a class
	LogLost func() uint64
	Hangups <-chan os.Signal
	Ready   func() // is called once the agent answers on its socket
}

// Run joins the data plane to the fabric until ctx ends. What it put into the data plane stays,
// for the next agent.
func Run(ctx context.Context, o Options) error {
	f, err := ReadFile(o.File)
	if err != nil {
		return err
	}
	r, err := newRunning(f, &o)
	if err != nil {
		return err
	}
	defer r.client.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.agent.Run(ctx) })
	g.Go(func() error { return r.speaker.Run(ctx) })
	g.Go(func() error {
		return (&follower{client: r.client, plane: r.plane, agent: r.agent, log: o.Log(logging.EVPN)}).run(ctx)
	})
	g.Go(func() error { return r.server.serve(ctx) })
	g.Go(func() error { return r.scrapes.Serve(ctx) })
	g.Go(func() error { return r.reload(ctx, &o) })
	o.Ready()
	return g.Wait()
}

// running is an agent with all that it is joined to.
type running struct {
	file    *File
	agent   *evpn.Agent
	speaker *bgp.Speaker
	client  *client.Client
	plane   *plane
	server  *server
	scrapes *metrics.Server
	events  *events
}

// late is the speaker of an agent that is made before it.
type late struct{ *bgp.Speaker }

func newRunning(f *File, o *Options) (*running, error) {
	path := o.Control
	if f.Control != "" {
		path = f.Control
	}
	r := &running{file: f, client: client.New(path), events: &events{}}
	r.plane = &plane{client: r.client}
	sp := &late{}
	var err error
	r.agent, err = evpn.New(evpn.Config{
		AS: f.AS, RouterID: f.RouterID, Neighbours: addresses(f), Links: f.Links, IPv6: f.IPv6, StaleTime: f.StaleTime,
		DuplicateMoves: f.Duplicate.Moves, DuplicateTime: time.Duration(f.Duplicate.Seconds) * time.Second,
		Linger: f.Linger, Tell: r.events.tell, Speaker: sp, Plane: r.plane, Log: o.Log(logging.EVPN),
	})
	if err != nil {
		return nil, err
	}
	r.speaker, err = bgp.New(bgp.Config{AS: f.AS, RouterID: f.RouterID, Listen: f.Listen, Handler: r.agent, Log: o.Log(logging.BGP)})
	if err != nil {
		return nil, err
	}
	sp.Speaker = r.speaker
	for _, n := range f.Neighbours {
		if err := r.speaker.AddNeighbour(n); err != nil {
			return nil, err
		}
	}
	socket := DefaultSocket
	if f.Socket != "" {
		socket = f.Socket
	}
	if r.server, err = listen(socket, r, o.Log(logging.Control)); err != nil {
		return nil, err
	}
	if f.Metrics != "" {
		r.scrapes, err = metrics.Listen(metrics.Config{Addr: f.Metrics, More: newCollector(r.agent, r.speaker), Version: o.Version, LogLost: o.LogLost, Log: o.Log(logging.Metrics)})
	}
	if err != nil {
		return nil, errors.Join(err, r.server.listener.Close())
	}
	return r, nil
}

func addresses(f *File) []netip.Addr {
	var all []netip.Addr
	for i := range f.Neighbours {
		all = append(all, f.Neighbours[i].Address)
	}
	return all
}

// reload takes the file again at each SIGHUP: what did not change is not touched.
func (r *running) reload(ctx context.Context, o *Options) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.Hangups:
		}
		f, err := ReadFile(o.File)
		if err == nil {
			err = r.apply(f)
		}
		if err != nil {
			o.Log(logging.Config).Error("the agent's file is not taken as it is", "err", err)
			continue
		}
		o.Log(logging.Config).Info("the agent's file is taken", "neighbors", len(f.Neighbours))
	}
}

// apply changes what differs: neighbours and links.
func (r *running) apply(f *File) error {
	old := r.file
	if f.AS != old.AS || f.RouterID != old.RouterID || f.Socket != old.Socket || f.Control != old.Control || f.Metrics != old.Metrics || f.IPv6 != old.IPv6 ||
		f.StaleTime != old.StaleTime || f.Linger != old.Linger || f.Duplicate != old.Duplicate || !reflect.DeepEqual(f.Listen, old.Listen) {
		return errors.New("of a running agent only neighbors and links can be changed: start it again; the data plane goes on meanwhile")
	}
	before := map[netip.Addr]bgp.NeighbourConfig{}
	for _, n := range old.Neighbours {
		before[n.Address] = n
	}
	var errs []error
	for _, n := range f.Neighbours {
		was, there := before[n.Address]
		delete(before, n.Address)
		if there && was == n {
			continue
		}
		if there {
			errs = append(errs, r.speaker.RemoveNeighbour(n.Address))
		}
		errs = append(errs, r.speaker.AddNeighbour(n))
	}
	for a := range before {
		errs = append(errs, r.speaker.RemoveNeighbour(a))
	}
	r.agent.SetConfig(f.Links, addresses(f))
	r.file = f
	return errors.Join(errs...)
}
