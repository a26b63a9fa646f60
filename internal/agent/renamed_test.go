package agent

import (
	"slices"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/evpn"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
)

// speak has a host behind a link's port send a frame.
func (r *rig) speak(link string, host int) {
	r.t.Helper()
	frame := make([]byte, 60)
	src := hostMAC(host)
	copy(frame, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	copy(frame[6:], src[:])
	frame[12], frame[13] = 0x88, 0xb5 // local experimental: IEEE 802
	if !r.host.Device(link).Inject(encap.Frame{Data: frame}) {
		r.t.Fatalf("%s takes no frame", link)
	}
}

// hostsOf are the entries of a link's FDB that are behind another VTEP.
func (r *rig) hostsOf(link string) (n int) {
	r.t.Helper()
	err := r.vtep.WalkFDB(vtep.FDBFilter{Link: link}, func(e *vtep.FDBEntry) bool {
		if e.Remote.Addr == otherAddr && !e.MAC.IsZero() {
			n++
		}
		return true
	})
	if err != nil {
		r.t.Error(err)
	}
	return n
}

// localOn waits until the agent says that a host is behind this VTEP, on a link of a name and on no other.
func (r *rig) localOn(link string, host int) {
	r.t.Helper()
	mac := hostMAC(host).String()
	wait(r.t, mac+" is on "+link, func() bool {
		var all []evpn.MACView
		if err := (Asker{Path: r.path("evpn")}).Get(r.t.Context(), "mac", &all); err != nil {
			r.t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(v evpn.MACView) bool { return v.MAC == mac })
		return i >= 0 && all[i].Local && all[i].Link == link
	})
}

// TestRenamed: a link that ip or uvtep renames is the same link: its hosts stay, what comes later goes to it, and nothing
// is announced anew.
func TestRenamed(t *testing.T) {
	r := newRig(t, 42)
	r.start()
	r.announce(42, 0, 100)
	r.whole()
	r.has(42, 0, 100)
	r.speak("vxlan42", 1000)
	r.localOn("vxlan42", 1000)
	for i, rename := range []struct {
		was, is string
		by      func(was, is string) error
	}{
		{"vxlan42", "fabric0", func(was, is string) error { return r.host.Device(was).Set(tap.Change{Name: is}) }},
		{"fabric0", "a42", func(was, is string) error {
			return r.vtep.UpdateLink(was, func(c *vtep.LinkConfig) error { c.Name = is; return nil })
		}},
		{"a42", "vxlan42", func(was, is string) error { return r.host.Device(was).Set(tap.Change{Name: is}) }},
	} {
		if err := rename.by(rename.was, rename.is); err != nil {
			t.Fatal(err)
		}
		next := 1001 + i
		r.speak(rename.is, next)
		r.localOn(rename.is, next)
		r.localOn(rename.is, 1000)
		r.announce(42, 100+i, 101+i)
		r.withdraw(42, i, i+1)
		wait(t, "the data plane of "+rename.is+" follows", func() bool { return r.hostsOf(rename.is) == 100 })
		var links []evpn.VNI
		if err := (Asker{Path: r.path("evpn")}).Get(t.Context(), "vni", &links); err != nil {
			t.Fatal(err)
		}
		if len(links) != 1 || links[0].Link != rename.is || links[0].Out != "" {
			t.Errorf("after the name %s the agent has %+v", rename.is, links)
		}
	}
}
