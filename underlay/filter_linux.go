package underlay

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// The sizes of a [Filter]. What does not fit is judged by who reads the sockets, as everything is without a filter.
const (
	maxFilterGates = 4096  // receivers
	maxFilterRules = 8192  // links
	maxFilterVNIs  = 32768 // VNIs of all receivers
	maxFilterPeers = 65536 // addresses of all links
)

// Filter has the kernel drop what a VTEP would drop for its outer header: no VXLAN header, no link's VNI, a TTL below that
// of its link, a source that is no peer of its link. It runs before a packet is queued at the socket, so that those who send such packets take neither
// the socket's memory nor the time of who reads it.
//
// It drops only what is sure: what does not fit its tables, what cannot be read, and datagrams that the kernel joined and
// that are not all of one VNI pass, and are judged by the reader, which asks the same questions of everything.
//
// A receiver has a [Gate], a link a [Rule]; nil ones are ready to use, and do nothing.
type Filter struct {
	gates   *ebpf.Map // array by gate: gateEntry
	vnis    *ebpf.Map // hash {gate, VNI}: rule
	rules   *ebpf.Map // array by rule: ruleMode
	peers   *ebpf.Map // hash {rule, address}: nothing
	counts  *ebpf.Map // array by CPU: what is counted, by countIndex
	refused *ebpf.Map // array by CPU: messages dropped, by gate
	unknown *ebpf.Map // array by CPU: datagrams of unknown VNIs, each CPU's an encap.VNICounted

	mu        sync.Mutex
	freeGates numbers
	freeRules numbers
	open      map[uint32]*Gate // gates there are
	full      bool             // a VNI had no room: none is unknown any more
	shown     bool             // see ShowUnknown
}

// gateEntry is what the program looks up where a VNI is not its own gate's.
type gateEntry struct {
	Wild uint32 // gate whose VNIs are good here, too; 0: none
	Open uint32 // not 0: VNIs that are not found pass
}

// ruleMode is what a link's packets have to be, and where they go. The lowest TTL stands above the bits.
type ruleMode uint32

const (
	rulePeers ruleMode = 1 << iota // of an address of the rule; else anybody's
	ruleAside                      // received by the socket for such

	ruleMinTTL = 8 // bits below the lowest TTL
)

// vniKey and peerKey are keys of the maps.
type (
	vniKey  struct{ Gate, VNI uint32 }
	peerKey struct {
		Rule uint32
		Addr encap.Addr
	}
)

// Rule 0 is no link's. Its counters are of what belongs to none.
const (
	countShortHeader = iota
	countNoVNIFlag
	countUnknownVNI
	countsARule   = 4 // the first is of packets that are not a peer's
	countLowTTL   = 1 // of a rule: whose TTL is too low
	countMessages = 3 // of a rule: that passed
)

// NewFilter makes the tables of a filter. It takes CAP_BPF, or CAP_SYS_ADMIN before Linux 5.8.
func NewFilter() (*Filter, error) {
	f := &Filter{open: map[uint32]*Gate{}, freeGates: numbers{next: 1, end: maxFilterGates}, freeRules: numbers{next: 1, end: maxFilterRules}}
	for _, m := range []struct {
		at         **ebpf.Map
		name       string
		kind       ebpf.MapType
		key, value uint32
		entries    uint32
	}{
		{&f.gates, "uvtep_gates", ebpf.Array, 4, 8, maxFilterGates},
		{&f.vnis, "uvtep_vnis", ebpf.Hash, 8, 4, maxFilterVNIs},
		{&f.rules, "uvtep_rules", ebpf.Array, 4, 4, maxFilterRules},
		{&f.peers, "uvtep_peers", ebpf.Hash, 20, 4, maxFilterPeers},
		{&f.counts, "uvtep_counts", ebpf.PerCPUArray, 4, 8, countsARule * maxFilterRules},
		{&f.refused, "uvtep_refused", ebpf.PerCPUArray, 4, 8, maxFilterGates},
		{&f.unknown, "uvtep_unknown", ebpf.PerCPUArray, 4, 8, encap.VNISlots},
	} {
		spec := &ebpf.MapSpec{Name: m.name, Type: m.kind, KeySize: m.key, ValueSize: m.value, MaxEntries: m.entries}
		if m.kind == ebpf.Hash {
			spec.Flags = noPrealloc
		}
		var err error
		if *m.at, err = ebpf.NewMap(spec); err != nil {
			return nil, errors.Join(fmt.Errorf("underlay: a filter in the kernel takes CAP_BPF and Linux 5.3: %w", err), f.Close())
		}
	}
	g, err := f.Gate(false) // whether the kernel takes the program
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, g.Close()
}

// noPrealloc is BPF_F_NO_PREALLOC: entries take memory as they come.
const noPrealloc = 1

