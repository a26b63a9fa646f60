package cli

import (
	"fmt"
	"io"

	"github.com/uvtep/uvtep/api"
)

// showOwn prints the words of uvtep's own that were given.
func showOwn(w io.Writer, s *api.LinkSpec) {
	if s.Trunk != nil {
		fmt.Fprintf(w, " trunk %s vlan %d", *s.Trunk, value(s.VLAN))
	}
	if s.GBPID != nil {
		fmt.Fprintf(w, " gbpid %d", *s.GBPID)
	}
	if value(s.ProxyLearn) {
		fmt.Fprint(w, " proxy learn")
	}
	if value(s.MSS) == "clamp" {
		fmt.Fprint(w, " mss clamp")
	}
	if n := value(s.BUMLimit); n != 0 {
		fmt.Fprintf(w, " bumlimit %d", n)
	}
	if n := value(s.PeerBUMLimit); n != 0 {
		fmt.Fprintf(w, " peerbumlimit %d", n)
	}
	if value(s.MoveGuard) == "off" {
		fmt.Fprint(w, " moveguard off")
	}
	if h := value(s.SameHost); h != "" && h != "auto" {
		fmt.Fprintf(w, " samehost %s", h)
	}
	if value(s.LoopGuard) == "off" {
		fmt.Fprint(w, " loopguard off")
	}
	if value(s.Persist) {
		fmt.Fprint(w, " persist")
	}
	if s.User != nil {
		fmt.Fprintf(w, " user %d", *s.User)
	}
	if s.GroupOwner != nil {
		fmt.Fprintf(w, " group-owner %d", *s.GroupOwner)
	}
}

// ownSpecJSON has what showOwn prints.
func ownSpecJSON(j *jsonWriter, s *api.LinkSpec) {
	if s.Trunk != nil {
		j.value("trunk", *s.Trunk)
		j.value("vlan", value(s.VLAN))
	}
	if s.GBPID != nil {
		j.value("gbpid", *s.GBPID)
	}
	nonzero(j, "proxylearn", value(s.ProxyLearn))
	nonzero(j, "mss", value(s.MSS))
	nonzero(j, "bumlimit", value(s.BUMLimit))
	nonzero(j, "peerbumlimit", value(s.PeerBUMLimit))
	nonzero(j, "moveguard", value(s.MoveGuard))
	nonzero(j, "samehost", value(s.SameHost))
	nonzero(j, "loopguard", value(s.LoopGuard))
	nonzero(j, "persist", value(s.Persist))
	if s.User != nil {
		j.value("user", *s.User)
	}
	if s.GroupOwner != nil {
		j.value("group-owner", *s.GroupOwner)
	}
}
