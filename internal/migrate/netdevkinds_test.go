package migrate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/config"
	"github.com/uvtep/uvtep/internal/migrate"
)

// vx is a .netdev file of a link without a lower device, with more lines of [VXLAN].
func vx(name string, vni int, more ...string) string {
	return fmt.Sprintf("[NetDev]\nName=%s\nKind=vxlan\nMACAddress=02:00:00:00:00:%02x\nMTUBytes=1400\n[VXLAN]\nVNI=%d\nLocal=192.0.2.1\nRemote=192.0.2.2\nDestinationPort=%d\nIndependent=yes\n%s\n",
		name, vni, vni, 4800+vni, strings.Join(more, "\n"))
}

// networkd writes files, by their path below a directory; "->" is /dev/null.
func networkd(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if text == "->" {
			if err := os.Symlink("/dev/null", name); err != nil {
				t.Skip(err)
			}
			continue
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// imports reads the files below dir as networkd does.
func imports(t *testing.T, dir string, paths ...string) (map[string]config.FileLink, []string) {
	t.Helper()
	for i, p := range paths {
		paths[i] = filepath.Join(dir, p)
	}
	if paths == nil {
		paths = []string{dir}
	}
	file, told, err := migrate.NetDev(paths)
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]config.FileLink{}
	for _, l := range loaded(t, file).Links {
		links[l.Name] = l
	}
	for i := range told {
		told[i] = strings.TrimPrefix(told[i], dir+string(filepath.Separator))
	}
	return links, told
}

// saysAll reports each of the lines that nothing says, and each that more say than these.
func saysAll(t *testing.T, name string, told []string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, w) }) {
			t.Errorf("%s: nothing says %q:\n%s", name, w, strings.Join(told, "\n"))
		}
	}
	for _, s := range told {
		if !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(s, w) }) {
			t.Errorf("%s: said besides: %s", name, s)
		}
	}
}

// TestNetDevPath: of files of one name that of the first directory counts, an empty one and a
// link to /dev/null hide them all, and drop-ins are merged (systemd.netdev(5)).
func TestNetDevPath(t *testing.T) {
	own := func(name string) string { return "[Match]\nName=" + name + "\n" }
	dir := networkd(t, map[string]string{
		"etc/10.netdev": vx("a", 1), "run/10.netdev": vx("b", 2),
		"run/10.netdev.d/a.conf": "[VXLAN]\nTTL=5\n", "etc/10.netdev.d/b.conf": "[VXLAN]\nTOS=8\n",
		"run/10.netdev.d/b.conf": "[VXLAN]\nTOS=9\n", "etc/10.netdev.d/c.conf": "->", "run/10.netdev.d/c.conf": "[VXLAN]\nTTL=6\n", "run/10.netdev.d/d": "[VXLAN]\nTTL=7\n",
		"etc/20.netdev": "", "run/20.netdev": vx("c", 3),
		"etc/30.netdev": "->", "run/30.netdev": vx("d", 4), "usr/30.netdev": vx("d", 4),
		"run/05.netdev":  vx("e", 5),
		"etc/10.network": own("a"), "run/10.network": own("e"), "run/11.network": own("a") + "[Link]\nMTUBytes=1200\n", "etc/11.network": "->",
		"run/12.network": own("e") + "[BridgeFDB]\nDestination=192.0.2.3\n",
	})
	links, told := imports(t, dir, "etc", "run", "usr")
	if len(links) != 2 || links["a"].ID == nil || links["e"].ID == nil {
		t.Fatalf("links %v, want a and e:\n%s", links, strings.Join(told, "\n"))
	}
	if a := links["a"]; *a.TTL != "5" || *a.TOS != "8" || !*a.Up || *a.MTU != 1400 {
		t.Errorf("a: ttl %s, tos %s, up %v, mtu %d; want 5, 8, true, 1400", *a.TTL, *a.TOS, *a.Up, *a.MTU)
	}
	if e := links["e"]; !*e.Up || len(e.FDB) != 1 {
		t.Errorf("e: up %v, entries %v", *e.Up, e.FDB)
	}
	saysAll(t, "path", told, "run/10.netdev:1: the file is left out", "run/10.netdev.d/b.conf:1: the file is left out", "run/10.netdev.d/c.conf:1: the file is left out",
		"run/20.netdev:1: the file is left out", "etc/20.netdev masks it", "run/30.netdev:1: the file is left out", "usr/30.netdev:1: the file is left out")
	// The other way round the other ones count.
	links, _ = imports(t, dir, "usr", "run", "etc")
	for _, name := range []string{"b", "c", "d", "e"} {
		if links[name].ID == nil {
			t.Errorf("no %s of run before etc", name)
		}
	}
	// One file has the drop-ins and .network files of its directory.
	if links, _ = imports(t, dir, "etc/10.netdev"); len(links) != 1 || *links["a"].TOS != "8" || !*links["a"].Up {
		t.Errorf("of one file: %v", links)
	}
}

