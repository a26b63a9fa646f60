package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
)

// importTime bounds what ip and bridge may take.
const importTime = 30 * time.Second

// importDumps is how often ip and bridge are asked where devices come and go.
const importDumps = 10

func newImportCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Make a configuration file of a kernel's VXLAN links",
		RunE: func(*cobra.Command, []string) error {
			return usagef("import needs a source: write uvtep import auto, or iproute2, netdev, ifupdown2, netplan or nm")
		},
	}
	c.AddCommand(&cobra.Command{
		Use:   "iproute2 [LINKS FDB]",
		Short: "Read what ip and bridge print",
		Long: `uvtep import iproute2 [LINKS FDB]

Prints a configuration file with the VXLAN links of this network namespace (or of that of -n NAME)
and their FDB entries, but for learned ones. LINKS and FDB are files with the output of
"ip -d -j link show" and "bridge -j fdb show"; without them both commands are run, and the kernel is
asked for what an old ip does not print (nolocalbypass, flowlabel inherit, reserved_bits). What cannot
be kept is said on standard error, a line each.`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.importIPRoute2(cmd.Context(), args) },
	})
	c.AddCommand(&cobra.Command{
		Use:   "netdev [DIR|FILE...]",
		Short: "Read the files of systemd-networkd",
		Long: `uvtep import netdev [DIR|FILE...]

Prints a configuration file with the links of kind vxlan of .netdev files: those of the directories and the
files given or, where none is, of networkd's own directories in /etc, /run and /usr/lib. As networkd does, it
takes the first directory's of files of one name, the drop-ins of all, and none that is masked. The .network
files say a link's dev (VXLAN=), whether it is up, and its entries ([BridgeFDB]). What cannot be kept is said
on standard error, with file:line. Remove the .netdev files, VXLAN= and [BridgeFDB] before uvtep runs; whether
all else in a link's .network file stays with networkd is said, too: to it, uvtep's device is of kind tun.`,
		RunE: func(_ *cobra.Command, args []string) error { return a.imported(importNetDev(args)) },
	})
	c.AddCommand(a.importFiles()...)
	return c
}

