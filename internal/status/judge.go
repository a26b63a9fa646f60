package status

import (
	"fmt"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/api"
)

// What counts as wrong.
const (
	// silence is how many seconds a remote that leads somewhere may say nothing while it is
	// sent to. Hosts that talk answer within seconds.
	silence = 30
	// fewUnanswered frames may go to a remote that was never heard: it may just have begun.
	fewUnanswered = 3
	// A reason that nothing is dropped for at present is told where it dropped many, and more
	// than a hundredth of what passed.
	manyDrops = 10
	dropShare = 100
	// nearlyFull is the share of an FDB's places, in percent, from which it is called full.
	nearlyFull = 95
)

// judge finds what is wrong with a link, worst first.
func judge(was, is *api.Link, l *Link) (all []Finding) {
	say := func(do, format string, a ...any) {
		all = append(all, Finding{l.Name, fmt.Sprintf(format, a...), do})
	}
	if is.Missing != "" {
		say("what is missing is tried again each second: give the host what the message names", "the link is not complete: %s", is.Missing)
	}
	if !l.Up {
		say("bring it up: uvtep link set "+l.Name+" up", "the link is down")
		return all // what else there is follows from that
	}
	// An entry that names the wrong VTEP has frames go where nobody may listen: its drop says why, that remote's trouble
	// does not.
	drops := judgeDrops(l.Name, l.Drops, l.Rx.Packets, l.Tx.Packets)
	if i := slices.IndexFunc(drops, func(f Finding) bool { return strings.HasPrefix(f.What, "drops rx-static-mac:") }); i >= 0 {
		all, drops = append(all, drops[i]), slices.Delete(drops, i, i+1)
	}
	for _, t := range is.Trouble {
		if t.Now {
			at := t.Dst.String()
			if t.Port != 0 {
				at += fmt.Sprintf(" port %d", t.Port)
			}
			say(troubleAdvice[t.What], "remote %s: %s", at, t.What)
		}
	}
	if len(l.Remotes) == 0 && l.More == 0 {
		do := "give it one: uvtep fdb append 00:00:00:00:00:00 dev " + l.Name + " dst IP"
		if is.Spec.EVPN != nil && *is.Spec.EVPN {
			do = "the fabric has it from other VTEPs: uvtep evpn show vni and uvtep evpn show neighbor say why there is none"
		}
		say(do, "the link has no remote")
	}
	all = append(all, drops...)
	if limit := int(l.MaxAddr); limit > 0 && l.Entries*100 >= limit*nearlyFull {
		say("raise maxaddress, or find the remote that has most of them (uvtep fdb show dev "+l.Name+")", "the FDB has %d of %d entries", l.Entries, limit)
	} else if is.Stats.NotLearned > was.Stats.NotLearned {
		say("raise --maxaddress of the daemon: all links together are at its limit", "frames are delivered and not learned")
	}
	return all
}

// judgeSilence finds the remotes of a link that say nothing, but for those in trouble.
func judgeSilence(l *Link, troubles []api.Trouble) (all []Finding) {
	if !l.Up {
		return nil
	}
	say := func(do, format string, a ...any) {
		all = append(all, Finding{l.Name, fmt.Sprintf(format, a...), do})
	}
	for i := range l.Remotes {
		r := &l.Remotes[i]
		if r.Dst.IsMulticast() || slices.ContainsFunc(troubles, func(t api.Trouble) bool { return t.Now && t.Dst == r.Dst }) {
			continue
		}
		do := fmt.Sprintf("uvtep ping %s dev %s says what fails; compare id, dstport and accept with the other end's, and look for a firewall", r.Dst, l.Name)
		switch {
		case r.Heard == nil && r.Tx.Packets > fewUnanswered:
			say(do, "remote %s was sent %d frames and never heard", r.Dst, r.Tx.Packets)
		case r.Heard != nil && *r.Heard >= silence && r.Tx.PacketsPS > 0 && r.Entries > 1:
			say(do, "remote %s is sent frames and was last heard %d s ago", r.Dst, *r.Heard)
		}
	}
	return all
}

// judgeDrops finds the reasons that something is dropped for at present, or often was.
// passed is what was not dropped, by direction.
func judgeDrops(link string, drops []Drop, rx, tx uint64) (all []Finding) {
	for _, d := range drops {
		passed := rx
		if d.Reason[:2] == "tx" {
			passed = tx
		}
		switch {
		case d.PS > 0:
			all = append(all, Finding{link, fmt.Sprintf("drops %s: %.0f a second, %d since the start", d.Reason, max(d.PS, 1), d.Count), adviceOf[d.Reason]})
		case d.Count >= manyDrops && d.Count > passed/dropShare:
			all = append(all, Finding{link, fmt.Sprintf("dropped %s: %d since the start", d.Reason, d.Count), adviceOf[d.Reason]})
		}
	}
	// A remedy for what goes on comes before one for what is over.
	slices.SortStableFunc(all, func(a, b Finding) int { return order(a) - order(b) })
	return all
}

func order(f Finding) int {
	if len(f.What) > 5 && f.What[:5] == "drops" {
		return 0
	}
	return 1
}

// judgeDaemon finds what is wrong with what belongs to no link.
func judgeDaemon(s *Snapshot, drops []Drop) (all []Finding) {
	if len(s.Links) == 0 {
		all = append(all, Finding{"", "the daemon has no link", "add one: uvtep link add vxlan0 id 42 local IP remote IP"})
	}
	if f := s.Stats.Reload; f != nil {
		all = append(all, Finding{"", fmt.Sprintf("%s was not applied %d s ago: %s", f.File, f.Seconds, f.Error), "correct it, and uvtep config apply"})
	}
	var rx uint64
	for i := range s.Links {
		rx += s.Links[i].Stats.Rx.Packets
	}
	all = append(all, judgeDrops("", drops, rx, rx)...)
	if n := s.Stats.Panics; n > 0 {
		all = append(all, Finding{"", fmt.Sprintf("uvtep has caught %d faults of its own", n), "see the stacks in the daemon's log, and report them"})
	}
	if held, limit := s.Stats.Addresses, s.Stats.MaxAddress; limit > 0 && held*100 >= limit*nearlyFull {
		all = append(all, Finding{"", fmt.Sprintf("all links together have %d of %d addresses", held, limit), "raise uvtep run --maxaddress, or find the link that has most"})
	}
	return all
}
