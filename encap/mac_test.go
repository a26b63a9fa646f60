package encap_test

import (
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

func TestParseMAC(t *testing.T) {
	for s, want := range map[string]string{
		"02:00:5e:10:00:01": "02:00:5e:10:00:01",
		"2:0:5E:10:0:1":     "02:00:5e:10:00:01",
		"ff:FF:ff:ff:ff:ff": "ff:ff:ff:ff:ff:ff",
		"00:00:00:00:00:00": "00:00:00:00:00:00",
	} {
		m, err := encap.ParseMAC(s)
		if err != nil || m.String() != want {
			t.Errorf("ParseMAC(%q) = %v, %v, want %s", s, m, err, want)
		}
	}
	for _, s := range []string{
		"", ":", "02", "02:00:5e:10:00", "02:00:5e:10:00:", "02:00:5e:10:00:01:", "02:00:5e:10:00:01:02",
		":02:00:5e:10:00:01", "02-00-5e-10-00-01", "0200.5e10.0001", "002:00:5e:10:00:01", "0x2:00:5e:10:00:01",
		"+2:00:5e:10:00:01", "02:00:5e:10:00:0g", " 02:00:5e:10:00:01", "02::5e:10:00:01", "1_:00:5e:10:00:01",
	} {
		if m, err := encap.ParseMAC(s); err == nil || m != (encap.MAC{}) {
			t.Errorf("ParseMAC(%q) = %v, %v, want an error", s, m, err)
		}
	}
}

func TestMACKinds(t *testing.T) {
	for s, want := range map[string][3]bool{ // multicast, broadcast, zero
		"00:00:00:00:00:00": {false, false, true},
		"ff:ff:ff:ff:ff:ff": {true, true, false},
		"01:00:5e:00:00:01": {true, false, false},
		"33:33:00:00:00:01": {true, false, false},
		"02:00:5e:10:00:01": {false, false, false},
		"fe:ff:ff:ff:ff:ff": {false, false, false},
		"00:00:00:00:00:01": {false, false, false},
	} {
		m, err := encap.ParseMAC(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]bool{m.IsMulticast(), m.IsBroadcast(), m.IsZero()}; got != want {
			t.Errorf("%s: multicast, broadcast, zero = %v, want %v", s, got, want)
		}
	}
}

func TestEthAddresses(t *testing.T) {
	b := build(t, packet{proto: encap.ProtoUDP})
	if d, s := encap.EthDst(b), encap.EthSrc(b); d != dstMAC || s != srcMAC {
		t.Errorf("EthDst, EthSrc = %v, %v, want %v, %v", d, s, dstMAC, srcMAC)
	}
}

func TestAddr(t *testing.T) {
	for s, is4 := range map[string]bool{"192.0.2.1": true, "2001:db8::1": false, "::": false, "0.0.0.0": true} {
		n := netip.MustParseAddr(s)
		a := encap.AddrFrom(n)
		if a.Is4() != is4 {
			t.Errorf("%s: Is4() = %v", s, a.Is4())
		}
		if s != "::" && (a.Netip() != n || a.String() != s) {
			t.Errorf("%s comes back as %v", s, a)
		}
	}
	if a := encap.AddrFrom(netip.Addr{}); a != (encap.Addr{}) || a.Netip().IsValid() {
		t.Errorf("no address becomes %v", a)
	}
	zoned := encap.AddrFrom(netip.MustParseAddr("fe80::1%eth0"))
	if zoned.String() != "fe80::1" {
		t.Errorf("zone not dropped: %v", zoned)
	}
	if a := encap.AddrFrom(netip.MustParseAddr("::ffff:192.0.2.1")); a.String() != "192.0.2.1" {
		t.Errorf("mapped address is %v", a)
	}
}

func FuzzParseMAC(f *testing.F) {
	f.Add("02:00:5e:10:00:01")
	f.Add("2:0:5e:10:0:1:")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := encap.ParseMAC(s)
		if err != nil {
			return
		}
		if again, err := encap.ParseMAC(m.String()); err != nil || again != m {
			t.Fatalf("ParseMAC(%q) = %v, which parses to %v, %v", s, m, again, err)
		}
	})
}
