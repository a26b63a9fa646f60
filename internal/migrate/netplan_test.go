package migrate_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// TestNetplanKinds has what netplan makes of YAML (0.106 to 1.1), by networkd and
// by NetworkManager.
func TestNetplanKinds(t *testing.T) {
	for _, k := range []kind{
		{"every key", map[string]string{"a.yaml": everyNetplanKey},
			map[string]string{
				"vx1": "id=1005 dev=eth0 group=239.1.1.1 local=192.0.2.1 ttl=128 tos=0x10 learning=false ageing=42 maxaddress=37 proxy=true l2miss=true l3miss=true udpcsum=true " +
					"udp6zerocsumtx=true gbp=true dstport=4789 srcport=[1000~2000] df=set mtu=1450 address=02:00:00:00:00:01 up=true",
				"vx2": "id=2 remote=192.0.2.2 udpcsum=false dstport=8472 !dev !df=set",
				"vx3": "id=3 dev=wan0 remote=2001:db8::2 udp6zerocsumrx=true !udpcsum up=false",
				"vx4": "id=4 dev=nic2 df=unset",
				"vx5": "id=5 !dev",
			},
			[]string{"a.yaml:27: short-circuit: true is left out", "addresses: 198.51.100.1/24 is left out", "mtu 1500 of vx2 is left out: the kernel", "link: any is left out: its match names no single device",
				"vx1 stays a port of br0", "vx3 stays down: activation-mode: manual", "extensions: group-policy generic-protocol is left out: uvtep has no generic-protocol"}},
		{"NetworkManager", map[string]string{"a.yaml": "network:\n  renderer: NetworkManager\n  tunnels:\n    vx1: {mode: vxlan, id: 1, local: 192.0.2.1, do-not-fragment: true, checksums: [udp]}\n    vx2: {renderer: networkd, mode: vxlan, id: 2, local: 192.0.2.1}\n"},
			map[string]string{"vx1": "df=unset !udpcsum dstport=8472", "vx2": "udpcsum=false"}, []string{"do-not-fragment: true is left out: NetworkManager", "checksums: udp is left out"}},
		{"several files", map[string]string{
			"10.yaml": "network:\n  tunnels:\n    vx1: {mode: vxlan, id: 1, local: 192.0.2.1, ttl: 5, mtu: 1400, mac-learning: false, checksums: [udp], notifications: [l2-miss]}\n    vx2: {mode: vxlan, id: 2}\n",
			"20.yaml": "network:\n  tunnels:\n    vx1: {mode: vxlan, id: 7, ttl: 9, notifications: [l3-miss]}\n    vx2: null\n"},
			map[string]string{"vx1": "id=7 ttl=9 mtu=1400 local=192.0.2.1 l3miss=true !l2miss !learning udpcsum=false"},
			[]string{"mac-learning: false of vx1 is left out: netplan takes it from the last file", "checksums: udp of vx1 is left out"}},
		{"numbers", map[string]string{"a.yaml": "network:\n  tunnels:\n    vx1: {mode: vxlan, id: 010, port: 04789, port-range: [2000, 1000], ttl: 0, limit: many}\n"},
			map[string]string{"vx1": "id=10 dstport=4789 srcport=[1000~2000] ttl=auto"}, []string{"ttl: 0 is left out", "limit: many is left out"}},
		{"no tunnel", map[string]string{"a.yaml": "network:\n  tunnels:\n    g: {mode: gre}\nother: {}\n"}, nil, []string{"other is left out"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			file, told, err := migrate.Netplan([]string{written(t, k.files)})
			k.check(t, file, told, err)
		})
	}
	if _, _, err := migrate.Netplan([]string{written(t, map[string]string{"a.yaml": "network: ["})}); err == nil || !strings.Contains(err.Error(), "a.yaml") {
		t.Errorf("YAML that ends in the middle: %v", err)
	}
}

