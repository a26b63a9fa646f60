package migrate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
)

// aLink is a VXLAN device as ip prints it, with more of its own and of its settings.
func aLink(name, device, settings string) string {
	return fmt.Sprintf(`{"ifname":%q,"mtu":1450,"address":"02:00:00:00:00:01","num_tx_queues":1,"num_rx_queues":1,%s"linkinfo":{"info_kind":"vxlan","info_data":{%s"ttl":0,"port":4789}}}`,
		name, device, settings)
}

// imported is the file of links and entries, which have to be taken.
func imported(t *testing.T, links, fdb string) (*config.File, []string) {
	t.Helper()
	file, told, err := migrate.IPRoute2([]byte("["+links+"]"), []byte("["+fdb+"]"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return loaded(t, file), told
}

// TestIPRoute2Nulls: iproute2 prints null for gbp and gpe where they are on, from 6.4.
func TestIPRoute2Nulls(t *testing.T) {
	f, told := imported(t, aLink("vx1", "", `"id":1,"remote":"192.0.2.2","gbp":null,"gpe":null,"reserved_bits":"0x77000000000000ff",`), "")
	l := f.Links[0]
	if l.GBP == nil || !*l.GBP || *l.Reserved != "drop" {
		t.Errorf("gbp %v, reserved %q; want true and drop, which is usual for it", l.GBP, *l.Reserved)
	}
	if !slices.Contains(told, "vx1: gpe true cannot be kept: uvtep has no such setting") {
		t.Errorf("gpe is not told: %q", told)
	}
}

// TestIPRoute2Masks: a mask of reserved bits is kept, with gbp, too.
func TestIPRoute2Masks(t *testing.T) {
	for mask, want := range map[string]string{"0x8000000000000000": "0x8000000000000000", "0x0": "ignore", "0xf7ffffff000000ff": "drop", "0xf7dfffff00000000": "0xf7dfffff00000000"} {
		f, _ := imported(t, aLink("vx1", "", `"id":1,"remote":"192.0.2.2","reserved_bits":"`+mask+`",`), "")
		if got := *f.Links[0].Reserved; got != want {
			t.Errorf("reserved_bits %s: reserved %s, want %s", mask, got, want)
		}
	}
}

// TestIPRoute2Metadata: a device without VNIs and remotes of its own is told, as each version of ip prints it.
func TestIPRoute2Metadata(t *testing.T) {
	for _, said := range []string{`"collect_metadata":true`, `"external":true`, `"external":true,"vnifilter":true`, `"vnifilter":true`, `"external":null`} {
		f, told := imported(t, aLink("vxe", "", said+",")+","+aLink("vx1", "", `"id":1,"external":false,"vnifilter":false,`), "")
		if len(f.Links) != 1 || len(told) != 1 || !strings.HasPrefix(told[0], "vxe: left out: ") {
			t.Errorf("%s: %d links, told %q", said, len(f.Links), told)
		}
	}
}

// TestIPRoute2FDBNames: entries are found whatever the version of bridge calls their device.
func TestIPRoute2FDBNames(t *testing.T) {
	one := aLink("vx1", "", `"id":1,"learning":true,`)
	const remotes = `{"mac":"00:00:00:00:00:00",%[1]s"dst":"192.0.2.2","flags":["self"],"state":"permanent"},` +
		`{"mac":"02:00:00:00:00:07",%[1]s"dst":"192.0.2.3","flags":["self"],"state":"static"}`
	for _, c := range []struct{ name, links, dev string }{
		{"now", one, `"ifname":"vx1",`},
		{"up to 4.16", one, `"dev":"vx1",`},
		{"of one device", one, ""},
		{"with others named", one + "," + aLink("vx2", "", `"id":2,"learning":true,`), `"dev":"vx1",`},
	} {
		if f, told := imported(t, c.links, fmt.Sprintf(remotes, c.dev)); len(f.Links[0].FDB) != 2 || len(told) != 0 {
			t.Errorf("%s: entries %v, told %q", c.name, f.Links[0].FDB, told)
		}
	}
	if _, _, err := migrate.IPRoute2([]byte("["+one+","+aLink("vx2", "", `"id":2,`)+"]"), []byte("["+fmt.Sprintf(remotes, "")+"]"), nil); err == nil || !strings.Contains(err.Error(), "without dev") {
		t.Errorf("entries of one device beside two links: %v", err)
	}
	_, told := imported(t, one, fmt.Sprintf(remotes, `"ifname":"vx9",`))
	if len(told) != 1 || !strings.HasPrefix(told[0], "vx9: its entries are left out") {
		t.Errorf("entries of a link that is not there: told %q", told)
	}
}

// TestIPRoute2Elsewhere: a device whose underlay is in another network namespace is told, whether ip prints a lower device or not.
func TestIPRoute2Elsewhere(t *testing.T) {
	for _, said := range []string{"", `"link":"if5",`, `"link_index":5,`} {
		f, told := imported(t, aLink("vx1", `"link_netnsid":0,`, `"id":1,"learning":true,`+said),
			`{"mac":"02:00:00:00:00:07","ifname":"vx1","dst":"192.0.2.3","viaIfIndex":5,"linkNetNsId":0,"flags":["self"],"state":"permanent"}`)
		if l := f.Links[0]; l.Dev != nil || len(l.FDB) != 1 || len(told) != 1 || !strings.Contains(told[0], "its underlay is in another network namespace") {
			t.Errorf("%s: dev %v, entries %v, told %q", said, l.Dev, l.FDB, told)
		}
	}
}

// TestIPRoute2Broken: what cannot be read costs itself.
func TestIPRoute2Broken(t *testing.T) {
	f, told := imported(t, `{"ifname":"bad","mtu":"large"},{"ifname":5},7,{},`+aLink("vx1", "", `"id":1,"learning":true,`)+","+aLink("vx2", "", `"id":{},"learning":true,`),
		`{"mac":7,"ifname":"vx1"},{"mac":"02:00:00:00:00:07","ifname":"vx1","dst":"192.0.2.3","flags":["self"],"state":"permanent"}`)
	if len(f.Links) != 1 || len(f.Links[0].FDB) != 1 {
		t.Errorf("read as %v", f.Links)
	}
	for _, want := range []string{"bad: left out", "element 2: left out", "element 3: left out", "vx1: an entry is left out", "vx2: left out"} {
		if !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("no %q in %q", want, told)
		}
	}
}

// TestIPRoute2WithoutDetails: ip without -d prints no settings, and that is not the same as no links.
func TestIPRoute2WithoutDetails(t *testing.T) {
	_, _, err := migrate.IPRoute2([]byte(`[{"ifindex":7,"link":"eth0","ifname":"vx1","flags":["UP"],"mtu":1450,"qdisc":"noqueue","operstate":"UNKNOWN","group":"default","txqlen":1000,"link_type":"ether","address":"02:00:00:00:00:01"}]`), []byte("[]"), nil)
	if err == nil || !strings.Contains(err.Error(), "ip -d -j link show") {
		t.Errorf("no hint at -d: %v", err)
	}
}

// TestIPRoute2Neighbours: a link that does not learn, and is no bridge's, has its neighbours from somebody.
func TestIPRoute2Neighbours(t *testing.T) {
	for _, c := range []struct {
		device, settings string
		want             bool
	}{{"", `"learning":false,`, true}, {"", `"learning":true,`, false}, {`"master":"br0",`, `"learning":false,`, false}} {
		_, told := imported(t, aLink("flannel.1", c.device, `"id":1,`+c.settings), "")
		got := slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "ip neigh replace IP lladdr MAC dev flannel.1") })
		if got != c.want {
			t.Errorf("%s%s: told %q", c.device, c.settings, told)
		}
	}
}
