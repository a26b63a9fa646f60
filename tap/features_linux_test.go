package tap

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// expectOff waits until d says that off, of all that it asked for, is switched off at its netdev.
func expectOff(t *testing.T, d *Device, what string, off Offload) {
	t.Helper()
	const all = OffloadChecksum | OffloadTSO | OffloadUSO
	deadline := time.Now().Add(20 * time.Second)
	for {
		o := d.Offloads()
		if o.Off == off && o.Read == all&^off && o.Refused == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v, want %s switched off", what, o, off)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestFeatures: what somebody switches at the netdev shows, also where it was done before anybody
// watched, and in another namespace.
func TestFeatures(t *testing.T) {
	home := onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0", Offload: OffloadChecksum | OffloadTSO | OffloadUSO})
	d.lookEvery = time.Hour // events must do
	expectOff(t, d, "unwatched", 0)
	check(t, home.SetOffload("vxlan0", map[string]bool{"tx-udp-segmentation": false}))
	o := observe(t, d)
	here := <-o.states
	expectOff(t, d, "switched before the Watch", OffloadUSO)
	check(t, home.SetOffload("vxlan0", map[string]bool{"tx-tcp6-segmentation": false}))
	expectOff(t, d, "one of two features", OffloadUSO|OffloadTSO)
	check(t, home.SetOffload("vxlan0", map[string]bool{"tx-tcp6-segmentation": true, "tx-udp-segmentation": true, "tx": false}))
	expectOff(t, d, "without checksums there is no segmentation", OffloadChecksum|OffloadTSO|OffloadUSO)

	away := newHost(t, home.Lab(), "away")
	check(t, home.MoveLink("vxlan0", away))
	moved := o.expect(t, "move", func(s State) bool { return s.Namespace != here.Namespace })
	if here.Away || !moved.Away || moved.NSID < 0 {
		t.Errorf("away %v at home, and %v with the id %d after the move", here.Away, moved.Away, moved.NSID)
	}
	expectOff(t, d, "moved", OffloadChecksum|OffloadTSO|OffloadUSO)
	check(t, away.SetOffload("vxlan0", map[string]bool{"tx": true}))
	expectOff(t, d, "switched over there", 0)
}

// TestFeaturesUnknown: a process that may not enter the netdev's namespace takes what was granted to be on.
func TestFeaturesUnknown(t *testing.T) {
	home := onHost(t)
	d := mustOpen(t, Config{Name: "vxlan0", Offload: OffloadChecksum | OffloadTSO | OffloadUSO})
	check(t, home.SetOffload("vxlan0", map[string]bool{"tx": false}))
	d.lookAtFeatures()
	expectOff(t, d, "at home", OffloadChecksum|OffloadTSO|OffloadUSO)
	away := newHost(t, home.Lab(), "away")
	check(t, home.MoveLink("vxlan0", away))
	drop(t, unix.CAP_SYS_ADMIN)
	d.lookAtFeatures()
	expectOff(t, d, "where it may not look", 0)
}
