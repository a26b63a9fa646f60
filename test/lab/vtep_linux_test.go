package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/uvtep/uvtep/test/lab"
)

// underlay is the pair of outer addresses of one family.
type underlay struct {
	name string
	a, b netip.Addr
}

func underlays() []underlay {
	return []underlay{
		{"IPv4", addr("192.0.2.1"), addr("192.0.2.2")},
		{"IPv6", addr("2001:db8:1::1"), addr("2001:db8:1::2")},
	}
}

// kernelPair joins two hosts by two kernel VTEPs with overlay addresses 198.51.100.x and 2001:db8:2::x.
func kernelPair(t *testing.T, l *lab.Lab, u underlay) *lab.Wire {
	t.Helper()
	w := pair(t, l, lab.WireOptions{})
	check(t,
		w.HostA.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: u.a, Remote: u.b, Dev: w.A}),
		w.HostB.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: u.b, Remote: u.a, Dev: w.B}),
		w.HostA.AddAddr("vxlan0", prefix("198.51.100.1/24"), prefix("2001:db8:2::1/64")),
		w.HostB.AddAddr("vxlan0", prefix("198.51.100.2/24"), prefix("2001:db8:2::2/64")))
	return w
}

func TestKernelVTEPs(t *testing.T) {
	for _, u := range underlays() {
		t.Run(u.name, func(t *testing.T) {
			l := lab.ForTest(t)
			lab.NeedKernelVXLAN(t)
			w := kernelPair(t, l, u)
			wantMTU := 1450
			if u.a.Is6() {
				wantMTU = 1430
			}
			if mtu := must(w.HostA.MTU("vxlan0"))(t); mtu != wantMTU {
				t.Errorf("MTU of vxlan0 is %d, want %d", mtu, wantMTU)
			}
			capture := must(w.HostB.Capture(w.B, 0))(t)
			for _, dst := range []netip.Addr{addr("198.51.100.2"), addr("2001:db8:2::2")} {
				check(t, w.HostA.MustReach(dst, 56, 5*time.Second))
				for _, size := range []int{0, 56, 1350} {
					if r := must(lab.Ping(w.HostA, netip.Addr{}, dst, size, 10))(t); r.Received != 10 || r.Duplicates+r.Corrupt > 0 {
						t.Errorf("ping %s with %d bytes: %v", dst, size, r)
					}
				}
			}
			is4789 := func(p lab.Packet) bool { return udpDestination(p.Data) == 4789 }
			if _, err := capture.WaitFor(is4789, 5*time.Second); err != nil {
				t.Error("nothing to UDP 4789 was captured:", err)
			}
			r := must(lab.TCPTransfer(w.HostA, w.HostB, addr("198.51.100.2"), 20_000_000))(t)
			if r.Bytes != 20_000_000 || len(r.SHA256) != 1 {
				t.Errorf("TCP: %v", r)
			}
			t.Logf("TCP %v, mss %v", r, r.LocalMSS)
			for _, size := range []int{16, 1300} {
				x := must(lab.UDPExchange(w.HostA, w.HostB, addr("2001:db8:2::2"), size, 2000))(t)
				if !x.Clean() {
					t.Errorf("UDP %d bytes: forth %v; back %v", size, x.Forth, x.Back)
				}
			}
		})
	}
}

// udpDestination returns the UDP destination port of an IPv4 or IPv6 packet without options, 0 for other frames.
func udpDestination(b []byte) int {
	l3 := map[byte]int{4: 20, 6: 40}
	if len(b) < 15 || len(b) < 14+l3[b[14]>>4]+4 {
		return 0
	}
	proto := b[14+9]
	if b[14]>>4 == 6 {
		proto = b[14+6]
	}
	if proto != 17 {
		return 0
	}
	at := 14 + l3[b[14]>>4]
	return int(b[at+2])<<8 | int(b[at+3])
}

func TestGroup(t *testing.T) {
	for _, c := range []struct{ name, group, proc, hex string }{
		{"IPv4", "239.1.1.1", "igmp", "010101EF"},
		{"IPv6", "ff05::100", "igmp6", "ff050000000000000000000000000100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := lab.ForTest(t)
			lab.NeedKernelVXLAN(t)
			var hosts []*lab.Host
			for i := range 3 {
				hosts = append(hosts, must(l.Host(fmt.Sprint("h", i+1)))(t))
			}
			s := must(l.Switch(lab.WireOptions{}, hosts...))(t)
			for i, h := range hosts {
				under := prefix(fmt.Sprintf("192.0.2.%d/24", i+1))
				if addr(c.group).Is6() {
					under = prefix(fmt.Sprintf("2001:db8:1::%d/64", i+1))
				}
				check(t, h.AddAddr(s.Devs[i], under),
					h.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: under.Addr(), Group: addr(c.group), Dev: s.Devs[i]}),
					h.AddAddr("vxlan0", prefix(fmt.Sprintf("198.51.100.%d/24", i+1))))
				if joined := must(h.ReadProcNet(c.proc))(t); !strings.Contains(joined, c.hex) {
					t.Errorf("%s has not joined %s:\n%s", h, c.group, joined)
				}
			}
			for _, from := range hosts {
				for i, to := range hosts {
					if from == to {
						continue
					}
					dst := addr(fmt.Sprintf("198.51.100.%d", i+1))
					check(t, from.MustReach(dst, 56, 5*time.Second))
					if r := must(lab.Ping(from, netip.Addr{}, dst, 1000, 3))(t); r.Received != 3 || r.Duplicates > 0 {
						t.Errorf("%s -> %s: %v", from, to, r)
					}
				}
			}
		})
	}
}

