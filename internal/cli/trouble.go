package cli

import (
	"fmt"
	"io"

	"github.com/uvtep/uvtep/api"
)

// showTrouble prints what is wrong with a remote.
func showTrouble(w io.Writer, t *api.Trouble) {
	fmt.Fprintf(w, "dst %s ", t.Dst)
	if t.Port != 0 {
		fmt.Fprintf(w, "port %d ", t.Port)
	}
	fmt.Fprintf(w, "%s ", t.What)
	if t.Count != 0 {
		fmt.Fprintf(w, "count %d ", t.Count)
	}
}

// troublesJSON writes the troubles of remotes.
func troublesJSON(j *jsonWriter, l *api.Link) {
	if len(l.Trouble) == 0 {
		return
	}
	j.array("trouble", func() {
		for i := range l.Trouble {
			j.object("", func() { troubleJSON(j, &l.Trouble[i]) })
		}
	})
}

func troubleJSON(j *jsonWriter, t *api.Trouble) {
	j.value("dst", t.Dst)
	nonzero(j, "port", t.Port)
	j.value("what", t.What)
	j.value("count", t.Count)
	j.value("now", t.Now)
}
