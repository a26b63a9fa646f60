package vtep

import (
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep/forward"
)

// Config describes a VTEP. Host is needed; the zero value of any other field means its
// default.
type Config struct {
	Host    Host         // needed: SystemHost, or a fake of vteptest
	Log     *slog.Logger // nil: slog.Default
	Workers int          // receive sockets an endpoint; 0: GOMAXPROCS
	// MaxAddresses bounds the unicast entries of all links' FDBs together: 0 stands for
	// DefaultTotalAddresses, UnlimitedAddresses for no bound.
	MaxAddresses int
	// NoOffload switches offloads off for all links.
	NoOffload NoOffload
	// ForceUDPGSO uses UDP segmentation even on kernels that corrupt such packets on the
	// way to some NICs (underlay.TransmitterConfig.ForceSegment).
	ForceUDPGSO bool
	// Spin is how long readers look for the next packet before they wait, where
	// traffic is sparse; 0: not at all.
	Spin time.Duration
	// Tuner tunes the devices that links send through; nil: they stay as they are.
	Tuner Tuner
	// Hold has frames wait until Start is called, in the queues of ports and sockets: nothing is forwarded by a
	// configuration that is not whole yet.
	Hold bool
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
	owners    owners   // of entries that controllers put in
	limits    limits   // of what all links together learn
	meetAgain fdb.Tick // when Run may ask about devices again; only Run uses it

	work    sync.WaitGroup // goroutines that spawn started
	done    chan struct{}  // closed by Close
	started chan struct{}  // closed by Start, or from the beginning
	turns   turns          // batches that workers are at

	// mu is the control plane's lock. The lock order: link.updating, mu, a FDB shard's
	// lock, remotes.mu. The data path never takes the first two.
	mu        sync.Mutex
	closed    bool
	links     map[string]*link // by the name that each was added with
	present   map[string]*link // by the present name of the netdev
	reserved  map[string]bool  // new names that updates under way will give to links
	trunks    map[string]*trunk
	netdevs   map[*netdev]struct{}
	endpoints map[endpointKey]*endpoint
	senders   map[senderKey]*sender
	seen      atomic.Pointer[underlay.Origins] // origins, without the lock
	askedDevs fdb.Tick                         // when deviceWith last asked
	bypassers bypassers
	captures  []*Capture
	// captureLost is how many frames captures have left out.
	captureLost atomic.Uint64
	home        uint64           // network namespace that the netdevs are made in
	filter      *underlay.Filter // nil: there is none
	filterErr   error            // why there is none
	// filterLogged: filterErr was logged.
	filterLogged bool
	asides       int                   // how many links are set aside
	stormAt      uint64                // stormMessages; tests change it
	refused      underlay.Refused      // the filter's counters when they were last counted
	tuned        map[int]bool          // underlay devices that were tuned, by index
	dropsTold    forward.DropTotals    // of plane.Counters, as subscribers were told
	unknownTold  [2][]encap.VNICounted // packets of unknown VNIs that newDrops has seen: of plane.Unknown and of the filter
	sameHost     sameHostWords
	origins      underlay.Origins // as plane.Arrivals has them

	holding     bool // Start has to be called
	socketsFull condition
	onLost      func(name string) // see OnLost
}

// sender is a transmitter shared by the links that need the same.
type sender struct {
	key    senderKey
	tx     Transmitter
	ports  []uint16
	users  int
	logged string // why its offload fell back, as last logged
	tunnel beside // as last logged
	ring   beside // as last logged
}

// beside says whether packets leave beside the sockets, and why those to a remote do not.
type beside struct {
	on     bool
	reason string
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
		started:   make(chan struct{}),
		links:     make(map[string]*link),
		present:   make(map[string]*link),
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
	if v.holding = c.Hold; !c.Hold {
		close(v.started)
	}
	v.plane = forward.NewPlane(v.workers)
	v.plane.OnL2Miss, v.plane.OnL3Miss = v.tellL2Miss, v.tellL3Miss
	v.openFilter()
	v.stormAt = stormMessages
	return v
}

// now is the FDB's clock: seconds since New, as Run advances it.
func (v *VTEP) now() fdb.Tick { return v.plane.Now() }

// Stats counts what belongs to no link: packets without a VXLAN header, without the I flag
// or of unknown VNIs, losses of sockets and trunk ports, and frames of a trunk port whose
// VLAN no link has.
func (v *VTEP) Stats() forward.Stats {
	v.countLosses(false)
	v.locked(v.takeFiltered)
	return forward.Sum(v.plane.Counters)
}