// Close closes the tables. A socket that still has the program keeps them alive.
func (f *Filter) Close() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, m := range []*ebpf.Map{f.gates, f.vnis, f.rules, f.peers, f.counts, f.refused, f.unknown} {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// Gate is the filter of one receiver.
type Gate struct {
	filter  *Filter
	number  uint32
	program *ebpf.Program
	vnis    map[encap.VNI]struct{} // guarded by Filter.mu, as is wild
	wild    uint32
	settled bool   // see Settle
	before  uint64 // what the gates that had the number before had dropped
}

// Gate makes the filter of a receiver of IPv4, or IPv6; see [ReceiverConfig].Filter.
func (f *Filter) Gate(v6 bool) (*Gate, error) {
	if f == nil {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.freeGates.reserve()
	if !ok {
		return nil, fmt.Errorf("underlay: %w for more than %d receivers", ErrFilterFull, maxFilterGates-1)
	}
	g := &Gate{filter: f, number: n, vnis: map[encap.VNI]struct{}{}, before: sum(f.refused, n)}
	err := g.store()
	if err == nil {
		g.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "uvtep_gate", Type: ebpf.SocketFilter, Instructions: f.instructions(n, v6), License: "MIT",
		})
	}
	if err != nil {
		f.freeGates.release(n)
		return nil, fmt.Errorf("underlay: a filter in the kernel takes CAP_BPF and Linux 5.3: %w", err)
	}
	f.open[n] = g
	return g, nil
}

// store writes the gate's entry; the caller holds the filter's lock.
func (g *Gate) store() error {
	e := gateEntry{Wild: g.wild}
	if g.filter.full || g.filter.shown || !g.settled {
		e.Open = 1
	}
	return g.filter.gates.Put(g.number, e)
}

// SetVNI has packets of vni pass as r says; nil: all of them. DropVNI has it be unknown.
func (g *Gate) SetVNI(vni encap.VNI, r *Rule) {
	if g == nil {
		return
	}
	f := g.filter
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.vnis.Put(vniKey{g.number, uint32(vni)}, r.index()) == nil {
		g.vnis[vni] = struct{}{}
		return
	}
	// From now on none is unknown, here and at the gates that this one is the wildcard of.
	f.full = true
	for _, o := range f.open {
		_ = o.store()
	}
}

// DropVNI has the packets of vni be those of no link.
func (g *Gate) DropVNI(vni encap.VNI) {
	if g == nil {
		return
	}
	g.filter.mu.Lock()
	defer g.filter.mu.Unlock()
	_ = g.filter.vnis.Delete(vniKey{g.number, uint32(vni)})
	delete(g.vnis, vni)
}

// SetWild has the VNIs of another gate pass here, too, where this one has not got them; nil: of none.
func (g *Gate) SetWild(wild *Gate) {
	if g == nil {
		return
	}
	g.filter.mu.Lock()
	defer g.filter.mu.Unlock()
	n := uint32(0)
	if wild != nil {
		n = wild.number
	}
	if g.wild != n {
		g.wild = n
		_ = g.store()
	}
}

// ShowUnknown lets packets of VNIs that no link has pass, so that the receivers' reader drops
// them, or no longer.
func (f *Filter) ShowUnknown(on bool) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shown != on {
		f.shown = on
		for _, g := range f.open {
			_ = g.store()
		}
	}
}

// Settle declares that the gate knows all VNIs of its receiver. Until then the gate
// refuses no VNI as unknown: a new receiver gets packets before its links are added to
// it, among them packets of links that another receiver serves so far.
func (g *Gate) Settle() {
	if g == nil {
		return
	}
	g.filter.mu.Lock()
	defer g.filter.mu.Unlock()
	if !g.settled {
		g.settled = true
		_ = g.store()
	}
}

// attach sets the filter on a socket.
func (g *Gate) attach(fd int) error {
	if g == nil {
		return nil
	}
	return setOptions(fd, option{unix.SOL_SOCKET, unix.SO_ATTACH_BPF, g.program.FD(), "SO_ATTACH_BPF"})
}

// Dropped is how many messages the sockets of the receiver did not get for the filter, a joined one as one: they are
// among what the kernel counts as dropped at the socket.
func (g *Gate) Dropped() uint64 {
	if g == nil {
		return 0
	}
	return sum(g.filter.refused, g.number) - g.before
}

// Close forgets the gate, whose sockets are closed by now.
func (g *Gate) Close() error {
	if g == nil {
		return nil
	}
	f := g.filter
	f.mu.Lock()
	defer f.mu.Unlock()
	for vni := range g.vnis {
		_ = f.vnis.Delete(vniKey{g.number, uint32(vni)})
	}
	delete(f.open, g.number)
	f.freeGates.release(g.number)
	return g.program.Close()
}

// Release closes the gate's program, and leaves its entries to the sockets that still have it.
func (g *Gate) Release() error {
	if g == nil {
		return nil
	}
	return g.program.Close()
}
