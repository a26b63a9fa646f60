package cli

import (
	"bufio"
	"fmt"

	"github.com/uvtep/uvtep/control"
)

// showFDB prints entries as `bridge fdb show` does (print_fdb in bridge/fdb.c),
// with the trailing blank of an entry without a state. device says whether the
// link is printed too: it is not where `dev` was given.
func (a *app) showFDB(entries []control.FDBEntry, device bool) error {
	if a.json {
		return a.showFDBJSON(entries, device)
	}
	w := bufio.NewWriter(a.out)
	for _, e := range entries {
		fmt.Fprint(w, e.MAC, " ")
		if device {
			fmt.Fprintf(w, "dev %s ", e.Dev)
		}
		if e.Dst.IsValid() {
			fmt.Fprintf(w, "dst %v ", e.Dst)
		}
		if e.Port != 0 {
			fmt.Fprintf(w, "port %d ", e.Port)
		}
		if e.VNI != nil {
			fmt.Fprintf(w, "vni %d ", *e.VNI)
		}
		if e.Via != "" {
			fmt.Fprintf(w, "via %s ", e.Via)
		}
		if a.statistics > 0 {
			fmt.Fprintf(w, "used %d/%d ", e.Used, e.Updated)
		}
		for _, flag := range flagsOf(e) {
			fmt.Fprint(w, flag, " ")
		}
		fmt.Fprintln(w, shownState(e))
	}
	return w.Flush()
}

func flagsOf(e control.FDBEntry) []string {
	flags := []string{"self"}
	if e.Router {
		flags = append(flags, "router")
	}
	if e.ExternLearn {
		flags = append(flags, "extern_learn")
	}
	return flags
}

// shownState: NUD_REACHABLE, which is dynamic, has no word.
func shownState(e control.FDBEntry) string {
	if e.State == control.Dynamic {
		return ""
	}
	return e.State
}

func (a *app) showFDBJSON(entries []control.FDBEntry, device bool) error {
	j := newJSON(a.out, a.pretty)
	j.array("", func() {
		for _, e := range entries {
			j.object("", func() { a.entryJSON(j, &e, device) })
		}
	})
	return j.end()
}

func (a *app) entryJSON(j *jsonWriter, e *control.FDBEntry, device bool) {
	nonzero(j, "mac", e.MAC) // a miss may have none
	if device {
		j.value("ifname", e.Dev)
	}
	if e.Dst.IsValid() {
		j.value("dst", e.Dst.String())
	}
	nonzero(j, "port", e.Port)
	if e.VNI != nil {
		j.value("vni", *e.VNI)
	}
	nonzero(j, "viaIf", e.Via)
	if a.statistics > 0 {
		j.value("used", e.Used)
		j.value("updated", e.Updated)
	}
	j.strings("flags", flagsOf(*e))
	j.value("state", shownState(*e))
}
