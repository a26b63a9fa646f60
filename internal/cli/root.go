package cli

import (
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/words"
)

// app is what the commands of one command line share.
type app struct {
	out, err io.Writer

	control    string
	json       bool
	pretty     bool
	details    bool
	timestamp  bool
	oneline    bool
	brief      bool
	netns      string
	statistics int
	ipv4, ipv6 bool

	timestampShort bool

	batch        string
	force        bool
	batchOptions []string // those that its commands have, too
}

func (a *app) family() words.Family {
	switch {
	case a.ipv4 && !a.ipv6:
		return words.IPv4
	case a.ipv6 && !a.ipv4:
		return words.IPv6
	}
	return words.AnyFamily
}

// netnsSocket is where the daemon of a named network namespace listens: the
// namespaces of `ip netns` share /run, so the default path can be one's only.
func netnsSocket(name string) string {
	return filepath.Join(filepath.Dir(api.DefaultPath), "netns", name+".sock")
}

// client is the daemon's client; close it.
func (a *app) client() *client.Client { return client.New(a.control) }

// withClient runs fn with a client of the daemon.
func (a *app) withClient(fn func(*client.Client) error) error {
	c := a.client()
	defer c.Close()
	return fn(c)
}

// controlEnv names the environment variable that has the daemon's socket.
const controlEnv = "UVTEP_CONTROL"

// controlPath is where the daemon's socket is unless --control says.
func controlPath() string {
	if path := os.Getenv(controlEnv); path != "" {
		return path
	}
	return api.DefaultPath
}

// Command is the command line as a whole, for what is made of it: man pages, completions.
func Command() *cobra.Command { return newRootCommand(&app{out: io.Discard, err: io.Discard}) }

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "uvtep",
		Short: "A VXLAN tunnel endpoint in user space",
		Long: `uvtep is a VXLAN tunnel endpoint (RFC 7348) in user space. It speaks iproute2's words:
a recipe for "ip link ... type vxlan" and "bridge fdb" works as "uvtep link ..." and "uvtep fdb ...".

  uvtep run vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2

Options may stand anywhere and commands may be cut short, as with ip. Exit status: 0 done,
1 usage, 2 refused by the daemon or the kernel, 3 no daemon is running, 4 nothing to import.
-f FAMILY and -0 are taken as ip takes them; -c is taken and no colour printed.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.batch != "" {
				return a.runBatch(cmd.Context())
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.PersistentFlags()
	f.StringVar(&a.control, "control", controlPath(), "the daemon's `socket`, else $UVTEP_CONTROL")
	f.BoolVarP(&a.json, "json", "j", false, "print JSON with iproute2's keys")
	f.BoolVarP(&a.pretty, "pretty", "p", false, "print JSON for people")
	f.BoolVarP(&a.details, "details", "d", false, "print details")
	f.CountVarP(&a.statistics, "statistics", "s", "print statistics; twice for more")
	f.BoolVarP(&a.timestamp, "timestamp", "t", false, "print timestamps")
	f.BoolVar(&a.timestampShort, "tshort", false, "print timestamps, short ones")
	f.BoolVarP(&a.oneline, "oneline", "o", false, "print a link on one line")
	f.BoolVar(&a.brief, "brief", false, "print links in brief")
	f.StringVar(&a.netns, "netns", "", "the daemon of the network namespace `NAME`: its socket is "+netnsSocket("NAME")+" unless --control says")
	f.BoolVarP(&a.ipv4, "ipv4", "4", false, "take IPv4 addresses only")
	f.BoolVarP(&a.ipv6, "ipv6", "6", false, "take IPv6 addresses only")
	root.Flags().StringVar(&a.batch, "batch", "", "run the link, fdb and neigh commands of `FILE`, a line each; -: of stdin")
	root.Flags().BoolVar(&a.force, "force", false, "go on with a batch where a command fails")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if a.netns == "" || cmd.Flags().Changed("control") {
			return nil
		}
		a.control = netnsSocket(a.netns)
		return nil
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%v: see uvtep --help", err) })
	root.AddCommand(newRunCommand(a), newLinkCommand(a), newPortCommand(a), newFDBCommand(a), newNeighCommand(a), newConfigCommand(a), newImportCommand(a), newExportCommand(a), newMonitorCommand(a), newEVPNCommand(a), newStatusCommand(a), newTopCommand(a), newPingCommand(a), newCheckCommand(a), newExplainCommand(a), newCaptureCommand(a), newDecodeCommand(a), newBugreportCommand(a), newVersionCommand(a), newDemoCommand())
	for _, c := range root.Commands() {
		if check := c.Args; check != nil {
			c.Args = func(cmd *cobra.Command, args []string) error { return asUsage(check(cmd, args)) }
		}
	}
	return root
}

// asUsage makes cobra's complaint a usage error.
func asUsage(err error) error {
	if err == nil {
		return nil
	}
	return usagef("%v", err)
}
