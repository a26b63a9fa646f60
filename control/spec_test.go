package control

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/vtep"
)

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var comparePrefix = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// TestSpecRoundTrip: a configuration with every field set survives the way
// over the wire.
func TestSpecRoundTrip(t *testing.T) {
	for what, want := range map[string]vtep.LinkConfig{
		"all": {
			Name: "vx1", VNI: encap.MaxVNI, Remote: netip.MustParseAddr("2001:db8:1::2"), Local: netip.MustParseAddr("2001:db8:1::1"),
			Dev: "eth0", DstPort: 8472, SrcPortMin: 1000, SrcPortMax: 2000, TTL: 255, TOS: 0xb8, DF: vtep.DFInherit,
			NoLearning: true, Ageing: 7 * time.Second, MaxAddresses: 9, NoUDPChecksum: true, UDP6ZeroCsumTx: true, UDP6ZeroCsumRx: true,
			MTU: 1400, Address: encap.MAC{2, 0, 0, 0, 0, 1}, Reserved: vtep.ReservedDrop, InnerVLAN: vtep.InnerVLANDrop, Queues: 4,
			NoLocalBypass: true, ClampMSS: true, BUMLimit: 100, MinTTL: 254, PeerBUMLimit: 50, NoMoveGuard: true, NoLoopGuard: true, Persist: true, Owner: new(uint32(1234)), OwnerGroup: new(uint32(5678)), Proxy: true, ProxyLearn: true, EVPN: true, L2Miss: true, L3Miss: true, GBP: true, PolicyID: 65535, FlowLabel: 0xfffff,
			Accept:   vtep.Accept{Mode: vtep.AcceptPrefixes, Prefixes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.1/32")}},
			SameHost: vtep.SameHost{Mode: vtep.SameHostPrefixes, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.8/32")}},
		},
		"words": {
			Name: "vx1", Group: netip.MustParseAddr("239.1.1.1"), DstPort: 4789, TTLInherit: true, TOSInherit: true, DF: vtep.DFUnset,
			Ageing: vtep.NeverAge, MaxAddresses: vtep.UnlimitedAddresses, Accept: vtep.Accept{Mode: vtep.AcceptAny}, Queues: 1, FlowLabelInherit: true,
			SameHost: vtep.SameHost{Mode: vtep.SameHostNone},
		},
	} {
		b, err := json.Marshal(SpecOf(want))
		if err != nil {
			t.Fatal(err)
		}
		var s api.LinkSpec
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatalf("%s: %v in %s", what, err, b)
		}
		got, err := LinkConfig(&s)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if d := cmp.Diff(want, got, compareAddr, comparePrefix); d != "" {
			t.Errorf("%s (-want +got):\n%s\nby %s", what, d, b)
		}
	}
}

func TestApplyReplacesDestination(t *testing.T) {
	c := vtep.LinkConfig{Remote: *addr("192.0.2.2")}
	if err := ApplyLink(&api.LinkSpec{Group: addr("239.1.1.1")}, &c); err != nil || c.Remote.IsValid() || !c.Group.IsValid() {
		t.Errorf("group over remote: %+v, %v", c, err)
	}
	if err := ApplyLink(&api.LinkSpec{Remote: addr("192.0.2.2")}, &c); err != nil || !c.Remote.IsValid() || c.Group.IsValid() {
		t.Errorf("remote over group: %+v, %v", c, err)
	}
	before := c
	if err := ApplyLink(&api.LinkSpec{MTU: new(1400), TTL: new(api.Value("256"))}, &c); err == nil || c.MTU != before.MTU {
		t.Errorf("a refused spec changed something: %+v, %v", c, err)
	}
}

func TestValidate(t *testing.T) {
	for what, test := range map[string]struct {
		spec api.LinkSpec
		want string // in the error
	}{
		"id":                 {api.LinkSpec{ID: new(uint32(1 << 24))}, "0 to 16777215"},
		"remote and group":   {api.LinkSpec{Remote: addr("192.0.2.2"), Group: addr("239.1.1.1")}, "write one of them"},
		"multicast remote":   {api.LinkSpec{Remote: addr("239.1.1.1")}, "write group 239.1.1.1"},
		"unicast group":      {api.LinkSpec{Group: addr("192.0.2.2")}, "write remote 192.0.2.2"},
		"multicast local":    {api.LinkSpec{Local: addr("ff05::1")}, "this host's addresses"},
		"families":           {api.LinkSpec{Remote: addr("192.0.2.2"), Local: addr("2001:db8::1")}, "two IPv4 or two IPv6"},
		"families of group":  {api.LinkSpec{Group: addr("ff05::1"), Local: addr("192.0.2.1")}, "two IPv4 or two IPv6"},
		"mapped":             {api.LinkSpec{Remote: addr("::ffff:192.0.2.2")}, "write 192.0.2.2"},
		"zone":               {api.LinkSpec{Remote: addr("fe80::1%eth0")}, "dev eth0"},
		"unspecified":        {api.LinkSpec{Remote: addr("0.0.0.0")}, "of a host"},
		"no address":         {api.LinkSpec{Remote: &netip.Addr{}}, "no IP address"},
		"broadcast":          {api.LinkSpec{Remote: addr("255.255.255.255")}, "broadcast"},
		"dstport 0":          {api.LinkSpec{DstPort: new(uint16(0))}, "4789"},
		"srcport order":      {api.LinkSpec{SrcPort: &api.PortRange{2, 1}}, "lower port first"},
		"srcport 0":          {api.LinkSpec{SrcPort: &api.PortRange{0, 1}}, "0 0 for the default"},
		"ttl":                {api.LinkSpec{TTL: new(api.Value("256"))}, "auto or inherit"},
		"ttl word":           {api.LinkSpec{TTL: new(api.Value("-1"))}, "auto or inherit"},
		"tos":                {api.LinkSpec{TOS: new(api.Value("256"))}, "inherit"},
		"flowlabel":          {api.LinkSpec{FlowLabel: new(api.Value("1048576"))}, "0 to 1048575"},
		"flowlabel word":     {api.LinkSpec{FlowLabel: new(api.Value("auto"))}, "inherit"},
		"mss":                {api.LinkSpec{MSS: new("1400")}, "clamp or none"},
		"moveguard":          {api.LinkSpec{MoveGuard: new("yes")}, "on or off"},
		"loopguard":          {api.LinkSpec{LoopGuard: new("yes")}, "on or off"},
		"df":                 {api.LinkSpec{DF: new("maybe")}, "set or unset or inherit"},
		"mtu low":            {api.LinkSpec{MTU: new(67)}, "68 to"},
		"mtu high":           {api.LinkSpec{MTU: new(70000)}, "68 to"},
		"mac":                {api.LinkSpec{Address: new("nope")}, "such as"},
		"multicast mac":      {api.LinkSpec{Address: new("01:00:5e:00:00:01")}, "unicast"},
		"zero mac":           {api.LinkSpec{Address: new("00:00:00:00:00:00")}, "or zero"},
		"accept":             {api.LinkSpec{Accept: new("everybody")}, "peers, any"},
		"accept empty":       {api.LinkSpec{Accept: new("")}, "peers|any"},
		"accept comma":       {api.LinkSpec{Accept: new("192.0.2.1,")}, "peers, any"},
		"samehost":           {api.LinkSpec{SameHost: new("any")}, "auto, none"},
		"samehost mapped":    {api.LinkSpec{SameHost: new("::ffff:192.0.2.0/120")}, "IPv4 prefixes"},
		"reserved":           {api.LinkSpec{Reserved: new("pass")}, "ignore or drop"},
		"innervlan":          {api.LinkSpec{InnerVLAN: new("ignore")}, "pass or drop"},
		"queues":             {api.LinkSpec{Queues: new(0)}, "1 to 256"},
		"maxaddress":         {api.LinkSpec{MaxAddress: new(api.Value("-5"))}, "unlimited"},
		"name too long":      {api.LinkSpec{Name: "sixteencharacter"}, "15 at most"},
		"name with slash":    {api.LinkSpec{Name: "../etc"}, "slash"},
		"name of format":     {api.LinkSpec{Name: "vx%d"}, "percent"},
		"name of line break": {api.LinkSpec{Name: "a\nb"}, "control character"},
		"dev":                {api.LinkSpec{Dev: new("")}, "dev"},
	} {
		err := ValidateLink(&test.spec)
		if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, api.ErrInvalid) {
			t.Errorf("%s: %v, want an error with %q", what, err, test.want)
		}
	}
}

func TestValueJSON(t *testing.T) {
	for in, want := range map[string]string{`5`: `5`, `"5"`: `5`, `"auto"`: `"auto"`} {
		var v api.Value
		if err := json.Unmarshal([]byte(in), &v); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if b, err := json.Marshal(v); string(b) != want || err != nil {
			t.Errorf("%s became %s, %v, want %s", in, b, err, want)
		}
	}
	for _, in := range []string{`-1`, `1.5`, `true`, `{}`, `[1]`, `99999999999`} {
		if err := json.Unmarshal([]byte(in), new(api.Value)); err == nil {
			t.Errorf("%s was taken", in)
		}
	}
}