// importFiles are the importers of files but networkd's.
func (a *app) importFiles() []*cobra.Command {
	return []*cobra.Command{{
		Use:   "ifupdown2 [FILE]",
		Short: "Read the file of ifupdown2 or ifupdown-ng",
		Long: `uvtep import ifupdown2 [FILE]

Prints a configuration file with the VXLAN links of ` + interfacesFile + `, or of FILE, and of
what it sources: one for each iface with a vxlan-id, with the defaults of ifupdown2/policy.d beside the
file, and the entries that up commands add with bridge fdb. What cannot be kept is said on standard error,
with file:line: templates, and links that commands make. Remove the vxlan- lines before uvtep runs: what
else an iface says of its device ifupdown2 can go on giving it, with an mtu, without which it sets 1500.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("import ifupdown2 needs one file or none: write uvtep import ifupdown2 FILE")
			}
			return a.imported(migrate.IfUpDown2(append(args, interfacesFile)[0]))
		},
	}, {
		Use:   "netplan [DIR|FILE...]",
		Short: "Read netplan's YAML",
		Long: `uvtep import netplan [DIR|FILE...]

Prints a configuration file with the tunnels of mode vxlan of the .yaml files of the directories (` + strings.Join(migrate.NetplanDirs(), ", ") + `
where none is named) and the files given, merged as netplan does. What cannot be kept is said
on standard error, with file:line. Define a tunnel's name under ethernets instead before uvtep runs: netplan
gives uvtep's device its addresses and its bridge there.`,
		RunE: func(_ *cobra.Command, args []string) error { return a.imported(migrate.Netplan(args)) },
	}, {
		Use:   "nm [DIR|FILE...]",
		Short: "Read NetworkManager's keyfiles",
		Long: `uvtep import nm [DIR|FILE...]

Prints a configuration file with the profiles of type vxlan of the keyfiles of the directories
(` + strings.Join(migrate.NMDirs(), ",\n") + `
where none is named) and the files given. What cannot be kept is said on standard error, with file:line.
Remove the profiles before uvtep runs.`,
		RunE: func(_ *cobra.Command, args []string) error { return a.imported(migrate.NM(args)) },
	}, {
		Use:   "auto",
		Short: "Read what this host has",
		Long: `uvtep import auto

Looks for VXLAN links in netplan's files, NetworkManager's, networkd's and ifupdown2's, then in the kernel
of this network namespace, and prints what the first of them that has any makes, as uvtep import NAME does.
Which that was is said on standard error, and the links that only others have.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("import auto takes no files: write uvtep import auto")
			}
			return a.imported(migrate.Auto(a.importSources(cmd.Context())))
		},
	}}
}

// importSources are the importers that auto tries, in that order: netplan writes
// files for NetworkManager and networkd, and all of them make the kernel's links.
func (a *app) importSources(ctx context.Context) []migrate.Source {
	return []migrate.Source{
		{Name: "netplan", Read: func() ([]byte, []string, error) { return migrate.Netplan(nil) }},
		{Name: "nm", Read: func() ([]byte, []string, error) { return migrate.NM(nil) }},
		{Name: "netdev", Read: func() ([]byte, []string, error) { return importNetDev(nil) }},
		{Name: "ifupdown2", Read: func() ([]byte, []string, error) { return migrate.IfUpDown2(interfacesFile) }},
		{Name: "iproute2", Read: func() ([]byte, []string, error) { return a.importKernel(ctx) }},
	}
}

// importNetDev imports networkd's files.
func importNetDev(args []string) ([]byte, []string, error) {
	looked := args
	if len(args) == 0 {
		looked = migrate.NetworkDirs()
	}
	file, told, err := migrate.NetDev(args)
	return migrate.OrNothing(looked, file, told, err)
}

// interfacesFile is what ifupdown2 reads.
const interfacesFile = "/etc/network/interfaces"

// imported prints a file that was made and what could not be kept.
func (a *app) imported(file []byte, told []string, err error) error {
	for _, t := range told {
		fmt.Fprintln(a.err, t)
	}
	_, unread := errors.AsType[*fs.PathError](err)
	_, nothing := errors.AsType[*migrate.NothingError](err)
	if unread || nothing {
		return err
	}
	if err != nil {
		return usagef("%v", err)
	}
	_, err = a.out.Write(file)
	return err
}

func (a *app) importIPRoute2(ctx context.Context, args []string) error {
	switch len(args) {
	case 0:
		file, told, err := a.importKernel(ctx)
		if _, nothing := errors.AsType[*migrate.NothingError](err); err != nil && !nothing {
			return err
		}
		return a.imported(file, told, err)
	case 2:
	default:
		return usagef("import iproute2 needs two files or none: write uvtep import iproute2 LINKS FDB")
	}
	links, err := config.ReadInput(args[0])
	if err != nil {
		return err
	}
	fdb, err := config.ReadInput(args[1])
	if err != nil {
		return err
	}
	file, told, err := migrate.IPRoute2(links, fdb, nil)
	return a.imported(migrate.OrNothing(args, file, told, err))
}

// importKernel imports the links of this network namespace, or of that of -n.
func (a *app) importKernel(ctx context.Context) (file []byte, told []string, err error) {
	links, err := a.printed(ctx, "ip", "-d", "-j", "link", "show")
	if err != nil {
		return nil, nil, err
	}
	fdb, err := a.printed(ctx, "bridge", "-j", "fdb", "show")
	if err != nil {
		return nil, nil, err
	}
	hidden, err := migrate.ReadHidden(a.netns)
	if err != nil {
		return nil, nil, err
	}
	file, told, err = migrate.IPRoute2(links, fdb, hidden)
	return migrate.OrNothing([]string{"what ip -d link show and bridge fdb show print"}, file, told, err)
}

// printed is what a command of iproute2 prints.
func (a *app) printed(ctx context.Context, name string, args ...string) ([]byte, error) {
	if a.netns != "" {
		args = append([]string{"-n", a.netns}, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, importTime)
	defer cancel()
	for range importDumps {
		var said bytes.Buffer
		command := exec.CommandContext(ctx, name, args...)
		command.Stderr = &said
		out, err := command.Output()
		switch {
		case err != nil && said.Len() > 0:
			return nil, fmt.Errorf("%s: %s", name, oneLine(errors.New(said.String())))
		case err != nil:
			return nil, fmt.Errorf("%s: %w; install iproute2, or give the files LINKS and FDB", name, err)
		case !strings.Contains(said.String(), "Dump was interrupted"): // rtnl_dump_filter_l in lib/libnetlink.c
			return out, nil
		}
	}
	return nil, fmt.Errorf("%s: devices come and go, and what it printed may lack some: repeat it when they do no more", name)
}
