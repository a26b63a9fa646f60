package check

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
)

// Facts are what rules judge.
type Facts struct {
	TUN  error  // of opening /dev/net/tun
	Caps uint64 // effective capabilities of this process, which a daemon started here has
	// KernelFault is a fault that this kernel is known to have; "": none.
	KernelFault  string
	RmemMax      int // net.core.rmem_max, in bytes; 0: not known
	WmemMax      int
	NetworkFiles []NetworkFile // of systemd-networkd
	Profiles     []Profile     // of NetworkManager
	// Reload is a configuration file that the daemon did not apply when it last read it; nil: it did.
	Reload    *api.FailedReload
	Checksums []Checksums
	Links     []Link
}

// NetworkFile is a .network file of systemd-networkd.
type NetworkFile struct {
	Path  string
	Names []string // Name= of its [Match], each a glob
}

// Profile is a connection profile of NetworkManager that names a device and makes or takes it by itself.
type Profile struct {
	Path, Type, Device string
}

// Want is a link that is to work.
type Want struct {
	Name    string
	VNI     encap.VNI
	Port    uint16
	Local   netip.Addr // invalid: the route's choice
	Dev     string     // underlay device, as given
	Group   netip.Addr
	Remotes []netip.Addr
	MTU     int  // 0: derived from the route
	Running bool // a daemon serves it
}

// Link is a link with what the host says of it.
type Link struct {
	Want
	// Holder has the link's port, where no daemon serves the link and something else has it;
	// "": it is free.
	Holder string
	// LocalDev is the device that has Local; "": none has. RPFilter is its reverse path
	// filter (0, 1 strict, 2 loose).
	LocalDev string
	RPFilter int
	// Claims are the MACs of other hosts that say that they have Local.
	Claims []net.HardwareAddr
	// GroupRoute is the error of asking for the group's route. Snooping says that the device
	// is a bridge or a port of one that filters multicast, and has no querier.
	GroupRoute error
	Snooping   string
	Peers      []Peer
}

// Peer is a remote with what was found out about it.
type Peer struct {
	Addr     netip.Addr
	Route    error
	Dev      string // that the route leaves by
	RouteMTU int
	Echo     error  // of an ICMP echo
	Width    int    // IP packet that passes unfragmented, of Needed; 0: not known
	Back     int    // longest piece that the answer to that came in; 0: it came whole
	UDP      error  // of a datagram to the link's port
	Listens  uint16 // another port that something listens on; 0: none
}

// Needed is the outer packet of a link's longest frame.
func (l *Link) Needed(p *Peer) int {
	if l.MTU == 0 {
		return p.RouteMTU
	}
	return l.MTU + encap.Overhead(p.Addr.Is6())
}

// ErrNothing is returned where there is no link to check.
var ErrNothing = errors.New("there is no link to check: give a file with --config, or start the daemon")

// WantOf reads a link of a daemon or of a file.
func WantOf(s *api.LinkSpec, mtu int, more []netip.Addr, running bool) Want {
	w := Want{Name: s.Name, Port: encap.DefaultPort, MTU: mtu, Running: running}
	if s.ID != nil {
		w.VNI = encap.VNI(*s.ID)
	}
	if s.DstPort != nil {
		w.Port = *s.DstPort
	}
	if s.Local != nil {
		w.Local = *s.Local
	}
	if s.Dev != nil {
		w.Dev = *s.Dev
	}
	if s.Group != nil {
		w.Group = *s.Group
	}
	if s.MTU != nil && w.MTU == 0 {
		w.MTU = *s.MTU
	}
	if s.Remote != nil {
		more = append([]netip.Addr{*s.Remote}, more...)
	}
	for _, a := range more {
		if a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !slices.Contains(w.Remotes, a) {
			w.Remotes = append(w.Remotes, a)
		}
	}
	return w
}

// Finding is something that would keep a VTEP from working.
type Finding struct {
	Rule string `json:"rule"`
	Link string `json:"link,omitempty"`
	What string `json:"what"`
	Do   string `json:"do"`
}

// String is the finding in one line.
func (f Finding) String() string {
	subject := ""
	if f.Link != "" {
		subject = f.Link + ": "
	}
	return fmt.Sprintf("%s: %s%s: %s", f.Rule, subject, f.What, f.Do)
}
