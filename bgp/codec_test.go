package bgp

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var (
	vtep1  = netip.MustParseAddr("192.0.2.1")
	vtep6  = netip.MustParseAddr("2001:db8::1")
	host4  = netip.MustParseAddr("198.51.100.7")
	host6  = netip.MustParseAddr("2001:db8:7::7")
	rd1    = NewRD(vtep1, 42)
	mac1   = MAC{2, 0, 0x5e, 0, 0x53, 1}
	esi1   = ESI{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	plain  = Attributes{NextHop: vtep1, LocalPref: 100, ExtCommunities: []ExtCommunity{RouteTarget(65001, 42), Encapsulation(EncapVXLAN)}}
	routes = []Route{
		{Type: AutoDiscovery, RD: rd1, ESI: esi1, ETag: MaxETag},
		{Type: AutoDiscovery, RD: rd1, ESI: esi1, Label: 42},
		{Type: MACIP, RD: rd1, MAC: mac1, Label: 42},
		{Type: MACIP, RD: rd1, MAC: mac1, IP: host4, Label: 42},
		{Type: MACIP, RD: rd1, MAC: mac1, IP: host6, Label: 42, Label2: 0xfffffe, HasLabel2: true},
		{Type: MACIP, RD: rd1, ESI: esi1, ETag: 7, MAC: mac1, IP: host4, Label: 0xffffff, Label2: 0, HasLabel2: true},
		{Type: Multicast, RD: rd1, IP: vtep1},
		{Type: Multicast, RD: rd1, ETag: 9, IP: vtep6},
		{Type: EthernetSegment, RD: rd1, ESI: esi1, IP: vtep1},
		{Type: EthernetSegment, RD: rd1, ESI: esi1, IP: vtep6},
		{Type: IPPrefix, RD: rd1, IP: netip.MustParseAddr("203.0.113.0"), Bits: 24, Gateway: netip.IPv4Unspecified(), Label: 42},
		{Type: IPPrefix, RD: rd1, ESI: esi1, IP: netip.MustParseAddr("2001:db8:4::"), Bits: 48, Gateway: vtep6, Label: 42},
	}
)

// body returns the body of the only message in b.
func body(t testing.TB, b []byte) []byte {
	t.Helper()
	length, _, err := parseHeader(b)
	if err != nil || length != len(b) {
		t.Fatalf("%x is not one message: %v", b, err)
	}
	return b[headerLen:]
}

// TestRouteLengths holds the NLRI to the lengths that RFC 7432 and 9136 give.
func TestRouteLengths(t *testing.T) {
	for i, want := range []byte{25, 25, 33, 37, 52, 40, 17, 29, 23, 35, 34, 58} {
		if b := appendRoute(nil, &routes[i]); b[1] != want || len(b) != 2+int(want) {
			t.Errorf("%v has %d bytes and says %d, want %d", routes[i], len(b)-2, b[1], want)
		}
	}
}

// TestRoutesAndKeys: what is written is read; a Key has what tells routes apart and no more.
func TestRoutesAndKeys(t *testing.T) {
	seen := map[Key]Route{}
	for _, r := range routes {
		b := appendRoute(nil, &r)
		var got Route
		if !parseRoute(&got, RouteType(b[0]), b[2:]) || got != r {
			t.Errorf("%v is read as %v", r, got)
		}
		k := r.Key()
		if o, ok := seen[k]; ok {
			t.Errorf("%v and %v have one key", r, o)
		}
		seen[k] = r
		back := k.Route()
		if back.Key() != k || back.Type != r.Type || back.IP != r.IP || back.RD != r.RD {
			t.Errorf("the key of %v is that of %v", r, back)
		}
		if why := r.check(); why != "" {
			t.Errorf("%v cannot be announced: %s", r, why)
		}
	}
	a, b := routes[4], routes[4]
	b.ESI, b.Label, b.Label2, b.HasLabel2 = esi1, 1, 0, false
	if a.Key() != b.Key() {
		t.Error("ESI and labels are part of a key of type 2 (RFC 7432 section 7.2)")
	}
}

// TestUpdateRoundTrip: updates come out as they went in, whatever the session.
func TestUpdateRoundTrip(t *testing.T) {
	full := Attributes{
		NextHop: vtep6, Origin: OriginIncomplete, MED: 7, LocalPref: 200, Communities: []Community{65001<<16 | 7},
		ExtCommunities: []ExtCommunity{RouteTarget(65001, 42), RouteTarget(4200000000, 42), MACMobility(9, true)},
		PMSI:           &PMSI{Tunnel: TunnelIngressReplication, Label: 42, ID: vtep1},
	}
	for _, e := range []Encoder{{AS: 65001, AS4: true, Internal: true}, {AS: 4200000000, AS4: true}, {AS: 4200000000}, {AS: 65001}} {
		d := Decoder{AS4: e.AS4, Internal: e.Internal}
		want := full
		if !e.Internal {
			want.LocalPref, want.ASPath = defaultLocalPref, []uint32{e.AS}
		}
		var u Update
		b := e.AppendUpdate(nil, &Update{Announced: routes, Attributes: &full})
		if end, err := d.Update(body(t, b), &u); err != nil || end || len(d.Drops) > 0 {
			t.Fatalf("%+v: %v %v %v", e, end, err, d.Drops)
		}
		if !slices.Equal(u.Announced, routes) || len(u.Withdrawn) > 0 || !reflect.DeepEqual(*u.Attributes, want) {
			t.Errorf("%+v: %v %+v, want %+v", e, u.Announced, u.Attributes, want)
		}
		first := u.Attributes
		if _, err := d.Update(body(t, b), &u); err != nil || u.Attributes != first {
			t.Errorf("%+v: equal attributes are not shared: %v", e, err)
		}
		b = e.AppendUpdate(nil, &Update{Withdrawn: routes})
		if _, err := d.Update(body(t, b), &u); err != nil || !slices.Equal(u.Withdrawn, routes) || len(u.Announced) > 0 {
			t.Errorf("%+v: %v %v", e, u.Withdrawn, err)
		}
	}
	var d Decoder
	if end, err := d.Update(body(t, AppendEndOfRIB(nil)), &Update{}); !end || err != nil {
		t.Errorf("End-of-RIB: %v %v", end, err)
	}
}

// TestUpdatesAreFilled: many routes with equal attributes need few messages, none too long.
func TestUpdatesAreFilled(t *testing.T) {
	var many []Route
	for i := range 10_000 {
		r := routes[3]
		binary.BigEndian.PutUint32(r.MAC[2:], uint32(i))
		many = append(many, r)
	}
	e := Encoder{AS4: true, Internal: true}
	b := e.AppendUpdate(nil, &Update{Withdrawn: many, Announced: many, Attributes: &plain})
	messages, announced, withdrawn := 0, 0, 0
	d := Decoder{AS4: true, Internal: true}
	for len(b) > 0 {
		length, _, err := parseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		var u Update
		if _, err := d.Update(b[headerLen:length], &u); err != nil {
			t.Fatal(err)
		}
		messages++
		announced += len(u.Announced)
		withdrawn += len(u.Withdrawn)
		b = b[length:]
	}
	if announced != len(many) || withdrawn != len(many) {
		t.Errorf("%d announced and %d withdrawn of %d", announced, withdrawn, len(many))
	}
	if most := 2*len(many)*39/3800 + 2; messages > most {
		t.Errorf("%d messages, want at most %d", messages, most)
	}
}

// TestDecodeAllocates nothing for routes whose attributes were seen before.
func TestDecodeAllocates(t *testing.T) {
	e := Encoder{AS4: true, Internal: true}
	b := body(t, e.AppendUpdate(nil, &Update{Announced: routes, Attributes: &plain}))
	d := Decoder{AS4: true, Internal: true}
	var u Update
	if n := testing.AllocsPerRun(100, func() {
		if _, err := d.Update(b, &u); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations an UPDATE", n)
	}
}

// raw builds an UPDATE of attributes as they are.
func raw(attributes ...string) []byte {
	var list []byte
	for _, a := range attributes {
		b, err := hex.DecodeString(strings.ReplaceAll(a, " ", ""))
		if err != nil {
			panic(err)
		}
		list = append(list, b...)
	}
	return append([]byte{0, 0, byte(len(list) >> 8), byte(len(list))}, list...)
}

const (
	reachHex   = "800e 1c 0019 46 04 c0000201 00" + "0311" + "0001c0000201002a" + "00000000" + "20c0000201" // a type 3
	originHex  = "400101 00"
	pathHex    = "400200"
	localHex   = "400504 00000064"
	unreachHex = "800f 16 0019 46" + "0311" + "0001c0000201002a" + "00000000" + "20c0000201"
)

// TestMalformedUpdates has each fault of RFC 7606 and what becomes of it: "taken",
// "withdrawn", "nothing" or "reset".
func TestMalformedUpdates(t *testing.T) {
	good := []string{reachHex, originHex, pathHex, localHex}
	with := func(a ...string) []byte { return raw(append(slices.Clone(good), a...)...) }
	for _, c := range []struct {
		name, want string
		reason     DropReason
		body       []byte
	}{
		{"all is well", "taken", "", with()},
		{"ORIGIN 3", "withdrawn", DropMalformed, raw(reachHex, "400101 03", pathHex, localHex)},
		{"ORIGIN of two bytes", "withdrawn", DropMalformed, raw(reachHex, "400102 0000", pathHex, localHex)},
		{"no ORIGIN", "withdrawn", DropMalformed, raw(reachHex, pathHex, localHex)},
		{"no AS_PATH", "withdrawn", DropMalformed, raw(reachHex, originHex, localHex)},
		{"AS_PATH too short for its segment", "withdrawn", DropMalformed, raw(reachHex, originHex, "400204 02020001", localHex)},
		{"AS_PATH of a type that is not", "withdrawn", DropMalformed, raw(reachHex, originHex, "400206 050100000001", localHex)},
		{"AS_PATH with an empty segment", "withdrawn", DropMalformed, raw(reachHex, originHex, "400202 0200", localHex)},
		{"ORIGIN with the flags of an optional attribute", "withdrawn", DropMalformed, raw(reachHex, "c00101 00", pathHex, localHex)},
		{"NEXT_HOP of five bytes", "withdrawn", DropMalformed, with("400305 c000020100")},
		{"NEXT_HOP, which says nothing", "taken", "", with("400304 c0000209")},
		{"MED of three bytes", "withdrawn", DropMalformed, with("800403 000001")},
		{"LOCAL_PREF of three bytes", "withdrawn", DropMalformed, raw(reachHex, originHex, pathHex, "400503 000064")},
		{"no LOCAL_PREF", "taken", "", raw(reachHex, originHex, pathHex)},
		{"ATOMIC_AGGREGATE with a value", "taken", DropAttribute, with("400601 00")},
		{"AGGREGATOR of three bytes", "taken", DropAttribute, with("c00703 000000")},
		{"communities of five bytes", "withdrawn", DropMalformed, with("c00805 0000000000")},
		{"no communities in the attribute", "withdrawn", DropMalformed, with("c00800")},
		{"ORIGINATOR_ID of three bytes", "withdrawn", DropMalformed, with("800903 000000")},
		{"CLUSTER_LIST of three bytes", "withdrawn", DropMalformed, with("800a03 000000")},
		{"extended communities of nine bytes", "withdrawn", DropMalformed, with("c01009 000000000000000000")},
		{"an extended community of an unknown kind", "taken", "", with("c01008 0608020000000000")},
		{"PMSI of four bytes", "withdrawn", DropMalformed, with("c01604 00060000")},
		{"PMSI of ingress replication to three bytes", "withdrawn", DropMalformed, with("c01608 0006000001 c00002")},
		{"PMSI of a tunnel of another kind", "taken", "", with("c0160d 0001000001 0000000000000000")},
		{"AS4_PATH from who has four bytes", "taken", DropAttribute, with("c01100")},
		{"an attribute twice", "taken", DropAttribute, with("400101 03")},
		{"an unknown attribute", "taken", DropUnknownAttribute, with("c0ff03 000000")},
		{"an unknown one of 300 bytes", "taken", DropUnknownAttribute, with("d0ff012c" + strings.Repeat("00", 300))},
		{"an unknown well-known attribute", "withdrawn", DropMalformed, with("40fe03 000000")},
		{"the list ends within an attribute", "withdrawn", DropMalformed, with("c0ff09 0000")},
		{"the list ends within a header", "withdrawn", DropMalformed, with("c0")},
		{"the list ends before any route", "reset", "", raw(originHex, "c0ff09 0000")},
		{"MP_REACH_NLRI twice", "reset", "", with(reachHex)},
		{"MP_UNREACH_NLRI twice", "reset", "", raw(unreachHex, unreachHex)},
		{"MP_REACH_NLRI of two bytes", "reset", "", raw("800e02 0019")},
		{"a next hop of five bytes", "reset", "", raw("800e0b 0019 46 05 c000020100 00 03", originHex, pathHex)},
		{"a next hop that is longer than the attribute", "reset", "", raw("800e07 0019 46 04 c00002", originHex, pathHex)},
		{"a route that is longer than the attribute", "reset", "", raw("800e0e 0019 46 04 c0000201 00 0311 0001", originHex, pathHex)},
		{"MP_REACH_NLRI with wrong flags", "withdrawn", DropMalformed, raw("c0"+reachHex[2:], originHex, pathHex, localHex)},
		{"another family", "nothing", DropFamily, raw("800e0d 0001 01 04 c0000201 00 18cb0071", originHex, pathHex)},
		{"a route of type 6", "nothing", DropType, raw("800e0d 0019 46 04 c0000201 00 0602 0000", originHex, pathHex)},
		{"a route of type 0", "nothing", DropType, raw("800e0b 0019 46 04 c0000201 00 0000", originHex, pathHex)},
		{"a type 3 of two bytes", "nothing", DropRoute, raw("800e0d 0019 46 04 c0000201 00 0302 0000", originHex, pathHex)},
		{"IPv4 unicast routes", "nothing", DropFamily, append(raw(originHex, pathHex), 24, 203, 0, 113)},
		{"withdraws that are longer than the message", "reset", "", []byte{0, 9, 0, 0}},
		{"attributes that are longer than the message", "reset", "", []byte{0, 0, 0, 9, 0x40}},
		{"withdrawn", "withdrawn", "", raw(unreachHex)},
		{"withdrawn with the flags of MP_REACH_NLRI wrong", "withdrawn", DropMalformed, raw("00" + unreachHex[2:])},
	} {
		d := Decoder{AS4: true, Internal: true}
		var u Update
		_, err := d.Update(c.body, &u)
		got := "nothing"
		switch {
		case err != nil:
			got = "reset"
		case len(u.Announced) == 1 && u.Attributes != nil:
			got = "taken"
		case len(u.Withdrawn) == 1 && u.Attributes == nil:
			got = "withdrawn"
		}
		if got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, got, err, c.want)
		}
		var n *Notification
		if err != nil && (!errors.As(err, &n) || n.Code != codeUpdate) {
			t.Errorf("%s: the error is no UPDATE message error: %v", c.name, err)
		}
		if c.reason == "" != (len(d.Drops) == 0) || c.reason != "" && d.Drops[c.reason] == 0 {
			t.Errorf("%s: counted %v, want %q", c.name, d.Drops, c.reason)
		}
	}
}

