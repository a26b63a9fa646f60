package status

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"unicode"
)

// EVPN is what the EVPN agent of this host says.
type EVPN struct {
	Neighbours []Neighbour `json:"neighbors"`
	Err        error       `json:"-"`               // it runs, and could not be asked
	Error      string      `json:"error,omitempty"` // Err as text
}

// Neighbour is one of the agent's.
type Neighbour struct {
	Address   netip.Addr `json:"address"`
	State     string     `json:"state"` // Established where it is well
	Routes    int        `json:"routes"`
	LastError string     `json:"last_error,omitempty"`
}

// Established reports whether routes are exchanged with the neighbour.
func (n *Neighbour) Established() bool { return n.State == "Established" }

// why is why it is not, as far as the agent knows. The neighbour chooses some of the words.
func (n *Neighbour) why() string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, cmp.Or(n.LastError, "it is "+n.State))
}

// Count is how many neighbours are established, and how many routes came from all of them.
func (e *EVPN) Count() (established, routes int) {
	for i := range e.Neighbours {
		routes += e.Neighbours[i].Routes
		if e.Neighbours[i].Established() {
			established++
		}
	}
	return established, routes
}

// judge finds neighbours that are not established. Routes of others stay, so that links may work nonetheless.
func (e *EVPN) judge() (all []Finding) {
	if e.Err != nil && !errors.Is(e.Err, fs.ErrPermission) { // else it is who asks that lacks something
		all = append(all, Finding{"", "the EVPN agent does not answer: " + e.Err.Error(), "look at its log; what it has told the daemon stays in use"})
	}
	for i := range e.Neighbours {
		if n := &e.Neighbours[i]; !n.Established() {
			all = append(all, Finding{"", fmt.Sprintf("EVPN neighbor %s is not established: %s", n.Address, n.why()),
				"see whether it runs and expects this host's address and AS: uvtep evpn show neighbor"})
		}
	}
	return all
}

func (e *EVPN) write(w *bufio.Writer) {
	if e.Err != nil {
		fmt.Fprintf(w, "evpn  %v\n", e.Err)
		return
	}
	up, routes := e.Count()
	fmt.Fprintf(w, "evpn  %d of %d neighbors established, %d routes\n", up, len(e.Neighbours), routes)
	for i := range e.Neighbours {
		if i == mostShown {
			fmt.Fprintf(w, "  and %d neighbors more: uvtep evpn show neighbor\n", len(e.Neighbours)-i)
			break
		}
		n := &e.Neighbours[i]
		fmt.Fprintf(w, "  %-24s %-28s %d routes\n", n.Address, n.State, n.Routes)
	}
}
