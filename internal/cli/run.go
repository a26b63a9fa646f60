package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/logging"
	"github.com/uvtep/uvtep/internal/metrics"
	"github.com/uvtep/uvtep/internal/web"
	"github.com/uvtep/uvtep/underlay/tunnelgso"
	"github.com/uvtep/uvtep/underlay/txring"
	"github.com/uvtep/uvtep/vtep"
)

func newRunCommand(a *app) *cobra.Command {
	var o runOptions
	run := &cobra.Command{
		Use:   "run [NAME id VNI ...]",
		Short: "Run the daemon, with one link that is up if a sentence is given",
		Long: "uvtep run [--config FILE] [--metrics ADDR:PORT] [--web ADDR:PORT|control] [--maxaddress N] [--no-offload LIST] [--force-udp-gso] [--tunnel-gso MODE] [--tx-ring MODE] [--tune] [--spin[=TIME]] [--state DIR] [--take-over] [--no-sandbox] [--log-format FORMAT] [--log-level LEVELS] [LINK-SENTENCE]\n\nThe daemon, in the foreground. With a sentence it makes that link and brings it up:\n\n  uvtep run " +
			linkHelp() + "\n\nWith a file (see docs/config.md) it makes the links of the file; SIGHUP has it read the file again and apply what differs.\n" +
			"It prints one line, uvtep: ready, to stderr. SIGTERM and SIGINT end it; SIGHUP without --config does nothing.\n\n" +
			"The log goes to stderr, too: of lines with the same text one a second, of which suppressed=N counts the others. The daemon does not wait\n" +
			"for who reads it: what cannot be written is lost, and counted. Each line has a class: links, config, control, metrics, web or restart.",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.controlSaid = cmd.Flags().Changed("control") || os.Getenv(controlEnv) != ""
			return a.logged(&o.log, func(l *logging.Log) error { return a.daemon(cmd.Context(), l, &o, args) })
		},
	}
	f := run.Flags()
	f.StringVar(&o.config, "config", "", "make the links of a configuration `file`")
	f.StringVar(&o.metrics, "metrics", "", "answer Prometheus on `ADDR:PORT`, path /metrics, such as 127.0.0.1:9472; see docs/metrics.md")
	f.StringVar(&o.web, "web", "", "show the status page to browsers on `ADDR:PORT`, such as 127.0.0.1:9473, or with control on the control socket below /web/; see docs/seeing.md")
	f.StringVar(&o.maxAddress, "maxaddress", "", "how many MAC addresses all links together may hold: a `number` or unlimited; 1048576 unless said")
	f.StringSliceVar(&o.noOffload, "no-offload", nil, "do without an offload: `tap,udp-gso,udp-gro,filter`, or some of them; see link show -d")
	f.BoolVar(&o.forceGSO, "force-udp-gso", false, "use UDP segmentation on a kernel, too, that is known to spoil it on the way to some NICs (7.0 to 7.1.4)")
	f.StringVar(&o.tunnelGSO, "tunnel-gso", "auto", "send TCP superframes whole, for the device to cut: `off, auto or on` (Linux 6.17; see docs/performance.md)")
	f.StringVar(&o.txRing, "tx-ring", "off", "send copies of frames by a ring that the kernel shares: `off, auto or on` (CAP_NET_RAW; see docs/performance.md)")
	f.StringVar(&o.state, "state", "", "keep what the API made and what was learned in a `directory` over a restart; see docs/restart.md")
	f.BoolVar(&o.takeOver, "take-over", false, "take over from the daemon that runs on the control socket, without losing a frame; see docs/restart.md")
	f.BoolVar(&o.tune, "tune", false, "set the devices that links send through for speed (gro on); the log says what was changed")
	f.DurationVar(&o.spin, "spin", 0, "look for the next packet for so `long` before waiting, where traffic is sparse: shorter round trips for CPU time")
	f.BoolVar(&o.noSandbox, "no-sandbox", false, "do not confine the daemon: by default it gives up the system calls (seccomp) and files (Landlock) that it does not need")
	o.log.flags(f)
	f.Lookup("spin").NoOptDefVal = defaultSpin.String()
	return run
}

