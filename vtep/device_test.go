package vtep_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/underlay"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/forward"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

func TestDeviceDeleted(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		r.addUp(t, vtep.LinkConfig{Name: "other", VNI: 7, Remote: addrB})
		r.dev.Delete()
		synctest.Wait()
		if _, err := r.Link(r.link); !errors.Is(err, vtep.ErrNoLink) {
			t.Errorf("the link is still there: %v", err)
		}
		for what, err := range map[string]error{
			"DelLink":   r.DelLink(r.link),
			"SetLinkUp": r.SetLinkUp(r.link, true),
			"FDBAdd":    r.FDBAdd(vtep.FDBEntry{Link: r.link, MAC: macC}),
		} {
			if !errors.Is(err, vtep.ErrNoLink) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if d, x := r.host.Devices(), len(r.host.Receivers()); d != 1 || x != 1 {
			t.Errorf("%d devices, %d receivers are left, want those of the other link", d, x)
		}
		r.hear(addrB, pack(42, frame(macA, macB, "x")))
		synctest.Wait()
		checkDrops(t, r.Stats(), map[forward.DropReason]uint64{forward.RxUnknownVNI: 1})
		must(t, r.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB}))
	})
}

func TestDeviceRenamed(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.dev.Set(tap.Change{Name: "tenant7"}))
		synctest.Wait()
		for _, name := range []string{"vxlan0", "tenant7"} {
			if info, err := r.Link(name); err != nil || info.Name != "tenant7" || info.Config.Name != "vxlan0" {
				t.Errorf("%s: %+v, %v", name, info, err)
			}
		}
		if got := r.in(addrB, frame(macA, macB, "x")); len(got) != 1 {
			t.Error("forwards no more")
		}
		must(t, r.DelLink("tenant7"))
	})
}

// TestDeviceRenamedYields: the name that ip took from a link is free, as for a
// netdev of the kernel, for a link and for a trunk port.
func TestDeviceRenamedYields(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		must(t, r.dev.Set(tap.Change{Name: "tenant7"}))
		synctest.Wait()
		if err := r.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 42}); !errors.Is(err, vtep.ErrExist) {
			t.Errorf("the same VNI: %v", err)
		}
		must(t, r.AddLink(vtep.LinkConfig{Name: "vxlan0", VNI: 43, Remote: addrB}))
		for name, vni := range map[string]encap.VNI{"vxlan0": 43, "tenant7": 42} {
			if info, err := r.Link(name); err != nil || info.Name != name || info.Config.Name != name || info.Config.VNI != vni {
				t.Errorf("%s: %+v, %v", name, info, err)
			}
			if err := r.AddLink(vtep.LinkConfig{Name: name, VNI: 44}); !errors.Is(err, vtep.ErrExist) {
				t.Errorf("a second %s: %v", name, err)
			}
		}
		must(t, r.DelLink("vxlan0"))
		must(t, r.AddTrunk(vtep.TrunkConfig{Name: "vxlan0"}))
		if got := r.in(addrB, frame(macA, macB, "x")); len(got) != 1 {
			t.Error("the renamed link forwards no more")
		}
		must(t, r.DelLink("tenant7"))
	})
}

// TestDeviceNamesSwapped: a command means the link whose netdev has the name
// now, in all that it changes.
func TestDeviceNamesSwapped(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, nil)
		other := r.addUp(t, vtep.LinkConfig{Name: "other", VNI: 7, Remote: addrB})
		for _, c := range []struct {
			dev *vteptest.Device
			to  string
		}{{r.dev, "tmp"}, {other, "vxlan0"}, {r.dev, "other"}} {
			must(t, c.dev.Set(tap.Change{Name: c.to}))
			synctest.Wait()
		}
		must(t, r.UpdateLink("vxlan0", func(c *vtep.LinkConfig) error { c.MTU = 1333; return nil }))
		for name, want := range map[string]struct {
			vni encap.VNI
			mtu int
		}{"vxlan0": {7, 1333}, "other": {42, 1450}} {
			if info, err := r.Link(name); err != nil || info.Config.VNI != want.vni || info.MTU != want.mtu {
				t.Errorf("%s has VNI %d, MTU %d, %v; want %+v", name, info.Config.VNI, info.MTU, err, want)
			}
		}
	})
}

// staleHost makes devices whose Watch tells of each change late: the state
// before it.
type staleHost struct{ *vteptest.Host }

type staleDevice struct{ *vteptest.Device }

func (h staleHost) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	_, _, err := h.Host.OpenPort(c)
	d := staleDevice{h.Device(c.Name)}
	return d, d, err
}

func (d staleDevice) Watch(ctx context.Context, fn func(tap.State)) error {
	before, err := d.State()
	if err != nil {
		return err
	}
	return d.Device.Watch(ctx, func(s tap.State) {
		fn(before)
		before = s
	})
}

// TestStaleEvent: what SetLinkUp has done, an event that was under way does
// not undo.
func TestStaleEvent(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		h := net.Host(addrA)
		r := &rig{node: startNode(t, net, h, staleHost{h}, addrA), t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
		for _, up := range []bool{true, false, true} {
			must(t, r.SetLinkUp(r.link, up))
			synctest.Wait()
			if info, err := r.Link(r.link); err != nil || info.Up != up {
				t.Errorf("set up %v, and the link has up %v, %v", up, info.Up, err)
			}
			if got := r.in(addrB, frame(macA, macB, "x")); len(got) == 1 != up {
				t.Errorf("set up %v: delivered %d", up, len(got))
			}
		}
	})
}

