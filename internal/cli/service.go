package cli

import (
	"context"
	"log/slog"
	"time"

	sdnotify "github.com/coreos/go-systemd/v22/daemon"
)

// service is the service manager that started this daemon (sd_notify(3)). Without one, its
// methods do nothing; so do those of nil.
type service struct {
	log *slog.Logger
	// every is how often the manager wants to hear that the daemon works; 0: never.
	every time.Duration
	// alive says what hangs.
	alive func() error
}

func newService(log *slog.Logger, alive func() error) *service {
	s := &service{log: log, alive: alive}
	limit, err := sdnotify.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not fed", "err", err)
	}
	s.every = limit / 2
	return s
}

// tell sends the manager a message.
func (s *service) tell(state string) {
	if s == nil {
		return
	}
	if _, err := sdnotify.SdNotify(false, state); err != nil {
		s.log.Warn("the service manager was not told", "state", state, "err", err)
	}
}

func (s *service) ready() { s.tell(sdnotify.SdNotifyReady) }

// reloading says that the configuration file is read again; ready has to follow. systemd from
// 253 on wants to know when that began (Type=notify-reload in systemd.service(5)).
func (s *service) reloading() {
	s.tell(sdnotify.SdNotifyReloading + "\n" + sdnotify.SdNotifyMonotonicUsec())
}

// stopping says that the daemon ends.
func (s *service) stopping() { s.tell(sdnotify.SdNotifyStopping) }

// feed feeds the watchdog while nothing hangs, until ctx ends.
func (s *service) feed(ctx context.Context) error {
	if s.every == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		if err := s.alive(); err != nil {
			s.log.Error("the daemon hangs, and its watchdog is left unfed: the service manager will start it again", "err", err)
		} else {
			s.tell(sdnotify.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
