package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/test/lab"
)

// newDemoCommand builds `uvtep demo`.
func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Join two hosts in network namespaces of this machine and show it working",
		Long: `Build two hosts in network namespaces, join them by a VXLAN, and show pings, TCP,
the forwarding databases and the counters. The far host's VTEP is the kernel's
where it has vxlan, else a second uvtep. Everything is removed at the end.

It runs as root, or as an ordinary user where user namespaces and
/dev/net/tun allow it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			code, done, err := lab.Reexec()
			switch {
			case err != nil:
				return fmt.Errorf("demo: %w", err)
			case done && code != 0:
				return exitStatus(code)
			case done:
				return nil
			}
			if err := lab.CheckTUN(); err != nil {
				return fmt.Errorf("demo: %w", err)
			}
			return runDemo(cmd.Context(), cmd.OutOrStdout())
		},
	}
}

// The demonstration's addresses are RFC 5737's.
var demoAddrs = struct{ underlayA, underlayB, overlayA, overlayB netip.Prefix }{ //nolint:gochecknoglobals // constants
	netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("192.0.2.2/24"),
	netip.MustParsePrefix("198.51.100.1/24"), netip.MustParsePrefix("198.51.100.2/24"),
}

const demoPicture = `
      host a                                            host b
  198.51.100.1                                      198.51.100.2
       |                  VXLAN, VNI 42                   |
  vxlan0 (uvtep) ==================================== vxlan0 (%s)
       |                  UDP port 4789                   |
   192.0.2.1  ------------- routed network ------------ 192.0.2.2

`

// demo is one run: two hosts and the directory of the control sockets.
type demo struct {
	out  io.Writer
	lab  *lab.Lab
	a, b *lab.Host
	dir  string
	exe  string
	far  string // what host b's VTEP is: "kernel" or "uvtep"
}

// runDemo builds the two hosts, shows them talking, and removes everything.
func runDemo(ctx context.Context, out io.Writer) (err error) {
	d := &demo{out: out, far: "uvtep"}
	if d.exe, err = os.Executable(); err != nil {
		return err
	}
	if d.dir, err = os.MkdirTemp("", "uvtep-demo-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	if d.lab, err = lab.New(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.lab.Close()) }()
	if lab.KernelHasVXLAN() {
		d.far = "kernel"
	}
	fmt.Fprintf(out, demoPicture, d.far)
	if err := d.build(); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := d.traffic(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := d.tables(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintln(out, "\nAll of it works. Removing the two hosts.")
	return nil
}

// build makes the hosts, the wire between them and a VTEP on each.
func (d *demo) build() (err error) {
	if d.a, err = d.lab.Host("a"); err != nil {
		return err
	}
	if d.b, err = d.lab.Host("b"); err != nil {
		return err
	}
	w, err := d.lab.Wire(d.a, d.b, lab.WireOptions{})
	if err != nil {
		return err
	}
	at := demoAddrs
	if err := errors.Join(d.a.AddAddr(w.A, at.underlayA), d.b.AddAddr(w.B, at.underlayB)); err != nil {
		return err
	}
	if err := d.startVTEP(d.a, at.underlayA, at.underlayB); err != nil {
		return err
	}
	if d.far == "kernel" {
		d.say("host b", fmt.Sprintf("ip link add vxlan0 type vxlan id 42 local %s remote %s dstport 4789 dev %s",
			at.underlayB.Addr(), at.underlayA.Addr(), w.B))
		err = d.b.AddKernelVXLAN(lab.KernelVXLAN{
			Name: "vxlan0", VNI: 42, Local: at.underlayB.Addr(), Remote: at.underlayA.Addr(), Dev: w.B,
		})
	} else {
		err = d.startVTEP(d.b, at.underlayB, at.underlayA)
	}
	if err != nil {
		return err
	}
	d.say("host a", "ip address add "+at.overlayA.String()+" dev vxlan0")
	d.say("host b", "ip address add "+at.overlayB.String()+" dev vxlan0")
	return errors.Join(d.a.AddAddr("vxlan0", at.overlayA), d.b.AddAddr("vxlan0", at.overlayB))
}

// startVTEP runs this program as a daemon in a host, as an operator would.
func (d *demo) startVTEP(h *lab.Host, local, remote netip.Prefix) error {
	args := []string{"run", "vxlan0", "id", "42", "local", local.Addr().String(), "remote", remote.Addr().String()}
	d.say("host "+h.Name(), "uvtep "+strings.Join(args, " "))
	p, err := h.Start(lab.Command{Path: d.exe, Args: append([]string{"--control", d.socket(h)}, args...)})
	if err != nil {
		return err
	}
	return p.WaitStderr("uvtep: ready", 10*time.Second)
}

func (d *demo) socket(h *lab.Host) string { return filepath.Join(d.dir, h.Name()+".sock") }

// traffic sends pings and streams over the overlay.
func (d *demo) traffic(ctx context.Context) error {
	to := demoAddrs.overlayB.Addr()
	if err := d.a.MustReach(to, 56, 10*time.Second); err != nil {
		return err
	}
	for _, size := range []int{56, 1400} {
		r, err := lab.Ping(d.a, netip.Addr{}, to, size, 5)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "\nping of %d bytes, a to b: %s\n", size, r)
		if r.Lost() > 0 {
			return fmt.Errorf("%d of %d pings were lost", r.Lost(), r.Sent)
		}
	}
	for _, way := range []struct {
		name     string
		from, to *lab.Host
		dst      netip.Addr
	}{{"a to b", d.a, d.b, to}, {"b to a", d.b, d.a, demoAddrs.overlayA.Addr()}} {
		r, err := lab.TCP(ctx, lab.TCPConfig{From: way.from, To: way.to, Dst: way.dst, Bytes: 100 << 20})
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "TCP, %s, SHA-256 compared: %s\n", way.name, r)
	}
	return nil
}

// tables shows what both VTEPs learned and counted.
func (d *demo) tables(ctx context.Context) error {
	fmt.Fprintln(d.out)
	for _, args := range [][]string{{"fdb", "show", "dev", "vxlan0"}, {"-d", "-s", "link", "show", "vxlan0"}} {
		if err := d.show(ctx, d.a, args); err != nil {
			return err
		}
	}
	if d.far == "uvtep" {
		return d.show(ctx, d.b, []string{"fdb", "show", "dev", "vxlan0"})
	}
	d.say("host b", "bridge fdb show dev vxlan0")
	entries, err := d.b.FDB("vxlan0")
	if err != nil {
		return err
	}
	d.indent(lab.FormatFDB(entries))
	return nil
}

// show runs one of this program's own commands in a host and prints its output.
func (d *demo) show(ctx context.Context, h *lab.Host, args []string) error {
	d.say("host "+h.Name(), "uvtep "+strings.Join(args, " "))
	out, errs, err := h.Run(ctx, d.exe, append([]string{"--control", d.socket(h)}, args...)...)
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(errs))
	}
	d.indent(out)
	return nil
}

func (d *demo) say(where, command string) {
	fmt.Fprintf(d.out, "%s# %s\n", where, command)
}

func (d *demo) indent(text string) {
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		fmt.Fprintln(d.out, "   ", s.Text())
	}
}
