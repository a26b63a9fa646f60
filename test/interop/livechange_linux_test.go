package interop_test

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/internal/words"
	"github.com/uvtep/uvtep/test/lab"
)

// liveChange is a change of the running link vxlan0 of host a.
type liveChange struct {
	set  string // what follows `link set vxlan0`
	back string // "": it stays
	// lost is how many frames of the link's may be lost, at most; cut says that
	// both ends have to change, or the hosts behind it, so that any may.
	lost int
	cut  bool
	peer bool // b is changed alike, afterwards
	// refused is what the daemon says instead.
	refused string
	before  func(*liveRig) // before the traffic
}

const (
	// liveRate is how many frames a second flow each way.
	liveRate = 500
	// inFlight is how many frames may be on their way to an address that the link gave up until the other end has seen
	// the new one; on a machine so busy that this takes longer, as many as are sent in that time.
	inFlight = 100
)

// liveChanges are the changes over an underlay, each word that `link set` takes.
func liveChanges(f family) []liveChange {
	own, other, third, more := outerAddr(f, 1), outerAddr(f, 2), outerAddr(f, 3), outerAddr(f, 11)
	set := func(words ...string) func(*liveRig) {
		return func(r *liveRig) { r.a.daemon.uvtep(r.t, append([]string{"link", "set", "vxlan0"}, words...)...) }
	}
	underlay := []liveChange{ // of the sockets, which the families have each
		{set: "srcport 40000 40003", back: "port 0 0"},
		{set: "remote " + third.String(), back: "remote " + other.String(), before: set("accept", "any")},
		{set: "group " + f.group.String(), back: "remote " + other.String(), before: func(r *liveRig) { set("dev", r.a.dev)(r) }},
		{set: "local " + unspecified(f), back: "local " + own.String()},
		{set: "local " + unspecified(f), back: "local " + own.String(), before: apart},
		{set: "local " + more.String(), back: "local " + own.String(), lost: inFlight, before: func(r *liveRig) {
			check(r.t, r.a.AddAddr(r.a.dev, prefix(f.outer, 11)))
			r.t.Cleanup(func() { _ = r.a.DelAddr(r.a.dev, prefix(f.outer, 11)) })
		}},
		{set: "dev eth0"},
		{set: "dstport 4790", back: "dstport 4789", peer: true, cut: true},
		{set: "id 50", back: "vni 42", peer: true, cut: true},
	}
	if f.group.Is6() {
		return append(underlay, liveChange{set: "udp6zerocsumrx", back: "noudp6zerocsumrx", before: apart},
			liveChange{set: "udp6zerocsumtx", back: "noudp6zerocsumtx", before: func(r *liveRig) {
				apart(r)
				r.b.daemon.uvtep(r.t, "link", "set", "vxlan0", "udp6zerocsumrx")
			}},
			liveChange{set: "flowlabel 0x12345", back: "label inherit"})
	}
	return append(underlay, []liveChange{
		{set: "ttl 7", back: "hoplimit auto"}, {set: "tos 10", back: "dsfield 0"}, {set: "df unset", back: "df set"},
		{set: "ttl inherit", back: "ttl auto"}, {set: "tos inherit", back: "tos 0"}, {set: "df inherit", back: "df set"},
		{set: "nolearning", back: "learning"}, {set: "ageing 17", back: "ageing 300"},
		{set: "maxaddress 100", back: "maxaddress unlimited"},
		{set: "mtu 1300", back: "mtu 1400"},
		{set: "accept any", back: "accept peers"},
		{set: "reserved drop", back: "reserved ignore"}, {set: "reserved_bits 0xf7ffffff000000ff", back: "reserved ignore"},
		{set: "innervlan drop", back: "innervlan pass"},
		{set: "mss clamp", back: "mss none"}, {set: "learnlocal", back: "nolearnlocal"}, {set: "evpn", back: "noevpn"}, {set: "bumlimit 1000", back: "bumlimit 0"}, {set: "moveguard off", back: "moveguard on"},
		{set: "loopguard off", back: "loopguard on"}, {set: "samehost none", back: "samehost auto"}, {set: "peerbumlimit 1000", back: "peerbumlimit 0"}, {set: "min_ttl 64", back: "min_ttl 0"},
		{set: "master br9", back: "nomaster", cut: true, before: func(r *liveRig) { check(r.t, r.a.AddBridge("br9")) }},
		{set: "trunk tr9 vlan 7", refused: "port tr9"},
		{set: "persist", back: "nopersist"}, {set: "user 0"}, {set: "group-owner 0"},
		{set: "nolocalbypass", back: "localbypass"}, {set: "gbp gbpid 7", back: "nogbp"},
		{set: "proxy", back: "noproxy"}, {set: "l2miss", back: "nol2miss"}, {set: "l3miss", back: "nol3miss"},
		{set: "name vxlan9", back: "name vxlan0"},
		{set: "noudpcsum", back: "udpcsum"},
		{set: "address 02:00:00:00:00:77", back: "address " + staticMAC(1), cut: true},
		{set: "down", back: "up", cut: true},
		{set: "index 77", refused: "index cannot be changed"},
		{set: "queues 2", refused: "queues cannot be changed"},
		{set: "txqueues 2", refused: "queues cannot be changed"}, {set: "numtxqueues 2", refused: "queues cannot be changed"},
		{set: "rxqueues 2", refused: "queues cannot be changed"}, {set: "numrxqueues 2", refused: "queues cannot be changed"},
	}...)
}

