package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/uvtep/uvtep/api"
)

// showRemotes prints the counters of a link's remotes, a line each.
func showRemotes(w io.Writer, l *api.Link) {
	for i := range l.Remotes {
		r := &l.Remotes[i]
		heard := "never"
		if r.Heard != nil {
			heard = strconv.Itoa(int(*r.Heard)) + "s"
		}
		fmt.Fprintf(w, "    uvtep remote %s rx %d bytes %d dropped %d tx %d bytes %d dropped %d entries %d heard %s\n",
			r.Dst, r.Rx.Packets, r.Rx.Bytes, r.Rx.Dropped, r.Tx.Packets, r.Tx.Bytes, r.Tx.Dropped, r.Entries, heard)
	}
	if l.MoreRemotes > 0 {
		fmt.Fprintf(w, "    uvtep remotes-more %d\n", l.MoreRemotes)
	}
}

// remotesJSON writes the same.
func remotesJSON(j *jsonWriter, l *api.Link) {
	if len(l.Remotes) == 0 {
		return
	}
	counts := func(name string, c api.Counts) {
		j.object(name, func() {
			j.value("bytes", c.Bytes)
			j.value("packets", c.Packets)
			j.value("dropped", c.Dropped)
		})
	}
	j.array("remotes", func() {
		for i := range l.Remotes {
			r := &l.Remotes[i]
			j.object("", func() {
				j.value("dst", r.Dst)
				j.value("configured", r.Configured)
				j.value("entries", r.Entries)
				counts("rx", r.Rx)
				counts("tx", r.Tx)
				if r.Heard != nil {
					j.value("heard", *r.Heard)
				}
			})
		}
	})
	nonzero(j, "more_remotes", l.MoreRemotes)
}