// defaultSpin is `--spin` without a value.
const defaultSpin = 200 * time.Microsecond

// runOptions are the options of `uvtep run` alone.
type runOptions struct {
	config      string
	controlSaid bool // by --control or the environment, which the file gives way to
	noOffload   []string
	forceGSO    bool
	tunnelGSO   string
	txRing      string
	tune        bool
	spin        time.Duration
	metrics     string
	web         string
	maxAddress  string
	state       string
	takeOver    bool
	noSandbox   bool
	log         logOptions
}

// vtepConfig is the VTEP's configuration by the options.
func (o *runOptions) vtepConfig(log *slog.Logger) (vtep.Config, error) {
	off, err := parseNoOffload(o.noOffload)
	c := vtep.Config{Log: log, NoOffload: off, ForceUDPGSO: o.forceGSO, Spin: o.spin}
	if _, bad := parseTunnelGSO(o.tunnelGSO); bad != nil {
		err = bad
	}
	if _, bad := parseTXRing(o.txRing); bad != nil {
		err = bad
	}
	if o.spin < 0 {
		err = usagef("--spin %s: want a time of 0 or more", o.spin)
	}
	if o.metrics != "" {
		if bad := metrics.CheckAddr(o.metrics); bad != nil {
			err = usagef("%v", bad)
		}
	}
	if o.web != "" {
		if bad := web.CheckAddr(o.web); bad != nil {
			err = usagef("%v", bad)
		}
	}
	if o.maxAddress != "" {
		n, bad := control.TotalAddresses(api.Value(o.maxAddress))
		if c.MaxAddresses = n; bad != nil {
			err = usagef("--%v", bad)
		}
	}
	return c, err
}

// daemon serves until ctx ends, and removes what it made before it returns.
func (a *app) daemon(ctx context.Context, lines *logging.Log, o *runOptions, sentence []string) (err error) {
	hup := hangups()
	cfg, err := o.vtepConfig(lines.Of(logging.Links))
	if err != nil {
		return err
	}
	var link *api.LinkChange
	if len(sentence) > 0 {
		l, err := config.ParseLinkAdd(sentence, a.family())
		if err != nil {
			return err
		}
		link = &l
		if link.Up == nil {
			link.Up = new(true)
		}
	}
	file, err := followFile(ctx, lines.Of(logging.Config), o.config)
	if err != nil {
		return err
	}
	defer file.close()
	if path := file.control(); path != "" && !o.controlSaid {
		a.control = path
	}
	if o.metrics == "" {
		o.metrics = file.metrics()
	}
	if o.web == "" {
		o.web = file.web()
	}
	setRuntime()
	d := &daemon{app: a, o: o, cfg: cfg, link: link, file: file, lines: lines, log: lines.Of(logging.Restart), hup: hup}
	mode, err := parseTunnelGSO(o.tunnelGSO)
	if err != nil {
		return err
	}
	d.tunnel = tunnelgso.Open(mode)
	defer func() { err = errors.Join(err, d.tunnel.Close()) }()
	ring, err := parseTXRing(o.txRing)
	if err != nil {
		return err
	}
	d.rings = txring.Open(ring) // before the daemon confines itself: it opens packet sockets
	defer func() { err = errors.Join(err, d.rings.Close()) }()
	before, err := d.predecessor()
	for {
		if err != nil {
			return err
		}
		if before, err = d.serve(ctx, before); before == nil {
			return err
		}
	}
}

// listenMetrics listens on the port for metrics; nil: there is none, and nothing to serve.
func (o *runOptions) listenMetrics(v *vtep.VTEP, lines *logging.Log) (*metrics.Server, error) {
	if o.metrics == "" {
		return nil, nil
	}
	return metrics.Listen(metrics.Config{Addr: o.metrics, Source: v, Version: version(), LogLost: lines.Lost, Log: lines.Of(logging.Metrics)})
}
