package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/status"
)

// The exit statuses of `uvtep status`, beside exitNotRunning.
const exitDegraded = 1

const (
	statusLooks = time.Second     // between the two looks that make a rate
	watchEvery  = 2 * time.Second // with --watch
)

func newStatusCommand(a *app) *cobra.Command {
	watch := false
	c := &cobra.Command{
		Use:   "status",
		Short: "Tell how the daemon does, in one screen, and what to do; -j as JSON",
		Long: `uvtep status [--watch]

Links with their rates, remotes and when each was last heard, entries and their limit, drops by
reason since the start and now, offloads in use and why others are not, MTU and what it is from;
the neighbors of the EVPN agent where one runs ($` + evpnEnv + `, else the default socket).
It looks twice, a second apart. The last line is the verdict with what to do first.

Exit status: 0 healthy, 1 degraded, 3 no daemon is running; 2 where the daemon could not be asked,
1 for wrong usage, too. --watch looks again every 2 seconds until it is interrupted (exit status 0).`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown word %q after status", args[0])
			}
			return a.withClient(func(c *client.Client) error {
				if watch {
					return a.watchStatus(cmd.Context(), c)
				}
				return a.status(cmd.Context(), c)
			})
		},
	}
	c.Flags().BoolVar(&watch, "watch", false, "look again every 2 seconds")
	return c
}

// snapshot is what the daemon says now.
func snapshot(ctx context.Context, c *client.Client) (s status.Snapshot, err error) {
	s.At = time.Now()
	if s.Links, err = c.Links(ctx); err != nil {
		return s, err
	}
	if s.Ports, err = c.Ports(ctx); err != nil {
		return s, err
	}
	if s.Stats, err = c.Stats(ctx); err != nil {
		return s, err
	}
	s.Version, err = c.Version(ctx)
	return s, err
}

// nextSnapshot looks again after a while.
func nextSnapshot(ctx context.Context, c *client.Client, after time.Duration) (s status.Snapshot, err error) {
	select {
	case <-ctx.Done():
		return s, ctx.Err()
	case <-time.After(after):
	}
	return snapshot(ctx, c)
}

func (a *app) status(ctx context.Context, c *client.Client) error {
	before, err := snapshot(ctx, c)
	if err != nil {
		return err
	}
	now, err := nextSnapshot(ctx, c, statusLooks)
	if err != nil {
		return err
	}
	now.EVPN = (&agentAsker{path: a.agentSocket()}).neighbours(ctx)
	r := status.New(&before, &now)
	if err := a.showStatus(r); err != nil {
		return err
	}
	if r.Verdict != status.Healthy {
		return exitStatus(exitDegraded)
	}
	return nil
}

// watchStatus prints a screen after the other, until ctx ends.
func (a *app) watchStatus(ctx context.Context, c *client.Client) error {
	agent := agentAsker{path: a.agentSocket()}
	before, err := snapshot(ctx, c)
	for wait := statusLooks; err == nil; wait = watchEvery {
		var now status.Snapshot
		if now, err = nextSnapshot(ctx, c, wait); err != nil {
			break
		}
		now.EVPN = agent.neighbours(ctx)
		if f, ok := a.out.(*os.File); ok && !a.json && isTerminal(f) {
			fmt.Fprint(a.out, "\x1b[H\x1b[J") // ECMA-48: home, and erase to the end
		}
		if err = a.showStatus(status.New(&before, &now)); err != nil {
			break
		}
		before = now
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (a *app) showStatus(r *status.Report) error {
	if !a.json {
		return r.WriteText(a.out)
	}
	enc := json.NewEncoder(a.out)
	if a.pretty {
		enc.SetIndent("", "    ")
	}
	return enc.Encode(r)
}

// isTerminal reports whether f is a character device, as terminals are.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
