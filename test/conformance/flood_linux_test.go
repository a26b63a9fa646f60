package conformance

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/vtep/forward"
)

const (
	allZeros = "00:00:00:00:00:00"
	groupMAC = "01:00:5e:01:01:01"
)

// floodTo adds a remote to the flood list.
func (r *rig) floodTo(peer int) {
	r.Helper()
	r.fdb("append", api.FDBEntry{MAC: allZeros, Dst: r.peers[peer]})
}

func TestC06LearnsAndAnswersUnicast(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		r.floodTo(1)
		r.delivers(frameFrom(farMAC, flow(1)), from(r.peers[1]))
		if e := r.entry(farMAC); e != r.peers[1] {
			t.Errorf("%s is behind %v, want %s", farMAC, e, r.peers[1])
		}
		if p := r.emit(frameTo(farMAC)); p.dst != r.peers[1] {
			t.Errorf("the answer went to %s, want %s", p.dst, r.peers[1])
		}
		r.emits(frameTo(farMAC2), 2) // not learned: to both
	})
}

func TestC06NoLearning(t *testing.T) {
	r := startRig(t, ipv4Underlay(), "nolearning")
	r.delivers(frameFrom(farMAC))
	if e := r.entry(farMAC); e.IsValid() {
		t.Errorf("%s was learned, in spite of nolearning", farMAC)
	}
}

func TestC07FloodsToEveryRemote(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		r.floodTo(1)
		r.floodTo(2)
		want := map[string]int{}
		for _, p := range r.peers[:3] {
			want[target(p, 4789, 42)] = 1
		}
		for _, dst := range []string{broadcast, groupMAC, "33:33:00:00:00:01", farMAC} {
			if diff := cmp.Diff(want, r.flooded(frameTo(dst), 3)); diff != "" {
				t.Errorf("copies of a frame to %s (- want + got):\n%s", dst, diff)
			}
		}
	})
}

func TestC07EmptyFloodList(t *testing.T) {
	r := newRig(t, ipv4Underlay())
	r.start("id 42 local", r.local.Addr().String())
	r.keeps(forward.TxNoRemote, frameTo(broadcast))
	r.keeps(forward.TxNoRemote, frameTo(farMAC))
}

func TestC07OnceToTheGroup(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startGroup(t, f)
		for _, dst := range []string{broadcast, groupMAC, farMAC} {
			p := r.emit(frameTo(dst))
			if p.dst != f.group || p.dport != 4789 {
				t.Errorf("a frame to %s went to %s port %d, want the group %s", dst, p.dst, p.dport, f.group)
			}
			if want := r.toGroup(nil)[:6]; string(p.data[:6]) != string(want) {
				t.Errorf("the outer destination MAC is %x, want that of the group, %x", p.data[:6], want)
			}
		}
		frame := frameFrom(farMAC)
		r.send(r.toGroup(frame))
		r.arrives(frame)
		if p := r.emit(frameTo(farMAC)); p.dst != r.peers[0] {
			t.Errorf("the answer to a frame from the group went to %s, want %s", p.dst, r.peers[0])
		}
	})
}

func TestL11FloodListEntriesDiffer(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	r.fdb("append", api.FDBEntry{MAC: allZeros, Dst: r.peers[1], Port: 8472})
	r.fdb("append", api.FDBEntry{MAC: allZeros, Dst: r.peers[1], VNI: new(uint32(77))})
	r.fdb("append", api.FDBEntry{MAC: allZeros, Dst: r.peers[2], Port: 4790, VNI: new(uint32(0xffffff))})
	want := map[string]int{
		target(r.peers[0], 4789, 42):       1,
		target(r.peers[1], 8472, 42):       1,
		target(r.peers[1], 4789, 77):       1,
		target(r.peers[2], 4790, 0xffffff): 1,
	}
	if diff := cmp.Diff(want, r.flooded(frameTo(broadcast), 4)); diff != "" {
		t.Errorf("copies (- want + got):\n%s", diff)
	}
	r.fdb("del", api.FDBEntry{MAC: allZeros, Dst: r.peers[1], Port: 8472})
	delete(want, target(r.peers[1], 8472, 42))
	if diff := cmp.Diff(want, r.flooded(frameTo(broadcast), 3)); diff != "" {
		t.Errorf("copies after one remote was deleted (- want + got):\n%s", diff)
	}
}

