package migrate

import (
	"path"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/words"
)

// isCommand reports whether an attribute is a command that is run with its
// interface.
func (a *attribute) isCommand() bool {
	switch a.key {
	case "pre-up", "up", "post-up", "pre-down", "down", "post-down":
		return true
	}
	return false
}

// commands reads `bridge fdb` of the commands that are run when an interface
// comes up, the usual way to list peers, and tells of all others that have to
// do with VXLAN.
func (i *interfaces) commands(links []*fileLink) {
	made := i.madeByCommand()
	for _, s := range append(slices.Clone(i.stanzas), i.aside...) {
		for _, a := range s.attrs {
			switch {
			case s.template:
			case a.isCommand():
				i.command(s, &a, links, made)
			case slices.Contains(i.aside, s) && mentionsVXLAN(a.key, a.value):
				i.notes.addf(a.at, "%s %s is left out: it is no line of an iface", a.key, a.value)
			}
		}
	}
}

// simple are the commands of a line of the shell that has nothing but words,
// with && and ; between them: nil where it has more.
func simple(line, iface string) [][]string {
	line = strings.NewReplacer("${IFACE}", iface, "$IFACE", iface, `"`, "", "'", "").Replace(line)
	for before := ""; before != line; {
		before = line
		for _, end := range []string{"|| true", "|| :", "|| exit 0", "2>/dev/null", "2> /dev/null", "2>&1", ">/dev/null", "> /dev/null", "&"} {
			line = strings.TrimSpace(strings.TrimSuffix(line, end))
		}
	}
	if strings.ContainsAny(line, "|<>`$(){}*?[]#~\\") {
		return nil
	}
	var all [][]string
	for part := range strings.SplitSeq(strings.ReplaceAll(line, "&&", ";"), ";") {
		if fields := strings.Fields(part); len(fields) > 0 {
			fields[0] = path.Base(fields[0])
			all = append(all, fields)
		}
	}
	return all
}

// madeByCommand are the VXLAN devices that commands make.
func (i *interfaces) madeByCommand() []string {
	var names []string
	for _, s := range i.stanzas {
		for _, a := range s.attrs {
			if name := madeBy(&a, s.name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// madeBy is the VXLAN device that a command makes; empty: none.
func madeBy(a *attribute, iface string) string {
	if !a.isCommand() || !mentionsVXLAN(a.value) {
		return ""
	}
	fields := strings.Fields(strings.NewReplacer("${IFACE}", iface, "$IFACE", iface, `"`, "", "'", "", ";", " ").Replace(a.value))
	add := slices.Index(fields, "add")
	if kind := slices.Index(fields, "vxlan"); add < 1 || kind < 1 || fields[kind-1] != "type" {
		return ""
	}
	for _, word := range fields[add+1:] {
		if word != "name" && word != "dev" {
			return word
		}
	}
	return ""
}

// command takes one line of commands.
func (i *interfaces) command(s *stanza, a *attribute, links []*fileLink, made []string) {
	tell := func(format string, args ...any) {
		i.notes.addf(a.at, "%s %s "+format, append([]any{a.key, a.value}, args...)...)
	}
	ofLink := slices.ContainsFunc(links, func(l *fileLink) bool { return l.name == s.name })
	if name := madeBy(a, s.name); name != "" {
		tell("is left out: %s is made by this command; uvtep import iproute2 reads it while it is there", name)
		return
	}
	all, down := simple(a.value, s.name), strings.HasSuffix(a.key, "down")
	for _, c := range all {
		if down || len(c) < 3 || c[0] != "bridge" || c[1] != "fdb" {
			if ofLink || mentionsVXLAN(a.value, s.name) {
				tell("is left out: it is the device's; keep it in an iface without vxlan- lines, if uvtep's device needs it")
			}
			return
		}
	}
	if all == nil && (ofLink || mentionsVXLAN(a.value, s.name) || strings.Contains(a.value, "bridge fdb")) {
		tell("is left out: it is more than words to a shell; what it adds with bridge fdb belongs under fdb: of the link")
		return
	}
	for _, c := range all {
		if why := i.entryOf(c, links, made); why != "" {
			tell("is left out: %s", why)
		}
	}
}

// entryOf takes `bridge fdb append ...`, and says why it does not.
func (i *interfaces) entryOf(c []string, links []*fileLink, made []string) string {
	if !slices.Contains([]string{"add", "append", "replace"}, c[2]) {
		return "it is none of bridge fdb add, append and replace"
	}
	e, err := config.ParseFDBEntry(c[2], c[3:], words.AnyFamily)
	if err != nil {
		return err.Error()
	}
	l := duplicate(links, e.Dev)
	switch {
	case l == nil && slices.Contains(made, e.Dev):
		return e.Dev + " is made by a command, and has the entry where uvtep import iproute2 reads it"
	case l == nil:
		return e.Dev + " is no link of what is printed"
	case !e.Dst.IsValid():
		return "it has no dst"
	case e.Dst.Is6() != l.ipv6():
		return "it is of the other address family than the link"
	}
	added := asEntry(&e)
	said := added.say()
	for _, before := range l.fdb {
		if before.same(said) {
			return "it has been said before"
		}
	}
	l.entry(added)
	return ""
}

// asEntry is an entry of the sentence as bridge prints it.
func asEntry(e *api.FDBEntry) entry {
	out := entry{MAC: e.MAC, Dst: e.Dst.String(), VNI: e.VNI, Via: e.Via, State: e.State}
	if out.State == "" {
		out.State = api.Permanent
	}
	if e.Port != 0 {
		out.Port = &e.Port
	}
	if e.ExternLearn {
		out.Flags = append(out.Flags, "extern_learn")
	}
	if e.Router {
		out.Flags = append(out.Flags, "router")
	}
	return out
}

// same reports whether two entries say the same.
func (m mapping) same(other mapping) bool {
	return slices.EqualFunc(m, other, func(a, b keyValue) bool { return a == b })
}
