package cli

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
)

const (
	fdbSentence = `LLADDR dev NAME [dst IP] [port PORT] [vni VNI] [via DEV]
    [src_vni VNI] [permanent|static|dynamic] [extern_learn] [router] [noflood] [sticky] [self [master]] [vlan VID] [use]

noflood is for 00:00:00:00:00:00: dst is a peer that nothing is flooded to. sticky, without
dst, has the address on this side for good. The words may stand in any order. No state word means permanent. src_vni can only be the
link's VNI. With self master the bridge that the link is a port of is given the entry as well. vlan and use are taken and say nothing, as to the kernel's driver.`
	fdbFilters = `[dst IP] [port PORT] [vni VNI] [src_vni VNI] [via DEV]
    [[no]permanent] [[no]static] [[no]dynamic] [[no]extern_learn] [[no]router] [owner NAME]`
	flushStateHelp = `

State words mean what they mean to bridge, which tests bits: nostatic leaves permanent entries
alone, nodynamic means static and permanent ones.`
)

func newFDBCommand(a *app) *cobra.Command {
	fdb := &cobra.Command{
		Use:   "fdb",
		Short: "Change and show forwarding databases, as bridge fdb does",
		Long: "uvtep fdb add|append|replace|del " + fdbSentence + "\n\nuvtep fdb show [dev NAME] " + fdbFilters +
			"\nuvtep fdb show [dev NAME] local\nuvtep fdb flush dev NAME " + fdbFilters + "\nuvtep fdb get LLADDR dev NAME",
	}
	for verb, short := range map[string]string{
		"add":     "Add an entry that is not there yet",
		"append":  "Add a remote to the all-zeros or a multicast MAC",
		"replace": "Add an entry, or change the one that is there",
		"del":     "Delete an entry, or with dst one of its remotes",
	} {
		fdb.AddCommand(&cobra.Command{
			Use: verb + " LLADDR dev NAME ...", Short: short, Long: short + ".\n\nuvtep fdb " + verb + " " + fdbSentence,
			RunE: func(cmd *cobra.Command, args []string) error { return a.fdbChange(cmd, verb, args) },
		})
	}
	fdb.AddCommand(
		&cobra.Command{
			Use:   "show [dev NAME] [filters]",
			Short: "Show entries; -s with ages, -j as JSON",
			Long:  "uvtep fdb show [dev NAME] " + fdbFilters + "\n    [br BRIDGE] [brport NAME] [vlan VID] [state STATE]\n\nAs with bridge, dynamic leaves out what is permanent and nothing else, and state tests bits:\nstatic has the permanent entries too, dynamic the static ones. -d says which controller put an entry in.\n\nuvtep fdb show [dev NAME] local has the addresses on this side of links with learnlocal: each MAC\naddress, then its IP addresses; contested: a permanent entry has it behind a remote;\nsticky: an entry has it here, whatever others say.",
			RunE:  a.fdbShow,
		},
		&cobra.Command{
			Use:   "get LLADDR dev NAME",
			Short: "Show the entry of a MAC address",
			RunE:  a.fdbGet,
		},
		&cobra.Command{
			Use:   "flush dev NAME [filters]",
			Short: "Delete the entries that the filters select",
			Long:  "uvtep fdb flush dev NAME " + fdbFilters + "\n    [[no]offloaded]" + flushStateHelp,
			RunE:  a.fdbFlush,
		},
	)
	return fdb
}

func (a *app) fdbChange(cmd *cobra.Command, verb string, args []string) error {
	entry, err := config.ParseFDBEntry(verb, args, a.family())
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error { return c.ChangeFDB(cmd.Context(), verb, entry) })
}

func (a *app) fdbShow(cmd *cobra.Command, args []string) error {
	if slices.Contains(args, localWord) {
		return a.fdbShowLocal(cmd, args)
	}
	filter, err := config.ParseFDBShow(args, a.family())
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error {
		list, err := c.ListFDB(cmd.Context(), filter)
		if err != nil {
			return err
		}
		defer func() { _ = list.Close() }() // read to its end or of no interest
		return a.listFDB(list, filter.Dev == "")
	})
}

// fdbGet prints the first remote of the MAC address, with the link's name, as
// `bridge fdb get` does.
func (a *app) fdbGet(cmd *cobra.Command, args []string) error {
	filter, err := config.ParseFDBGet(args, a.family())
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error {
		entries, err := c.FDB(cmd.Context(), filter)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return fmt.Errorf("fdb get %s dev %s: %w", filter.MAC, filter.Dev, api.ErrNotExist)
		}
		return a.showFDB(entries[:1], true)
	})
}

func (a *app) fdbFlush(cmd *cobra.Command, args []string) error {
	filter, err := config.ParseFDBFlush(args, a.family())
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error {
		_, err := c.FlushFDB(cmd.Context(), filter)
		return err
	})
}
