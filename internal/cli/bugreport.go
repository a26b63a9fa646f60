package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/bugreport"
	"github.com/uvtep/uvtep/internal/status"
)

// configFiles are where packages put configurations.
func configFiles() []string { return []string{"/etc/uvtep/uvtep.yaml", "/etc/uvtep/evpn.yaml"} }

func newBugreportCommand(a *app) *cobra.Command {
	var file string
	var configs []string
	c := &cobra.Command{
		Use:   "bugreport",
		Short: "Make one archive of what somebody who looks for a fault needs, without secrets",
		Long: `uvtep bugreport [-w FILE] [--config FILE]...

A tar.gz, uvtep-bugreport-TIME.tar.gz unless -w says (- is stdout), which its owner alone may read:
versions; configuration files without comments and secrets (those of --config, else /etc/uvtep/uvtep.yaml and
/etc/uvtep/evpn.yaml, where they are); status, links with their counters, remotes and offloads; trunk ports; a
summary of the forwarding databases; the end of the daemon's log; kernel, settings, devices, routes and
counters of this host. README in it lists the parts; docs/seeing.md says what each has.

What cannot be had is left out, and README says why: it works without a daemon. Nothing is sent anywhere.
Read it before you give it away: it has addresses and names.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown word %q after bugreport", args[0])
			}
			return a.bugreport(cmd.Context(), file, configs)
		},
	}
	c.Flags().StringVarP(&file, "write", "w", "", "write the archive to `FILE`; - is stdout")
	c.Flags().StringArrayVar(&configs, "config", nil, "a configuration `FILE`, of the daemon or the EVPN agent")
	return c
}

func (a *app) bugreport(ctx context.Context, file string, configs []string) (err error) {
	now := time.Now().UTC()
	dir := "uvtep-bugreport-" + now.Format("20060102T150405Z")
	out := a.out
	if file != "-" {
		if file == "" {
			file = dir + ".tar.gz"
		}
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("bugreport: %w", err)
		}
		defer func() {
			if err = errors.Join(err, f.Close()); err == nil {
				fmt.Fprintln(a.out, file)
			}
		}()
		out = f
	}
	return a.writeBugreport(ctx, out, dir, now, configs)
}

func (a *app) writeBugreport(ctx context.Context, w io.Writer, dir string, now time.Time, configs []string) error {
	r := bugreport.New(w, dir, now)
	if len(configs) == 0 {
		configs = configFiles()
	}
	for i, c := range configs { // first, so that their secrets are hidden in all the rest
		name := fmt.Sprintf("config-%d.yaml", i+1)
		r.Configuration(name, c)
	}
	r.Add("version", "of this program", []byte(buildText()))
	r.Host(ctx)
	return errors.Join(a.withClient(func(c *client.Client) error {
		fromDaemon(ctx, r, c)
		return nil
	}), r.Close())
}

// buildText is the version, and what the program was built of.
func buildText() string {
	s := fmt.Sprintf("uvtep %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if info, ok := debug.ReadBuildInfo(); ok {
		s += info.String()
	}
	return s
}

// fromDaemon adds what the daemon says.
func fromDaemon(ctx context.Context, r *bugreport.Archive, c *client.Client) {
	asJSON := func(name, about string, v any, err error) {
		var b []byte
		if err == nil {
			b, err = json.MarshalIndent(v, "", "  ")
		}
		if err != nil {
			r.Missing(name, about, err)
			return
		}
		r.Add(name, about, append(b, '\n'))
	}
	daemon, err := c.Version(ctx)
	asJSON("daemon.json", "version of the daemon", api.Version{Version: daemon}, err)
	links, err := c.Links(ctx)
	asJSON("links.json", "links: configuration in force, devices, offloads, remotes, counters", links, err)
	ports, err := c.Ports(ctx)
	asJSON("ports.json", "trunk ports", ports, err)
	stats, err := c.Stats(ctx)
	asJSON("stats.json", "counters of what belongs to no link", stats, err)
	text, err := statusText(ctx, c)
	if err == nil {
		r.Add("status", "uvtep status", text)
	} else {
		r.Missing("status", "uvtep status", err)
	}
	summary, err := fdbSummary(ctx, c)
	asJSON("fdb.json", "how many entries each link has, by remote, state and flags", summary, err)
	log, err := c.Log(ctx)
	if err == nil {
		r.Add("log", "the end of the daemon's log", []byte(strings.Join(log.Lines, "")))
	} else {
		r.Missing("log", "the end of the daemon's log", err)
	}
}

// statusText is what `uvtep status` prints.
func statusText(ctx context.Context, c *client.Client) ([]byte, error) {
	before, err := snapshot(ctx, c)
	if err != nil {
		return nil, err
	}
	now, err := nextSnapshot(ctx, c, statusLooks)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = status.New(&before, &now).WriteText(&b)
	return b.Bytes(), err
}

// fdbCount is how many entries of a link are alike.
type fdbCount struct {
	Dev     string `json:"dev"`
	Dst     string `json:"dst"`
	State   string `json:"state"`
	Flood   bool   `json:"flood,omitempty"`
	Extern  bool   `json:"extern_learn,omitempty"`
	Owner   string `json:"owner,omitempty"`
	Entries int    `json:"entries"`
}

// fdbSummary counts the entries. MAC addresses are not in it.
func fdbSummary(ctx context.Context, c *client.Client) ([]fdbCount, error) {
	l, err := c.ListFDB(ctx, api.FDBFilter{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = l.Close() }() // read to its end or of no interest
	counts := make(map[fdbCount]int)
	for {
		e, err := l.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		counts[fdbCount{Dev: e.Dev, Dst: e.Dst.String(), State: e.State, Flood: e.MAC == "00:00:00:00:00:00", Extern: e.ExternLearn, Owner: e.Owner}]++
	}
	all := []fdbCount{}
	for k, n := range counts {
		k.Entries = n
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b fdbCount) int {
		return strings.Compare(fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", b))
	})
	return all, nil
}
