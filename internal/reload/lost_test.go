package reload

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
)

const lostFile = `
  - {name: a, id: 1, remotes: [192.0.2.2, 192.0.2.3], fdb: [{mac: "02:00:00:00:00:07", dst: 192.0.2.7, state: static}]}
  - {name: b, id: 2, remote: 192.0.2.2, up: false}
`

// TestDeletedNetdevComesBack: a link of the file whose netdev somebody deletes is there again at
// once, as the file has it; one that the API made or deleted is not.
func TestDeletedNetdevComesBack(t *testing.T) {
	bubble(t, func(r *rig) {
		r.vtep.OnLost(r.Lost)
		r.load(lostFile)
		a, b := "a 1 ttl 0, 00 192.0.2.2*, 00 192.0.2.3, 07 192.0.2.7 static", "b 2 ttl 0 down, 00 192.0.2.2*"
		must(t, r.vtep.AddLink(vtep.LinkConfig{Name: "z", VNI: 26}))
		for _, name := range []string{"a", "b", "z"} {
			r.host.Device(name).Delete()
		}
		synctest.Wait()
		r.want("deleted behind the daemon's back", a, b)
		must(t, r.vtep.DelLink("b"))
		r.after(time.Hour)
		r.want("deleted by the API", a)
		r.host.Device("a").Delete()
		synctest.Wait()
		r.want("an hour later", a)
	})
}

// TestDeletedAgainAndAgain: who deletes the netdev in a loop does not keep the daemon busy, and the
// link is there half a minute after the last time.
func TestDeletedAgainAndAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		r.vtep.OnLost(r.Lost)
		r.load("  - {name: a, id: 1, remote: 192.0.2.2}\n")
		made := 0
		for range 10_000 {
			if d := r.host.Device("a"); d != nil {
				d.Delete()
				made++
			}
			r.after(10 * time.Millisecond)
		}
		if made > 12 { // with rests of 0, 0.25, 0.5, 1, 2, 4, 8, 16, 30 and 30 s between
			t.Errorf("made %d times in 100 s", made)
		}
		r.after(maxRest)
		r.want("in the end", "a 1 ttl 0, 00 192.0.2.2*")
	})
}

// TestDeletedPortComesBack: a trunk port comes back with the links on its VLANs.
func TestDeletedPortComesBack(t *testing.T) {
	bubble(t, func(r *rig) {
		r.vtep.OnLost(r.Lost)
		r.load("  - {name: a, id: 1, remote: 192.0.2.2, trunk: tr0, vlan: 7}\nports:\n  - {name: tr0}\n")
		r.host.Device("tr0").Delete()
		synctest.Wait()
		r.want("the port's link", "a 1 ttl 0, 00 192.0.2.2*")
		if n := len(r.vtep.Trunks()[0].VLANs); n != 1 {
			t.Errorf("the port has %d links, want 1", n)
		}
	})
}

// TestNameTakenMeanwhile: while somebody else has the name the link is tried again and again, and made
// when the name is free.
func TestNameTakenMeanwhile(t *testing.T) {
	bubble(t, func(r *rig) {
		r.vtep.OnLost(r.Lost)
		r.load("  - {name: a, id: 1, remote: 192.0.2.2, dev: eth0}\n")
		r.host.Device("a").Delete()
		synctest.Wait()
		r.host.Device("a").Delete() // the second time it is made again after a rest
		synctest.Wait()
		other, _, err := r.host.OpenPort(tap.Config{Name: "a"})
		must(t, err)
		r.after(time.Minute)
		r.want("taken")
		must(t, other.Close())
		r.after(maxRest)
		r.want("free", "a 1 ttl 0, 00 192.0.2.2 via eth0*")
	})
}
