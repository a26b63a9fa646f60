package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
)

const portSentence = `NAME trunk [mtu N] [address MAC] [queues N] [[no]persist] [user UID] [group-owner GID]

A trunk port is one device whose frames carry VLAN tags. A link takes one of its VLANs instead
of a device of its own, and the tag is taken off before frames leave for the network:

  uvtep port add trunk0 trunk
  uvtep port set trunk0 up
  uvtep link add tenant10 id 1010 remote 192.0.2.2 trunk trunk0 vlan 10
  uvtep link set tenant10 up

So thousands of VNIs cost one device. Its MTU is the least of its links', unless mtu is given.
Frames without a tag, or of a VLAN that no link has, are dropped as tx-unknown-vlan. The VLANs
share the port's queues: give a loud one a device of its own, or the port more queues.`

func newPortCommand(a *app) *cobra.Command {
	port := &cobra.Command{
		Use:   "port",
		Short: "Add, change, delete and show trunk ports",
		Long:  "uvtep port add " + portSentence + "\n\nuvtep port set NAME ...\nuvtep port del NAME\nuvtep port show [NAME]",
	}
	port.AddCommand(
		&cobra.Command{Use: "add NAME trunk ...", Short: "Add a trunk port; it is down", Long: "uvtep port add " + portSentence, RunE: a.portAdd},
		&cobra.Command{
			Use: "set NAME ...", Short: "Change a port", RunE: a.portSet,
			Long: "uvtep port set NAME [up|down] and the words of port add but queues.",
		},
		&cobra.Command{Use: "del NAME", Short: "Delete a port that no link has, with its device", RunE: a.portDel},
		&cobra.Command{Use: "show [NAME]", Short: "Show ports with their VLANs, -s with what they dropped; -j as JSON", RunE: a.portShow},
	)
	return port
}

func (a *app) portAdd(cmd *cobra.Command, args []string) error {
	change, err := config.ParsePortAdd(args)
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error { return c.AddPort(cmd.Context(), change) })
}

func (a *app) portSet(cmd *cobra.Command, args []string) error {
	name, change, err := config.ParsePortSet(args)
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error { return c.ChangePort(cmd.Context(), name, change) })
}

func (a *app) portDel(cmd *cobra.Command, args []string) error {
	name, err := config.ParsePortName(args)
	if err != nil {
		return err
	}
	if name == "" {
		return usagef("port del needs the port's name: write uvtep port del NAME")
	}
	return a.withClient(func(c *client.Client) error { return c.DeletePort(cmd.Context(), name) })
}

func (a *app) portShow(cmd *cobra.Command, args []string) error {
	name, err := config.ParsePortName(args)
	if err != nil {
		return err
	}
	return a.withClient(func(c *client.Client) error {
		var ports []api.Port
		if name == "" {
			ports, err = c.Ports(cmd.Context())
		} else {
			ports = make([]api.Port, 1)
			ports[0], err = c.Port(cmd.Context(), name)
		}
		if err != nil {
			return err
		}
		return a.showPorts(ports)
	})
}

// showPorts prints ports as `ip link show` does devices, and a line for each VLAN.
func (a *app) showPorts(ports []api.Port) error {
	if a.json {
		enc := json.NewEncoder(a.out)
		if a.pretty {
			enc.SetIndent("", "    ")
		}
		return enc.Encode(ports)
	}
	w := bufio.NewWriter(a.out)
	for i := range ports {
		p := &ports[i]
		d := &p.Netdev
		fmt.Fprintf(w, "%d: %s: <%s> mtu %d ", d.Index, d.Name, strings.Join(d.Flags, ","), d.MTU)
		word(w, "master", d.Master)
		word(w, "state", d.OperState)
		fmt.Fprintf(w, "\n    link/ether %s brd %s %s\n", d.MAC, d.Broadcast, p.Spec.Type)
		for _, v := range p.VLANs {
			fmt.Fprintf(w, "    vlan %d id %d link %s\n", v.VLAN, v.ID, v.Link)
		}
		if a.statistics > 0 {
			showReasons(w, "drop", p.Drops)
		}
	}
	return w.Flush()
}
