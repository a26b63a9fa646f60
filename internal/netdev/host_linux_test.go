package netdev

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.TestMain(m)) }

// inHost runs f in a host with a bridge br0 and a device vx0, as known to f.
func inHost(t *testing.T, f func(known api.Netdev) error) {
	t.Helper()
	h, err := lab.ForTest(t).Host("a")
	if err != nil {
		t.Fatal(err)
	}
	err = h.Do(func() error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
		device := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "vx0"}, Mode: unix.IFF_TAP}
		if err := errors.Join(netlink.LinkAdd(bridge), netlink.LinkAdd(device)); err != nil {
			return err
		}
		d, err := netlink.LinkByName("vx0")
		if err != nil {
			return err
		}
		return f(api.Netdev{Index: d.Attrs().Index, Name: "vx0", MAC: d.Attrs().HardwareAddr.String()})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStrangers: what has a device's index and not its name and MAC address is another one,
// as is what has its name and not its index: neither is read or changed.
func TestStrangers(t *testing.T) {
	inHost(t, func(known api.Netdev) error {
		for what, edit := range map[string]func(d *api.Netdev){
			"another index":       func(d *api.Netdev) { d.Index = 1 }, // lo
			"no such index":       func(d *api.Netdev) { d.Index = 1 << 20 },
			"another name":        func(d *api.Netdev) { d.Name = "vx1" },
			"another MAC address": func(d *api.Netdev) { d.MAC = "02:00:00:00:00:99" },
		} {
			d := known
			edit(&d)
			if _, err := (Host{}).Read(&d); err == nil {
				t.Errorf("%s: it was read", what)
			}
			if _, err := (Host{}).Master(&d); !errors.Is(err, api.ErrInvalid) {
				t.Errorf("%s: its master: %v", what, err)
			}
			if err := (Host{}).SetMaster(&d, "br0"); !errors.Is(err, api.ErrInvalid) {
				t.Errorf("%s: a new master: %v", what, err)
			}
			if err := (Host{}).ChangeBridge(&d, "add", &api.FDBEntry{MAC: "02:00:00:00:00:07"}); !errors.Is(err, api.ErrInvalid) {
				t.Errorf("%s: an entry: %v", what, err)
			}
		}
		if m, err := (Host{}).Master(&known); m != 0 || err != nil {
			t.Errorf("the device has master %d, %v", m, err)
		}
		return nil
	})
}

// TestMaster: a device becomes a port of a bridge, which is read, and again of none.
func TestMaster(t *testing.T) {
	inHost(t, func(known api.Netdev) error {
		h := Host{}
		bridge, err := h.Find("br0")
		if err != nil {
			return err
		}
		for master, want := range map[string]string{"none0": "no such device", "lo": "takes no devices"} {
			if err := h.SetMaster(&known, master); !errors.Is(err, api.ErrInvalid) || !strings.Contains(err.Error(), want) {
				t.Errorf("master %s: %v, want %s", master, err, want)
			}
		}
		if err := h.SetMaster(&known, "br0"); err != nil {
			return err
		}
		if m, err := h.Master(&known); m != bridge || err != nil {
			t.Errorf("master %d, %v, want %d", m, err, bridge)
		}
		if d, err := h.Read(&known); d.Master != "br0" || d.Index != known.Index || d.MTU != 1500 || !slices.Contains(d.Flags, "BROADCAST") || err != nil {
			t.Errorf("read %+v, %v", d, err)
		}
		if err := h.SetMaster(&known, ""); err != nil {
			return err
		}
		if d, err := h.Read(&known); d.Master != "" || err != nil {
			t.Errorf("master %q, %v, want none", d.Master, err)
		}
		return nil
	})
}

// TestChangeBridge: each change of an entry comes to the bridge as the kernel takes it,
// and to none where the device is no port.
func TestChangeBridge(t *testing.T) {
	inHost(t, func(known api.Netdev) error {
		h := Host{}
		e := &api.FDBEntry{MAC: "2:0:0:0:0:7", State: api.Static}
		if err := h.ChangeBridge(&known, "del", e); err != nil {
			t.Errorf("of no bridge: %v", err)
		}
		if err := h.SetMaster(&known, "br0"); err != nil {
			return err
		}
		for _, test := range []struct {
			verb  string
			want  error
			state int // of the entry then; 0: there is none
		}{
			{"del", api.ErrNotExist, 0}, {"add", nil, netlink.NUD_NOARP}, {"add", api.ErrExist, netlink.NUD_NOARP}, {"replace", nil, netlink.NUD_NOARP},
			{"frobnicate", errors.ErrUnsupported, netlink.NUD_NOARP}, {"del", nil, 0},
		} {
			if err := h.ChangeBridge(&known, test.verb, e); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", test.verb, err, test.want)
			}
			entries, err := netlink.NeighList(known.Index, unix.AF_BRIDGE)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(entries, func(n netlink.Neigh) bool { return n.HardwareAddr.String() == "02:00:00:00:00:07" })
			if i < 0 != (test.state == 0) || i >= 0 && entries[i].State != test.state {
				t.Errorf("after %s: %+v, want state %#x", test.verb, entries, test.state)
			}
		}
		return nil
	})
}

// TestReadAway: a device in another network namespace is read by the id that this one has for it, with
// the name of its master there; it is not changed.
func TestReadAway(t *testing.T) {
	l := lab.ForTest(t)
	h, err := l.Host("a")
	if err != nil {
		t.Fatal(err)
	}
	away, err := l.Host("away")
	if err != nil {
		t.Fatal(err)
	}
	var known api.Netdev
	err = away.Do(func() error {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "fills0"}}); err != nil { // no index is the same here
			return err
		}
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
		device := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "vx0"}, Mode: unix.IFF_TAP}
		if err := errors.Join(netlink.LinkAdd(bridge), netlink.LinkAdd(device)); err != nil {
			return err
		}
		d, err := netlink.LinkByName("vx0")
		if err != nil {
			return err
		}
		known = api.Netdev{Index: d.Attrs().Index, Name: "vx0", MAC: d.Attrs().HardwareAddr.String(), NSID: new(7)}
		return netlink.LinkSetMaster(d, bridge)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = h.Do(func() error {
		ns, err := os.Open(away.Path())
		if err != nil {
			return err
		}
		defer ns.Close()
		if err := netlink.SetNetNsIdByFd(int(ns.Fd()), *known.NSID); err != nil {
			return err
		}
		d, err := (Host{}).Read(&known)
		if err != nil || d.Master != "br0" || d.MinMTU == 0 || d.Qdisc == "" || d.NSID == nil || *d.NSID != 7 {
			t.Errorf("read %+v, %v", d, err)
		}
		if err := (Host{}).SetMaster(&known, ""); !errors.Is(err, api.ErrInvalid) {
			t.Errorf("a new master over there: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
