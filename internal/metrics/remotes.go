package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/uvtep/uvtep/vtep"
)

// mostRemotes bounds the remotes of all links that a scrape tells of: thousands of links
// with 64 each would have a million series. Links give theirs by the index of their devices.
const mostRemotes = 4096

// remoteMetric is a metric of each remote of a link.
type remoteMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(*vtep.RemoteStats) (v float64, ok bool)
}

func remoteMetrics() []remoteMetric {
	of := func(name, help string, kind prometheus.ValueType, fn func(*vtep.RemoteStats) (float64, bool)) remoteMetric {
		return remoteMetric{prometheus.NewDesc("uvtep_remote_"+name, help, []string{"link", "remote"}, nil), kind, fn}
	}
	counter := func(name, help string, fn func(*vtep.RemoteStats) uint64) remoteMetric {
		return of(name, help, prometheus.CounterValue, func(r *vtep.RemoteStats) (float64, bool) { return float64(fn(r)), true })
	}
	return []remoteMetric{
		counter("receive_packets_total", "Frames that were admitted from the remote.", func(r *vtep.RemoteStats) uint64 { return r.RxPackets }),
		counter("receive_bytes_total", "Bytes of those frames.", func(r *vtep.RemoteStats) uint64 { return r.RxBytes }),
		counter("receive_drops_total", "Packets from the remote that the link refused; those that the kernel dropped before are not among them.",
			func(r *vtep.RemoteStats) uint64 { return r.RxDrops }),
		counter("transmit_packets_total", "Frames that went to the remote, one for each copy.", func(r *vtep.RemoteStats) uint64 { return r.TxPackets }),
		counter("transmit_bytes_total", "Bytes of those frames.", func(r *vtep.RemoteStats) uint64 { return r.TxBytes }),
		counter("transmit_drops_total", "Packets to the remote beyond a limit, or that the network refused.", func(r *vtep.RemoteStats) uint64 { return r.TxDrops }),
		of("fdb_entries", "Entries of the forwarding database that lead to the remote.", prometheus.GaugeValue,
			func(r *vtep.RemoteStats) (float64, bool) { return float64(r.Entries), true }),
		of("heard_seconds", "Seconds since a frame was last admitted from the remote; there is none where none ever was.", prometheus.GaugeValue,
			func(r *vtep.RemoteStats) (float64, bool) { return r.Heard.Seconds(), r.Heard != vtep.NeverHeard }),
	}
}

// collectRemotes sends the metrics of l's remotes, of no more than room of them, and
// returns how many it took.
func (c *collector) collectRemotes(out chan<- prometheus.Metric, l *vtep.LinkInfo, room int) int {
	n := min(len(l.Remotes), room)
	for i := range l.Remotes[:n] {
		r := &l.Remotes[i]
		for _, m := range c.ofRemotes {
			if v, ok := m.of(r); ok {
				out <- prometheus.MustNewConstMetric(m.desc, m.kind, v, l.Config.Name, r.IP.String())
			}
		}
	}
	return n
}