// TestMalformedRoutes: a route that is not as its type says is left out, and only it.
func TestMalformedRoutes(t *testing.T) {
	for _, r := range routes {
		good := appendRoute(nil, &r)
		for n := range len(good) - 2 {
			if r.Type == MACIP && r.HasLabel2 && n == len(good)-5 {
				continue // without its second label it is whole
			}
			short := append([]byte{good[0], byte(n)}, good[2:2+n]...)
			d := Decoder{}
			got, err := d.routes(slices.Concat(short, good), nil)
			if err != nil || len(got) != 1 || got[0] != r || d.Drops[DropRoute] != 1 {
				t.Errorf("%v after %d bytes of it: %v %v %v", r, n, got, err, d.Drops)
			}
		}
	}
}

// FuzzUpdate: whatever an UPDATE says, it is read without a panic; what was read is written
// and read again as the same.
func FuzzUpdate(f *testing.F) {
	e := Encoder{AS: 65001}
	f.Add(e.AppendUpdate(nil, &Update{Announced: routes, Withdrawn: routes[:2], Attributes: &plain})[headerLen:], true, true)
	f.Add(raw(reachHex, originHex, pathHex, localHex), true, false)
	f.Add(raw(unreachHex), false, false)
	f.Fuzz(func(t *testing.T, b []byte, as4, internal bool) {
		if len(b) < 4 || len(b) > maxMessage-headerLen {
			return
		}
		d := Decoder{AS4: as4, Internal: internal}
		var u Update
		if _, err := d.Update(b, &u); err != nil {
			if _, ok := errors.AsType[*Notification](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if (len(u.Announced) > 0) && u.Attributes == nil {
			t.Fatal("routes without attributes")
		}
		for _, r := range slices.Concat(u.Announced, u.Withdrawn) {
			k := r.Key()
			if back := k.Route(); back.Key() != k {
				t.Fatalf("%v has a key of %v", r, back)
			}
			nlri := appendRoute(nil, &r)
			var again Route
			if !parseRoute(&again, RouteType(nlri[0]), nlri[2:]) || again != r {
				t.Fatalf("%v is read again as %v", r, again)
			}
		}
	})
}
