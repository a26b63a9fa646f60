package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/underlay/tunnelgso"
	"github.com/uvtep/uvtep/underlay/txring"
	"github.com/uvtep/uvtep/vtep"
)

// parseNoOffload reads the words of --no-offload.
func parseNoOffload(words []string) (vtep.NoOffload, error) {
	var off vtep.NoOffload
	switches := map[string]*bool{"tap": &off.TAP, "udp-gso": &off.UDPGSO, "udp-gro": &off.UDPGRO, "filter": &off.Filter}
	for _, word := range words {
		s := switches[word]
		if s == nil {
			return off, usagef("unknown offload %q: --no-offload takes tap, udp-gso, udp-gro and filter, with commas between", word)
		}
		*s = true
	}
	return off, nil
}

// parseTunnelGSO reads the word of --tunnel-gso.
func parseTunnelGSO(word string) (tunnelgso.Mode, error) {
	switch word {
	case "off":
		return tunnelgso.Off, nil
	case "auto":
		return tunnelgso.Auto, nil
	case "on":
		return tunnelgso.On, nil
	}
	return tunnelgso.Off, usagef("--tunnel-gso %q is unknown: write off, auto or on", word)
}

// parseTXRing reads the word of --tx-ring.
func parseTXRing(word string) (txring.Mode, error) {
	switch word {
	case "off":
		return txring.Off, nil
	case "auto":
		return txring.Auto, nil
	case "on":
		return txring.On, nil
	}
	return txring.Off, usagef("--tx-ring %q is unknown: write off, auto or on", word)
}

// showOffload prints the offloads that are in use, and why others are not.
func showOffload(w io.Writer, o *api.Offload) {
	fmt.Fprintf(w, "\n    uvtep offload tap %s tap-write %s", list(o.TAP.Read), list(o.TAP.Write))
	reason(w, "tap", o.TAP.Reason)
	fmt.Fprintf(w, " udp-gso %d", o.UDPGSO.Segments)
	reason(w, "udp-gso", o.UDPGSO.Reason)
	fmt.Fprintf(w, " tunnel-gso %s", onOff(o.TunnelGSO.On))
	reason(w, "tunnel-gso", o.TunnelGSO.Reason)
	fmt.Fprintf(w, " tx-ring %s", onOff(o.TXRing.On))
	reason(w, "tx-ring", o.TXRing.Reason)
	fmt.Fprintf(w, " udp-gro %s", onOff(o.UDPGRO.On))
	reason(w, "udp-gro", o.UDPGRO.Reason)
	fmt.Fprintf(w, " filter %s", onOff(o.Filter.On))
	reason(w, "filter", o.Filter.Reason)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func reason(w io.Writer, of, why string) {
	if why != "" {
		fmt.Fprintf(w, " %s-reason %q", of, why)
	}
}

func list(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ",")
}

func offloadJSON(j *jsonWriter, o *api.Offload) {
	j.object("tap", func() {
		j.strings("read", o.TAP.Read)
		j.strings("write", o.TAP.Write)
		nonzero(j, "reason", o.TAP.Reason)
	})
	j.object("udp_gso", func() {
		j.value("segments", o.UDPGSO.Segments)
		nonzero(j, "reason", o.UDPGSO.Reason)
	})
	j.object("tunnel_gso", func() {
		j.value("on", o.TunnelGSO.On)
		nonzero(j, "reason", o.TunnelGSO.Reason)
	})
	j.object("tx_ring", func() {
		j.value("on", o.TXRing.On)
		nonzero(j, "reason", o.TXRing.Reason)
	})
	j.object("udp_gro", func() {
		j.value("on", o.UDPGRO.On)
		nonzero(j, "reason", o.UDPGRO.Reason)
	})
	j.object("filter", func() {
		j.value("on", o.Filter.On)
		nonzero(j, "reason", o.Filter.Reason)
	})
}
