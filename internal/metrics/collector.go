// Package metrics shows the counters of a VTEP to Prometheus: a collector, which reads the
// VTEP at each scrape and costs nothing in between, and its HTTP server. docs/metrics.md has
// the names.
package metrics

import (
	"log/slog"
	"runtime"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Source has the counters. *vtep.VTEP is one.
type Source interface {
	Links() []vtep.LinkInfo
	Trunks() []vtep.TrunkInfo
	// Stats counts what belongs to no link.
	Stats() forward.Stats
	// Addresses is how many addresses the links hold together, and how many they may hold,
	// 0 for any number.
	Addresses() (held, limit int)
	// Captures is how many captures there are, and how many frames they have left out.
	Captures() (running int, lost uint64)
}

// metric is a metric of each link.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	// each calls put with each value, and the values of the labels beyond link.
	each func(l *vtep.LinkInfo, put func(v float64, labels ...string))
}

// collector describes a Source. It implements prometheus.Collector.
type collector struct {
	source    Source
	log       *slog.Logger
	version   string
	build     *prometheus.Desc
	noLink    *prometheus.Desc
	ofPort    *prometheus.Desc
	panics    *prometheus.Desc
	logLost   *prometheus.Desc
	lost      func() uint64
	held      *prometheus.Desc
	limit     *prometheus.Desc
	captures  *prometheus.Desc
	leftOut   *prometheus.Desc
	ofLinks   []metric
	ofRemotes []remoteMetric
	unlisted  *prometheus.Desc
	announce  []*prometheus.Desc // all of them
}

func newCollector(cfg *Config) *collector {
	c := &collector{
		source: cfg.Source, version: cfg.Version, log: cfg.Log, lost: cfg.LogLost,
		build:  prometheus.NewDesc("uvtep_build_info", "Always 1, with the version of uvtep and of Go.", []string{"version", "goversion"}, nil),
		noLink: prometheus.NewDesc("uvtep_drops_total", "Frames and packets that were dropped before their link was known.", []string{"reason"}, nil),
		ofPort: prometheus.NewDesc("uvtep_port_drops_total", "Frames of a trunk port that were dropped before their link was known.", []string{"port", "reason"}, nil),
	}
	c.panics = prometheus.NewDesc("uvtep_panics_total", "Faults of uvtep that were caught; its log has the stack of each.", nil, nil)
	c.logLost = prometheus.NewDesc("uvtep_log_lines_lost_total", "Lines of the daemon's log that could not be written: its reader hung, or was gone.", nil, nil)
	c.ofLinks = append(append(append(stateMetrics(), counterMetrics()...), dropMetrics()...), icmpMetric())
	c.held = prometheus.NewDesc("uvtep_fdb_addresses", "Unicast entries of all links' forwarding databases.", nil, nil)
	c.limit = prometheus.NewDesc("uvtep_fdb_max_addresses", "How many of them there may be, the maxaddress of the daemon; 0 where any number may.", nil, nil)
	c.captures = prometheus.NewDesc("uvtep_captures", "Captures of frames that are under way.", nil, nil)
	c.leftOut = prometheus.NewDesc("uvtep_capture_lost_total", "Frames that captures left out, since their readers were too slow; the frames themselves went their way.", nil, nil)
	c.announce = []*prometheus.Desc{c.build, c.noLink, c.ofPort, c.panics, c.logLost, c.held, c.limit, c.captures, c.leftOut}
	c.unlisted = ofLink("remotes_unlisted", "Remotes of the link without metrics of their own: a link has them for 64, and a daemon for 4096.")
	c.announce = append(c.announce, c.unlisted)
	for _, m := range c.ofLinks {
		c.announce = append(c.announce, m.desc)
	}
	c.ofRemotes = remoteMetrics()
	for _, m := range c.ofRemotes {
		c.announce = append(c.announce, m.desc)
	}
	return c
}

// Describe sends the descriptions of all metrics.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.announce {
		out <- d
	}
}

// Collect sends all metrics as they are now.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(c.build, prometheus.GaugeValue, 1, c.version, runtime.Version())
	if c.lost != nil {
		out <- prometheus.MustNewConstMetric(c.logLost, prometheus.CounterValue, float64(c.lost()))
	}
	out <- prometheus.MustNewConstMetric(c.panics, prometheus.CounterValue, float64(fault.Caught()))
	// The registry runs this in a goroutine where a panic would end the process.
	fault.Catch(c.log, "a scrape", func() { c.collect(out) })
}

