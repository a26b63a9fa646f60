package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/vtep"
)

// parseNoOffload reads the words of --no-offload.
func parseNoOffload(words []string) (vtep.NoOffload, error) {
	var off vtep.NoOffload
	switches := map[string]*bool{"tap": &off.TAP, "udp-gso": &off.UDPGSO, "udp-gro": &off.UDPGRO}
	for _, word := range words {
		s := switches[word]
		if s == nil {
			return off, usagef("unknown offload %q: --no-offload takes tap, udp-gso and udp-gro, with commas between", word)
		}
		*s = true
	}
	return off, nil
}

// showOffload prints what is in use, each part with the reason why it is less
// than the most.
func showOffload(w io.Writer, o *control.Offload) {
	gro := "off"
	if o.UDPGRO.On {
		gro = "on"
	}
	fmt.Fprintf(w, "\n    uvtep offload tap %s tap-write %s", list(o.TAP.Read), list(o.TAP.Write))
	reason(w, "tap", o.TAP.Reason)
	fmt.Fprintf(w, " udp-gso %d", o.UDPGSO.Segments)
	reason(w, "udp-gso", o.UDPGSO.Reason)
	fmt.Fprintf(w, " udp-gro %s", gro)
	reason(w, "udp-gro", o.UDPGRO.Reason)
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

func offloadJSON(j *jsonWriter, o *control.Offload) {
	j.object("tap", func() {
		j.strings("read", o.TAP.Read)
		j.strings("write", o.TAP.Write)
		nonzero(j, "reason", o.TAP.Reason)
	})
	j.object("udp_gso", func() {
		j.value("segments", o.UDPGSO.Segments)
		nonzero(j, "reason", o.UDPGSO.Reason)
	})
	j.object("udp_gro", func() {
		j.value("on", o.UDPGRO.On)
		nonzero(j, "reason", o.UDPGRO.Reason)
	})
}
