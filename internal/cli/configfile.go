package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/config"
)

func newConfigCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Check or apply a configuration file",
		RunE: func(*cobra.Command, []string) error {
			return usagef("config needs a command: write uvtep config check FILE, or uvtep config apply")
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "List the mistakes in a configuration file, each with file:line:column",
		Long: `uvtep config check FILE

Reads FILE as "uvtep run --config FILE" does; of a file named uvtep.yaml also conf.d/*.yaml
beside it. Exit status 0, or 1 and a line for each mistake: file:line:column, the cause, and what to
write instead. Nothing is changed and no daemon is asked. The default dstport is 4789, the assigned
one; where none is given, ip means 8472.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("config check needs one file: write uvtep config check FILE")
			}
			return a.configCheck(args[0])
		},
	})
	var ask api.ConfigApply
	apply := &cobra.Command{
		Use:   "apply",
		Short: "Have the daemon read its configuration file again, and say what came of it",
		Long: `uvtep config apply [--force]

The daemon reads the file that it was started with, with conf.d, and applies what differs, as SIGHUP has
it do, and answers with what came of it: exit status 0, or 2 and what is wrong. A file that lacks links
and that may have been cut off is refused, as an empty one is: see docs/config.md. --force takes it as
it is.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("config apply applies the file of the daemon: write uvtep config apply [--force]")
			}
			return a.configApply(cmd.Context(), ask)
		},
	}
	apply.Flags().BoolVar(&ask.Force, "force", false, "take a file that may have been cut off as it is")
	c.AddCommand(apply)
	return c
}

func (a *app) configApply(ctx context.Context, ask api.ConfigApply) error {
	return a.withClient(func(c *client.Client) error {
		applied, err := c.ApplyConfig(ctx, ask)
		if err != nil {
			return err
		}
		if a.json {
			j := newJSON(a.out, a.pretty)
			j.array("", func() {
				j.object("", func() {
					j.value("file", applied.File)
					j.value("links", applied.Links)
					j.array("removed", func() {
						for _, name := range applied.Removed {
							j.value("", name)
						}
					})
				})
			})
			return j.end()
		}
		fmt.Fprintf(a.out, "%s: links: %d", applied.File, applied.Links)
		if len(applied.Removed) > 0 {
			fmt.Fprintf(a.out, "; removed: %s", strings.Join(applied.Removed, ", "))
		}
		fmt.Fprintln(a.out)
		return nil
	})
}

func (a *app) configCheck(name string) error {
	f, err := config.ReadFile(name)
	if errs, ok := errors.AsType[config.FileErrors](err); ok {
		fmt.Fprintln(a.err, errs)
		return exitStatus(exitUsage)
	}
	if err != nil {
		return err
	}
	unsaid := 0
	for i := range f.Links {
		if f.Links[i].DstPort == nil {
			unsaid++
		}
	}
	fmt.Fprintf(a.out, "%s: links: %d", name, len(f.Links))
	if unsaid > 0 {
		fmt.Fprintf(a.out, "; without dstport: %d, which have 4789 here, where ip means 8472", unsaid)
	}
	fmt.Fprintln(a.out)
	return nil
}
