package vtep

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// stepOf is a step with the reasons for which a frame ends there. The steps of a way are in
// packet order.
type stepOf struct {
	name, text string
	ends       []forward.DropReason
}

// ends adds steps up to the one that a frame ends at; all where it goes on.
func (e *Explanation) walk(steps []stepOf, f forward.Fate) (through bool) {
	for _, s := range steps {
		if s.text == "" && (!f.Dropped || !slices.Contains(s.ends, f.Reason)) {
			continue // nothing to tell
		}
		step := Step{Name: s.name, Text: s.text}
		if f.Dropped && slices.Contains(s.ends, f.Reason) {
			e.dropped(&step, f.Reason)
			e.Verdict, e.Dropped = verdictDropped(f.Reason), true
			return false
		}
		e.Steps = append(e.Steps, step)
	}
	return true
}

func (e *Explanation) dropped(s *Step, r forward.DropReason) {
	if s.Drop = &r; s.Text == "" {
		s.Text = r.About()
	}
	e.Steps = append(e.Steps, *s)
	if !slices.Contains(e.Drops, r) {
		e.Drops = append(e.Drops, r)
	}
}

func verdictDropped(r forward.DropReason) string { return fmt.Sprintf("dropped: %s: %s", r, r.About()) }

// explainFrame words the course of a frame from the port of l; nil: of no link's VLAN.
func (v *VTEP) explainFrame(l *link, frame []byte, c forward.Course) (e Explanation) {
	steps := []stepOf{{"frame", encap.Describe(frame), []forward.DropReason{forward.TxTooShort}}}
	if l == nil {
		steps = append(steps, stepOf{"vlan", "no link has the VLAN", []forward.DropReason{forward.TxUnknownVLAN}})
		e.walk(steps, c.Fate)
		return e
	}
	s := l.State.Load()
	steps = append(steps, stepOf{"link", linkText(s), []forward.DropReason{forward.TxLinkDown}})
	if len(frame) >= encap.EthernetHeaderLen {
		in := encap.ParseInner(frame)
		steps = append(steps,
			stepOf{"loop", "", []forward.DropReason{forward.TxLoop}},
			stepOf{"vlan", vlanText(s, &in), []forward.DropReason{forward.TxInnerVLAN}},
			stepOf{"neighbour", neighbourText(s, frame, &in, &c), []forward.DropReason{forward.TxNoNeighbour}})
		if !c.Answered {
			steps = append(steps,
				stepOf{"fdb", l.entryText(encap.EthDst(frame)), []forward.DropReason{forward.TxNoRemote}},
				stepOf{"limits", limitsText(s, c.Flooded), []forward.DropReason{forward.TxBUMLimit, forward.TxFloodLoop}})
		}
	}
	if !e.walk(steps, c.Fate) {
		return e
	}
	e.changes(&c)
	if c.Answered {
		e.Verdict = "answered by the link itself: the frame goes no further"
		return e
	}
	v.explainCopies(l, &c, &e)
	return e
}

// explainCopies words what becomes of each copy.
func (v *VTEP) explainCopies(l *link, c *forward.Course, e *Explanation) {
	net := v.stage(l)
	var sent []string
	for i := range c.Copies {
		p := &c.Copies[i]
		step := Step{Name: "remote", Text: net.copyText(p)}
		if p.Dropped {
			e.dropped(&step, p.Reason)
			continue
		}
		sent = append(sent, p.To.Addr.String())
		e.Steps = append(e.Steps, step)
	}
	if c.More > 0 {
		e.Steps = append(e.Steps, Step{Name: "remote", Text: fmt.Sprintf("and %d more remotes, which are not looked at here", c.More)})
	}
	for _, w := range c.ToPort {
		if w.Link == l.Link {
			e.Steps = append(e.Steps, Step{Name: "answer", Text: "the host is told by ICMP which length fits: " + encap.Describe(w.Frame.Data)})
		}
	}
	switch {
	case len(sent) == 0 && len(e.Drops) > 0:
		e.Verdict, e.Dropped = verdictDropped(e.Drops[0]), true
	case len(sent) == 0:
		e.Verdict, e.Dropped = "the frame has no remote to go to", true
	case len(e.Drops) > 0:
		e.Verdict = fmt.Sprintf("sent to %d of %d remotes; else %s", len(sent), len(c.Copies), verdictDropped(e.Drops[0]))
	case len(sent) > 1:
		e.Verdict = fmt.Sprintf("sent to %d remotes", len(sent)+c.More)
	default:
		e.Verdict = "sent to " + sent[0]
	}
}