// collect sends the counters of the source.
func (c *collector) collect(out chan<- prometheus.Metric) {
	stats := c.source.Stats()
	for _, r := range noLinkReasons() {
		out <- prometheus.MustNewConstMetric(c.noLink, prometheus.CounterValue, float64(stats.Drops[r]), r.String())
	}
	held, limit := c.source.Addresses()
	out <- prometheus.MustNewConstMetric(c.held, prometheus.GaugeValue, float64(held))
	out <- prometheus.MustNewConstMetric(c.limit, prometheus.GaugeValue, float64(limit))
	running, lost := c.source.Captures()
	out <- prometheus.MustNewConstMetric(c.captures, prometheus.GaugeValue, float64(running))
	out <- prometheus.MustNewConstMetric(c.leftOut, prometheus.CounterValue, float64(lost))
	for _, t := range c.source.Trunks() {
		for _, r := range trunkReasons() {
			out <- prometheus.MustNewConstMetric(c.ofPort, prometheus.CounterValue, float64(t.Drops[r]), t.Config.Name, r.String())
		}
	}
	links := c.source.Links()
	room := mostRemotes
	for i := range links {
		l := &links[i]
		listed := c.collectRemotes(out, l, room)
		room -= listed
		out <- prometheus.MustNewConstMetric(c.unlisted, prometheus.GaugeValue, float64(len(l.Remotes)-listed+l.MoreRemotes), l.Config.Name)
		for _, m := range c.ofLinks {
			m.each(l, func(v float64, labels ...string) {
				// The name that the link was added with: no two links share it, and
				// it survives a new name of the device.
				labels = append([]string{l.Config.Name}, labels...)
				out <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
			})
		}
	}
}

// noLinkReasons are the reasons of drops before the link is known: by the kernel or a socket's
// worker (see NetWorker.Forward in vtep/forward), and at trunk ports.
func noLinkReasons() []forward.DropReason {
	return append(trunkReasons(), forward.RxSocketOverflow, forward.RxUnreadable, forward.RxShortHeader, forward.RxNoVNIFlag, forward.RxUnknownVNI)
}

// trunkReasons are the reasons of drops at a trunk port before the link is known.
func trunkReasons() []forward.DropReason {
	return []forward.DropReason{forward.TxPortOverflow, forward.TxUnreadable, forward.TxUnknownVLAN}
}

func ofLink(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("uvtep_link_"+name, help, append([]string{"link"}, labels...), nil)
}

// one is a metric with a single value a link.
func one(kind prometheus.ValueType, name, help string, of func(*vtep.LinkInfo) float64) metric {
	return metric{ofLink(name, help), kind, func(l *vtep.LinkInfo, put func(float64, ...string)) { put(of(l)) }}
}

func stateMetrics() []metric {
	gauge := func(name, help string, of func(*vtep.LinkInfo) float64) metric {
		return one(prometheus.GaugeValue, name, help, of)
	}
	return []metric{
		{ofLink("info", "Always 1, with the present name of the link's device and the VNI.", "device", "vni"), prometheus.GaugeValue,
			func(l *vtep.LinkInfo, put func(float64, ...string)) { put(1, l.Name, strconv.Itoa(int(l.Config.VNI))) }},
		gauge("up", "1 where the link's device is administratively up.", func(l *vtep.LinkInfo) float64 { return truth(l.Up) }),
		gauge("mtu_bytes", "MTU of the link's device.", func(l *vtep.LinkInfo) float64 { return float64(l.MTU) }),
		gauge("fdb_entries", "Entries of the forwarding database; a MAC address with several remotes is one.",
			func(l *vtep.LinkInfo) float64 { return float64(l.Entries) }),
		{ofLink("offload", "1 where the kernel does it for the link at present.", "offload"), prometheus.GaugeValue, offloads},
		gauge("udp_gso_segments", "Datagrams that one message to the underlay may hold.",
			func(l *vtep.LinkInfo) float64 { return float64(l.Offloads.UDPGSO.Segments) }),
	}
}