// TestNetDevMatch: [Match] is that of net_match_config in src/shared/net-condition.c.
func TestNetDevMatch(t *testing.T) {
	const mac = "MACAddress=02:00:00:00:00:01"
	for _, c := range []struct {
		match string
		up    bool
		told  string
	}{
		{"Name=va", true, ""},
		{"Name=x\nName=va", true, ""},
		{"Name=va\nName=", false, ""},
		{"Name=x y v?", true, ""},
		{"Name=[!a]a", true, ""},
		{"Name=[!v]a", false, ""},
		{"Name=!va", false, ""},
		{"Name=!x", true, ""},
		{"Name=!x va", false, ""},
		{"Name=v*\nName=!va", false, ""},
		{"Name=v*\nName=!vb", true, ""},
		{"Name=\"va\"", true, ""},
		{"Type=ether", false, ""},
		{"Type=vxlan", true, "Name=va alone"},
		{"Type=ether vxlan", true, ""},
		{"Kind=vxlan\nName=va", true, "Name=va alone"},
		{"Driver=vxlan", true, "Name=va alone"},
		{"Driver=!e1000", true, ""},
		{"Kind=vx*\nName=x", false, ""},
		{mac, true, ""},
		{"MACAddress=0200.0000.0001", true, ""},
		{"MACAddress=02-00-00-00-00-09 2:0:0:0:0:1", true, ""},
		{"MACAddress=02:00:00:00:00:09", false, ""},
		{"PermanentMACAddress=02:00:00:00:00:01", false, ""},
		{"Path=pci-*", false, ""},
		{"Path=!pci-*", true, ""},
		{"WLANInterfaceType=ap", false, ""},
		{"SSID=x\nName=va", false, ""},
		{"Property=DEVTYPE=vxlan", true, "Name=va alone"},
		{"Property=DEVTYPE=wlan", false, ""},
		{"Property=!DEVTYPE=wlan INTERFACE=w*", true, ""},
		{"Property=!DEVTYPE=wlan INTERFACE=v*", false, ""},
		{"Property=ID_X=1", true, "only networkd knows, when it runs"},
		{"Host=h1", true, "[Match] Host=h1 cannot be evaluated here"},
		{"Host=h1\nName=va", true, "[Match] Host=h1 cannot be evaluated here"},
		{"Host=h1\nHost=\nName=va", true, ""},
		{"Architecture=arm64\nName=x", false, ""},
		{"", false, ""},
		{"Colour=red\nName=va", true, "Colour=red is left out"},
	} {
		dir := networkd(t, map[string]string{"10.netdev": vx("va", 1), "20.network": "[Match]\n" + c.match + "\n[Link]\nMTUBytes=1399\n"})
		links, told := imports(t, dir)
		va := links["va"]
		if up := *va.Up; up != c.up || (*va.MTU == 1399) != c.up {
			t.Errorf("%q: up %v, mtu %d, want up %v", c.match, up, *va.MTU, c.up)
		}
		text := strings.Join(told, "\n")
		if c.told != "" && !strings.Contains(text, c.told) {
			t.Errorf("%q: nothing says %q:\n%s", c.match, c.told, text)
		}
		if stays := strings.Contains(text, ": stays with networkd"); stays != (c.up && c.told != "Name=va alone") {
			t.Errorf("%q: said that it stays: %v:\n%s", c.match, stays, text)
		}
	}
}