// explainDatagram words the course of a packet for l; nil: for no link.
func (v *VTEP) explainDatagram(d *encap.Datagram, l *link, c forward.Course) (e Explanation) {
	steps := []stepOf{{"packet", fmt.Sprintf("from %s, %d bytes of UDP payload, TOS 0x%02x", d.Src, len(d.Payload), d.TOS), []forward.DropReason{forward.RxShortHeader}}}
	h, ok := encap.DecodeHeader(d.Payload)
	if ok {
		steps = append(steps, stepOf{"header", fmt.Sprintf("flags 0x%02x, vni %d", h.Flags, h.VNI), []forward.DropReason{forward.RxNoVNIFlag, forward.RxUnknownVNI}})
	}
	if l != nil {
		s, frame := l.State.Load(), d.Payload[encap.HeaderLen:]
		steps = append(steps,
			stepOf{"link", linkText(s), []forward.DropReason{forward.RxLinkDown}},
			stepOf{"ttl", ttlText(s), []forward.DropReason{forward.RxLowTTL}},
			stepOf{"sender", l.senderText(s, d.Src), []forward.DropReason{forward.RxOwnEcho, forward.RxNotPeer, forward.RxUndecided}},
			stepOf{"reserved", "", []forward.DropReason{forward.RxReserved, forward.RxNotEthernet}},
			stepOf{"frame", encap.Describe(frame), []forward.DropReason{forward.RxTooShort, forward.RxBadSource, forward.RxOwnMAC}})
		if len(frame) >= encap.EthernetHeaderLen {
			in := encap.ParseInner(frame)
			steps = append(steps,
				stepOf{"vlan", vlanText(s, &in), []forward.DropReason{forward.RxInnerVLAN}},
				stepOf{"limits", "", []forward.DropReason{forward.RxPeerBUMLimit}},
				stepOf{"learning", l.learnText(s, encap.EthSrc(frame), &c), []forward.DropReason{forward.RxStaticMAC, forward.RxMoveGuard}},
				stepOf{"ecn", "", []forward.DropReason{forward.RxECN}})
		}
	}
	if !e.walk(steps, c.Fate) {
		return e
	}
	e.changes(&c)
	for _, w := range c.ToPort {
		text := "written to " + w.Link.State.Load().Name
		if w.Frame.VLAN != 0 {
			text += fmt.Sprintf(", by its trunk port with VLAN %d", w.Frame.VLAN)
		}
		e.Steps = append(e.Steps, Step{Name: "port", Text: text})
		e.Verdict = "delivered to " + w.Link.State.Load().Name
	}
	return e
}

// changes words what becomes of forwarding databases.
func (e *Explanation) changes(c *forward.Course) {
	for _, ch := range c.Changes {
		to := "its sender"
		if ch.To != nil {
			to = ch.To.Addr.String()
		}
		text := ""
		switch ch.Kind {
		case fdb.Added:
			text = fmt.Sprintf("%s is learned behind %s", ch.MAC, to)
		case fdb.Moved:
			text = fmt.Sprintf("%s moves behind %s", ch.MAC, to)
		case fdb.Removed:
			text = fmt.Sprintf("the entry of %s behind %s goes: the address is on this side", ch.MAC, to)
		case fdb.Updated:
			continue
		}
		e.Steps = append(e.Steps, Step{Name: "fdb", Text: "on " + ch.Link.State.Load().Name + ", " + text})
	}
}

func linkText(s *forward.State) string {
	text := fmt.Sprintf("%s, vni %d, mtu %d", s.Name, s.Learned.VNI, s.MTU)
	if s.VLAN != 0 {
		text += fmt.Sprintf(", VLAN %d of its trunk port", s.VLAN)
	}
	if !s.Up {
		text += ", down: its device gives no frames, and takes none"
	}
	return text
}

// ttlText is "" without min_ttl. A packet that is asked about has no TTL of its own: it is taken to be from next door.
func ttlText(s *forward.State) string {
	if s.MinTTL == 0 {
		return ""
	}
	return fmt.Sprintf("255, min_ttl %d: a packet from farther off is dropped as %s", s.MinTTL, forward.RxLowTTL)
}

func vlanText(s *forward.State, in *encap.Inner) string {
	switch {
	case in.Tags == 0:
		return ""
	case s.DropVLAN:
		return fmt.Sprintf("the frame has the tag of VLAN %d, and the link has innervlan drop", in.VID)
	}
	return fmt.Sprintf("the frame has the tag of VLAN %d, which stays in it (innervlan pass)", in.VID)
}

func neighbourText(s *forward.State, frame []byte, in *encap.Inner, c *forward.Course) string {
	if !s.Proxy {
		return ""
	}
	q, ok := encap.ParseQuestion(frame, in)
	if !ok {
		return ""
	}
	switch {
	case c.Answered && len(c.ToPort) > 0:
		return fmt.Sprintf("asks for %s, which the link answers itself (proxy): %s", q.Target, encap.Describe(c.ToPort[0].Frame.Data))
	case c.Dropped:
		return fmt.Sprintf("asks for %s, which nobody here knows (proxy, l3miss)", q.Target)
	}
	return fmt.Sprintf("asks for %s, which the link does not answer (proxy)", q.Target)
}

