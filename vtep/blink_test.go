package vtep_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// blinkHost makes devices that tell of a moment down when blink is sent to.
type blinkHost struct {
	*vteptest.Host
	blink chan struct{}
}

type blinkDevice struct {
	*vteptest.Device
	blink chan struct{}
}

func (h blinkHost) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	_, _, err := h.Host.OpenPort(c)
	d := blinkDevice{h.Device(c.Name), h.blink}
	return d, d, err
}

func (d blinkDevice) Watch(ctx context.Context, fn func(tap.State)) error {
	for {
		select {
		case <-d.blink:
			s, err := d.State()
			if err != nil {
				return err
			}
			fn(s)
			s.Up = false
			fn(s)
		case <-ctx.Done():
			return nil
		}
	}
}

// TestL15Blink: a link that was down for a moment only, and is up again when it
// is looked at, has forgotten what it learned.
func TestL15Blink(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := blinkHost{net.Host(addrA), make(chan struct{})}
		r := &rig{node: startNode(t, net, h.Host, h, addrA), t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
		r.in(addrB, frame(macA, macC, "x"))
		r.behind(macC, addrB)
		h.blink <- struct{}{}
		synctest.Wait()
		r.behind(macC, netip.Addr{})
		if info, err := r.Link(r.link); err != nil || !info.Up {
			t.Errorf("the link is up %v, %v", info.Up, err)
		}
	})
}

// TestTrunkBlink: links of a trunk port that was down for a moment forget as well; what
// they learned after the port was set down and up by us stays, however late
// the watcher tells of it.
func TestTrunkBlink(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := blinkHost{net.Host(addrA), make(chan struct{})}
		r := &rig{node: startNode(t, net, h.Host, h, addrA), t: t, wire: net.Capture(), link: "v10"}
		must(t, r.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
		must(t, r.SetTrunkUp("trunk0", true))
		r.dev = r.host.Device("trunk0")
		must(t, r.AddLink(vtep.LinkConfig{Name: "v10", VNI: 1010, Remote: addrB, Trunk: "trunk0", VLAN: 10}))
		must(t, r.SetLinkUp("v10", true))
		must(t, r.SetTrunkUp("trunk0", false))
		must(t, r.SetTrunkUp("trunk0", true))
		r.hear(addrB, pack(1010, frame(macA, macC, "x")))
		synctest.Wait()
		r.behind(macC, addrB)
		h.blink <- struct{}{} // of what we did
		synctest.Wait()
		r.behind(macC, addrB)
		h.blink <- struct{}{} // of what somebody else did
		synctest.Wait()
		r.behind(macC, netip.Addr{})
	})
}