// TestNetDevHeirs: uvtep's device is of another kind, driver and type than the kernel's, and the
// file that networkd takes for it may be another one.
func TestNetDevHeirs(t *testing.T) {
	dir := networkd(t, map[string]string{
		"10.netdev": vx("va", 1), "20.network": "[Match]\nType=ether\n[Network]\nDHCP=yes\n", "30.network": "[Match]\nKind=vxlan\n[Network]\nAddress=198.51.100.1/24\n",
	})
	links, told := imports(t, dir)
	if !*links["va"].Up {
		t.Error("down")
	}
	saysAll(t, "heirs", told, "30.network:1: [Network] Address=198.51.100.1/24: does not stay", "20.network:1: networkd will take this file for uvtep's device va")
}

// TestNetDevActivation: a link that networkd leaves alone or down stays down.
func TestNetDevActivation(t *testing.T) {
	for _, c := range []struct {
		link    string
		up      bool
		entries int
		told    string
	}{
		{"", true, 1, ""},
		{"Unmanaged=yes", false, 0, "Unmanaged=yes: networkd leaves va down"},
		{"Unmanaged=yes\nUnmanaged=no", true, 1, ""},
		{"Unmanaged=yes\nUnmanaged=", false, 0, "Unmanaged=yes"},
		{"ActivationPolicy=up", true, 1, ""},
		{"ActivationPolicy=always-up", true, 1, ""},
		{"ActivationPolicy=manual", false, 1, "ActivationPolicy=manual: networkd leaves va down"},
		{"ActivationPolicy=down", false, 1, "ActivationPolicy=down: "},
		{"ActivationPolicy=always-down", false, 1, "ActivationPolicy=always-down: "},
		{"ActivationPolicy=bound", true, 1, "ActivationPolicy=bound is left out"},
		{"ActivationPolicy=down\nActivationPolicy=", false, 1, "ActivationPolicy= is left out"},
		{"ActivationPolicy=never", true, 1, "ActivationPolicy=never is left out"},
	} {
		dir := networkd(t, map[string]string{"10.netdev": vx("va", 1), "20.network": "[Match]\nName=va\n[Link]\n" + c.link + "\n[BridgeFDB]\nDestination=192.0.2.3\n"})
		links, told := imports(t, dir)
		if va := links["va"]; *va.Up != c.up || len(va.FDB) != c.entries || !strings.Contains(strings.Join(told, "\n"), c.told) {
			t.Errorf("%s: up %v, %d entries, want %v, %d, and %q in %q", c.link, *va.Up, len(va.FDB), c.up, c.entries, c.told, told)
		}
	}
}

