package cli

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
)

const timeout = 30 * time.Second

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// need skips where iproute2, the reference, is not installed.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("the output is compared with that of %s, which is not installed", p)
		}
	}
}

// reference is a host with kernel vxlan devices and the entries that iproute2
// prints in different ways.
func reference(t *testing.T) host {
	t.Helper()
	need(t, "ip", "bridge")
	lab.NeedKernelVXLAN(t)
	h, _ := hosts(t)
	for _, line := range []string{
		"ip link add vx1 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789 dev eth0",
		"ip link add vx2 type vxlan id 43 group 239.1.1.1 dstport 4790 dev eth0 ttl 5 tos inherit df set nolearning ageing 100 maxaddress 10 noudpcsum udp6zerocsumtx udp6zerocsumrx srcport 1000 2000",
		"ip link add vx3 mtu 1400 type vxlan id 16777215 remote 2001:db8:1::2 local 2001:db8:1::1 dstport 4791 udp6zerocsumtx tos 10 ttl inherit df inherit",
		"ip link add vx4 type vxlan id 0 group ff05::1 dstport 4792 dev eth0 tos AF11",
		"ip link add vx5 type vxlan id 5 remote 2001:db8:1::2 local 2001:db8:1::1 dstport 4793 proxy l2miss l3miss gbp flowlabel 0x12345 tos 10 df set",
		"ip link add br0 up type bridge", "ip link set vx3 master br0", "ip link set vx4 alias four",
		"bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.55",
		"bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.56 port 1234 vni 77 via eth0",
		"bridge fdb add 02:00:00:00:00:01 dev vx1 dst 192.0.2.57",
		"bridge fdb add 02:00:00:00:00:02 dev vx1 dst 192.0.2.57 static extern_learn",
		"bridge fdb add 02:00:00:00:00:03 dev vx1 dst 192.0.2.57 dynamic",
		"bridge fdb add 02:00:00:00:00:04 dev vx1 dst 192.0.2.57 dynamic router",
		"bridge fdb add 02:00:00:00:00:05 dev vx1 dst 192.0.2.57 port 4789 vni 42",
		"bridge fdb add 02:00:00:00:00:06 dev vx1 dst 192.0.2.57 router extern_learn",
		"bridge fdb add 01:00:5e:00:00:05 dev vx1 dst 192.0.2.57",
		"bridge fdb append 01:00:5e:00:00:05 dev vx1 dst 192.0.2.58",
		"bridge fdb add 02:00:00:00:00:07 dev vx3 dst 2001:db8:1::77",
	} {
		words := strings.Fields(line)
		h.must(words[0], words[1:]...)
	}
	return h
}

// TestLinkShowAsIP reads real devices from ip's JSON into the wire's types and
// prints them: the text and the JSON have to be ip's again.
func TestLinkShowAsIP(t *testing.T) {
	h := reference(t)
	for _, dev := range []string{"vx1", "vx2", "vx3", "vx4", "vx5"} {
		full := h.must("ip", "-j", "-d", "-s", "link", "show", "dev", dev)
		link := linkOfIP(t, full)
		for _, opts := range []string{"", "-s", "-d", "-d -s", "-s -s", "-d -s -s"} {
			args := append(strings.Fields(opts), "link", "show", "dev", dev)
			want := withoutSlave(h.must("ip", args...))
			if got := withoutOwn(printLink(t, link, opts)); got != want {
				t.Errorf("ip %s: (-want +got)\n%s", strings.Join(args, " "), cmp.Diff(want, got))
			}
			args = append([]string{"-j", "-p"}, args...)
			want = withoutSlave(h.must("ip", args...))
			if got := printLink(t, link, "-j -p "+opts); strings.Contains(opts, "-") {
				wantJSON(t, strings.Join(args, " "), want, got)
			} else if got != want {
				t.Errorf("ip %s: (-want +got)\n%s", strings.Join(args, " "), cmp.Diff(want, got))
			}
		}
	}
}

