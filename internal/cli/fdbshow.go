package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
)

// fdbPrinter prints entries as `bridge fdb show` does (print_fdb in bridge/fdb.c), one
// by one.
type fdbPrinter struct {
	a      *app
	device bool // the link is printed, too: it is not where `dev` was given
	text   *bufio.Writer
	json   *jsonWriter
}

// printFDB prints what each calls its argument with. What was printed before an
// error stays.
func (a *app) printFDB(device bool, each func(print func(*api.FDBEntry)) error) (err error) {
	p := fdbPrinter{a: a, device: device}
	if a.json {
		p.json = newJSON(a.out, a.pretty)
		p.json.array("", func() { err = each(p.print) })
		return errors.Join(err, p.json.end())
	}
	p.text = bufio.NewWriter(a.out)
	err = each(p.print)
	return errors.Join(err, p.text.Flush())
}

func (p *fdbPrinter) print(e *api.FDBEntry) {
	if p.json != nil {
		p.json.object("", func() { p.a.entryJSON(p.json, e, p.device) })
		return
	}
	p.a.entryText(p.text, e, p.device)
}

// showFDB prints entries.
func (a *app) showFDB(entries []api.FDBEntry, device bool) error {
	return a.printFDB(device, func(print func(*api.FDBEntry)) error {
		for i := range entries {
			print(&entries[i])
		}
		return nil
	})
}

// listFDB prints a list as it comes.
func (a *app) listFDB(list *client.FDBList, device bool) error {
	return a.printFDB(device, func(print func(*api.FDBEntry)) error {
		for {
			e, err := list.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			print(&e)
		}
	})
}

// entryText prints an entry as a line, with the trailing blank of one without a state.
func (a *app) entryText(w io.Writer, e *api.FDBEntry, device bool) {
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
	for _, flag := range flagsOf(*e) {
		fmt.Fprint(w, flag, " ")
	}
	if a.details && e.Owner != "" {
		fmt.Fprintf(w, "owner %s generation %d ", e.Owner, e.Generation)
	}
	fmt.Fprintln(w, shownState(*e))
}

func flagsOf(e api.FDBEntry) []string {
	flags := []string{"self"}
	if e.Router {
		flags = append(flags, "router")
	}
	if e.ExternLearn {
		flags = append(flags, "extern_learn")
	}
	if e.NoFlood {
		flags = append(flags, "noflood")
	}
	if e.Sticky {
		flags = append(flags, "sticky")
	}
	return flags
}

// shownState: NUD_REACHABLE, which is dynamic, has no word.
func shownState(e api.FDBEntry) string {
	if e.State == api.Dynamic {
		return ""
	}
	return e.State
}

func (a *app) entryJSON(j *jsonWriter, e *api.FDBEntry, device bool) {
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
	if e.Owner != "" {
		j.value("owner", e.Owner)
		j.value("generation", e.Generation)
	}
}