// offloads are the words of `uvtep link show -d`.
func offloads(l *vtep.LinkInfo, put func(float64, ...string)) {
	o := &l.Offloads
	for _, bit := range []tap.Offload{tap.OffloadChecksum, tap.OffloadTSO, tap.OffloadUSO} {
		put(truth(o.TAP.Read&bit != 0), "tap-"+bit.String())
		if bit != tap.OffloadChecksum { // which every write has
			put(truth(o.TAP.Write&bit != 0), "tap-write-"+bit.String())
		}
	}
	put(truth(o.UDPGSO.Segments > 1), "udp-gso")
	put(truth(o.UDPGSO.Tunnel), "tunnel-gso")
	put(truth(o.UDPGSO.Ring), "tx-ring")
	put(truth(o.UDPGRO.GRO), "udp-gro")
	put(truth(o.Filter.On), "filter")
}

func counterMetrics() []metric {
	counter := func(name, help string, of func(*forward.Stats) uint64) metric {
		return one(prometheus.CounterValue, name, help, func(l *vtep.LinkInfo) float64 { return float64(of(&l.Stats)) })
	}
	return []metric{
		counter("receive_packets_total", "Frames from the underlay that went into the device; a superframe counts as what it stands for.",
			func(s *forward.Stats) uint64 { return s.RxPackets }),
		counter("receive_bytes_total", "Bytes of those frames.", func(s *forward.Stats) uint64 { return s.RxBytes }),
		counter("receive_multicast_total", "Those frames that went to a multicast or broadcast address.", func(s *forward.Stats) uint64 { return s.Multicast }),
		counter("transmit_packets_total", "Frames from the device that went to remotes, one for each copy.", func(s *forward.Stats) uint64 { return s.TxPackets }),
		counter("transmit_bytes_total", "Bytes of those frames.", func(s *forward.Stats) uint64 { return s.TxBytes }),
		counter("receive_reserved_total", "Packets with reserved header bits set, dropped or not.", func(s *forward.Stats) uint64 { return s.Reserved }),
		counter("fdb_moves_total", "Learned MAC addresses that changed their remote.", func(s *forward.Stats) uint64 { return s.Moves }),
		counter("fdb_not_learned_total", "Frames that were delivered while the forwarding database was full and nothing gave its place.",
			func(s *forward.Stats) uint64 { return s.NotLearned }),
		counter("fdb_evicted_total", "Entries that gave their places in a full forwarding database to new addresses.", func(s *forward.Stats) uint64 { return s.Evicted }),
		counter("too_big_sent_total", "ICMP errors sent into the device for frames that do not fit the path of their remote.",
			func(s *forward.Stats) uint64 { return s.TooBigSent }),
		counter("too_big_withheld_total", "Such errors that were not sent, since the link sends 100 a second.",
			func(s *forward.Stats) uint64 { return s.TooBigWithheld }),
		counter("fragmented_total", "Frames that left in fragments, since each path has to take what is so short.",
			func(s *forward.Stats) uint64 { return s.Fragmented }),
	}
}

// icmpMetric has a series for each kind of ICMP error that came; see dropMetrics.
func icmpMetric() metric {
	return metric{ofLink("icmp_errors_total", "ICMP errors about packets to remotes; anybody can forge them.", "what"), prometheus.CounterValue,
		func(l *vtep.LinkInfo, put func(float64, ...string)) {
			for kind, n := range l.ICMP {
				put(float64(n), kind.String())
			}
		}}
}

// dropMetrics has a series for each reason that something was dropped for: with series for
// all reasons, thousands of links would have a hundred thousand, nearly all 0. Prometheus does
// not see the first increase of a new series, so that the sum of all reasons is there from
// the start.
func dropMetrics() []metric {
	return []metric{
		one(prometheus.CounterValue, "all_drops_total", "Frames and packets dropped, for whatever reason.", func(l *vtep.LinkInfo) float64 {
			sum := uint64(0)
			for _, n := range l.Stats.Drops {
				sum += n
			}
			return float64(sum)
		}),
		{ofLink("drops_total", "Frames and packets dropped.", "reason"), prometheus.CounterValue,
			func(l *vtep.LinkInfo, put func(float64, ...string)) {
				for _, r := range forward.DropReasons() {
					if n := l.Stats.Drops[r]; n > 0 {
						put(float64(n), r.String())
					}
				}
			}},
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
