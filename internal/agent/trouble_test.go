package agent

import (
	"encoding/binary"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/uvtep/uvtep/bgp"
	"github.com/uvtep/uvtep/vtep"
)

// put has the data plane's link have these hosts, as an agent of a generation puts them in.
func (r *rig) put(generation uint64, vni uint32, from, to int) {
	r.t.Helper()
	var all []vtep.FDBChange
	for i := from; i < to; i++ {
		all = append(all, vtep.FDBChange{Verb: vtep.VerbReplace, Entry: vtep.FDBEntry{Link: linkName(vni), MAC: hostMAC(i), Remote: vtep.Remote{Addr: otherAddr}}})
	}
	for _, err := range r.vtep.FDBBatch(vtep.Owner{Name: Owner, Generation: generation}, all) {
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// generation is that of the entries of a link: of all the same one.
func (r *rig) generation(vni uint32) (is uint64) {
	r.t.Helper()
	err := r.vtep.WalkFDB(vtep.FDBFilter{Link: linkName(vni)}, func(e *vtep.FDBEntry) bool {
		if is != 0 && e.Owner.Generation != is {
			r.t.Errorf("entries have generations %d and %d", is, e.Owner.Generation)
		}
		is = e.Owner.Generation
		return true
	})
	if err != nil {
		r.t.Error(err)
	}
	return is
}

// TestClockSetBack: what an earlier agent put in and nobody announces any more goes, though the clock
// that this agent reads is behind the one that the earlier one read, or behind nothing at all.
func TestClockSetBack(t *testing.T) {
	r := newRig(t, 42)
	later := uint64(time.Now().Add(time.Hour).UnixMilli())
	r.put(later, 42, 0, 10)
	r.start()
	r.announce(42, 5, 20)
	r.whole()
	r.has(42, 5, 20)
	first := r.generation(42)
	r.kill()
	r.start()
	r.announce(42, 15, 30)
	r.whole()
	r.has(42, 15, 30)
	if second := r.generation(42); first <= later || second <= first {
		t.Errorf("generations %d, %d, %d do not rise", later, first, second)
	}
}

// TestControlSocketGone: what changes while the control socket is gone is in the data plane when it
// is back, and what an older state of the data plane had under the agent's own generation is not.
func TestControlSocketGone(t *testing.T) {
	r := newRig(t, 42)
	r.start()
	r.announce(42, 0, 1000)
	r.whole()
	r.has(42, 0, 1000)
	r.stop()
	lines := r.lines.count()
	r.withdraw(42, 0, 500)
	r.announce(42, 1000, 1600)
	wait(t, "the agent has the routes", func() bool {
		all := r.neighbors()
		return len(all) == 1 && all[0].Routes == 1100
	})
	r.serve()
	r.has(42, 500, 1600)
	r.stop()
	own := r.generation(42)
	r.newVTEP(42)
	r.put(own, 42, 200, 700)
	r.serve()
	r.has(42, 500, 1600)
	if n := r.lines.count() - lines; n > 20 {
		t.Errorf("%d lines of log", n)
	}
}

func (l *logLines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// TestLinkDeletedMeanwhile: a link that goes and comes while its routes arrive has them all in the
// end, and another one was not touched.
func TestLinkDeletedMeanwhile(t *testing.T) {
	r := newRig(t, 42, 77)
	r.start()
	routes, step := manyRoutes(), 250
	for i := 0; i < routes; i += step {
		r.announce(42, i, i+step)
		r.announce(77, i, i+step)
		if i%2000 == 0 {
			if err := r.vtep.DelLink(linkName(77)); err != nil {
				t.Fatal(err)
			}
		}
		if i%2000 == 2*step {
			r.addLink(77)
		}
		if i > 0 { // some go again
			r.withdraw(77, i-step, i-step/2)
		}
	}
	r.withdraw(77, routes-step, routes-step/2)
	r.withdraw(42, 0, 100)
	r.announce(77, 0, routes)
	r.whole()
	r.has(42, 100, routes)
	r.has(77, 0, routes)
}

// TestConfigChangedMeanwhile: the agent's file changes while routes arrive: what it says in the end
// holds for all of them.
func TestConfigChangedMeanwhile(t *testing.T) {
	r := newRig(t, 42, 77)
	r.start()
	files := []string{
		"links: [vxlan42]\n", "links: all\n", "links: [{name: vxlan42, import: [\"65001:77\"]}, vxlan77]\n",
		"links: [{name: vxlan77, flood: false, advertise: []}]\n",
	}
	routes, step := manyRoutes(), 250
	for i := 0; i < routes; i += step {
		r.announce(42, i, i+step)
		r.announce(77, i, i+step/2)
		if i%1000 == 0 {
			r.write(files[i/1000%len(files)])
			r.hangups <- os.Interrupt
		}
	}
	r.write("links: [vxlan77, {name: vxlan42, rd: \"192.0.2.1:9\"}]\n")
	r.hangups <- os.Interrupt
	r.withdraw(77, 0, routes)
	r.announce(77, 30_000, 31_000)
	r.whole()
	r.has(42, 0, routes)
	r.has(77, 30_000, 31_000)
	if all := r.neighbors(); len(all) != 1 || all[0].State != string(bgp.Established) {
		t.Errorf("the session was touched: %+v", all)
	}
}

// TestMillionsOfRoutes: a neighbour that announces 10 million routes gets no further than its limit, in
// memory as in the data plane; its session stays, and it is told once.
func TestMillionsOfRoutes(t *testing.T) {
	routes, limit := 10_000_000, 1000
	if raceDetector || testing.Short() {
		routes = 500_000
	}
	r := newRig(t, 42)
	r.writeFile(", maximum-prefix: 1000, maximum-prefix-action: discard", "links: all\n")
	r.start()
	r.announce(42, 0, limit)
	r.has(42, 0, limit)
	before := liveHeap()
	e := bgp.Encoder{AS4: true, Internal: true}
	block := e.AppendUpdate(nil, &bgp.Update{Announced: hostRoutes(42, limit, limit+10_000), Attributes: attributesOf(42)})
	places := macPlaces(block)
	peak := before
	for n := 0; n < routes; n += len(places) {
		for i, at := range places { // the same messages with other addresses
			binary.BigEndian.PutUint32(block[at+2:], uint32(limit+n+i))
		}
		r.must(r.Send(block))
		if n%1_000_000 == 0 {
			peak = max(peak, liveHeap())
		}
	}
	r.whole()
	var all []Neighbor
	wait(t, "all routes were read", func() bool {
		all = r.neighbors()
		return len(all) == 1 && all[0].EndOfRIB
	})
	if n := all[0]; n.Routes != limit || n.Dropped[string(bgp.DropLimit)] < uint64(routes) || n.State != string(bgp.Established) {
		t.Errorf("the neighbour is %+v", n)
	}
	r.has(42, 0, limit)
	if grown := max(peak, liveHeap()) - before; grown > 8<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if n := r.lines.count(); n > 20 {
		t.Errorf("%d lines of log", n)
	}
}

// macPlaces are the places of the MAC addresses in messages of T2 without IP addresses.
func macPlaces(messages []byte) (places []int) {
	for rest := 0; rest < len(messages); {
		m := messages[rest:]
		length := int(binary.BigEndian.Uint16(m[16:]))
		// Header, no IPv4 routes, the attributes' length, MP_REACH_NLRI: flags, code, length, family, next
		// hop, a reserved byte. A T2: type, length, RD, ESI, tag, the MAC address's length.
		const list, first, route, mac = 19 + 2 + 2, 4 + 3 + 1 + 4 + 1, 2 + 33, 2 + 8 + 10 + 4 + 1
		end := list + 4 + int(binary.BigEndian.Uint16(m[list+2:]))
		for at := list + first; at+route <= end; at += route {
			places = append(places, rest+at+mac)
		}
		rest += length
	}
	return places
}

// manyRoutes takes about as long with the race detector as without it.
func manyRoutes() int {
	if raceDetector {
		return 3000
	}
	return 10_000
}

// liveHeap is the heap that is in use after garbage was collected.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what a pool kept
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