func outerAddr(f family, n int) netip.Addr { return prefix(f.outer, n).Addr() }

func unspecified(f family) string {
	if f.group.Is6() {
		return "::"
	}
	return "0.0.0.0"
}

// apart gives vxlan0 sockets of its own, which it shares with vxlan1 else.
func apart(r *liveRig) {
	for _, s := range []*site{r.a, r.b} {
		s.daemon.uvtep(r.t, "link", "set", "vxlan0", "dstport", "4791")
	}
}

// liveLanes is how many changes are made at a time, each between hosts of its own: most of a case is waiting for the kernel.
const liveLanes = 4

// TestLiveChange: each setting that `link set` can change is changed, and
// changed back, while frames flow both ways on the link and on another one of
// the same daemon and port. The other loses none; the link itself none but what
// cannot be had.
func TestLiveChange(t *testing.T) {
	covered := map[string]bool{}
	for _, f := range families() {
		for _, c := range liveChanges(f) {
			for word := range strings.FieldsSeq(c.set + " " + c.back) {
				covered[word] = true
			}
		}
	}
	for _, f := range testedFamilies() {
		all := liveChanges(f)
		t.Run(f.name, func(t *testing.T) {
			for lane := range liveLanes {
				t.Run(fmt.Sprint("lane", lane), func(t *testing.T) {
					t.Parallel()
					r := newLiveRig(t, f)
					for i := lane; i < len(all); i += liveLanes {
						t.Run(all[i].set, func(t *testing.T) {
							r.t = t
							r.addLinks()
							r.try(all[i])
						})
					}
				})
			}
		})
	}
	for _, word := range slices.Sorted(maps.Keys(words.Known(true))) {
		if !covered[word] {
			t.Errorf("no case changes %q: add one to liveChanges", word)
		}
	}
}

// liveRig is two daemons with two links each.
type liveRig struct {
	t      *testing.T // of the case under way
	f      family
	a, b   *site
	client *client.Client // of a
}

func newLiveRig(t *testing.T, f family) *liveRig {
	t.Helper()
	sites := newSites(t, f, lab.WireOptions{}, uvtep, uvtep)
	r := &liveRig{t: t, f: f, a: sites[0], b: sites[1], client: client.New(sites[0].daemon.socket)}
	t.Cleanup(r.client.Close)
	for i, s := range sites {
		check(t, s.SetNeighbour(s.dev, sites[1-i].outer, must(sites[1-i].MAC(sites[1-i].dev))(t)))
	}
	return r
}