func TestL14MulticastEntries(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	r.fdb("add", api.FDBEntry{MAC: groupMAC, Dst: r.peers[1]})
	r.fdb("append", api.FDBEntry{MAC: groupMAC, Dst: r.peers[2], Port: 4790})
	want := map[string]int{target(r.peers[1], 4789, 42): 1, target(r.peers[2], 4790, 42): 1}
	if diff := cmp.Diff(want, r.flooded(frameTo(groupMAC), 2)); diff != "" {
		t.Errorf("copies of a frame to the group MAC (- want + got):\n%s", diff)
	}
	for _, dst := range []string{broadcast, "01:00:5e:01:01:02", farMAC} {
		if p := r.emit(frameTo(dst)); p.dst != r.peers[0] {
			t.Errorf("a frame to %s went to %s, want the flood list's %s", dst, p.dst, r.peers[0])
		}
	}
	r.fdb("del", api.FDBEntry{MAC: groupMAC})
	if p := r.emit(frameTo(groupMAC)); p.dst != r.peers[0] {
		t.Errorf("without its entry the group MAC goes to %s, want the flood list's %s", p.dst, r.peers[0])
	}
}

// TestL12FDBRefusals: what the kernel refuses is refused in its words, and so
// is what the kernel silently leaves undone.
func TestL12FDBRefusals(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	r.fdb("add", api.FDBEntry{MAC: farMAC, Dst: r.peers[1]})
	p0, p1 := r.peers[0].String(), r.peers[1].String()
	for _, c := range []struct {
		words  string
		status string // of the exit; "" done
		says   string
	}{
		{"append " + farMAC + " dev vxlan0 dst " + p0, "2", "fdb replace"},
		{"replace " + allZeros + " dev vxlan0 dst " + p1, "2", "fdb append"},
		{"add " + groupMAC + " dev vxlan0 dst " + p1, "", ""},
		{"replace " + groupMAC + " dev vxlan0 dst " + p0, "2", "fdb append"},
		{"append " + groupMAC + " dev vxlan0 dst " + p0, "", ""},
		{"append " + groupMAC + " dev vxlan0 dst " + p0, "", ""}, // it is there: nothing to do, as in the kernel
		{"add " + farMAC + " dev vxlan0 dst " + p0, "2", "File exists"},
		{"replace " + farMAC + " dev vxlan0 dst " + p0, "", ""},
		{"del " + groupMAC + " dev vxlan0 dst " + p1, "", ""},
		{"del " + groupMAC + " dev vxlan0 dst " + p1, "2", "No such file or directory"},
		{"del " + allZeros + " dev vxlan0 dst " + p1, "2", "No such file or directory"},
		{"del " + farMAC2 + " dev vxlan0", "2", "No such file or directory"},
		{"append " + allZeros + " dev vxlan0 dst 2001:db8:1::9", "2", "family"},
		{"add " + farMAC2 + " dev vxlan0 dst 2001:db8:1::9", "2", "family"},
	} {
		_, stderr, err := r.uvtepCLI(append([]string{"fdb"}, strings.Fields(c.words)...)...)
		switch {
		case c.status == "" && err != nil:
			t.Errorf("fdb %s: %v: %s", c.words, err, stderr)
		case c.status != "" && (err == nil || !strings.Contains(err.Error(), "exit status "+c.status)):
			t.Errorf("fdb %s: %v (%s), want exit status %s", c.words, err, stderr, c.status)
		case !strings.Contains(stderr, c.says) || strings.Count(strings.TrimSpace(stderr), "\n") > 0:
			t.Errorf("fdb %s says %q, want one line with %q", c.words, stderr, c.says)
		}
	}
	// The wire shows what the refusals left.
	for dst, n := range map[string]int{broadcast: 1, groupMAC: 1, farMAC: 1, farMAC2: 1} {
		for _, p := range r.emits(frameTo(dst), n) {
			if p.dst != r.peers[0] {
				t.Errorf("a frame to %s went to %s, want %s", dst, p.dst, r.peers[0])
			}
		}
	}
}
