package interop_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/test/lab"
)

// tool is a program of those that configure hosts' networks. .ci/run unpacks them
// to UVTEP_TOOLS and does not install them, for they would take this host's over.
func tool(t *testing.T, names ...string) string {
	t.Helper()
	root := cmp.Or(os.Getenv("UVTEP_TOOLS"), "/")
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			return filepath.Join(root, name)
		}
	}
	lab.SkipOrFail(t, fmt.Errorf("%w: %s is not in %s, which UVTEP_TOOLS names", lab.ErrUnavailable, names[0], root))
	return ""
}

// runTool runs such a program in a host, with the libraries beside it.
func runTool(t *testing.T, h *lab.Host, program string, args ...string) string {
	t.Helper()
	libraries := must(filepath.Glob(filepath.Join(cmp.Or(os.Getenv("UVTEP_TOOLS"), "/"), "usr/lib/*-linux-gnu*")))(t)
	out, _, err := h.Run(t.Context(), "env", append([]string{"LD_LIBRARY_PATH=" + strings.Join(libraries, ":"), program}, args...)...)
	check(t, err)
	return out
}

// writeFiles writes files to a new directory, by their names in it.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o600))
	}
	return dir
}

// interfacesTried are stanzas of which every version of ifupdown2 makes the same.
var interfacesTried = map[string]string{
	"interfaces": `auto lo
iface lo inet loopback
    vxlan-local-tunnelip 192.0.2.1
auto vx6
iface vx6
    vxlan-id 6
auto vx1
iface vx1
    vxlan-id 010
    vxlan-port 04800
    vxlan-ttl 017
    vxlan-ageing 1_000
    vxlan_remoteip 192.0.2.2
    vxlan-remoteip 192.0.2.3
    vxlan-remoteip 192.0.2.2
    mtu 01400
    hwaddress ether 02:00:00:00:00:01
auto vx2
iface vx2
    vxlan-id 2
    vxlan-learning true
    vxlan-local-tunnelip 192.0.2.9/32
    vxlan-svcnodeip 192.0.2.4
    link-down yes
    mtu 1300
iface vx2 inet static
    vxlan-ttl 7
    vxlan-port 9999
iface vx3
    vxlan-id 3
    mtu 1400
iface vx4
    vxlan-id 4
    bridge-learning on
    mtu 1400
    post-up bridge fdb append 00:00:00:00:00:00 dev $IFACE dst 192.0.2.5 && /sbin/bridge fdb append 02:00:00:00:00:07 dev vx4 dst 192.0.2.7 port 4790 || true
iface vx5
    vxlan-id 5
    mtu 1400
auto br
iface br
    bridge-ports vx3 glob vx[4-4] regex vx5
    bridge-learning off
    mtu 1400
auto br2
iface br2
    bridge-ports none
    mtu 1400
`,
	"ifupdown2/policy.d/a.json": `{"vxlan": {"defaults": {"vxlan-port": "8472", "vxlan-ttl": "9"}}, "address": {"defaults": {"mtu": "1420"}}}`,
}

// ifup runs `ifup -a` with an /etc of its own, made of the files of a directory.
const ifup = `set -e
mount --make-rprivate /
mkdir -p "$2/etc/network"
cp -r /etc/iproute2 /etc/passwd /etc/group /etc/ld.so.cache "$2/etc" 2>/dev/null || true
cp -r "$3"/. "$2/etc/network"
[ -e "$1/../../../etc/network/ifupdown2" ] && cp -r "$1/../../../etc/network/ifupdown2" "$2/etc/network"
cp -r "$3/ifupdown2" "$2/etc/network"
mount --bind "$2/etc" /etc
mount -t tmpfs none /var/tmp
mount -t tmpfs none /run
mount -t sysfs none /sys # of this network namespace
mkdir -p /var/tmp/network /run/network
ln -s "$1/ifupdown2" "$2/ifup"
exec /usr/bin/python3 "$2/ifup" -a -i /etc/network/interfaces
`