// overlayOf is the address of a site's link.
func overlayOf(link, n int) netip.Prefix { return prefix("198.51.%d.%d/24", 100+link, n) }

// liveMAC is the address of a site's link.
func liveMAC(n, link int) string { return fmt.Sprintf("02:00:00:00:%02x:%02x", link, n) }

// addLinks makes the links anew. b takes what a's new addresses send.
func (r *liveRig) addLinks() {
	t := r.t
	t.Helper()
	sites := []*site{r.a, r.b}
	for i, s := range sites {
		far := sites[1-i]
		var words strings.Builder // one process for all of them
		for n := range 2 {
			name := fmt.Sprint("vxlan", n)
			if s.HasLink(name) {
				fmt.Fprintf(&words, "link del %s\n", name)
			}
			fmt.Fprintf(&words, "link add %s id %d local %s remote %s mtu 1400 address %s\n", name, 42+n, s.outer, far.outer, liveMAC(s.n, n))
			if i == 1 {
				fmt.Fprintf(&words, "link set %s accept any moveguard off\n", name)
			}
			fmt.Fprintf(&words, "link set %s up\n", name)
		}
		s.daemon.uvtep(t, "-batch", filepath.Join(writeFiles(t, map[string]string{"links": words.String()}), "links"))
		for n := range 2 {
			name := fmt.Sprint("vxlan", n)
			check(t, s.AddAddr(name, overlayOf(n, s.n)))
			check(t, s.SetNeighbour(name, overlayOf(n, far.n).Addr(), must(net.ParseMAC(liveMAC(far.n, n)))(t)))
		}
	}
	for n := range 2 {
		check(t, r.a.MustReach(overlayOf(n, 2).Addr(), 56, soon))
	}
}

// try makes one change while frames flow.
func (r *liveRig) try(c liveChange) {
	t := r.t
	t.Helper()
	if c.before != nil {
		c.before(r)
		check(t, r.a.MustReach(overlayOf(0, 2).Addr(), 56, soon))
	}
	show := func() string { return r.a.daemon.uvtep(t, "-d", "-j", "link", "show") }
	was := show()
	flows := r.flow()
	r.flowing(!c.cut)
	name := "vxlan0"
	var changing time.Duration
	for _, words := range []string{c.set, c.back} {
		if words == "" {
			break
		}
		begin := time.Now()
		name = r.change(name, words, &c)
		r.flowing(!c.cut)
		changing += time.Since(begin)
		if words == c.set && (show() == was) != (c.refused != "") {
			t.Errorf("link show says of %s:\n%s", words, show())
		}
	}
	if c.lost > 0 {
		c.lost = max(c.lost, int(liveRate*changing.Seconds()))
	}
	r.verdict(flows(), &c)
	if c.back != "" && !t.Failed() {
		check(t, r.a.MustReach(overlayOf(0, 2).Addr(), 56, soon))
	}
}

// change sets words on the link, and on the other end where it has to follow.
func (r *liveRig) change(name, words string, c *liveChange) string {
	t := r.t
	t.Helper()
	fields := strings.Fields(strings.ReplaceAll(words, "eth0", r.a.dev))
	args := append([]string{"link", "set", name}, fields...)
	if c.refused != "" {
		if _, errs, err := r.a.daemon.try(t.Context(), args...); exitStatus(err) != 2 || !strings.Contains(errs, c.refused) {
			t.Errorf("link set %s: %v, %q", words, err, errs)
		}
		return name
	}
	r.a.daemon.uvtep(t, args...)
	if c.peer {
		r.b.daemon.uvtep(t, args...)
	}
	if i := slices.Index(fields, "name"); i >= 0 {
		return fields[i+1]
	}
	return name
}

