package migrate_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
)

// TestNetDevValues: values are what systemd-networkd 252 and 257 made of them.
func TestNetDevValues(t *testing.T) {
	say := func(v any) string {
		if p := reflect.ValueOf(v); !p.IsNil() {
			return fmt.Sprint(p.Elem().Interface())
		}
		return ""
	}
	ageing := func(l config.FileLink) any { return l.Ageing }
	mtu := func(l config.FileLink) any { return l.MTU }
	ttl := func(l config.FileLink) any { return l.TTL }
	port := func(l config.FileLink) any { return l.DstPort }
	for _, c := range []struct {
		lines string
		of    func(config.FileLink) any
		want  string
		told  string // what is said of one of the lines
	}{
		{"FDBAgeingSec=1month", ageing, "2629800", ""},
		{"FDBAgeingSec=2M", ageing, "5259600", ""},
		{"FDBAgeingSec=2m", ageing, "120", ""},
		{"FDBAgeingSec=1y 2d", ageing, "31730400", ""},
		{"FDBAgeingSec=1.5h", ageing, "5400", ""},
		{"FDBAgeingSec=1h30m", ageing, "5400", ""},
		{"FDBAgeingSec=5 min", ageing, "300", ""},
		{"FDBAgeingSec=7 \\\n5", ageing, "12", ""},
		{"FDBAgeingSec=infinity", ageing, "4154504685", ""},
		{"FDBAgeingSec=500ms", ageing, "", ""},
		{"FDBAgeingSec=0", ageing, "", ""},
		{"FDBAgeingSec=600\nFDBAgeingSec=", ageing, "600", "FDBAgeingSec= is left out"},
		{"FDBAgeingSec=-1", ageing, "", "is left out: it is no time"},
		{"FDBAgeingSec=5x", ageing, "", "is left out: it is no time"},
		{"FDBAgeingSec=99999999y", ageing, "", "is left out: it is no time"},
		{"[NetDev]\nMTUBytes=9000B", mtu, "9000", "MTUBytes=1400 does not count"},
		{"[NetDev]\nMTUBytes=1.5K", mtu, "1536", "MTUBytes=1400 does not count"},
		{"[NetDev]\nMTUBytes=1K 76", mtu, "1100", "MTUBytes=1400 does not count"},
		{"[NetDev]\nMTUBytes=76 1K", mtu, "1400", "is left out: it is no size"},
		{"[NetDev]\nMTUBytes=", mtu, "1400", "MTUBytes= is left out"},
		{"[NetDev]\nMTUBytes=5G", mtu, "1400", "is left out: it is no size"},
		{"TTL=7\nTTL=", ttl, "7", "TTL= is left out"},
		{"TTL=7\nTTL=9", ttl, "9", "TTL=7 does not count"},
		{"TTL=5 # five", ttl, "auto", "TTL=5 # five is left out"},
		{"TTL=5\\\\", ttl, "auto", `TTL=5\\ is left out`},
		{"TTL=0b101", ttl, "5", ""},
		{"TTL=010", ttl, "8", ""},
		{"TTL=+8", ttl, "8", ""},
		{"TTL=1_0", ttl, "auto", "TTL=1_0 is left out"},
		{"DestinationPort=", port, "8472", ""},
		{"DestinationPort=0", port, "4801", "DestinationPort=0 is left out"},
		{"DestinationPort=0x12b6", port, "4790", ""},
		{"DestinationPort=04790", port, "4801", "DestinationPort=04790 is left out"},
		{"TOS=300", func(l config.FileLink) any { return l.TOS }, "44", ""},
		{"MaximumFDBEntries=0x10\nMaximumFDBEntries=", func(l config.FileLink) any { return l.MaxAddress }, "16", "MaximumFDBEntries= is left out"},
		{"IPDoNotFragment=inherit\nIPDoNotFragment=", func(l config.FileLink) any { return l.DF }, "inherit", "IPDoNotFragment= is left out"},
		{"MacLearning=no\nMacLearning=", func(l config.FileLink) any { return l.Learning }, "false", "MacLearning= is left out"},
		{"UDPChecksum=yes\nUDPChecksum=", func(l config.FileLink) any { return l.UDPCsum }, "true", "UDPChecksum= is left out"},
		{"[NetDev]\nMACAddress=0200.0000.0d31", func(l config.FileLink) any { return l.Address }, "02:00:00:00:0d:31", ""},
		{"[NetDev]\nMACAddress=2-0-0-0-d-32", func(l config.FileLink) any { return l.Address }, "02:00:00:00:0d:32", ""},
		{"[NetDev]\nMACAddress=", func(l config.FileLink) any { return l.Address }, "", "has no MACAddress="},
		{"[NetDev]\nKind=bridge", func(l config.FileLink) any { return l.ID }, "1", "Kind=bridge is left out"},
		{"VNI=16777216\nVNI=7", func(l config.FileLink) any { return l.ID }, "7", "VNI=16777216 does not count"},
		{"VNI=", func(l config.FileLink) any { return l.ID }, "1", "VNI= is left out"},
		{"Local=dhcp4\nLocal=192.0.2.9", func(l config.FileLink) any { return new(l.Local.String()) }, "192.0.2.9", "Local=dhcp4 does not count"},
	} {
		dir := networkd(t, map[string]string{"10.netdev": vx("va", 1, c.lines)})
		links, told := imports(t, dir)
		if got := say(c.of(links["va"])); got != c.want {
			t.Errorf("%q: %q, want %q", c.lines, got, c.want)
		}
		if c.told != "" && !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, c.told) }) {
			t.Errorf("%q: nothing says %q: %q", c.lines, c.told, told)
		}
	}
}

