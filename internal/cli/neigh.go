package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
)

const neighSentence = `IP [lladdr LLADDR] dev NAME [router] [override] [nud permanent]

The words may stand in any order. router and override are the flags of the neighbour
advertisement that answers for an IPv6 address (RFC 4861 section 4.4).`

func newNeighCommand(a *app) *cobra.Command {
	neigh := &cobra.Command{
		Use:   "neigh",
		Short: "Change and show what links with proxy answer for, as ip neigh does",
		Long: "uvtep neigh add|replace|del " + neighSentence + `
uvtep neigh show [dev NAME]

These are the neighbours that controllers (uvtep evpn run) and operators put in, beside those of
the device's own neighbour table (ip neigh show dev NAME), which come first. What proxy learn has
heard is not among them.`,
	}
	for verb, short := range map[string]string{
		"add":     "Add an address that is not there yet",
		"replace": "Add an address, or change the one that is there",
		"del":     "Delete an address",
	} {
		neigh.AddCommand(&cobra.Command{
			Use: verb + " IP ... dev NAME", Short: short, Long: short + ".\n\nuvtep neigh " + verb + " " + neighSentence,
			RunE: func(cmd *cobra.Command, args []string) error {
				n, err := config.ParseNeigh(verb, args, a.family())
				if err != nil {
					return err
				}
				return a.withClient(func(c *client.Client) error { return c.ChangeNeigh(cmd.Context(), verb, n) })
			},
		})
	}
	neigh.AddCommand(&cobra.Command{
		Use:   "show [dev NAME]",
		Short: "Show addresses; -d with who put them in, -j as JSON",
		RunE: func(cmd *cobra.Command, args []string) error {
			dev, err := config.ParseNeighShow(args)
			if err != nil {
				return err
			}
			return a.withClient(func(c *client.Client) error {
				all, err := c.Neighs(cmd.Context(), dev)
				if err != nil {
					return err
				}
				return a.showNeighs(all, dev == "")
			})
		},
	})
	return neigh
}

// showNeighs prints neighbours as `ip neigh show` does (print_neigh in ip/ipneigh.c), with
// their links where device says so.
func (a *app) showNeighs(all []api.NeighEntry, device bool) error {
	if a.json {
		j := newJSON(a.out, a.pretty)
		j.array("", func() {
			for i := range all {
				if a.shows(&all[i]) {
					j.object("", func() { a.neighJSON(j, &all[i], device) })
				}
			}
		})
		return j.end()
	}
	w := bufio.NewWriter(a.out)
	for i := range all {
		if a.shows(&all[i]) {
			a.neighText(w, &all[i], device)
		}
	}
	return errors.Join(w.Flush())
}

// shows reports whether -4 and -6 select a neighbour.
func (a *app) shows(n *api.NeighEntry) bool {
	return a.ipv4 == a.ipv6 || n.IP.Is4() == a.ipv4
}

func (a *app) neighText(w io.Writer, n *api.NeighEntry, device bool) {
	fmt.Fprint(w, n.IP, " ")
	if device {
		fmt.Fprintf(w, "dev %s ", n.Dev)
	}
	fmt.Fprintf(w, "lladdr %s ", n.MAC)
	for _, f := range neighFlags(n) {
		fmt.Fprint(w, f, " ")
	}
	if a.details && n.Owner != "" {
		fmt.Fprintf(w, "owner %s generation %d ", n.Owner, n.Generation)
	}
	fmt.Fprintln(w, "PERMANENT")
}

func neighFlags(n *api.NeighEntry) (flags []string) {
	if n.Router {
		flags = append(flags, "router")
	}
	if n.Override {
		flags = append(flags, "override")
	}
	if n.Owner != "" {
		flags = append(flags, "extern_learn")
	}
	return flags
}

func (a *app) neighJSON(j *jsonWriter, n *api.NeighEntry, device bool) {
	j.value("dst", n.IP)
	if device {
		j.value("dev", n.Dev)
	}
	j.value("lladdr", n.MAC)
	for _, f := range neighFlags(n) {
		j.value(f, nil) // as ip has them
	}
	j.strings("state", []string{"PERMANENT"})
	nonzero(j, "owner", n.Owner)
	nonzero(j, "generation", n.Generation)
}