// TestRetryGroup: a group that cannot be joined when the link comes up is
// joined when it can.
func TestRetryGroup(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n, h := hooked(t, net, addrA)
		h.let(rules{listen: func(c underlay.ReceiverConfig) error {
			if c.Group.IsValid() {
				return errRefused
			}
			return nil
		}})
		r := &rig{node: n, t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Group: group, Dev: "eth0"})
		time.Sleep(5 * time.Second)
		if n := len(r.host.Receivers()); n != 1 {
			t.Errorf("%d receivers, want the unicast one", n)
		}
		if got := r.in(addrB, frame(bcast, macB, "x")); len(got) != 1 {
			t.Error("unicast is not heard meanwhile")
		}
		if sent := r.out(frame(bcast, macA, "x")); len(sent) != 1 {
			t.Error("nothing is sent meanwhile")
		}
		h.let(rules{})
		time.Sleep(2 * time.Second)
		net.Send(netip.AddrPortFrom(addrB, 1), netip.AddrPortFrom(group, 4789), 0, pack(42, frame(bcast, macB, "x")))
		if got := r.got(); len(got) != 1 {
			t.Error("the group is not heard after the obstacle went")
		}
	})
}

// TestRetryOwnAddress: the own echo is known as soon as the route tells the
// address.
func TestRetryOwnAddress(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n, h := hooked(t, net, addrA)
		h.let(rules{route: func(netip.Addr) error { return errRefused }})
		r := &rig{node: n, t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Group: group, Dev: "eth0"})
		time.Sleep(5 * time.Second)
		h.let(rules{})
		time.Sleep(2 * time.Second)
		r.out(frame(bcast, macC, "x"))
		if got := r.got(); len(got) != 0 {
			t.Error("heard the own echo")
		}
		r.drops(map[forward.DropReason]uint64{forward.RxOwnEcho: 1})
	})
}

// TestDevGone: where the underlay device is gone the link still follows its
// own netdev, and recovers when it is back.
func TestDevGone(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		n, h := hooked(t, net, addrA)
		r := &rig{node: n, t: t, wire: net.Capture(), link: "vxlan0"}
		r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB, Dev: "eth0"})
		h.let(rules{iface: func(string) error { return errRefused }})
		r.in(addrB, frame(macA, macC, "x"))
		must(t, r.SetLinkUp(r.link, false))
		r.in(addrB, frame(macA, macC, "x"))
		r.drops(map[forward.DropReason]uint64{forward.RxLinkDown: 1})
		r.behind(macC, netip.Addr{})
		must(t, r.SetLinkUp(r.link, true))
		if got := r.in(addrB, frame(macA, macC, "x")); len(got) != 1 {
			t.Errorf("after up: delivered %d", len(got))
		}
		h.let(rules{})
		time.Sleep(2 * time.Second)
		if got := r.in(addrB, frame(macA, macC, "x")); len(got) != 1 {
			t.Errorf("after eth0 came back: delivered %d", len(got))
		}
	})
}

// TestQueues: each queue of the port is read, and counted.
func TestQueues(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Queues = 4 })
		if n := r.dev.Queues(); n != 4 {
			t.Errorf("%d queues", n)
		}
		for q := range 4 {
			if !r.dev.InjectTo(q, frame(bcast, macA, "x")) {
				t.Fatal("not taken")
			}
		}
		if sent := r.sent(); len(sent) != 4 {
			t.Errorf("sent %d", len(sent))
		}
		r.in(addrB, frame(macA, macB, "x"))
		if s := r.stats(t, r.link); s.TxPackets != 4 || s.RxPackets != 1 {
			t.Errorf("statistics %+v", s)
		}
		r.in(addrB, frame(macA, encap.MAC{2, 2}, "x"))
	})
}

// TestAddressSetByOthers: udev and networkd set a device's MAC address shortly after it
// appears. `address` is what it has then, own frames are known by it, who listens is
// told, and the address that was asked for can be set again.
func TestAddressSetByOthers(t *testing.T) {
	bubble(t, func(t *testing.T, net *vteptest.Network) {
		r := newRig(t, net, func(c *vtep.LinkConfig) { c.Address = macA })
		heard, err := r.Subscribe(vtep.LinkEvents)
		must(t, err)
		defer heard.Close()
		must(t, r.dev.Set(tap.Change{MAC: new(macC)}))
		synctest.Wait()
		events, _, err := heard.Read(t.Context(), nil)
		must(t, err)
		if last := events[len(events)-1]; last.Link == nil || last.Link.MAC != macC {
			t.Errorf("told %+v", last)
		}
		info, err := r.Link(r.link)
		must(t, err)
		if info.MAC != macC || info.Config.Address != macC {
			t.Errorf("the device has %s, address is %s, want %s", info.MAC, info.Config.Address, macC)
		}
		r.in(addrB, frame(macB, macC, "x"))
		if got := r.stats(t, r.link).Drops[forward.RxOwnMAC]; got != 1 {
			t.Errorf("%d frames of its own were known", got)
		}
		must(t, r.UpdateLink(r.link, func(c *vtep.LinkConfig) error { c.Address = macA; return nil }))
		if info, _ := r.Link(r.link); info.MAC != macA || info.Config.Address != macA {
			t.Errorf("set again, the device has %s, address is %s", info.MAC, info.Config.Address)
		}
	})
}