// TestNetDevNone: what networkd makes no device of is no link, and told.
func TestNetDevNone(t *testing.T) {
	for lines, want := range map[string]string{
		"Group=239.1.1.1":                  "with both Group= and Remote=",
		"Local=dhcp4":                      "with Independent=yes and Local=dhcp4",
		"VNI=16777216":                     "without a VNI",
		"[NetDev]\nName=":                  "without Name=",
		"[VXLAN":                           "is no section",
		"[VXLAN] # of a tenant\nVNI=5":     "is no section",
		"[NetDev]\nMTUBytes=60":            "mtu",
		"GenericProtocolExtension=yes\nx=": "",
	} {
		dir := networkd(t, map[string]string{"10.netdev": vx("va", 1, lines), "20.netdev": vx("vb", 2)})
		links, told := imports(t, dir)
		if _, there := links["va"]; there != (want == "") || links["vb"].ID == nil {
			t.Errorf("%q: va %v, vb %v", lines, links["va"], links["vb"])
		}
		if !strings.Contains(strings.Join(told, "\n"), want) {
			t.Errorf("%q: nothing says %q: %q", lines, want, told)
		}
	}
	// A file that is of no kind, or of a mistaken one.
	dir := networkd(t, map[string]string{"10.netdev": strings.Replace(vx("va", 1), "Kind=vxlan", "Kind=vxlann", 1), "20.netdev": strings.Replace(vx("vb", 1), "Kind=vxlan\n", "", 1)})
	if _, told, err := migrate.NetDev([]string{dir}); err == nil || len(told) != 2 {
		t.Errorf("of other kinds: %v, told %q", err, told)
	}
}

