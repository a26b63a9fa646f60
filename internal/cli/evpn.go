package cli

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/internal/agent"
	"github.com/uvtep/uvtep/internal/logging"
	"github.com/uvtep/uvtep/internal/words"
)

// evpnGCPercent is how much garbage an agent lets come together, in percent of what is live, where GOGC does not
// say: of 100,000 routes 14 MiB are live.
const evpnGCPercent = 40

// evpnOptions are the options of `uvtep evpn`.
type evpnOptions struct {
	config string
	socket string
	log    logOptions
}

func newEVPNCommand(a *app) *cobra.Command {
	o := &evpnOptions{}
	c := &cobra.Command{
		Use:   "evpn",
		Short: "Join links to a fabric by BGP EVPN: the agent, and what it knows",
		Long: `uvtep evpn run [--config FILE]          the agent, in the foreground: see docs/evpn.md
uvtep evpn check [FILE]                 what is wrong with its file
uvtep evpn show [neighbor|vni|mac|neigh|route|duplicate] [dev LINK] [vni N] [type N]
uvtep evpn clear neighbor ADDRESS       ends a session, which begins anew
uvtep evpn clear duplicate dev LINK [MAC]
uvtep evpn monitor                      what changes

The agent needs no privilege. It has to be of the control socket's group, and what it put into the data
plane stays when it ends, for the next one. Other commands find it by --socket, else $` + evpnEnv + `, else
` + agent.DefaultSocket + `.`,
		RunE: func(*cobra.Command, []string) error {
			return usagef("evpn needs a command: write uvtep evpn run, check, show, clear or monitor")
		},
	}
	c.PersistentFlags().StringVar(&o.socket, "socket", evpnSocket(), "the agent's `socket`, else $"+evpnEnv)
	run := &cobra.Command{
		Use:   "run",
		Short: "Run the agent",
		Long: `uvtep evpn run [--config FILE] [--control SOCKET]

Joins the links that say evpn to the fabric of the file's neighbors. It prints one line, uvtep evpn: ready, to
stderr. SIGHUP has it read the file again: what did not change is not touched. SIGTERM and SIGINT end it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("evpn run takes no word %q: write uvtep evpn run --config FILE", args[0])
			}
			return a.logged(&o.log, func(l *logging.Log) error {
				manager := &service{log: l.Of(logging.Restart)}
				if os.Getenv("GOGC") == "" {
					debug.SetGCPercent(evpnGCPercent)
				}
				return agent.Run(cmd.Context(), agent.Options{
					File: o.config, Control: a.control, Version: version(), Log: l.Of, LogLost: l.Lost,
					Hangups: hangups(), Ready: func() { fmt.Fprintln(l, "uvtep evpn: ready"); manager.ready() },
				})
			})
		},
	}
	o.log.flags(run.Flags())
	run.Flags().StringVar(&o.config, "config", agent.DefaultFile, "the agent's configuration `file`")
	check := &cobra.Command{
		Use: "check [FILE]", Short: "List the mistakes in an agent's file", Long: "uvtep evpn check [FILE]\n\nFILE is " + agent.DefaultFile + " unless said. Exit status 0, or 1 and a line for each mistake.",
		RunE: func(_ *cobra.Command, args []string) error { return a.evpnCheck(args) },
	}
	show := &cobra.Command{
		Use: "show [neighbor|vni|mac|neigh|route|duplicate] [dev LINK] [vni N] [type N]", Short: "Show what the agent knows; -j as JSON",
		Long: "uvtep evpn show [neighbor|vni|mac|neigh|route|duplicate] [dev LINK] [vni N] [type N]\n\nneighbor as show bgp summary of FRR, vni, mac and neigh as show evpn vni, mac and arp-cache, route as show bgp l2vpn evpn, duplicate:\nthe MAC addresses that are held since they are behind two VTEPs. type N is for route: 1 to 5, or ead, macip, multicast, es, prefix.",
		RunE: func(cmd *cobra.Command, args []string) error { return a.evpnShow(cmd.Context(), o, args) },
	}
	clear := &cobra.Command{
		Use: "clear neighbor ADDRESS | duplicate dev LINK [MAC]", Short: "End a session, or release duplicates",
		Long: "uvtep evpn clear neighbor ADDRESS\nuvtep evpn clear duplicate dev LINK [MAC]",
		RunE: func(cmd *cobra.Command, args []string) error { return a.evpnClear(cmd.Context(), o, args) },
	}
	monitor := &cobra.Command{
		Use: "monitor", Short: "Print what changes; -j as JSON, a line each",
		Long: "uvtep evpn monitor\n\nPrints MAC addresses that come, move and go, VTEPs, and sessions. Deleted stands before what is gone.",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.evpnMonitor(cmd.Context(), o) },
	}
	c.AddCommand(run, check, show, clear, monitor)
	return c
}

// evpnEnv names the environment variable that has the agent's socket.
const evpnEnv = "UVTEP_EVPN_SOCKET"

func evpnSocket() string {
	if path := os.Getenv(evpnEnv); path != "" {
		return path
	}
	return agent.DefaultSocket
}

func (a *app) evpnCheck(args []string) error {
	name := agent.DefaultFile
	switch len(args) {
	case 0:
	case 1:
		name = args[0]
	default:
		return usagef("evpn check needs one file: write uvtep evpn check FILE")
	}
	f, err := agent.ReadFile(name)
	if err != nil {
		fmt.Fprintln(a.err, err)
		return exitStatus(exitUsage)
	}
	fmt.Fprintf(a.out, "%s: AS %d, router id %v, neighbors: %d\n", name, f.AS, f.RouterID, len(f.Neighbours))
	return nil
}

// evpnShown is what `evpn show` is asked for.
type evpnShown struct {
	what, link string
	vni        *uint32
	routeType  int // 0: all
}

// selects reports whether a VNI is asked for.
func (w *evpnShown) selects(vni uint32) bool { return w.vni == nil || *w.vni == vni }

// parseEVPNShow reads what follows `evpn show`, in the words of uvtep and of FRR: dev LINK, vni N,
// vni all, and type N or its name (show bgp l2vpn evpn route type).
func parseEVPNShow(args []string) (w evpnShown, err error) {
	if args, w.link, err = linkArg(args); err != nil {
		return w, err
	}
	whats := []string{"neighbor", "vni", "mac", "neigh", "route", "duplicate"}
	if w.what = "neighbor"; len(args) > 0 {
		if w.what = args[0]; !slices.Contains(whats, w.what) {
			return w, usagef("unknown word %q: write evpn show neighbor, vni, mac, neigh, route or duplicate", w.what)
		}
		args = args[1:]
	}
	if w.what == "vni" && len(args) > 0 && args[0] != "vni" {
		args = append([]string{"vni"}, args...)
	}
	for ; len(args) > 0; args = args[min(2, len(args)):] {
		if err := w.word(args); err != nil {
			return w, err
		}
	}
	return w, nil
}

// word reads a word and its value.
func (w *evpnShown) word(args []string) error {
	types := []string{"", "ead", "macip", "multicast", "es", "prefix"} // FRR's, by number
	switch {
	case len(args) == 1:
		return usagef("%q is unknown, or has no value: write dev LINK, vni N or, of route, type N", args[0])
	case args[0] == "vni" && w.what != "neighbor" && w.what != "route":
		if args[1] == "all" {
			return nil
		}
		n, err := words.ParseNumber(args[1])
		if err != nil || n >= 1<<24 {
			return usagef("vni %q is none: write 0 to 16777215, or all", args[1])
		}
		w.vni = new(uint32(n))
		return nil
	case args[0] == "type" && w.what == "route":
		if w.routeType = slices.Index(types, args[1]); w.routeType > 0 {
			return nil
		}
		n, err := words.ParseNumber(args[1])
		if err != nil || n < 1 || n >= uint64(len(types)) {
			return usagef("type %q is none: write 1 to 5, or ead, macip, multicast, es or prefix", args[1])
		}
		w.routeType = int(n)
		return nil
	}
	return usagef("evpn show %s has no word %q: write dev LINK, vni N or, of route, type N", w.what, args[0])
}

// linkArg takes `dev LINK` out of the words.
func linkArg(args []string) (rest []string, link string, err error) {
	for i := 0; i < len(args); i++ {
		if args[i] != "dev" {
			rest = append(rest, args[i])
			continue
		}
		if i++; i == len(args) {
			return nil, "", usagef("dev needs a link: write dev LINK")
		}
		link = args[i]
		if err := words.ValidName(link); err != nil {
			return nil, "", usagef("%v", err)
		}
	}
	return rest, link, nil
}
