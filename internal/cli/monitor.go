package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/words"
)

func newMonitorCommand(a *app) *cobra.Command {
	verbose := false
	c := &cobra.Command{
		Use:   "monitor [link|fdb|local|drop|all] [dev NAME]",
		Short: "Print what happens, as ip monitor and bridge monitor do; -j as JSON, a line each",
		Long: `uvtep monitor [link|fdb|local|drop|all] [dev NAME]

link: links that are added, changed and deleted, as ip monitor link prints them; with gbp, another policy id received.
fdb:  entries, as bridge monitor fdb prints them, and misses (l2miss, l3miss), as ip monitor neigh does;
      Held and Released stand before what moveguard holds and lets go.
local: addresses on this side, with learnlocal; Moved stands before one that was behind a remote (from) or
      another MAC address (was), Contested before a MAC address that a permanent entry has behind a remote.
drop: once a second what was dropped, why, and how often; with -v a frame of each reason, for who may
      change links, as far as uvtep itself has dropped one (see uvtep capture --help).
dev:  that link only.
all:  all of them, each line with a label before it; without a word, without the labels.

Deleted stands before what is gone. -t prints when, -tshort in one line. A reader that is too slow
loses events and is told how many, on stderr or, with -j, in the stream. It ends with the daemon.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.monitor(cmd, args, verbose) },
	}
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "a frame of each drop reason")
	return c
}

// monitor prints events until ctx ends.
func (a *app) monitor(cmd *cobra.Command, args []string, verbose bool) error {
	m := monitorPrinter{app: a}
	var what []string
	dev := ""
	for i := 0; i < len(args); i++ {
		switch word := args[i]; word {
		case "dev":
			if i++; i == len(args) || dev != "" {
				return usagef("dev needs one link: write monitor fdb dev NAME")
			}
			dev = args[i]
			if err := words.ValidName(dev); err != nil {
				return usagef("%v", err)
			}
		case "all":
			m.labels = true
		case api.ObjectLink, api.ObjectFDB, api.ObjectLocal, api.ObjectDrop:
			what = append(what, word)
		default:
			return usagef("unknown word %q: write monitor link, fdb, local, drop or all, and dev NAME", word)
		}
	}
	if m.labels {
		what = nil
	}
	ctx := cmd.Context()
	return a.withClient(func(c *client.Client) error {
		listen := c.MonitorLink
		if verbose {
			listen = c.MonitorSamples
		}
		stream, err := listen(ctx, dev, slices.Compact(slices.Sorted(slices.Values(what)))...)
		if err != nil {
			return err
		}
		defer func() { _ = stream.Close() }() // the command ends
		return m.follow(ctx, stream)
	})
}

// monitorPrinter prints events.
type monitorPrinter struct {
	*app
	labels bool
}

func (m *monitorPrinter) follow(ctx context.Context, stream *client.Monitor) error {
	for {
		e, err := stream.Next()
		if err == nil {
			err = m.print(&e)
		}
		switch {
		case ctx.Err() != nil:
			return nil // told to end
		case err != nil:
			return err
		}
	}
}

func (m *monitorPrinter) print(e *api.Event) error {
	if m.json {
		return m.printJSON(e)
	}
	if e.Event == api.EventLost {
		_, err := fmt.Fprintf(m.err, "uvtep: %d events lost: they came faster than they could be printed\n", e.Lost)
		return err
	}
	m.printTime(e.Time)
	if m.labels {
		fmt.Fprint(m.out, map[string]string{api.ObjectLink: "[LINK]", api.ObjectFDB: "[NEIGH]", api.ObjectLocal: "[LOCAL]", api.ObjectDrop: "[DROP]"}[e.Object])
	}
	fmt.Fprint(m.out, map[string]string{api.EventDel: "Deleted ", api.EventHold: "Held ", api.EventRelease: "Released "}[e.Event])
	switch {
	case e.Local != nil:
		return m.printLocal(e)
	case e.Link != nil:
		l := *e.Link
		l.Netdev.LinkMode, l.Netdev.TxQLen = "", 0 // which ip monitor leaves out
		return m.showLinks([]api.Link{l})
	case e.Policy != nil:
		_, err := fmt.Fprintf(m.out, "dev %s gbpid %d\n", e.Policy.Dev, e.Policy.ID)
		return err
	case e.Trouble != nil:
		if !e.Trouble.Now {
			fmt.Fprint(m.out, "Ended ")
		}
		fmt.Fprintf(m.out, "trouble dev %s ", e.Trouble.Dev)
		showTrouble(m.out, e.Trouble)
		_, err := fmt.Fprintln(m.out)
		return err
	case e.Drop != nil:
		word(m.out, "dev", e.Drop.Dev)
		fmt.Fprintf(m.out, "reason %s count %d", e.Drop.Reason, e.Drop.Count)
		if e.Drop.VNI != nil {
			fmt.Fprintf(m.out, " vni %d", *e.Drop.VNI)
		}
		fmt.Fprintln(m.out)
		return m.printSample(e.Drop.Sample, e.Drop.Dev != "")
	case e.FDB != nil && e.Event == api.EventMiss:
		return printMiss(m.out, e.FDB)
	case e.FDB != nil:
		return m.showFDB([]api.FDBEntry{*e.FDB}, true)
	}
	return nil
}

// printSample prints a frame that was dropped, in a line; of a packet that belongs to no link
// its bytes.
func (m *monitorPrinter) printSample(s *api.Sample, isFrame bool) error {
	if s == nil {
		return nil
	}
	fmt.Fprint(m.out, "    ")
	if s.Remote.IsValid() {
		fmt.Fprintf(m.out, "%s: ", s.Remote)
	}
	if h, ok := encap.DecodeHeader(s.Frame); ok && !isFrame && s.Remote.IsValid() {
		fmt.Fprintf(m.out, "vni %d: ", h.VNI)
		s.Frame, s.Length = s.Frame[encap.HeaderLen:], s.Length-encap.HeaderLen
	}
	fmt.Fprint(m.out, encap.Describe(s.Frame))
	if s.Length > len(s.Frame) {
		fmt.Fprintf(m.out, " of %d", s.Length)
	}
	_, err := fmt.Fprintln(m.out)
	return err
}

// printTime prints when, as print_timestamp does (lib/utils.c of iproute2).
func (m *monitorPrinter) printTime(t time.Time) {
	t = t.Local()
	switch {
	case m.timestampShort:
		fmt.Fprintf(m.out, "[%s] ", t.Format("2006-01-02T15:04:05.000000"))
	case m.timestamp:
		fmt.Fprintf(m.out, "Timestamp: %s %d usec\n", t.Format(time.ANSIC), t.Nanosecond()/1000)
	}
}

// printLocal prints a change of an address on this side.
func (m *monitorPrinter) printLocal(e *api.Event) error {
	fmt.Fprint(m.out, map[string]string{api.EventMove: "Moved ", api.EventConflict: "Contested "}[e.Event])
	if e.Old.IsValid() {
		fmt.Fprintf(m.out, "from %v ", e.Old)
	}
	word(m.out, "was", e.OldMAC)
	m.localText(m.out, e.Local, true)
	return nil
}

// printMiss prints what is missing as `ip monitor neigh` does for a kernel
// device (print_neigh in ip/ipneigh.c, with the blanks that it leaves).
func printMiss(w io.Writer, e *api.FDBEntry) error {
	fmt.Fprint(w, "miss ")
	if e.Dst.IsValid() {
		fmt.Fprint(w, e.Dst, " ")
	}
	fmt.Fprintf(w, "dev %s ", e.Dev)
	word(w, "lladdr", e.MAC)
	_, err := fmt.Fprintln(w, "STALE ")
	return err
}

// printJSON prints an event as one line, with iproute2's keys for what it is
// about.
func (m *monitorPrinter) printJSON(e *api.Event) error {
	j := newJSON(m.out, false)
	j.object("", func() {
		j.value("time", e.Time)
		j.value("event", e.Event)
		nonzero(j, "object", e.Object)
		switch {
		case e.Link != nil:
			j.object("link", func() { m.linkJSON(j, e.Link) })
		case e.FDB != nil:
			j.object("fdb", func() { m.entryJSON(j, e.FDB, true) })
			nonzero(j, "reason", e.Reason)
			if e.Old.IsValid() {
				j.value("old", e.Old)
			}
		case e.Local != nil:
			j.object("local", func() { m.localJSON(j, e.Local, true) })
			nonzero(j, "reason", e.Reason)
			if e.Old.IsValid() {
				j.value("old", e.Old)
			}
			nonzero(j, "old_mac", e.OldMAC)
		case e.Policy != nil:
			j.object("policy", func() {
				j.value("ifname", e.Policy.Dev)
				j.value("gbpid", e.Policy.ID)
			})
		case e.Trouble != nil:
			j.object("trouble", func() {
				j.value("ifname", e.Trouble.Dev)
				troubleJSON(j, e.Trouble)
			})
		case e.Drop != nil:
			j.object("drop", func() {
				nonzero(j, "ifname", e.Drop.Dev)
				j.value("reason", e.Drop.Reason)
				j.value("count", e.Drop.Count)
				if e.Drop.VNI != nil {
					j.value("vni", *e.Drop.VNI)
				}
				if s := e.Drop.Sample; s != nil {
					j.object("sample", func() {
						j.value("frame", s.Frame)
						j.value("length", s.Length)
						if s.Remote.IsValid() {
							j.value("remote", s.Remote)
						}
					})
				}
			})
		}
		nonzero(j, "lost", e.Lost)
	})
	return j.end()
}
