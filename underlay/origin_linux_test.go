package underlay

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/vishvananda/netlink"
)

// arrival is the next datagram.
func arrival(t *testing.T, r *Receiver) encap.Datagram {
	t.Helper()
	d := make([]encap.Datagram, 1)
	if n, err := r.ReadBatch(0, d); n != 1 || err != nil {
		t.Fatalf("%d datagrams, %v", n, err)
	}
	return d[0]
}

// TestArrivalDevice: a datagram comes with the device that it arrived by. One that
// was looped back comes with a source that is this host's own, whatever device the
// kernel names.
func TestArrivalDevice(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		rx := b.listen(t, ReceiverConfig{V6: v6, Local: b.addr(v6), Port: port, Workers: 1})
		send(t, a.transmitter(t, TransmitterConfig{V6: v6}), encap.SendOK, packet(b.addr(v6), port, "over the wire"))
		d := arrival(t, rx)
		if d.Device != uint32(b.index) {
			t.Errorf("over the wire: device %d, want eth0, %d", d.Device, b.index)
		}
		var o Origins
		b.do(t, func() (err error) { o, err = FindOrigins(nil); return err })
		if got := o.Of(d.Device, d.Src); got != encap.OriginHere {
			t.Errorf("by a veth: origin %d", got)
		}
		o.Devices[uint32(b.index)] = Device{Origin: encap.OriginWire, Martian: true} // were it one
		if got := o.Of(d.Device, d.Src); got != encap.OriginWire {
			t.Errorf("by a wire: origin %d", got)
		}
		want := encap.OriginHere
		if v6 {
			want = encap.OriginMixed
		}
		for _, device := range []string{"", "eth0"} {
			tx := b.transmitter(t, TransmitterConfig{V6: v6, Device: device})
			send(t, tx, encap.SendOK, packet(b.addr(v6), port, "looped back"))
			d := arrival(t, rx)
			if got := o.Of(d.Device, d.Src); got != want {
				t.Errorf("looped back from %s, sender bound to %q: device %d, origin %d, want %d", d.Src, device, d.Device, got, want)
			}
		}
	})
}

// TestOwnSource: an own address as source says that a datagram was looped back
// only where the kernel drops all others that have it.
func TestOwnSource(t *testing.T) {
	own4, own6 := encap.AddrFrom(netip.MustParseAddr("192.0.2.1")), encap.AddrFrom(netip.MustParseAddr("2001:db8::1"))
	o := Origins{
		Devices: map[uint32]Device{1: {Origin: encap.OriginWire, Martian: true}, 2: {Origin: encap.OriginWire}, 3: {Origin: encap.OriginMixed, Martian: true}, 4: {Origin: encap.OriginHere}},
		Own:     map[encap.Addr]uint32{own4: 1, own6: 1},
	}
	for _, c := range []struct {
		device uint32
		src    encap.Addr
		want   encap.Origin
	}{
		{1, own4, encap.OriginHere}, {2, own4, encap.OriginMixed}, {3, own4, encap.OriginHere}, {4, own4, encap.OriginHere}, {5, own4, encap.OriginMixed},
		{1, own6, encap.OriginMixed}, {4, own6, encap.OriginHere}, {1, encap.Addr{}, encap.OriginWire}, {5, encap.Addr{}, encap.OriginUnknown},
	} {
		if got := o.Of(c.device, c.src); got != c.want {
			t.Errorf("from %s by device %d: origin %d, want %d", c.src, c.device, got, c.want)
		}
	}
}

