package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/logging"
	"github.com/uvtep/uvtep/internal/netdev"
	"github.com/uvtep/uvtep/internal/state"
	"github.com/uvtep/uvtep/internal/web"
	"github.com/uvtep/uvtep/underlay/tunnelgso"
	"github.com/uvtep/uvtep/underlay/txring"
	"github.com/uvtep/uvtep/vtep"
)

// daemon is what a `uvtep run` was told. It serves once, and again where a daemon that took over from it could not start.
type daemon struct {
	*app
	o     *runOptions
	cfg   vtep.Config
	link  *api.LinkChange
	file  *followedFile
	lines *logging.Log
	log   *slog.Logger // of class restart
	hup   <-chan os.Signal

	tunnel *tunnelgso.Way
	rings  *txring.Rings

	confined bool
}

// turn is one time that a daemon serves.
type turn struct {
	*daemon
	before  *predecessor
	host    *vtep.SystemHost
	vtep    *vtep.VTEP
	server  *control.Server
	dir     *state.Dir   // nil: there is none
	saver   *state.Saver // nil: there is none
	manager *service
	loaded  atomic.Bool // all that there is to make is made

	stop  context.CancelFunc // ends what clients see
	asked chan *successor    // who takes over
	left  *os.File           // the control socket, for who takes over; valid once the front has ended
}

// serve serves until ctx ends, or another daemon has taken over, and removes what it made before it returns. back is what
// there is to serve again with, where that one could not start.
func (d *daemon) serve(ctx context.Context, before *predecessor) (back *predecessor, err error) {
	t := &turn{daemon: d, before: before, host: &vtep.SystemHost{Tunnel: d.tunnel, Rings: d.rings}, asked: make(chan *successor, 1)}
	cfg := d.cfg
	if cfg.Host = t.host; d.o.tune {
		cfg.Tuner = t.host
	}
	t.host.Inherit(before.take())
	cfg.Hold = before != nil
	t.vtep = vtep.New(cfg)
	defer func() { err = errors.Join(err, t.end(), before.close()) }()
	if d.o.maxAddress == "" {
		d.file.followLimit(t.vtep.SetMaxAddresses)
	}
	if err := t.keepState(); err != nil {
		return nil, err
	}
	front, stop := context.WithCancel(ctx)
	defer stop()
	t.stop = stop
	page := d.o.page(t.vtep, d.lines)
	// The socket comes first: it tells whether another daemon runs, before anything is made.
	if t.server, err = control.Listen(t.controls(page)); err != nil {
		return nil, err
	}
	scrapes, err := d.o.listenMetrics(t.vtep, d.lines)
	if err != nil {
		return nil, errors.Join(err, t.server.Close())
	}
	pages, err := d.o.listenWeb(page, d.lines)
	if err != nil {
		return nil, errors.Join(err, t.server.Close())
	}
	if err := d.confine(); err != nil {
		return nil, errors.Join(err, t.server.Close())
	}
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	var forwarding errgroup.Group
	forwarding.Go(func() error { return t.vtep.Run(behind) })
	g, front := errgroup.WithContext(front)
	g.Go(func() error { return t.server.Serve(front) })
	g.Go(func() error { return scrapes.Serve(front) })
	g.Go(func() error { return pages.Serve(front) })
	t.manager = newService(d.log, t.vtep.Progress)
	g.Go(func() error { return t.manager.feed(front) })
	g.Go(func() error { return t.load(front) }) // thousands of links take seconds, in which requests are answered and SIGTERM is heard
	err = g.Wait()
	if ctx.Err() != nil { // and not where another daemon takes over
		t.manager.stopping()
	}
	if err == nil {
		back, err = t.leave(ctx)
	}
	stopBehind()
	return back, errors.Join(err, forwarding.Wait())
}

// controls is how the control API serves, with the status page where that is to be on the socket.
func (t *turn) controls(page *web.Page) control.ServerConfig {
	v := t.vtep
	c := control.ServerConfig{
		Path: t.control, Backend: v, Netdevs: netdev.Host{}, Stats: v.Stats, Addresses: v.Addresses, Subscribe: v.Subscribe,
		Explain: v.Explain, Capture: v.Capture, Recent: t.lines.Recent, Version: version(), Log: t.lines.Of(logging.Control),
		Changed: t.saver.Changed, HandOver: t.handOver, Protocol: handoverProtocol(), Listener: t.before.listener(),
	}
	if page != nil && t.o.web == web.OnControl {
		c.Page = page
	}
	if t.file != nil {
		c.ApplyConfig, c.FailedReload = t.file.ask, t.file.failed
	}
	return c
}

// load makes what the file, the command line and the state say, and follows the file until ctx ends.
func (t *turn) load(ctx context.Context) error {
	err := t.file.apply(t.vtep, t.lines.Of(logging.Config), slog.New(t.lines.Unlimited()).With(logging.ClassKey, logging.Config))
	if t.link != nil && err == nil {
		err = control.AddLink(t.vtep, netdev.Host{}, t.link)
	}
	if err == nil {
		t.restore()
		err = t.before.ready()
	}
	switch {
	case ctx.Err() != nil: // what was not made is not missed
		return nil
	case err != nil:
		return err
	}
	t.server.Own()
	t.vtep.Start()
	t.disinherit()
	t.loaded.Store(true)
	fmt.Fprintln(t.lines, "uvtep: ready")
	t.manager.ready()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.saver.Run(ctx) })
	if t.file == nil {
		g.Go(func() error { return ignoreHangups(ctx, t.hup, t.lines.Of(logging.Config)) })
	} else {
		t.file.manager = t.manager
		g.Go(func() error { return t.file.run(ctx) })
	}
	return g.Wait()
}

// end closes the VTEP. One that was to take over and could not leaves everything to the daemon before.
func (t *turn) end() error {
	var err error
	if t.before.waits() {
		var files vtep.Descriptors
		files, err = t.vtep.Release()
		_, refused := t.host.Disinherit()
		err = errors.Join(err, refused, files.Close())
	}
	return errors.Join(err, t.vtep.Close(), t.dir.Close())
}
