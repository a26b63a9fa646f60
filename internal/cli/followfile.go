package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/internal/names"
	"github.com/uvtep/uvtep/internal/reload"
	"github.com/uvtep/uvtep/vtep"
)

// followedFile is the configuration file of a daemon; nil for none.
type followedFile struct {
	fileReading
	first   *config.File
	applied *config.File // the last one that was taken
	hup     chan os.Signal
	asked   chan applyRequest
	keeper  *reload.Keeper
	answers *slog.Logger
	limit   func(addresses int) // takes the file's `maxaddress`; nil: an option says it
	times   int                 // that it was read again
	manager *service            // is told of it
	fault   atomic.Pointer[failedReload]
}

// failedReload is why the file was not applied when it was last read again, and when that was.
type failedReload struct {
	at  time.Time
	err error
}

// failed is that for the control API; nil: the file was applied.
func (f *followedFile) failed() *api.FailedReload {
	was := f.fault.Load()
	if was == nil {
		return nil
	}
	return &api.FailedReload{File: f.name, Seconds: uint32(time.Since(was.at) / time.Second), Error: oneLine(was.err)}
}

// applyRequest is a request of the control API to apply the file.
type applyRequest struct {
	api.ConfigApply
	answer chan<- applyAnswer // has room for the answer
}

type applyAnswer struct {
	api.ConfigApplied
	err error
}

// followFile reads the file. From then on SIGHUP is a request to read it again, and does not
// end the program. It returns nil where name is "".
func followFile(ctx context.Context, log *slog.Logger, name string) (*followedFile, error) {
	if name == "" {
		return nil, nil
	}
	f := &followedFile{
		fileReading: fileReading{name: name, log: log, read: config.ReadAtRest},
		hup:         make(chan os.Signal, 1), asked: make(chan applyRequest),
	}
	signal.Notify(f.hup, syscall.SIGHUP) // before the file is read: no change of it is missed
	var err error
	if f.first, err = f.now(ctx); err != nil {
		f.close()
		return nil, err
	}
	f.applied = f.first
	return f, nil
}

func (f *followedFile) close() {
	if f != nil {
		signal.Stop(f.hup)
	}
}

// control is the socket's path in the file, or "".
func (f *followedFile) control() string {
	if f == nil {
		return ""
	}
	return f.first.Control
}

// metrics is the address for metrics in the file, or "".
func (f *followedFile) metrics() string {
	if f == nil {
		return ""
	}
	return f.first.Metrics
}

// web is the address for the status page in the file, or "".
func (f *followedFile) web() string {
	if f == nil {
		return ""
	}
	return f.first.Web
}

// followLimit calls set with the `maxaddress` of the file, 0 where it has none, now and
// whenever the file is applied again.
func (f *followedFile) followLimit(set func(addresses int)) {
	if f != nil {
		f.limit = set
		set(f.first.MaxAddresses)
	}
}

// apply applies the file. It writes each mistake in the file to answers, and the rest to log.
func (f *followedFile) apply(b *vtep.VTEP, log, answers *slog.Logger) error {
	if f == nil {
		return nil
	}
	f.answers, f.keeper = answers, reload.New(b, &names.Resolver{}, log)
	b.OnLost(f.keeper.Lost)
	return f.keeper.Load(f.applied)
}

// configured is what the file has given to the VTEP.
func (f *followedFile) configured() *reload.Configured {
	if f == nil || f.keeper == nil {
		return &reload.Configured{}
	}
	return f.keeper.Configured()
}

// ask requests, for the control API, that the file is read again.
func (f *followedFile) ask(ctx context.Context, a api.ConfigApply) (api.ConfigApplied, error) {
	answer := make(chan applyAnswer, 1)
	select {
	case f.asked <- applyRequest{a, answer}:
	case <-ctx.Done():
		return api.ConfigApplied{}, ctx.Err()
	}
	select {
	case got := <-answer:
		return got.ConfigApplied, got.err
	case <-ctx.Done():
		return api.ConfigApplied{}, ctx.Err()
	}
}

// run reads the file again at each SIGHUP and request, and follows its names, until ctx ends.
func (f *followedFile) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		rest := func(d time.Duration) bool {
			select {
			case <-ctx.Done():
				return false
			case <-time.After(d):
				return true
			}
		}
		var err error
		fault.Restart(f.log, "looking names up", rest, func() { err = f.keeper.Run(ctx) })
		return err
	})
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-f.hup:
				_, _ = f.again(ctx, false) // the log has the error
			case a := <-f.asked:
				applied, err := f.again(ctx, a.Force)
				a.answer <- applyAnswer{applied, err}
			}
		}
	})
	return g.Wait()
}

// again reads the file once more. One with a mistake, or that may have been cut
// off, changes nothing.
func (f *followedFile) again(ctx context.Context, force bool) (applied api.ConfigApplied, err error) {
	f.times++
	f.manager.reloading()
	defer f.manager.ready()
	log := f.answers.With("reload", f.times)
	if fault.Catch(log, "applying the configuration file again", func() { applied, err = f.readAndApply(ctx, log, force) }) {
		err = errors.New("a fault of uvtep: its log has the stack; please report it")
	}
	if err != nil {
		f.fault.Store(&failedReload{time.Now(), err})
	} else {
		f.fault.Store(nil)
	}
	return applied, err
}

func (f *followedFile) readAndApply(ctx context.Context, log *slog.Logger, force bool) (api.ConfigApplied, error) {
	none := api.ConfigApplied{}
	file, err := f.now(ctx)
	if err == nil && !force {
		err = file.CheckEnd(f.applied)
	}
	if errs, ok := errors.AsType[config.FileErrors](err); ok {
		for _, e := range errs {
			log.Error("the configuration file has a mistake, nothing is changed", "err", e)
		}
		return none, err
	}
	if err != nil {
		log.Error("the configuration file was not read, nothing is changed", "err", oneLine(err))
		return none, err
	}
	removed, ports := file.Gone(f.applied)
	f.applied = file
	defer func() {
		if len(removed)+len(ports) > 0 {
			log.Warn("what the configuration file has no more is deleted", "links", strings.Join(removed, ","), "ports", strings.Join(ports, ","))
		}
	}()
	if f.limit != nil {
		f.limit(file.MaxAddresses)
	}
	if err = f.keeper.Load(file); err != nil {
		log.Error("not all of the configuration file could be applied, SIGHUP tries again", "err", oneLine(err))
		return none, err
	}
	if file.Control != f.first.Control || file.Metrics != f.first.Metrics || file.Web != f.first.Web {
		log.Warn("control, metrics and web change when the daemon is started again")
	}
	log.Info("the configuration file is applied", "file", f.name, "links", len(file.Links))
	return api.ConfigApplied{File: f.name, Links: len(file.Links), Removed: removed}, nil
}