// TestOrigins: what each kind of device is taken for.
func TestOrigins(t *testing.T) {
	a, _ := newWire(t)
	a.do(t, func() error {
		at := func(name string) netlink.LinkAttrs { l := netlink.NewLinkAttrs(); l.Name = name; return l }
		under := func(name string) netlink.LinkAttrs { l := at(name); l.ParentIndex = a.index; return l }
		want := map[string]encap.Origin{"lo": encap.OriginHere, "eth0": encap.OriginHere}
		for _, l := range []struct {
			netlink.Link
			want encap.Origin
		}{
			{&netlink.Vlan{LinkAttrs: under("vlan0"), VlanId: 7}, encap.OriginHere}, // of a veth
			{&netlink.Bridge{LinkAttrs: at("br0")}, encap.OriginMixed},
			{&netlink.Tuntap{LinkAttrs: at("tap0"), Mode: netlink.TUNTAP_MODE_TAP}, encap.OriginMixed},
			{&netlink.Dummy{LinkAttrs: at("dummy0")}, encap.OriginMixed},
			{&netlink.Macvlan{LinkAttrs: under("macvlan0"), Mode: netlink.MACVLAN_MODE_BRIDGE}, encap.OriginMixed},
		} {
			if err := netlink.LinkAdd(l.Link); err != nil {
				t.Logf("%s: %v", l.Attrs().Name, err) // this kernel may lack the kind
				continue
			}
			want[l.Attrs().Name] = l.want
		}
		o, err := FindOrigins(nil)
		if err != nil {
			return err
		}
		for name, w := range want {
			l, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			if got := o.Devices[uint32(l.Attrs().Index)].Origin; got != w {
				t.Errorf("%s: origin %d, want %d", name, got, w)
			}
		}
		for _, ip := range []netip.Addr{a.v4, a.v6, netip.MustParseAddr("127.0.0.1")} {
			if _, ok := o.Own[encap.AddrFrom(ip)]; !ok {
				t.Errorf("%s is an address of this host, and is not said to be", ip)
			}
		}
		return nil
	})
}

// TestOriginsOfHardware: a device without a kind is a wire, and so is what has
// nothing but wires below.
func TestOriginsOfHardware(t *testing.T) {
	at := func(index, parent, master int) netlink.LinkAttrs {
		l := netlink.NewLinkAttrs()
		l.Index, l.ParentIndex, l.MasterIndex = index, parent, master
		return l
	}
	elsewhere := at(9, 1, 0)
	elsewhere.NetNsID = 4
	got := originsOf([]netlink.Link{
		&netlink.Device{LinkAttrs: at(1, 0, 0)},
		&netlink.Vlan{LinkAttrs: at(2, 1, 0)},
		&netlink.Device{LinkAttrs: at(3, 0, 4)},
		&netlink.Bond{LinkAttrs: at(4, 0, 0)},
		&netlink.Veth{LinkAttrs: at(5, 0, 6)},
		&netlink.Bond{LinkAttrs: at(6, 0, 0)},
		&netlink.Bond{LinkAttrs: at(7, 0, 0)},
		&netlink.Vlan{LinkAttrs: at(8, 4, 0)},
		&netlink.Vlan{LinkAttrs: elsewhere},
		&netlink.Vlan{LinkAttrs: at(10, 10, 0)}, // of itself: no kernel says so
		&netlink.Device{LinkAttrs: at(11, 0, 12)},
		&netlink.Bridge{LinkAttrs: at(12, 0, 0)},
	})
	for index, want := range map[uint32]encap.Origin{
		1: encap.OriginWire, 2: encap.OriginWire, 4: encap.OriginWire, 6: encap.OriginMixed, 7: encap.OriginMixed, 8: encap.OriginWire, 9: encap.OriginMixed,
		10: encap.OriginMixed, 11: encap.OriginWire, 12: encap.OriginMixed, 99: encap.OriginUnknown,
	} {
		if got[index].Origin != want {
			t.Errorf("device %d: origin %d, want %d", index, got[index].Origin, want)
		}
	}
}

// TestSteady: a list that changed while it was asked for is asked for again, and counts in the end.
func TestSteady(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		errs []error // of one call after the other
		want int     // elements: as many as calls
		err  error
	}{
		{[]error{nil}, 1, nil},
		{[]error{netlink.ErrDumpInterrupted, nil}, 2, nil},
		{[]error{netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted, netlink.ErrDumpInterrupted}, 3, nil},
		{[]error{netlink.ErrDumpInterrupted, refused}, 2, refused},
	} {
		calls := 0
		got, err := steady(func() ([]int, error) {
			calls++
			return make([]int, calls), c.errs[calls-1]
		})
		if len(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%v: %d elements, %v", c.errs, len(got), err)
		}
	}
}
