package vtep

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Config is what a VTEP stands on. The zero value of a field but Host means
// its default.
type Config struct {
	Host    Host         // needed: SystemHost, or a fake of vteptest
	Log     *slog.Logger // nil: slog.Default
	Workers int          // receive sockets an endpoint; 0: GOMAXPROCS
	// MaxAddresses bounds the unicast entries of all links' FDBs together; 0:
	// DefaultTotalAddresses; UnlimitedAddresses.
	MaxAddresses int
	// NoOffload switches offloads off, for all links.
	NoOffload NoOffload
	// ForceUDPGSO uses UDP segmentation on kernels that are known to spoil it on the
	// way to some NICs (underlay.TransmitterConfig.ForceSegment).
	ForceUDPGSO bool
	// Spin is how long readers look for the next packet before they wait, where
	// traffic is sparse; 0: not at all.
	Spin time.Duration
	// Tuner sets the devices that links send through; nil: they stay as they are.
	Tuner Tuner
}

// VTEP is a VXLAN tunnel endpoint: the links of one network namespace.
type VTEP struct {
	host      Host
	log       *slog.Logger
	workers   int
	off       NoOffload
	forceGSO  bool
	spin      time.Duration
	tuner     Tuner
	plane     *forward.Plane
	events    events
	limits    limits   // of what all links together learn
	meetAgain fdb.Tick // when Run may ask about devices again; Run's own

	work sync.WaitGroup // what spawn started
	done chan struct{}  // closed by Close

	// mu is the control plane's lock. The lock order: Link.updating, mu, a FDB shard's
	// lock, remotes.mu. The data path never takes the first two.
	mu        sync.Mutex
	closed    bool
	links     map[string]*Link // by the name that each was given
	present   map[string]*Link // and by that of its netdev
	reserved  map[string]bool  // names that updates under way give to links
	trunks    map[string]*trunk
	netdevs   map[*netdev]struct{}
	endpoints map[endpointKey]*endpoint
	senders   map[senderKey]*sender
	bypassers bypassers
	home      uint64           // namespace that its netdevs are made in
	filter    *underlay.Filter // nil: there is none
	filterErr error            // why
	// filterTold: it was logged.
	filterTold bool
	asides     int                // links set aside
	stormAt    uint64             // stormMessages, but in tests
	lookedAt   fdb.Tick           // when storms were looked for
	refused    underlay.Refused   // by the filter, and counted
	tuned      map[int]bool       // underlay devices, by index
	dropsTold  forward.DropTotals // of counters
	sameHost   sameHostWords
	origins    underlay.Origins // as plane.arrivals tells them

	socketsFull condition
}

// sender is a transmitter shared by the links that need the same.
type sender struct {
	key   senderKey
	tx    Transmitter
	ports []uint16
	users int
	told  string // why its offload fell back, as logged
}

// senderKey is what makes two links share a sender. vrf is the index of the VRF
// device that it is bound to, 0 for none: another may get the name.
type senderKey struct {
	underlay.TransmitterConfig
	vrf int
}

// New makes a VTEP without links.
func New(c Config) *VTEP {
	v := &VTEP{
		host:      c.Host,
		log:       c.Log,
		workers:   c.Workers,
		off:       c.NoOffload,
		forceGSO:  c.ForceUDPGSO,
		spin:      c.Spin,
		tuner:     c.Tuner,
		done:      make(chan struct{}),
		links:     make(map[string]*Link),
		present:   make(map[string]*Link),
		reserved:  make(map[string]bool),
		trunks:    make(map[string]*trunk),
		netdevs:   make(map[*netdev]struct{}),
		endpoints: make(map[endpointKey]*endpoint),
		senders:   make(map[senderKey]*sender),
		bypassers: newBypassers(),
		limits:    newLimits(c.MaxAddresses),
		tuned:     make(map[int]bool),
		sameHost:  sameHostWords{prefixes: make(map[netip.Prefix]int)},
	}
	if v.log == nil {
		v.log = slog.Default()
	}
	if v.workers == 0 {
		v.workers = runtime.GOMAXPROCS(0)
	}
	v.plane = forward.NewPlane(v.workers)
	v.plane.OnL2Miss, v.plane.OnL3Miss = v.tellL2Miss, v.tellL3Miss
	v.openFilter()
	v.stormAt = stormMessages
	return v
}

// now is the FDB's clock: seconds since New, kept by Run.
func (v *VTEP) now() fdb.Tick { return v.plane.Now() }

// Stats counts what belongs to no link: packets without a VXLAN header, without the
// I flag, and of unknown VNIs, what sockets lost, and frames of no VLAN and losses
// of trunk ports.
func (v *VTEP) Stats() forward.Stats {
	v.countLosses(false)
	v.locked(v.takeFiltered)
	return forward.Sum(v.plane.Counters)
}