// entryText says what the forwarding database has for an address.
func (l *link) entryText(mac encap.MAC) string {
	var lines []string
	name := mac.String()
	for _, of := range []encap.MAC{mac, {}} {
		e, ok := l.FDB.Get(of)
		if !ok {
			continue
		}
		for i, id := range e.Remotes {
			d, there := l.describe(&e, id, e.FlagsOf(i))
			if !there || d.Flags&fdb.FlagNoFlood != 0 {
				continue
			}
			lines = append(lines, remoteText(&d.Remote))
		}
		if of == mac && len(lines) > 0 {
			return fmt.Sprintf("%s has an entry, %s, to %s", name, e.State, list(lines))
		}
		break
	}
	if len(lines) == 0 {
		return fmt.Sprintf("%s has no entry, and the flood list is empty", name)
	}
	return fmt.Sprintf("%s has no entry: the frame is flooded, to %s", name, list(lines))
}

// list is words with commas between, cut where they are many.
func list(words []string) string {
	const most = 4
	if len(words) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:most], ", "), len(words)-most)
	}
	return strings.Join(words, ", ")
}

func remoteText(r *Remote) string {
	if !r.Addr.IsValid() {
		return "no destination"
	}
	text := fmt.Sprintf("%s port %d vni %d", r.Addr, r.Port, *r.VNI)
	if r.Via != "" {
		text += " via " + r.Via
	}
	return text
}

func limitsText(s *forward.State, flooded bool) string {
	if !flooded {
		return ""
	}
	var words []string
	if s.BUMLimit != 0 {
		words = append(words, fmt.Sprintf("bumlimit %d", s.BUMLimit))
	}
	if s.LoopGuard {
		words = append(words, "loopguard")
	}
	if s.PeerBUMLimit != 0 {
		words = append(words, fmt.Sprintf("peerbumlimit %d", s.PeerBUMLimit))
	}
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, ", ") + ": the frame is within them now"
}

func (l *link) senderText(s *forward.State, src encap.Addr) string {
	p := l.Remotes.Peer(src)
	switch {
	case s.PeersOnly && p.IsPeer():
		return fmt.Sprintf("%s is a peer (accept peers)", src)
	case s.PeersOnly:
		return fmt.Sprintf("%s is no peer (accept peers): no entry of a user or controller names it", src)
	case s.Sources != nil:
		return fmt.Sprintf("%s, against accept %s", src, list(prefixWords(s.Sources)))
	}
	return fmt.Sprintf("%s (accept any)", src)
}

func prefixWords(all []netip.Prefix) (words []string) {
	for _, p := range all {
		words = append(words, p.String())
	}
	return words
}

func (l *link) learnText(s *forward.State, src encap.MAC, c *forward.Course) string {
	if !s.Learn {
		return "nolearning"
	}
	if len(c.Changes) > 0 && !c.Dropped {
		return "" // changes says it
	}
	e, ok := l.FDB.Get(src)
	if !ok {
		return fmt.Sprintf("%s is not learned: the forwarding database is full, or the packet forbids it", src)
	}
	d, _ := l.describe(&e, e.Remotes[0], e.Flags)
	return fmt.Sprintf("%s has an entry, %s, to %s", src, e.State, remoteText(&d.Remote))
}

// copyText says where a copy goes, as the network would have it.
func (s *stage) copyText(c *forward.Copy) string {
	to := c.To
	text := fmt.Sprintf("%s port %d vni %d", to.Addr.Netip(), to.Port, to.VNI)
	if to.Addr == (encap.Addr{}) {
		return "the entry has no destination"
	}
	if c.Behind != nil {
		return text + ": that is this host, and link " + c.Behind.State.Load().Name + " gets the frame directly"
	}
	route, err := s.route(to.Addr, to.Zone)
	if err != nil {
		return text + ": there is no route"
	}
	if !c.Sent {
		return text
	}
	lane, p := &s.lanes[c.Lane], &c.Packet
	src := lane.local
	if !src.IsValid() {
		src = route.Source
	}
	text += fmt.Sprintf(": from %s", netip.AddrPortFrom(src, underlay.SourcePort(lane.ports, p.Hash)))
	if dev := s.zones[uint32(route.Interface)].Name; dev != "" {
		text += " by " + dev
	}
	text += fmt.Sprintf(", outer packet %d bytes of mtu %d", encap.OuterLen(encap.LargestFrame(&p.Frame), !p.Dst.Is4()), route.MTU)
	if path, ok := s.PathMTU(nil, to.Addr); ok && path < route.MTU {
		text += fmt.Sprintf(" (the path's is said to be %d)", path)
	}
	text += fmt.Sprintf(", tos 0x%02x", p.TOS)
	if p.TTL != 0 {
		text += fmt.Sprintf(", ttl %d", p.TTL)
	}
	if c.Lane == forward.LaneFragments {
		text += ", in fragments"
	}
	return text
}