// TestImportTools has real tools make links, or files, of what is imported as
// well, and compares both.
func TestImportTools(t *testing.T) {
	t.Parallel()
	h := must(lab.ForTest(t).Host("host"))(t)
	t.Run("ifupdown2", func(t *testing.T) {
		program := tool(t, "usr/share/ifupdown2/ifupdown2")
		lab.NeedKernelVXLAN(t)
		peer := must(h.Lab().Host("peer"))(t)
		must(h.Lab().Wire(h, peer, lab.WireOptions{NameA: "eth0", NameB: "eth0"}))(t)
		check(t, h.AddAddr("eth0", prefix("192.0.2.1/24")))
		dir := writeFiles(t, interfacesTried)
		mustRun(t, h, "unshare", "-m", "sh", "-c", ifup, "sh", filepath.Dir(program), t.TempDir(), dir)
		same(t, h, []string{"iproute2"}, []string{"ifupdown2", filepath.Join(dir, "interfaces")})
	})
	t.Run("netplan", func(t *testing.T) {
		program := tool(t, "usr/libexec/netplan/generate", "usr/lib/netplan/generate", "lib/netplan/generate")
		dir := writeFiles(t, map[string]string{"etc/netplan/10.yaml": netplanTried, "etc/netplan/20.yaml": "network: {tunnels: {vx2: {mode: vxlan, id: 2, ttl: 9, checksums: [udp]}}}\n"})
		runTool(t, h, program, "--root-dir", dir)
		same(t, h, []string{"netdev", filepath.Join(dir, "run/systemd/network")}, []string{"netplan", filepath.Join(dir, "etc/netplan")})
	})
	t.Run("nmcli", func(t *testing.T) {
		program := tool(t, "usr/bin/nmcli")
		for _, c := range []struct{ profile, sentence string }{
			{"ifname vx1 id 10 remote 192.0.2.2", "type vxlan id 10 remote 192.0.2.2 dstport 8472 up"},
			{"ifname vx1 id 010 local 192.0.2.1 remote 239.1.1.1 dev eth0 destination-port 4789 source-port-min 1000 source-port-max 2000 vxlan.tos 8 vxlan.ttl 5 vxlan.ageing 60 vxlan.limit 10 vxlan.learning no " +
				"vxlan.proxy yes vxlan.l2-miss yes vxlan.l3-miss yes 802-3-ethernet.mtu 1400 802-3-ethernet.cloned-mac-address 02:00:00:00:00:01 autoconnect no",
				"mtu 1400 type vxlan id 10 group 239.1.1.1 local 192.0.2.1 dev eth0 dstport 4789 srcport 1000 2000 ttl 5 tos 0x8 ageing 60 maxaddress 10 nolearning proxy l2miss l3miss"},
		} {
			profile := runTool(t, h, program, append([]string{"--offline", "connection", "add", "type", "vxlan"}, strings.Fields(c.profile)...)...)
			dir := writeFiles(t, map[string]string{"vx1.nmconnection": profile})
			file, _, err := h.Run(t.Context(), exe, "import", "nm", dir)
			check(t, err)
			words, up := strings.CutSuffix(c.sentence, " up")
			want := []string{"ip link add name vx1 " + words, "set -e"}
			if up {
				want = slices.Insert(want, 1, "ip link set dev vx1 up")
			}
			if d := gocmp.Diff(want, exported(t, h, file)); d != "" {
				t.Errorf("%s (-want +got):\n%s\nof\n%s", c.profile, d, profile)
			}
		}
	})
}

// netplanTried is YAML that netplan takes from 0.105 on.
const netplanTried = `network:
  version: 2
  ethernets:
    eth0: {}
  tunnels:
    vx1:
      mode: vxlan
      id: 1005
      link: eth0
      remote: 239.1.1.1
      local: 192.0.2.1
      ttl: 128
      type-of-service: 16
      mac-learning: false
      ageing: 42
      limit: 37
      arp-proxy: true
      notifications: [l2-miss, l3-miss]
      short-circuit: false
      checksums: [udp, zero-udp6-tx]
      extensions: [group-policy]
      port: 4789
      port-range: [2000, 1000]
      do-not-fragment: true
      mtu: 1450
      macaddress: "02:00:00:00:00:01"
      addresses: [198.51.100.1/24]
    vx2: {mode: vxlan, id: 2, local: 192.0.2.1, remote: 192.0.2.2, mac-learning: false}
    vx3: {mode: vxlan, id: 03, link: eth0, local: "2001:db8::1", remote: "2001:db8::2", port: 4789, checksums: [zero-udp6-rx], do-not-fragment: false}
`

// given is a MAC address that nobody chose.
var given = regexp.MustCompile(` address [0-9a-f:]+`)

// exported are the lines of the script that makes a file's links, sorted, without
// MAC addresses.
func exported(t *testing.T, h *lab.Host, file string) []string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file.yaml")
	check(t, os.WriteFile(name, []byte(file), 0o600))
	script, _, err := h.Run(t.Context(), exe, "export", "--to", "iproute2", "--config", name)
	check(t, err)
	lines := slices.DeleteFunc(strings.Split(given.ReplaceAllString(script, ""), "\n"), func(l string) bool { return l == "" || l[0] == '#' })
	slices.Sort(lines)
	return lines
}

// same compares what two importers make, which the lists name with their files.
func same(t *testing.T, h *lab.Host, made, imported []string) {
	t.Helper()
	var scripts [][]string
	for _, args := range [][]string{made, imported} {
		file, told, err := h.Run(t.Context(), exe, append([]string{"import"}, args...)...)
		check(t, err)
		t.Logf("import %s:\n%s", args[0], told)
		scripts = append(scripts, exported(t, h, file))
	}
	if len(scripts[0]) == 0 {
		t.Error("nothing was made")
	}
	if d := gocmp.Diff(scripts[0], scripts[1]); d != "" {
		t.Errorf("what the tool made (-) and what was imported (+):\n%s", d)
	}
}
