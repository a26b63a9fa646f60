package interop_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/uvtep/uvtep/test/lab"
)

// importedDevices are commands that make devices of the kernel, each with the keys of the
// imported link that are not those of a plain one.
func importedDevices() []struct {
	make []string
	keys string // YAML
} {
	return []struct {
		make []string
		keys string
	}{
		{[]string{"link add name vx1 type vxlan id 1 remote 192.0.2.2 local 192.0.2.1 dev eth0 dstport 4789", "link set vx1 up"},
			"{id: 1, remote: 192.0.2.2, local: 192.0.2.1, dev: eth0, dstport: 4789, up: true}"},
		{[]string{"link add name vx2 mtu 1200 numtxqueues 3 numrxqueues 3 type vxlan id 2 remote 192.0.2.2 dev eth0 dstport 4790 srcport 50000 51000 ttl 7 tos 0x1c df set ageing 55 maxaddress 99 nolearning proxy l2miss l3miss noudpcsum udp6zerocsumtx udp6zerocsumrx"},
			"{id: 2, remote: 192.0.2.2, dev: eth0, dstport: 4790, srcport: [50000, 51000], ttl: 7, tos: '0x1c', df: set, ageing: 55, maxaddress: 99, learning: false, proxy: true, l2miss: true, l3miss: true, udpcsum: false, udp6zerocsumtx: true, udp6zerocsumrx: true, mtu: 1200, queues: 3}"},
		{[]string{"link add name vx3 type vxlan id 3 remote 192.0.2.2 dev eth0 dstport 4791 gbp ttl inherit tos inherit df inherit ageing 0"},
			"{id: 3, remote: 192.0.2.2, dev: eth0, dstport: 4791, gbp: true, ttl: inherit, tos: inherit, df: inherit}"},
		{[]string{"link add name vx4 type vxlan id 4 remote 2001:db8::2 local 2001:db8::1 dev eth0 dstport 4789 flowlabel 0x12345"},
			"{id: 4, remote: '2001:db8::2', local: '2001:db8::1', dev: eth0, dstport: 4789, flowlabel: '0x12345'}"},
		{[]string{"link add name vx5 type vxlan id 5 group 239.1.1.1 dev eth0 dstport 4792"}, "{id: 5, group: 239.1.1.1, dev: eth0, dstport: 4792}"},
		{[]string{"link add name vx6 type vxlan id 6 dstport 0"}, "{id: 6, dstport: 8472}"},
		{[]string{"link add name vx7 type vxlan id 7 local fe80::1 dev eth0 dstport 4793"}, "{id: 7, local: 'fe80::1', dev: eth0, dstport: 4793}"},
		{[]string{"link add name vx8 type vxlan external dstport 4794"}, ""},
		{[]string{"link add name vx9 type vxlan id 9 dev eth0 local 192.0.2.1 dstport 4795", "fdb append 00:00:00:00:00:00 dev vx9 dst 192.0.2.3", "fdb append 00:00:00:00:00:00 dev vx9 dst 192.0.2.4 port 1 vni 2 via eth0",
			"fdb add 02:00:00:00:00:09 dev vx9 dst 192.0.2.3 self static extern_learn router"},
			`{id: 9, dev: eth0, local: 192.0.2.1, dstport: 4795, fdb: [{mac: "00:00:00:00:00:00", dst: 192.0.2.3, state: permanent}, {mac: "00:00:00:00:00:00", dst: 192.0.2.4, port: 1, vni: 2, via: eth0, state: permanent}, {mac: "02:00:00:00:00:09", dst: 192.0.2.3, state: static, extern_learn: true, router: true}]}`},
	}
}

// plainKeys are the keys of an imported link of which nothing was said.
const plainKeys = "{ttl: auto, df: unset, ageing: 300, maxaddress: unlimited, learning: true, proxy: false, l2miss: false, l3miss: false, udpcsum: true, udp6zerocsumtx: false, udp6zerocsumrx: false, localbypass: true, gbp: false, accept: any, moveguard: 'off', loopguard: 'off', reserved: drop, up: false}"

// TestImportKeys compares what is imported of the kernel's devices with the commands that made them, key by key: of
// the running kernel, of its dumps, and of one device's dumps.
func TestImportKeys(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"ip", "bridge"} {
		installed(t, program)
	}
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	h, peer := must(l.Host("a"))(t), must(l.Host("b"))(t)
	must(l.Wire(h, peer, lab.WireOptions{NameA: "eth0", NameB: "eth0"}))(t)
	want := map[string]map[string]any{}
	for i, d := range importedDevices() {
		for _, command := range d.make {
			program := "ip"
			if strings.HasPrefix(command, "fdb") {
				program = "bridge"
			}
			mustRun(t, h, program, strings.Fields(command)...)
		}
		if d.keys != "" {
			want[fmt.Sprintf("vx%d", i+1)] = keysOf(t, d.keys)
		}
	}
	dir := t.TempDir()
	dump := func(name string, program string, args ...string) string {
		name = filepath.Join(dir, name)
		check(t, os.WriteFile(name, []byte(mustRun(t, h, program, args...)), 0o600))
		return name
	}
	links, fdb := dump("links", "ip", "-d", "-j", "link", "show"), dump("fdb", "bridge", "-j", "fdb", "show")
	link9, fdb9 := dump("link9", "ip", "-d", "-j", "link", "show", "dev", "vx9"), dump("fdb9", "bridge", "-j", "fdb", "show", "dev", "vx9")
	for _, args := range [][]string{nil, {links, fdb}} {
		compareKeys(t, mustRun(t, h, exe, append([]string{"import", "iproute2"}, args...)...), want)
	}
	// Of one device alone, its lower one's MTU is not known, so its own is said.
	alone := maps.Clone(want["vx9"])
	alone["mtu"] = 1450
	compareKeys(t, mustRun(t, h, exe, "import", "iproute2", link9, fdb9), map[string]map[string]any{"vx9": alone})
}

// compareKeys compares the links of a file with those that are wanted, but for the
// addresses that the kernel chose.
func compareKeys(t *testing.T, file string, want map[string]map[string]any) {
	t.Helper()
	var f struct{ Links []map[string]any }
	check(t, yaml.Unmarshal([]byte(file), &f))
	got, plain := map[string]map[string]any{}, keysOf(t, plainKeys)
	for _, l := range f.Links {
		name, _ := l["name"].(string)
		delete(l, "name")
		delete(l, "address")
		got[name] = withDefaults(l, plain)
	}
	wanted := map[string]map[string]any{}
	for name, l := range want {
		wanted[name] = withDefaults(l, plain)
	}
	if diff := gocmp.Diff(wanted, got); diff != "" {
		t.Errorf("the keys of the commands (-) and of what was imported (+):\n%s", diff)
	}
}

// withDefaults is a link with the keys that an ip, or a kernel, does not print, and
// its entries in an order, which the kernel's are in by chance.
func withDefaults(l, plain map[string]any) map[string]any {
	all := maps.Clone(plain)
	maps.Copy(all, l)
	if entries, ok := all["fdb"].([]any); ok {
		slices.SortFunc(entries, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return all
}

func keysOf(t *testing.T, text string) (keys map[string]any) {
	t.Helper()
	check(t, yaml.Unmarshal([]byte(text), &keys))
	return keys
}