// TestNetDevLower: the dev is the device whose .network file networkd takes and that asks for the link.
func TestNetDevLower(t *testing.T) {
	with := func(match, more string) string { return "[Match]\n" + match + "\n[Network]\nVXLAN=va\n" + more }
	for _, c := range []struct {
		name  string
		files map[string]string
		dev   string
		told  []string
	}{
		{"one name", map[string]string{"30.network": with("Name=eth0", "")}, "eth0", nil},
		{"a name of two lines", map[string]string{"30.network": with("Name=eth1\nName=\nName=eth0", "")}, "eth0", nil},
		{"loopback", map[string]string{"30.network": with("Name=lo", "")}, "lo", nil},
		{"two names", map[string]string{"30.network": with("Name=eth0\nName=eth1", "")}, "", []string{"has no single Name=", "mtu 1500 of va is left out: the kernel gives it"}},
		{"no name", map[string]string{"30.network": with("MACAddress=02:00:00:00:00:77", "")}, "", []string{"has no single Name="}},
		{"a pattern", map[string]string{"30.network": with("Name=eth*", "")}, "", []string{"has no single Name="}},
		{"itself", map[string]string{"30.network": with("Name=va", "")}, "", []string{"va would be its own underlay", "no .network file has VXLAN=va"}},
		{"two files", map[string]string{"30.network": with("Name=eth0", ""), "31.network": with("Name=eth1", "")}, "eth0", []string{"31.network:4: VXLAN=va of eth1 is left out"}},
		{"another file first", map[string]string{"20.network": "[Match]\nName=eth*\n", "30.network": with("Name=eth0", "")}, "", []string{"20.network, which comes first"}},
		{"another file perhaps", map[string]string{"20.network": "[Match]\nName=eth*\nType=wlan\n", "30.network": with("Name=eth0", "")}, "eth0", nil},
		{"not managed", map[string]string{"30.network": with("Name=eth0", "[Link]\nUnmanaged=yes\n")}, "", []string{"Unmanaged=yes says"}},
		{"a host", map[string]string{"30.network": with("Name=eth0\nHost=h1", "")}, "eth0", []string{"[Match] Host=h1 cannot be evaluated here"}},
		{"two devices a line", map[string]string{"30.network": "[Match]\nName=eth0\n[Network]\nVXLAN=va vb\n"}, "", []string{"VXLAN=va vb is left out: networkd takes one device name a line"}},
		{"an empty line", map[string]string{"30.network": with("Name=eth0", "VXLAN=\n")}, "eth0", []string{"VXLAN= is left out"}},
		{"a stranger", map[string]string{"30.network": with("Name=eth0", "VXLAN=vz\n")}, "eth0", []string{"VXLAN=vz is left out: no .netdev file"}},
	} {
		c.files["10.netdev"] = strings.NewReplacer("Independent=yes\n", "", "MTUBytes=1400\n", "").Replace(vx("va", 1))
		links, told := imports(t, networkd(t, c.files))
		dev := ""
		if d := links["va"].Dev; d != nil {
			dev = *d
		}
		if dev != c.dev {
			t.Errorf("%s: dev %q, want %q", c.name, dev, c.dev)
		}
		for _, w := range c.told {
			if !strings.Contains(strings.Join(told, "\n"), w) {
				t.Errorf("%s: nothing says %q:\n%s", c.name, w, strings.Join(told, "\n"))
			}
		}
	}
}

// TestNetDevNothing: where there is no link, it says where it looked.
func TestNetDevNothing(t *testing.T) {
	dir := networkd(t, map[string]string{"a/10.netdev": "[NetDev]\nName=br0\nKind=bridge\n", "b/x": ""})
	paths := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	_, _, err := migrate.NetDev(paths)
	nothing, ok := errors.AsType[*migrate.NothingError](err)
	if !ok || !slices.Equal(nothing.Looked, paths) {
		t.Errorf("%v, want %v", err, paths)
	}
	_, _, err = migrate.IPRoute2([]byte(`[{"ifname":"lo","num_rx_queues":1}]`), []byte("[]"), nil)
	if _, ok = errors.AsType[*migrate.NothingError](err); !ok {
		t.Errorf("iproute2: %v", err)
	}
}

// TestNetDevLinkLocal: a link-local Local= has the device that has the address, or that the entries leave by.
func TestNetDevLinkLocal(t *testing.T) {
	file := strings.NewReplacer("Local=192.0.2.1", "Local=fe80::1", "Remote=192.0.2.2\n", "", "Independent=yes\n", "").Replace(vx("va", 1))
	const entry = "[Match]\nName=va\n[BridgeFDB]\nDestination=fe80::3\nOutgoingInterface=wg1\n"
	for _, c := range []struct{ name, own, other, dev string }{
		{"its address", entry, "[Match]\nName=wg0\n[Network]\nAddress=fe80::1/64\n", "wg0"},
		{"its address in a section", entry, "[Match]\nName=wg0\n[Address]\nAddress=fe80::1/64\n", "wg0"},
		{"its address, for entries without a device", strings.Replace(entry, "OutgoingInterface=wg1\n", "", 1), "[Match]\nName=wg0\n[Network]\nAddress=fe80::1/64\n", "wg0"},
		{"its entries", entry, "[Match]\nName=wg0\n[Network]\nAddress=fe80::9/64\n", "wg1"},
	} {
		links, told := imports(t, networkd(t, map[string]string{"10.netdev": file, "20.network": c.own, "30.network": c.other}))
		if dev := links["va"].Dev; dev == nil || *dev != c.dev || len(links["va"].FDB) != 1 || !strings.Contains(strings.Join(told, "\n"), "the dev of va is "+c.dev) {
			t.Errorf("%s: dev %v, entries %v, told %q", c.name, dev, links["va"].FDB, told)
		}
	}
}
