package cli

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/uvtep/uvtep/internal/sandbox"
	"github.com/uvtep/uvtep/underlay/tunnelgso"
)

// confine leaves the daemon what it needs from here on: its sockets are bound and its file is
// open, and no packet has been read. Links that are made, changed and deleted later need no more,
// and neither does serving again.
func (d *daemon) confine() error {
	if d.o.noSandbox || d.confined {
		return nil
	}
	d.confined = true
	c := sandbox.Config{Own: []string{filepath.Dir(d.control)}, Notify: os.Getenv("NOTIFY_SOCKET")}
	if d.o.tunnelGSO != "off" {
		c.Own = append(c.Own, tunnelgso.Settings)
	}
	if d.o.state != "" {
		c.Own = append(c.Own, d.o.state)
	}
	if d.o.config != "" {
		c.Files = []string{d.o.config, filepath.Join(filepath.Dir(d.o.config), "conf.d")}
	}
	for _, addr := range []string{d.o.metrics, d.o.web} {
		if at, err := netip.ParseAddrPort(addr); err == nil {
			c.Listen = append(c.Listen, at.Port())
		}
	}
	err := sandbox.Enter(c)
	if errors.Is(err, sandbox.ErrMissing) {
		d.log.Info("the daemon runs less confined than it could", "err", oneLine(err))
		return nil
	}
	return err
}