// TestStatsColumns: columns widen with the numbers of both directions
// (size_columns in ip/ipaddress.c).
func TestStatsColumns(t *testing.T) {
	var b bytes.Buffer
	showStats(&b, &api.LinkStats{
		Rx: api.Counts{Bytes: 123456789012, Packets: 98765432, Errors: 1, Dropped: 22},
		Tx: api.Counts{Bytes: 5, Packets: 6, Errors: 7654321, Dropped: 8},
	}, false)
	const want = `    RX:    bytes  packets  errors dropped  missed   mcast           
    123456789012 98765432       1      22       0       0 
    TX:    bytes  packets  errors dropped carrier collsns           
               5        6 7654321       8       0       0 
`
	if b.String() != want {
		t.Errorf("(-want +got)\n%s", cmp.Diff(want, b.String()))
	}
}

func printLink(t *testing.T, l api.Link, opts string) string {
	t.Helper()
	var b bytes.Buffer
	a := app{
		out: &b, json: strings.Contains(opts, "-j"), pretty: strings.Contains(opts, "-p"),
		details: strings.Contains(opts, "-d"), statistics: strings.Count(opts, "-s"),
	}
	if err := a.showLinks([]api.Link{l}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// withoutOwn drops the lines that are uvtep's own.
func withoutOwn(text string) string {
	return regexp.MustCompile(`(?m)^    uvtep .*\n`).ReplaceAllString(text, "")
}

// withoutSlave drops the line of a bridge port's own words, which are not the
// link's; ip prints the rest of the line before behind it.
func withoutSlave(text string) string {
	return regexp.MustCompile(`\n    bridge_slave .* (addrgenmode )`).ReplaceAllString(text, "$1")
}

// wantJSON compares values; what is uvtep's own or a bridge port's is dropped.
func wantJSON(t *testing.T, what, want, got string) {
	t.Helper()
	values := make([]any, 2)
	for i, text := range []string{want, got} {
		var links []map[string]any
		if err := json.Unmarshal([]byte(text), &links); err != nil {
			t.Fatalf("%s: %v in %s", what, err, text)
		}
		for _, l := range links {
			delete(l, "uvtep")
			if info, ok := l["linkinfo"].(map[string]any); ok {
				delete(info, "uvtep")
				delete(info, "info_slave_kind")
				delete(info, "info_slave_data")
			}
		}
		values[i] = links
	}
	if d := cmp.Diff(values[0], values[1]); d != "" {
		t.Errorf("ip %s (-want +got):\n%s", what, d)
	}
}

// ipLink are the keys of `ip -j -d -s link show`.
type ipLink struct {
	api.Netdev
	LinkInfo struct {
		Data struct {
			ID                             uint32
			Remote, Remote6, Group, Group6 *netip.Addr
			Local, Local6                  *netip.Addr
			Link                           *string
			Ports                          struct{ Low, High uint16 } `json:"port_range"`
			Port                           uint16
			Learning                       bool
			TOS                            *string
			TTL                            *uint8
			DF                             string
			Ageing                         uint32
			Proxy, L2Miss, L3Miss, GBP     bool
			Label                          *string
			Limit                          *uint32
			UDPCsum                        bool `json:"udp_csum"`
			ZeroTx                         bool `json:"udp_zero_csum6_tx"`
			ZeroRx                         bool `json:"udp_zero_csum6_rx"`
		} `json:"info_data"`
	}
	Stats struct{ Rx, Tx api.Counts } `json:"stats64"`
}

func linkOfIP(t *testing.T, text string) api.Link {
	t.Helper()
	var all []ipLink
	if err := json.Unmarshal([]byte(text), &all); err != nil || len(all) != 1 {
		t.Fatalf("%v in %s", err, text)
	}
	d := all[0].LinkInfo.Data
	first := func(a, b *netip.Addr) *netip.Addr {
		if a != nil {
			return a
		}
		return b
	}
	s := api.LinkSpec{
		ID: &d.ID, Remote: first(d.Remote, d.Remote6), Group: first(d.Group, d.Group6), Local: first(d.Local, d.Local6),
		Dev: d.Link, DstPort: &d.Port, SrcPort: &api.PortRange{d.Ports.Low, d.Ports.High}, Learning: &d.Learning,
		TTL: new(api.Value("inherit")), DF: &d.DF, Ageing: &d.Ageing, UDPCsum: &d.UDPCsum,
		UDP6ZeroCsumTx: &d.ZeroTx, UDP6ZeroCsumRx: &d.ZeroRx,
		Proxy: &d.Proxy, L2Miss: &d.L2Miss, L3Miss: &d.L3Miss, GBP: &d.GBP,
	}
	switch {
	case d.TTL == nil:
	case *d.TTL == 0:
		*s.TTL = "auto"
	default:
		*s.TTL = api.NumberValue(*d.TTL)
	}
	if d.Label != nil {
		n, err := strconv.ParseUint(*d.Label, 0, 20)
		if err != nil {
			t.Fatal(err)
		}
		s.FlowLabel = new(api.NumberValue(uint32(n)))
	}
	if d.Limit != nil {
		s.MaxAddress = new(api.NumberValue(*d.Limit))
	}
	switch {
	case d.TOS == nil:
	case *d.TOS == "0x1":
		s.TOS = new(api.Value("inherit"))
	default:
		n, err := strconv.ParseUint(*d.TOS, 0, 8)
		if err != nil {
			t.Fatal(err)
		}
		s.TOS = new(api.NumberValue(uint8(n)))
	}
	return api.Link{Spec: s, Netdev: all[0].Netdev, Stats: api.LinkStats{Rx: all[0].Stats.Rx, Tx: all[0].Stats.Tx}}
}

// TestFDBShowAsBridge does the same with entries and bridge.
func TestFDBShowAsBridge(t *testing.T) {
	h := reference(t)
	for _, dev := range []string{"vx1", "vx2", "vx3", "vx4"} {
		var entries []struct {
			MAC, State, ViaIf string
			Dst               netip.Addr
			Port              uint16
			VNI               *uint32
			Used, Updated     uint64
			Flags             []string
		}
		text := h.must("bridge", "-j", "-s", "fdb", "show", "dev", dev)
		if err := json.Unmarshal([]byte(text), &entries); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		var wire []api.FDBEntry
		for _, e := range entries {
			if !slices.Contains(e.Flags, "self") {
				continue // the bridge's entry of a port
			}
			state := e.State
			if state == "" {
				state = api.Dynamic
			}
			wire = append(wire, api.FDBEntry{
				Dev: dev, MAC: e.MAC, Dst: e.Dst, Port: e.Port, VNI: e.VNI, Via: e.ViaIf, State: state,
				Router: slices.Contains(e.Flags, "router"), ExternLearn: slices.Contains(e.Flags, "extern_learn"),
			})
		}
		for _, opts := range []string{"", "-s", "-j", "-j -s", "-j -p", "-j -p -s"} {
			var b bytes.Buffer
			a := app{out: &b, json: strings.Contains(opts, "-j"), pretty: strings.Contains(opts, "-p"), statistics: strings.Count(opts, "-s")}
			if err := a.showFDB(wire, false); err != nil {
				t.Fatal(err)
			}
			want := withoutAges(h.must("bridge", append(strings.Fields(opts), "fdb", "show", "dev", dev)...))
			if dev == "vx3" { // a port of br0, which has an entry for it
				if opts != "" {
					continue
				}
				want = regexp.MustCompile(`(?m)^.* master br0.*\n`).ReplaceAllString(want, "")
			}
			if got := b.String(); got != want {
				t.Errorf("bridge %s fdb show dev %s (-want +got):\n%s", opts, dev, cmp.Diff(want, got))
			}
		}
	}
}

// withoutAges sets ages to 0: the clock goes on between two commands.
func withoutAges(text string) string {
	text = regexp.MustCompile(`used \d+/\d+`).ReplaceAllString(text, "used 0/0")
	return regexp.MustCompile(`("(?:used|updated)": ?)\d+`).ReplaceAllString(text, "${1}0")
}

// TestSameCommandsSameLines gives a kernel VTEP and uvtep the same sentences in
// the same place, and compares what both print, line for line.
func TestSameCommandsSameLines(t *testing.T) {
	need(t, "ip", "bridge")
	lab.NeedKernelVXLAN(t)
	kernel, ours := hosts(t)
	const link = "id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789 dev eth0 df set maxaddress 16384 ttl 7 tos 10 srcport 50000 50100"
	kernel.must("ip", strings.Fields("link add vx1 address 02:00:00:00:00:aa type vxlan "+link)...)
	kernel.must("ip", "link", "set", "vx1", "up")
	ours.daemon("")
	ours.mustUvtep("link add vx1 address 02:00:00:00:00:aa type vxlan " + link)
	ours.mustUvtep("link set vx1 up")
	same := func(line string) {
		t.Helper()
		want := sortedLines(withoutAges(kernel.must("bridge", strings.Fields(line)...)))
		if got := sortedLines(withoutAges(ours.mustUvtep(line))); got != want {
			t.Errorf("%s (-kernel +uvtep):\n%s", line, cmp.Diff(want, got))
		}
	}
	same("fdb show dev vx1")
	for _, line := range []string{
		"fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.55",
		"fdb append dev vx1 00:00:00:00:00:00 dst 192.0.2.56 port 1234 vni 77 via eth0",
		"fdb add 02:00:00:00:00:01 dev vx1 dst 192.0.2.57",
		"fdb add 02:00:00:00:00:02 dev vx1 dst 192.0.2.57 static extern_learn",
		"fdb add 02:00:00:00:00:03 dev vx1 dst 192.0.2.57 dynamic",
		"fdb add 02:00:00:00:00:04 dev vx1 dst 192.0.2.57 dynamic router",
		"fdb add 02:00:00:00:00:05 dev vx1 dst 192.0.2.57 port 4789 vni 42",
		"fdb add 02:00:00:00:00:06 dev vx1 dst 192.0.2.58 temp",
		"fdb add 02:00:00:00:00:07 dev vx1 dst 192.0.2.58 local",
		"fdb add 01:00:5e:00:00:05 dev vx1 dst 192.0.2.57",
		"fdb append 01:00:5e:00:00:05 dev vx1 dst 192.0.2.58",
		"fdb replace 02:00:00:00:00:01 dev vx1 dst 192.0.2.59",
		"fdb del 02:00:00:00:00:07 dev vx1",
		"fdb del 00:00:00:00:00:00 dev vx1 dst 192.0.2.55",
	} {
		kernel.must("bridge", strings.Fields(line)...)
		ours.mustUvtep(line)
		same("fdb show dev vx1")
	}
	same("-s fdb show dev vx1")
	if out := ours.mustUvtep("fdb show"); !strings.HasPrefix(out, "00:00:00:00:00:00 dev vx1 ") {
		t.Errorf("the all-zeros entries are not first:\n%s", out)
	}
	want := kernel.must("bridge", "fdb", "get", "02:00:00:00:00:02", "dev", "vx1", "self")
	if got := ours.mustUvtep("fdb get 02:00:00:00:00:02 dev vx1 self"); got != want {
		t.Errorf("fdb get (-kernel +uvtep):\n%s", cmp.Diff(want, got))
	}

	vxlan := regexp.MustCompile(`(?m)^    vxlan .*noudp6zerocsumrx `)
	wantLine := vxlan.FindString(kernel.must("ip", "-d", "link", "show", "vx1"))
	if got := vxlan.FindString(ours.mustUvtep("-d link show vx1")); got != wantLine || got == "" {
		t.Errorf("link show -d (-kernel +uvtep):\n%s", cmp.Diff(wantLine, got))
	}
	// What ip says of our device is what we say of it.
	if want, got := ours.must("ip", "link", "show", "vx1"), ours.mustUvtep("link show vx1"); got != want {
		t.Errorf("link show (-ip +uvtep):\n%s", cmp.Diff(want, got))
	}
	ipJSON := ours.must("ip", "-d", "-j", "link", "show", "vx1")
	var theirs, own []map[string]any
	for text, to := range map[string]*[]map[string]any{ipJSON: &theirs, ours.mustUvtep("-d -j link show vx1"): &own} {
		if err := json.Unmarshal([]byte(text), to); err != nil {
			t.Fatal(err)
		}
		delete((*to)[0], "linkinfo") // tun there, vxlan here
	}
	if d := cmp.Diff(theirs, own); d != "" {
		t.Errorf("-d -j link show (-ip +uvtep):\n%s", d)
	}
}

func sortedLines(text string) string {
	lines := slices.Sorted(strings.Lines(text))
	return strings.Join(lines, "")
}