const everyNetplanKey = `network:
  version: 2
  ethernets:
    eth0: {}
    nic1: {match: {macaddress: "02:00:00:00:00:aa"}, set-name: wan0}
    nic2: {match: {name: nic2}}
    any: {match: {name: "en*"}}
  bridges:
    br0: {interfaces: [vx1]}
  tunnels:
    vx1:
      mode: vxlan
      id: 1005
      link: eth0
      remote: 239.1.1.1
      local: 192.0.2.1
      ttl: 128
      type-of-service: 16
      mac-learning: no
      ageing: 42
      limit: 37
      arp-proxy: yes
      notifications:
      - l2-miss
      - l3-miss
      checksums: [udp, zero-udp6-tx]
      short-circuit: true
      extensions: [group-policy]
      port: 4789
      port-range: [1000, 2000]
      do-not-fragment: true
      mtu: 1450
      macaddress: "02:00:00:00:00:01"
      addresses: [198.51.100.1/24]
    vx2: {mode: vxlan, id: 2, local: 192.0.2.1, remote: 192.0.2.2}
    vx3: {mode: vxlan, id: 3, link: nic1, local: "2001:db8::1", remote: "2001:db8::2", port: 4789, checksums: [zero-udp6-rx], activation-mode: manual}
    vx4: {mode: vxlan, id: 4, link: nic2, do-not-fragment: false, extensions: [group-policy, generic-protocol], port: 4789}
    vx5: {mode: vxlan, id: 5, link: any}
`

// TestNetplanDirs: a file of /run takes the place of one of its name in /etc.
func TestNetplanDirs(t *testing.T) {
	dir := written(t, map[string]string{
		"etc/10.yaml": "network: {tunnels: {vx1: {mode: vxlan, id: 1}}}", "run/10.yaml": "network: {tunnels: {vx2: {mode: vxlan, id: 2}}}", "etc/20.yaml": "network: {tunnels: {vx3: {mode: vxlan, id: 3}}}",
	})
	file, told, err := migrate.Netplan([]string{filepath.Join(dir, "etc"), filepath.Join(dir, "run")})
	k := kind{links: map[string]string{"vx2": "id=2", "vx3": "id=3"}}
	k.check(t, file, told, err)
	if _, _, err := migrate.Netplan([]string{filepath.Join(dir, "nowhere")}); err == nil {
		t.Error("a directory that is not there")
	}
}

// TestNetplanSilence deletes the lines of generated tunnels.
func TestNetplanSilence(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 12))
		lines := []string{"network:", "  ethernets:", "    eth0: {}", "  tunnels:"}
		for n := 1; n <= 2; n++ {
			lines = append(lines, fmt.Sprintf("    vx%d:", n), "      mode: vxlan", fmt.Sprintf("      id: %d", n))
			lines = append(lines, some(r, "      link: eth0", "      link: nowhere", "      remote: 239.1.1.1", "      local: 192.0.2.1", "      local: dhcp4", "      ttl: 0", "      type-of-service: 16", "      mac-learning: yes",
				"      ageing: 42", "      limit: x", "      arp-proxy: perhaps", "      notifications: [l2-miss, l3-miss]", "      checksums: [udp]", "      short-circuit: false", "      extensions: [generic-protocol]", "      port: 4789",
				"      port-range: [0, 0]", "      flow-label: 0", "      do-not-fragment: true", "      mtu: 1450", "      macaddress: 02:00:00:00:00:01", "      addresses: [198.51.100.1/24]", "      colour: red")...)
		}
		notSilent(t, strings.Join(lines, "\n")+"\n", func(name string) ([]byte, []string, error) { return migrate.Netplan([]string{name}) }, "a.yaml", "eth0:", "ethernets:")
	}
}

// TestNetplanEmpty: YAML that is none of netplan's makes no link.
func TestNetplanEmpty(t *testing.T) {
	for _, text := range []string{"", "- a", "network", "network: {tunnels: [1]}", "network: {tunnels: {a: &a {mode: vxlan, id: *a}}}", "network: {tunnels: {a: 7}}"} {
		name := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if file, _, err := migrate.Netplan([]string{name}); err == nil {
			t.Errorf("%q: %s", text, file)
		}
	}
}