// TestNetDevEntries: [BridgeFDB] in each form is what networkd made of it.
func TestNetDevEntries(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  string // "mac dst via vni"; "": no entry
		told  string
	}{
		{"Destination=192.0.2.3", "00:00:00:00:00:00 192.0.2.3", ""},
		{"MACAddress=00:00:00:00:00:00\nDestination=192.0.2.3", "00:00:00:00:00:00 192.0.2.3", ""},
		{"MACAddress=0200.0000.0009\nDestination=192.0.2.3", "02:00:00:00:00:09 192.0.2.3", ""},
		{"MACAddress=02-00-00-00-00-09\nDestination=192.0.2.3", "02:00:00:00:00:09 192.0.2.3", ""},
		{"MACAddress=2:0:0:0:0:9\nDestination=192.0.2.3", "02:00:00:00:00:09 192.0.2.3", ""},
		{"MACAddress=02:00:00:00:00:09\nMACAddress=02:00:00:00:00:0a\nDestination=192.0.2.3", "02:00:00:00:00:0a 192.0.2.3", ""},
		{"MACAddress=01:00:5e:00:00:12\nDestination=239.1.1.1", "01:00:5e:00:00:12 239.1.1.1", ""},
		{"Destination=192.0.2.3\nVNI=0x10", "00:00:00:00:00:00 192.0.2.3 vni 16", ""},
		{"Destination=192.0.2.3\nOutgoingInterface=eth1", "00:00:00:00:00:00 192.0.2.3 via eth1", ""},
		{"Destination=192.0.2.3\nOutgoingInterface=eth1\nOutgoingInterface=", "00:00:00:00:00:00 192.0.2.3", ""},
		{"Destination=192.0.2.3\nOutgoingInterface=7", "00:00:00:00:00:00 192.0.2.3", "OutgoingInterface=7 is left out"},
		{"Destination=192.0.2.3\nAssociatedWith=self", "00:00:00:00:00:00 192.0.2.3", ""},
		{"Destination=192.0.2.3\nAssociatedWith=master", "", "networkd fails at it"},
		{"Destination=192.0.2.3\nAssociatedWith=router", "", "networkd fails at it"},
		{"Destination=192.0.2.3\nAssociatedWith=use", "", "networkd fails at it"},
		{"Destination=192.0.2.3\nAssociatedWith=", "", "is left out"},
		{"Destination=192.0.2.3\nVLANId=5", "00:00:00:00:00:00 192.0.2.3", "VLANId=5 is left out"},
		{"Destination=192.0.2.3\nVLANId=9999", "00:00:00:00:00:00 192.0.2.3", "VLANId=9999 is left out"},
		{"Destination=192.0.2.3\nColour=red", "00:00:00:00:00:00 192.0.2.3", "Colour=red is left out"},
		{"Destination=192.0.2.3\nVNI=", "", "is left out"},
		{"Destination=192.0.2.3\nVNI=16777216", "", "is left out"},
		{"Destination=", "", "is left out"},
		{"MACAddress=02:00:00:00:00:09", "", "no Destination="},
		{"Destination=2001:db8::3", "", "of the other family"},
		{"Destination=192.0.2.2", "", "the one that Remote= makes"},
		{"Destination=192.0.2.3\n[BridgeFDB]\nDestination=192.0.2.3", "00:00:00:00:00:00 192.0.2.3", "it is there already"},
		{"MACAddress=02:00:00:00:00:09\nDestination=192.0.2.3\n[BridgeFDB]\nMACAddress=02:00:00:00:00:09\nDestination=192.0.2.4", "02:00:00:00:00:09 192.0.2.3", "a unicast address has one destination"},
	} {
		dir := networkd(t, map[string]string{"10.netdev": vx("va", 1), "20.network": "[Match]\nName=va\n[BridgeFDB]\n" + c.lines + "\n"})
		links, told := imports(t, dir)
		var got []string
		for _, e := range links["va"].FDB {
			text := e.MAC + " " + e.Dst.String()
			if e.Via != "" {
				text += " via " + e.Via
			}
			if e.VNI != nil {
				text += fmt.Sprintf(" vni %d", *e.VNI)
			}
			got = append(got, text)
		}
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%q: entries %q, want %q; told %q", c.lines, s, c.want, told)
		}
		if text := strings.Join(told, "\n"); !strings.Contains(text, c.told) || c.told == "" && text != "" {
			t.Errorf("%q: told %q, want %q", c.lines, text, c.told)
		}
	}
}
