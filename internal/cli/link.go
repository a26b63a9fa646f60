package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/words"
)

// linkHelp is what there is to know of the link sentence.
func linkHelp() string { return words.Usage() + linkNotes }

const linkNotes = `

The words may stand in any order. The default dstport is 4789, the assigned one; where
none is given, ip means 8472: give a peer that was set up so its dstport, or ours.
tos is read as ip reads it, in hexadecimal. ttl auto is the route's (1 to a group).
samehost says which peers are kernel VTEPs on this host, whose checksums are completed here and whose
superframes are taken apart: auto, behind lo or a veth; none; or those and the addresses given.
Differences from the kernel's defaults: df set, accept peers (any with a group),
moveguard on, loopguard on, maxaddress 16384, and with local the socket is bound to that address.`

func newLinkCommand(a *app) *cobra.Command {
	link := &cobra.Command{
		Use:   "link",
		Short: "Add, change, delete and show links, as ip link does",
		Long:  "uvtep link add|set " + linkHelp() + "\n\nuvtep link del NAME\nuvtep link show [NAME]",
	}
	link.AddCommand(
		&cobra.Command{
			Use:   "add NAME id VNI ...",
			Short: "Add a link; it is down as the kernel leaves it",
			Long:  "uvtep link add " + linkHelp(),
			RunE:  a.linkAdd,
		},
		&cobra.Command{
			Use:   "set NAME ...",
			Short: "Change a link",
			Long: "uvtep link set NAME [up|down] [mtu N] [address MAC] [name NEW] [master DEVICE | nomaster] [type vxlan] and the words of link add:\n\n" +
				linkHelp() + "\n\nAddresses and netns are given with ip.",
			RunE: a.linkSet,
		},
		&cobra.Command{
			Use:   "del NAME",
			Short: "Delete a link with its device",
			RunE:  a.linkDel,
		},
		&cobra.Command{
			Use:   "show [NAME]",
			Short: "Show links; -d with details, -s with counters, -j as JSON",
			Long:  "uvtep link show [[dev] NAME] [up] [master DEVICE] [nomaster] [group GROUP] [type TYPE]",
			RunE:  a.linkShow,
		},
	)
	return link
}

func (a *app) linkAdd(cmd *cobra.Command, args []string) error {
	change, err := config.ParseLinkAdd(args, a.family())
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error { return c.AddLink(cmd.Context(), change) })
}

func (a *app) linkSet(cmd *cobra.Command, args []string) error {
	name, change, err := config.ParseLinkSet(args, a.family())
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error { return c.ChangeLink(cmd.Context(), name, change) })
}

func (a *app) linkDel(cmd *cobra.Command, args []string) error {
	name, err := config.ParseLinkName(args)
	if err != nil {
		return err
	}
	if name == "" {
		return usagef("link del needs the link's name: write uvtep link del NAME")
	}
	return a.withClient(func(c *client.Client) error { return c.DeleteLink(cmd.Context(), name) })
}

func (a *app) linkShow(cmd *cobra.Command, args []string) error {
	filter, err := config.ParseLinkShow(args)
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error {
		var links []api.Link
		if filter.Name == "" {
			links, err = c.Links(cmd.Context())
		} else {
			links = make([]api.Link, 1)
			links[0], err = c.Link(cmd.Context(), filter.Name)
		}
		if err != nil {
			return err
		}
		return a.showLinks(slices.DeleteFunc(links, func(l api.Link) bool { return !filter.Matches(&l.Netdev) }))
	})
}
