package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/internal/ping"
)

// exitFails is the exit status of `uvtep ping` and `uvtep check` where they found a fault.
const exitFails = 1

func newPingCommand(a *app) *cobra.Command {
	var probe bool
	var overlay string
	c := &cobra.Command{
		Use:   "ping REMOTE [dev NAME] [--mtu-probe] [--overlay IP]",
		Short: "Ask a remote layer by layer, and tell which one fails; -j as JSON",
		Long: `uvtep ping REMOTE [dev NAME] [--mtu-probe] [--overlay IP]

REMOTE is the outer address of another VTEP. In turn: the route to it, ICMP echo, its UDP port, with
--mtu-probe whether the link's longest packets arrive unfragmented, and with --overlay whether a host
behind it answers ARP or neighbour discovery, asked through the link's own device. It stops at the
layer that fails; the last line says which, and what to do. Without dev it is the link that has the
remote. Without a daemon the underlay is asked alone, with port 4789.

It sends ordinary packets (ICMP echo, a datagram or two to the VTEP's port, ARP) and needs
CAP_NET_RAW. A VTEP that listens does not answer, nor does a firewall that drops: only --overlay
tells them apart. Where the answer arrives at this host and not at the daemon, it says so: a firewall
here drops it. Exit status: 0 everything answers, 1 a layer fails, or wrong usage.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.pingConfig(cmd.Context(), args, overlay)
			if err != nil {
				return err
			}
			cfg.Probe = probe
			if cfg.Link != "" {
				cfg.Received = func() (n uint64, err error) {
					return n, a.withClient(func(c *client.Client) error { return received(cmd.Context(), c, &n) })
				}
			}
			return a.ping(cfg)
		},
	}
	c.Flags().BoolVar(&probe, "mtu-probe", false, "find the width of the path")
	c.Flags().StringVar(&overlay, "overlay", "", "ask for the host with the address `IP` of the overlay, too")
	return c
}

// pingConfig reads the words of ping, and asks the daemon for the link.
func (a *app) pingConfig(ctx context.Context, args []string, overlay string) (*ping.Config, error) {
	cfg := &ping.Config{Port: encap.DefaultPort}
	dev := ""
	switch {
	case len(args) == 1:
	case len(args) == 3 && args[1] == "dev":
		dev = args[2]
	default:
		return nil, usagef("write uvtep ping REMOTE [dev NAME] [--mtu-probe] [--overlay IP]")
	}
	var err error
	if cfg.Remote, err = netip.ParseAddr(args[0]); err != nil {
		return nil, usagef("remote %q is no IP address", args[0])
	}
	if overlay != "" {
		if cfg.Overlay, err = netip.ParseAddr(overlay); err != nil {
			return nil, usagef("--overlay %q is no IP address", overlay)
		}
	}
	err = a.withClient(func(c *client.Client) error {
		l, err := linkFor(ctx, c, dev, cfg.Remote)
		if err != nil || l == nil {
			return err
		}
		cfg.Link, cfg.MTU, cfg.Port = l.Netdev.Name, l.Netdev.MTU, value(l.Spec.DstPort)
		cfg.VNI, cfg.Local = encap.VNI(value(l.Spec.ID)), value(l.Spec.Local)
		cfg.MAC, err = net.ParseMAC(l.Netdev.MAC)
		return err
	})
	if errors.Is(err, client.ErrNotRunning) && dev == "" {
		err = nil // the underlay can be asked all the same
	}
	if err == nil && cfg.Overlay.IsValid() && cfg.Link == "" {
		err = usagef("no link has the remote %s: say which one the overlay is asked by, dev NAME", cfg.Remote)
	}
	return cfg, err
}

// received adds up what the daemon had from its sockets: what it took and what it dropped.
func received(ctx context.Context, c *client.Client, n *uint64) error {
	links, err := c.Links(ctx)
	if err != nil {
		return err
	}
	stats, err := c.Stats(ctx)
	if err != nil {
		return err
	}
	add := func(s *api.LinkStats) {
		*n += s.Rx.Packets
		for reason, count := range s.Drops {
			if strings.HasPrefix(reason, "rx-") {
				*n += count
			}
		}
	}
	add(&stats.LinkStats)
	for i := range links {
		add(&links[i].Stats)
	}
	return nil
}

// linkFor is the link called dev or, without a name, the first that has the remote; nil:
// none has.
func linkFor(ctx context.Context, c *client.Client, dev string, remote netip.Addr) (*api.Link, error) {
	if dev != "" {
		l, err := c.Link(ctx, dev)
		return &l, err
	}
	links, err := c.Links(ctx)
	if err != nil {
		return nil, err
	}
	for i := range links {
		if slices.ContainsFunc(links[i].Remotes, func(r api.RemoteStats) bool { return r.Dst == remote }) {
			return &links[i], nil
		}
	}
	return nil, nil
}

func (a *app) ping(cfg *ping.Config) error {
	steps := []ping.Step{}
	failed := ping.Run(new(ping.Host), cfg, func(s ping.Step) {
		steps = append(steps, s)
		if !a.json {
			word := "ok"
			if !s.OK {
				word = "fails"
			}
			fmt.Fprintf(a.out, "%-9s%-6s %s\n", s.Name, word, s.Text)
		}
	})
	verdict := ping.Verdict(cfg, failed)
	if a.json {
		enc := json.NewEncoder(a.out)
		if a.pretty {
			enc.SetIndent("", "    ")
		}
		if err := enc.Encode(struct {
			Remote  netip.Addr  `json:"remote"`
			Link    string      `json:"link,omitempty"`
			Steps   []ping.Step `json:"steps"`
			Verdict string      `json:"verdict"`
		}{cfg.Remote, cfg.Link, steps, verdict}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(a.out, verdict)
	}
	if failed != nil {
		return exitStatus(exitFails)
	}
	return nil
}
