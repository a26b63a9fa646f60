package bgp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestOpens: what is written is read, whatever the capabilities.
func TestOpens(t *testing.T) {
	for _, o := range []Open{
		{AS: 65001, RouterID: vtep1, HoldTime: 90 * time.Second},
		{AS: 4200000000, RouterID: vtep1, HoldTime: 0, EVPN: true, AS4: true, Refresh: true, EnhancedRefresh: true,
			Restart: &Restart{Notification: true}},
		{AS: 65001, RouterID: vtep1, HoldTime: 3 * time.Second, EVPN: true, AS4: true,
			Restart: &Restart{Restarted: true, Time: 4095 * time.Second, EVPN: true, Forwarding: true}},
	} {
		got, err := ParseOpen(body(t, AppendOpen(nil, &o)))
		if err != nil {
			t.Fatal(err)
		}
		got.Codes = nil
		if !reflect.DeepEqual(*got, o) {
			t.Errorf("%+v is read as %+v", o, got)
		}
	}
}

// TestMalformedOpens has each fault and the NOTIFICATION that answers it.
func TestMalformedOpens(t *testing.T) {
	for name, c := range map[string]struct {
		body          string
		code, subcode uint8
	}{
		"version 3":                        {"03 fde9 005a c0000201 00", codeOpen, subBadVersion},
		"AS 0":                             {"04 0000 005a c0000201 00", codeOpen, subBadPeerAS},
		"AS 0 of four bytes":               {"04 5ba0 005a c0000201 08 0206 4104 00000000", codeOpen, subBadPeerAS},
		"hold time 1":                      {"04 fde9 0001 c0000201 00", codeOpen, subBadHoldTime},
		"hold time 2":                      {"04 fde9 0002 c0000201 00", codeOpen, subBadHoldTime},
		"router id 0":                      {"04 fde9 005a 00000000 00", codeOpen, subBadID},
		"parameters longer than it":        {"04 fde9 005a c0000201 09 0200", codeOpen, 0},
		"shorter parameters":               {"04 fde9 005a c0000201 00 0200", codeOpen, 0},
		"half a parameter":                 {"04 fde9 005a c0000201 01 02", codeOpen, 0},
		"a capability longer than it":      {"04 fde9 005a c0000201 04 0202 0109", codeOpen, 0},
		"half a capability":                {"04 fde9 005a c0000201 03 0201 01", codeOpen, 0},
		"an authentication parameter":      {"04 fde9 005a c0000201 03 0101 00", codeOpen, subBadParameter},
		"extended parameters cut":          {"04 fde9 005a c0000201 ff ff 00", codeOpen, 0},
		"an extended parameter cut":        {"04 fde9 005a c0000201 ff ff 0004 02 0009 00", codeOpen, 0},
		"extended parameters, wrong count": {"04 fde9 005a c0000201 ff ff 0005 02 0001 00", codeOpen, 0},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(c.body, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		_, err = ParseOpen(b)
		var n *Notification
		if !errors.As(err, &n) || n.Code != c.code || n.Subcode != c.subcode {
			t.Errorf("%s: %v", name, err)
		}
	}
	extended, _ := hex.DecodeString("04fde9005ac0000201" + "ffff0009" + "020006" + "0104" + "00190046")
	if o, err := ParseOpen(extended); err != nil || !o.EVPN {
		t.Errorf("extended parameters (RFC 9072): %+v %v", o, err)
	}
}

// TestHeaders has each fault of a header.
func TestHeaders(t *testing.T) {
	good := AppendKeepalive(nil)
	for name, c := range map[string]struct {
		at, to        byte
		code, subcode uint8
	}{
		"marker":             {3, 0, codeHeader, subUnsynchronized},
		"too long":           {16, 0x11, codeHeader, subBadLength},
		"too short":          {17, 18, codeHeader, subBadLength},
		"KEEPALIVE":          {17, 20, codeHeader, subBadLength},
		"OPEN, 19 bytes":     {18, typeOpen, codeHeader, subBadLength},
		"UPDATE, 19":         {18, typeUpdate, codeHeader, subBadLength},
		"NOTIFICATION, 19":   {18, typeNotification, codeHeader, subBadLength},
		"ROUTE-REFRESH, 19":  {18, typeRefresh, codeRefresh, 1},
		"a type that is not": {18, 9, codeHeader, subBadType},
	} {
		b := bytes.Clone(good)
		b[c.at] = c.to
		_, _, err := parseHeader(b)
		var n *Notification
		if !errors.As(err, &n) || n.Code != c.code || n.Subcode != c.subcode {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNotifications(t *testing.T) {
	for want, n := range map[string]Notification{
		"hold timer expired":                             {Code: codeHold},
		"cease: administrative shutdown (be right back)": {Code: codeCease, Subcode: subShutdown, Data: append([]byte{13}, "be right back"...)},
		"cease: administrative shutdown (a b)":           {Code: codeCease, Subcode: subShutdown, Data: []byte{3, 'a', 27, 'b'}},
		"cease: administrative shutdown":                 {Code: codeCease, Subcode: subShutdown, Data: []byte{1, 0xff}},
		"cease: subcode 99":                              {Code: codeCease, Subcode: 99},
		"error 77":                                       {Code: 77},
	} {
		got := ParseNotification(body(t, AppendNotification(nil, &n)))
		if got.Error() != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWords holds the texts to those of FRR, and parsing to what is printed.
func TestWords(t *testing.T) {
	for _, s := range []string{"192.0.2.1:42", "65001:42", "65001:4200000000", "4200000000:42"} {
		rd, err := ParseRD(s)
		if err != nil || rd.String() != s {
			t.Errorf("RD %s: %v %v", s, rd, err)
		}
		rt, err := ParseRouteTarget(s)
		if err != nil || rt.String() != "RT:"+s || !rt.IsRouteTarget() {
			t.Errorf("RT %s: %v %v", s, rt, err)
		}
	}
	for _, s := range []string{"", "42", "a:b", "2001:db8::1:5", "192.0.2.1:70000", "4200000000:70000", "1:4294967296", "99999999999:1"} {
		if _, err := ParseRD(s); err == nil {
			t.Errorf("%q is taken as an RD", s)
		}
		if _, err := ParseRouteTarget(s); err == nil {
			t.Errorf("%q is taken as a route target", s)
		}
	}
	flags := NeighbourFlags{Router: true, Override: true}
	if f, ok := NeighbourFlagsCommunity(flags).NeighbourFlags(); !ok || f != flags || NeighbourFlagsCommunity(flags) != 0x0608030000000000 {
		t.Errorf("%x", uint64(NeighbourFlagsCommunity(flags)))
	}
	if n, sticky, ok := MACMobility(7, true).MACMobility(); n != 7 || !sticky || !ok {
		t.Error("MAC mobility")
	}
	for want, c := range map[string]ExtCommunity{
		"MM:7, sticky MAC": MACMobility(7, true), "MM:7": MACMobility(7, false), "ET:8": Encapsulation(EncapVXLAN),
		"Default Gateway": extDefaultGateway << 48, "Rmac:02:00:5e:00:53:01": 0x060302005e005301, "UNK:4363000000000000": 0x4363 << 48,
	} {
		if c.String() != want {
			t.Errorf("%q, want %q", c, want)
		}
	}
	if s := routes[3].String(); s != "[2]:[0]:[48]:[02:00:5e:00:53:01]:[32]:[198.51.100.7]" {
		t.Error(s)
	}
}

// FuzzOpen: whatever an OPEN says, it is read without a panic, and what was read is written
// and read again as the same.
func FuzzOpen(f *testing.F) {
	f.Add(AppendOpen(nil, &Open{AS: 4200000000, RouterID: vtep1, EVPN: true, AS4: true, Refresh: true, Restart: &Restart{EVPN: true}})[headerLen:])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 10 || len(b) > maxMessage-headerLen {
			return
		}
		o, err := ParseOpen(b)
		if err != nil {
			var n *Notification
			if !errors.As(err, &n) || n.Code != codeOpen {
				t.Fatal(err)
			}
			return
		}
		if !o.AS4 && o.AS > 0xffff {
			t.Fatalf("%+v", o)
		}
		if r := o.Restart; r != nil && r.Forwarding && !r.EVPN {
			t.Fatalf("%+v", r)
		}
		again, err := ParseOpen(AppendOpen(nil, o)[headerLen:])
		if err != nil {
			t.Fatal(err)
		}
		o.Codes, again.Codes = nil, nil
		if !reflect.DeepEqual(o, again) {
			t.Fatalf("%+v is read again as %+v", o, again)
		}
	})
}
