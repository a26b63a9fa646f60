package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/check"
	"github.com/uvtep/uvtep/internal/config"
)

func newCheckCommand(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "check [--config FILE]",
		Short: "Find what would keep links from working on this host, with a fix for each; -j as JSON",
		Long: `uvtep check [--config FILE]

Of the links of FILE or, without it, of the daemon's: /dev/net/tun and capabilities; faults that this kernel is
known to have; buffers; packets that this host dropped for their checksums; a file that the daemon did not
apply; systemd-networkd or NetworkManager about to take the device; a dstport that is taken, and by whom; a
local address that is missing, or that another host has, too; routes to remotes and groups, and those that lead
through the link; rp_filter; a bridge that cuts the group off; the MTU against the route and against the path,
there and back; a remote that does not answer, listens on another port, or whose port a firewall refuses.

It asks 8 remotes of each link, by ICMP echo, a datagram to their port, and ARP for the local address,
and changes nothing. Run it where the daemon runs, with its rights; as root it sees most. A firewall that drops
without a word is found by "uvtep ping --overlay" alone. Exit status: 0 nothing was found, 1 something
was, or wrong usage.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown word %q after check", args[0])
			}
			wants, failed, err := a.wants(cmd.Context(), file)
			if err != nil {
				return err
			}
			facts := check.Gather(wants)
			facts.Reload = failed
			return a.showFindings(check.Judge(facts), len(wants))
		},
	}
	c.Flags().StringVar(&file, "config", "", "check the links of the configuration `FILE`")
	return c
}

// wants are the links to check: those of a file, with what of them the daemon serves already,
// or the daemon's. failed is the reload that the daemon tells of.
func (a *app) wants(ctx context.Context, file string) (wants []check.Want, failed *api.FailedReload, err error) {
	var served []api.Link
	err = a.withClient(func(c *client.Client) (err error) {
		if served, err = c.Links(ctx); err != nil {
			return err
		}
		stats, err := c.Stats(ctx)
		failed = stats.Reload
		return err
	})
	if file != "" && errors.Is(err, client.ErrNotRunning) {
		err = nil
	}
	if err != nil {
		return nil, nil, err
	}
	running := make(map[string]*api.Link)
	for i := range served {
		running[served[i].Spec.Name] = &served[i]
	}
	if file == "" {
		for i := range served {
			l := &served[i]
			wants = append(wants, check.WantOf(&l.Spec, l.Netdev.MTU, remotesOf(l), true))
		}
	} else {
		f, err := config.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		for i := range f.Links {
			l := &f.Links[i]
			wants = append(wants, check.WantOf(&l.LinkSpec, 0, fileRemotes(l), running[l.Name] != nil))
		}
	}
	if len(wants) == 0 {
		return nil, nil, check.ErrNothing
	}
	return wants, failed, nil
}

// remotesOf are the remotes that a link's configuration names.
func remotesOf(l *api.Link) (all []netip.Addr) {
	for i := range l.Remotes {
		if l.Remotes[i].Configured {
			all = append(all, l.Remotes[i].Dst)
		}
	}
	return all
}

func (a *app) showFindings(all []check.Finding, links int) error {
	if a.json {
		enc := json.NewEncoder(a.out)
		if a.pretty {
			enc.SetIndent("", "    ")
		}
		if err := enc.Encode(all); err != nil {
			return err
		}
	} else {
		for _, f := range all {
			fmt.Fprintln(a.out, f)
		}
		if len(all) == 0 {
			fmt.Fprintf(a.out, "ok: nothing was found on %d links\n", links)
		}
	}
	if len(all) > 0 {
		return exitStatus(exitFails)
	}
	return nil
}

// fileRemotes are the addresses of remotes that a link of a file names; names are not
// resolved here.
func fileRemotes(l *config.FileLink) (all []netip.Addr) {
	for _, h := range l.Remotes {
		all = append(all, h.Addr)
	}
	for i := range l.FDB {
		all = append(all, l.FDB[i].Dst)
	}
	return all
}
