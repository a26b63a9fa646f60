package cli

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/top"
)

// The intervals that --interval takes.
const (
	usualInterval    = time.Second
	shortestInterval = 100 * time.Millisecond
	longestInterval  = time.Hour
)

func newTopCommand(a *app) *cobra.Command {
	interval := ""
	c := &cobra.Command{
		Use:   "top",
		Short: "Watch links and remotes by rate, drops by reason, entries: on the whole screen, by keys",
		Long: `uvtep top [--interval SECONDS]

Links and their remotes by rate, with pictures of the latest looks, drops by reason, and in the last line what
to do. Enter opens a link (its FDB, drops, offloads) or a remote (its counters, what leads to it), / filters,
s sorts, ? lists the keys, q quits. It only reads, and goes on where the daemon ends and comes back. Where the
EVPN agent runs, a line tells of its neighbors ($` + evpnEnv + `, else the default socket).

It needs a terminal of 40x8 characters, better 80x24 or more. With NO_COLOR set it has no colours; where the
locale is not UTF-8, its pictures are ASCII. Elsewhere write uvtep status --watch.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown word %q after top", args[0])
			}
			every, err := parseInterval(interval)
			if err != nil {
				return err
			}
			if err := a.needTerminal(); err != nil {
				return err
			}
			return a.withClient(func(c *client.Client) error { return a.top(cmd.Context(), c, every) })
		},
	}
	c.Flags().StringVar(&interval, "interval", usualInterval.String(), "between looks at the daemon, in `seconds`")
	return c
}

// parseInterval reads a number of seconds, or a time with its unit.
func parseInterval(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if seconds, numberErr := strconv.ParseFloat(s, 64); numberErr == nil && seconds <= longestInterval.Seconds() {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d < shortestInterval || d > longestInterval {
		return 0, usagef("--interval %s is out of range or no time: write seconds, such as 2, %v to %v", s, shortestInterval, longestInterval)
	}
	return d, nil
}

// needTerminal says what to use where top cannot draw.
func (a *app) needTerminal() error {
	if a.json {
		return usagef("top prints no JSON: write uvtep -j status, or uvtep -j status --watch")
	}
	out, ok := a.out.(*os.File)
	if !ok || !term.IsTerminal(out.Fd()) || !term.IsTerminal(os.Stdin.Fd()) {
		return usagef("top needs a terminal for what it reads and draws: write uvtep status, or uvtep status --watch")
	}
	if name := os.Getenv("TERM"); (name == "" || name == "dumb") && runtime.GOOS != "windows" {
		return usagef("top cannot draw on this terminal (TERM is %q): write uvtep status, or uvtep status --watch", name)
	}
	return nil
}

// topOptions are what the environment says (no-color.org, and locale(7)).
func topOptions(every time.Duration) top.Options {
	o := top.Options{Interval: every, Colour: os.Getenv("NO_COLOR") == "", Unicode: runtime.GOOS == "windows"}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(os.Getenv(name)); locale != "" {
			o.Unicode = strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
			break
		}
	}
	return o
}

// top draws until the user has had enough, or ctx ends. A daemon that cannot be asked at the
// start is an error as everywhere; later it is waited for.
func (a *app) top(ctx context.Context, c *client.Client, every time.Duration) error {
	asker := &topAsker{client: c, agent: agentAsker{path: a.agentSocket()}}
	first := asker.look(ctx)
	if first.Err != nil {
		return first.Err
	}
	m := top.New(topOptions(every))
	m.Look(first)
	return runTop(ctx, m, asker, a.out)
}

// topAsker asks what the screen shows. One look is under way at a time, beside one list of entries.
type topAsker struct {
	client *client.Client
	agent  agentAsker
}

func (t *topAsker) look(ctx context.Context) (l top.Look) {
	l.Snapshot, l.Err = snapshot(ctx, t.client)
	if l.Err == nil {
		l.EVPN = t.agent.neighbours(ctx)
	}
	return l
}

// entries reads the entries that a question asks for, up to a bound.
func (t *topAsker) entries(ctx context.Context, q top.Question) top.Entries {
	e := top.Entries{Question: q}
	list, err := t.client.ListFDB(ctx, q.Filter)
	if err == nil {
		err = errors.Join(e.Read(list.Next), list.Close())
	}
	e.At, e.Err = time.Now(), err
	return e
}
