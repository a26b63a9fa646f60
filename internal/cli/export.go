package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
)

func newExportCommand(a *app) *cobra.Command {
	var to, file string
	c := &cobra.Command{
		Use:   "export --to iproute2 [--config FILE] [NAME...]",
		Short: "Print the commands that make the same links of the kernel",
		Long: `uvtep export --to iproute2 [--config FILE] [NAME...]

Prints a shell script of "ip link add ... type vxlan" and "bridge fdb" that makes the daemon's links,
or those named, on the kernel, with their entries but for learned ones. With --config the links are
those of a configuration file and no daemon is asked. What the kernel has no word for is a comment
above the link. The devices have the same names: end uvtep before the script is run.`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if to != "iproute2" {
				return usagef("export --to %q: write uvtep export --to iproute2", to)
			}
			links, err := a.exported(cmd.Context(), file)
			if err != nil {
				return err
			}
			if links, err = named(links, names); err != nil {
				return err
			}
			_, err = a.out.Write(migrate.ToIPRoute2(links))
			return err
		},
	}
	c.Flags().StringVar(&to, "to", "", "what to print: `iproute2`")
	c.Flags().StringVar(&file, "config", "", "the links of this configuration `file`, not the daemon's")
	return c
}

// exported are the links of a file, or of the daemon.
func (a *app) exported(ctx context.Context, file string) ([]migrate.Link, error) {
	if file != "" {
		f, err := config.ReadFile(file)
		if errs, ok := errors.AsType[config.FileErrors](err); ok {
			fmt.Fprintln(a.err, errs)
			return nil, exitStatus(exitUsage)
		}
		if err != nil {
			return nil, err
		}
		return migrate.OfFile(f)
	}
	var links []api.Link
	var entries []api.FDBEntry
	err := a.withClient(func(c *client.Client) (err error) {
		if links, err = c.Links(ctx); err == nil {
			entries, err = c.FDB(ctx, api.FDBFilter{})
		}
		return err
	})
	return migrate.OfDaemon(links, entries), err
}

// named are the links with the names, in the order of links; all where no name
// is given.
func named(links []migrate.Link, names []string) ([]migrate.Link, error) {
	if len(names) == 0 {
		return links, nil
	}
	for _, n := range names {
		if !slices.ContainsFunc(links, func(l migrate.Link) bool { return l.Netdev.Name == n }) {
			return nil, fmt.Errorf("there is no link %s: write one of those that uvtep link show, or the file, has", n)
		}
	}
	return slices.DeleteFunc(links, func(l migrate.Link) bool { return !slices.Contains(names, l.Netdev.Name) }), nil
}
