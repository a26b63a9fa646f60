package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/internal/names"
	"github.com/uvtep/uvtep/internal/reload"
)

func newConfigCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file",
		RunE: func(*cobra.Command, []string) error {
			return usagef("config needs a command: write uvtep config check FILE")
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Say what cannot be in a configuration file, each with file:line:column",
		Long: `uvtep config check FILE

Reads FILE as "uvtep run --config FILE" does; of a file named uvtep.yaml also conf.d/*.yaml
beside it. Exit status 0, or 1 and a line for each mistake: file:line:column, the cause, and what to
write instead. Nothing is changed and no daemon is asked. The default dstport is 4789, the assigned
one; where none is given, ip means 8472.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("config check needs one file: write uvtep config check FILE")
			}
			return a.configCheck(args[0])
		},
	})
	return c
}

func (a *app) configCheck(name string) error {
	f, err := config.ReadFile(name)
	if errs, ok := errors.AsType[config.FileErrors](err); ok {
		fmt.Fprintln(a.err, errs)
		return exitStatus(exitUsage)
	}
	if err != nil {
		return err
	}
	unsaid := 0
	for i := range f.Links {
		if f.Links[i].DstPort == nil {
			unsaid++
		}
	}
	fmt.Fprintf(a.out, "%s: links: %d", name, len(f.Links))
	if unsaid > 0 {
		fmt.Fprintf(a.out, "; without dstport: %d, which have 4789 here, where ip means 8472", unsaid)
	}
	fmt.Fprintln(a.out)
	return nil
}

// followedFile is the configuration file of a daemon; nil for none.
type followedFile struct {
	name   string
	first  *config.File
	hup    chan os.Signal
	keeper *reload.Keeper
	log    *slog.Logger
	limit  func(addresses int) // takes the file's `maxaddress`; nil: an option says it
	times  int                 // that it was read again
}

// followFile reads the file and has SIGHUP told from then on instead of ending
// the program. It returns nil for no name.
func followFile(name string) (*followedFile, error) {
	if name == "" {
		return nil, nil
	}
	f := &followedFile{name: name, hup: make(chan os.Signal, 1)}
	signal.Notify(f.hup, syscall.SIGHUP) // before the file is read: no change of it is missed
	var err error
	if f.first, err = config.ReadFile(name); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *followedFile) close() {
	if f != nil {
		signal.Stop(f.hup)
	}
}

// control is the socket's path that the file says, or "".
func (f *followedFile) control() string {
	if f == nil {
		return ""
	}
	return f.first.Control
}

// metrics is where the file wants metrics served, or "".
func (f *followedFile) metrics() string {
	if f == nil {
		return ""
	}
	return f.first.Metrics
}

// followLimit has set take the `maxaddress` of the file, 0 where it says none, now
// and whenever the file is applied again.
func (f *followedFile) followLimit(set func(addresses int)) {
	if f != nil {
		f.limit = set
		set(f.first.MaxAddresses)
	}
}

// apply makes what the file says. answers has what is said of the file, mistake by
// mistake; log the rest.
func (f *followedFile) apply(b reload.Backend, log, answers *slog.Logger) error {
	if f == nil {
		return nil
	}
	f.log, f.keeper = answers, reload.New(b, &names.Resolver{}, log)
	return f.keeper.Load(f.first)
}

// run follows the file at each SIGHUP, and its names, until ctx ends.
func (f *followedFile) run(ctx context.Context) error {
	if f == nil {
		return nil
	}
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
				fault.Catch(f.log, "reading the configuration file again", f.again)
			}
		}
	})
	return g.Wait()
}

// again reads the file once more. One that cannot be changes nothing.
func (f *followedFile) again() {
	f.times++
	log := f.log.With("reload", f.times)
	file, err := config.ReadFile(f.name)
	if errs, ok := errors.AsType[config.FileErrors](err); ok {
		for _, e := range errs {
			log.Error("the configuration file cannot be, nothing is changed", "err", e)
		}
		return
	}
	if err == nil {
		if f.limit != nil {
			f.limit(file.MaxAddresses)
		}
		err = f.keeper.Load(file)
	}
	if err != nil {
		log.Error("not all of the configuration file could be applied, SIGHUP tries again", "err", oneLine(err))
		return
	}
	if file.Control != f.first.Control || file.Metrics != f.first.Metrics {
		log.Warn("control and metrics change when the daemon is started again")
	}
	log.Info("the configuration file is applied", "file", f.name, "links", len(file.Links))
}