// flow has numbered datagrams flow both ways over both links. The returned
// function ends them and counts: forth and back of vxlan0, then of vxlan1.
func (r *liveRig) flow() (end func() [4]lab.UDPCount) {
	t := r.t
	until := make(chan struct{})
	var counts [4]lab.UDPCount
	var all sync.WaitGroup
	for i := range counts {
		from, to := r.a, r.b
		if i%2 == 1 {
			from, to = to, from
		}
		all.Go(func() {
			var err error
			counts[i], err = lab.UDPAtRate(t.Context(), lab.RateConfig{
				From: from.Host, To: to.Host, Dst: overlayOf(i/2, to.n).Addr(), Size: 200, Rate: liveRate, Duration: time.Minute, Until: until,
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	stop := sync.OnceFunc(func() {
		close(until)
		all.Wait()
	})
	t.Cleanup(stop)
	return func() [4]lab.UDPCount {
		stop()
		return counts
	}
}

// flowing waits until some frames more went each way, over vxlan0 where all is
// set, and over vxlan1.
func (r *liveRig) flowing(all bool) {
	t := r.t
	t.Helper()
	var begin []api.Link
	eventually(t, func() error {
		links, err := r.client.Links(t.Context())
		if err != nil || len(links) != 2 {
			return fmt.Errorf("%d links, %w", len(links), err)
		}
		if begin == nil {
			begin = links
		}
		for i, now := range links {
			if i == 0 && !all {
				continue
			}
			if was := begin[i]; now.Stats.Rx.Packets < was.Stats.Rx.Packets+10 || now.Stats.Tx.Packets < was.Stats.Tx.Packets+10 {
				return fmt.Errorf("link %d: %+v, %+v before", i, now.Stats, was.Stats)
			}
		}
		return nil
	})
}

func (r *liveRig) verdict(counts [4]lab.UDPCount, c *liveChange) {
	t := r.t
	t.Helper()
	for i, n := range counts {
		bound := c.lost
		switch {
		case i >= 2:
			bound = 0
		case c.cut:
			continue
		}
		if n.Lost() > bound || n.SendErrors > 0 || n.Duplicated+n.Corrupt > 0 {
			t.Errorf("vxlan%d, %s: %v, %d lost, want %d at most", i/2, []string{"forth", "back"}[i%2], n, n.Lost(), bound)
			links, _ := r.client.Links(t.Context())
			for _, l := range links {
				t.Logf("%s: drops %v", l.Netdev.Name, l.Stats.Drops)
			}
		}
	}
}

// TestLinksBesideWildcard: links with a local address come and go, whose sockets
// take the packets of a link without one away from its own, and give them back.
// That link loses no frame.
func TestLinksBesideWildcard(t *testing.T) {
	f := families()[0]
	r := newLiveRig(t, f)
	r.addLinks()
	r.a.daemon.uvtep(t, "link", "del", "vxlan0")
	r.a.daemon.uvtep(t, "link", "set", "vxlan1", "local", unspecified(f))
	check(t, r.a.MustReach(overlayOf(1, 2).Addr(), 56, soon))
	until := make(chan struct{})
	counted := make(chan lab.UDPCount, 1)
	go func() {
		n, err := lab.UDPAtRate(t.Context(), lab.RateConfig{
			From: r.b.Host, To: r.a.Host, Dst: overlayOf(1, 1).Addr(), Size: 100, Rate: fewer(20_000), Duration: time.Minute, Until: until,
		})
		if err != nil {
			t.Error(err)
		}
		counted <- n
	}()
	for range 30 {
		_, errs, err := r.a.daemon.try(t.Context(), "link", "add", "vxlan0", "id", "42", "local", r.a.outer.String(), "remote", r.b.outer.String())
		if err == nil {
			_, errs, err = r.a.daemon.try(t.Context(), "link", "del", "vxlan0")
		}
		if err != nil {
			t.Error(err, errs)
		}
	}
	close(until)
	if n := <-counted; n.Lost() > 0 || n.Sent < 1000 {
		t.Errorf("%v, %d lost; drops of no link %+v", n, n.Lost(), must(r.client.Stats(t.Context()))(t).Drops)
	} else {
		t.Log(n)
	}
}