func TestContainers(t *testing.T) {
	l := lab.ForTest(t)
	lab.NeedKernelVXLAN(t)
	w := kernelPair(t, l, underlays()[0])
	var all []*lab.Host
	for side, h := range []*lab.Host{w.HostA, w.HostB} {
		for i := range 3 {
			c := must(h.Container(fmt.Sprintf("%s%d", h, i), 1450))(t)
			check(t, c.AddAddr("eth0", prefix(fmt.Sprintf("198.51.100.%d/24", 10*(side+1)+i))))
			all = append(all, c)
		}
		check(t, h.SetMaster("vxlan0", lab.ContainerBridge))
	}
	for _, from := range all[:3] {
		for i := range 3 {
			check(t, from.MustReach(addr(fmt.Sprintf("198.51.100.%d", 20+i)), 1400, 5*time.Second))
		}
	}
	must(lab.TCPTransfer(all[0], all[5], addr("198.51.100.22"), 5_000_000))(t)
	for i, c := range all[:3] {
		mac := must(c.MAC("eth0"))(t)
		if !strings.Contains(lab.FormatFDB(must(w.HostB.FDB("vxlan0"))(t)), mac.String()+" dst 192.0.2.1 ") {
			t.Errorf("the far VTEP has not learned container %d (%s)", i, mac)
		}
	}
}

func TestFDB(t *testing.T) {
	l := lab.ForTest(t)
	lab.NeedKernelVXLAN(t)
	w := kernelPair(t, l, underlays()[0])
	h := w.HostA
	check(t, h.MustReach(addr("198.51.100.2"), 56, 5*time.Second)) // a learned entry
	zeros, group := make(net.HardwareAddr, 6), net.HardwareAddr{1, 0, 0x5e, 1, 1, 1}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	e := lab.FDBEntry{MAC: mac, Dst: addr("192.0.2.7"), Port: 4790, VNI: 77, Via: w.A, State: netlink.NUD_NOARP}
	check(t,
		h.FDBAdd("vxlan0", e),
		h.FDBAppend("vxlan0", lab.FDBEntry{MAC: zeros, Dst: addr("192.0.2.9")}),
		h.FDBAdd("vxlan0", lab.FDBEntry{MAC: group, Dst: addr("192.0.2.9")}),
		h.FDBAdd("vxlan0", lab.FDBEntry{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 8}, Dst: addr("192.0.2.8"),
			State: netlink.NUD_REACHABLE, Flags: netlink.NTF_EXT_LEARNED | netlink.NTF_ROUTER}))
	if err := h.FDBAdd("vxlan0", e); !errors.Is(err, os.ErrExist) {
		t.Errorf("adding an entry twice: %v, want EEXIST", err)
	}
	far := must(w.HostB.MAC("vxlan0"))(t)
	got := lab.FormatFDB(must(h.FDB("vxlan0"))(t))
	for _, want := range []string{
		"02:00:00:00:00:07 dst 192.0.2.7 port 4790 vni 77 via " + w.A + " self static\n",
		"00:00:00:00:00:00 dst 192.0.2.2 via " + w.A + " self permanent\n",
		"00:00:00:00:00:00 dst 192.0.2.9 self permanent\n",
		"01:00:5e:01:01:01 dst 192.0.2.9 self permanent\n",
		"02:00:00:00:00:08 dst 192.0.2.8 self router extern_learn \n",
		far.String() + " dst 192.0.2.2 self \n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in:\n%s", want, got)
		}
	}
	compareWithBridge(t, h, got)
	e.Dst, e.Port, e.VNI, e.Via = addr("192.0.2.10"), 0, 0, ""
	check(t, h.FDBReplace("vxlan0", e), h.FDBDel("vxlan0", lab.FDBEntry{MAC: zeros, Dst: addr("192.0.2.9")}))
	got = lab.FormatFDB(must(h.FDB("vxlan0"))(t))
	if !strings.Contains(got, "02:00:00:00:00:07 dst 192.0.2.10 self static\n") || strings.Contains(got, "00:00 dst 192.0.2.9") {
		t.Errorf("after replace and del:\n%s", got)
	}
	if err := h.FDBDel("vxlan0", lab.FDBEntry{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 99}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("deleting what is not there: %v, want ENOENT", err)
	}
}

// compareWithBridge holds our lines against those of iproute2's bridge, where it is installed.
func compareWithBridge(t *testing.T, h *lab.Host, got string) {
	t.Helper()
	const program = "/usr/sbin/bridge"
	if _, err := os.Stat(program); err != nil {
		t.Log("not compared with bridge(8), which is not installed:", err)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	want, _, err := h.Run(ctx, program, "fdb", "show", "dev", "vxlan0")
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("our lines:\n%s\nbridge:\n%s", got, want)
	}
}
