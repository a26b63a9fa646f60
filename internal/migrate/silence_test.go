package migrate_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// placed is where a note says that something stands.
var placed = regexp.MustCompile(`(?m)^\S+:\d+: `)

// notSilent deletes each line of an input in turn: what is printed changes, or
// what is told, the places left aside. The lines that begin with one of spared
// say nothing of VXLAN.
func notSilent(t *testing.T, text string, read func(name string) ([]byte, []string, error), name string, spared ...string) {
	t.Helper()
	outcome := func(text string) string {
		file, told, err := read(filepath.Join(written(t, map[string]string{name: text}), name))
		for i := range told {
			told[i] = placed.ReplaceAllString(told[i], "")
		}
		slices.Sort(told)
		if err != nil {
			err = fmt.Errorf("%T", err) // which names the directory
		}
		return fmt.Sprint(string(file), told, err)
	}
	whole, lines := outcome(text), strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for n, line := range lines {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || slices.ContainsFunc(spared, func(s string) bool { return strings.HasPrefix(trimmed, s) }) {
			continue
		}
		without := slices.Delete(slices.Clone(lines), n, n+1)
		if outcome(strings.Join(without, "\n")+"\n") == whole {
			t.Fatalf("line %d, %q, is of no consequence in\n%s\n%s", n+1, line, text, whole)
		}
	}
}

// some picks some of the lines, in their order.
func some(r *rand.Rand, lines ...string) (picked []string) {
	for _, l := range lines {
		if r.IntN(2) == 0 {
			picked = append(picked, l)
		}
	}
	return picked
}

// TestIfUpDown2Silence deletes the lines of generated stanzas.
func TestIfUpDown2Silence(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 11))
		lines := []string{"iface lo inet loopback", "  vxlan-local-tunnelip 192.0.2.1"}
		for n := 1; n <= 3; n++ {
			name := fmt.Sprintf("vx%d", n)
			lines = append(lines, "auto "+name, "iface "+name, fmt.Sprintf("  vxlan-id %d", n))
			lines = append(lines, some(r, "  vxlan-local-tunnelip 192.0.2.10", "  vxlan-remoteip 192.0.2.2", "  vxlan-remoteip 192.0.2.2", "  vxlan-remoteip 2001:db8::2", "  vxlan-remoteip 192.0.2.3 192.0.2.4",
				"  vxlan-svcnodeip 192.0.2.5", "  vxlan-mcastgrp 239.1.1.1", "  vxlan-learning on", "  vxlan-learning maybe", "  vxlan-ageing 0", "  vxlan-ttl auto", "  vxlan-tos 0", "  vxlan-tos 12", "  vxlan-port 8472",
				"  vxlan-physdev eth0", "  vxlan-udp-csum yes", "  vxlan-purge-remotes yes", "  vxlan-colour red", "  vxlan-remoteip-map", "  mtu 1400", "  hwaddress 02:00:00:00:00:01", "  address 198.51.100.1/24",
				"  bridge-learning off", "  post-up bridge fdb append 00:00:00:00:00:00 dev $IFACE dst 192.0.2.8", "  post-up ip link set $IFACE alias x", "  up for p in 1 2; do bridge fdb show dev $IFACE; done")...)
		}
		lines = append(lines, "iface port", "  vxlan-id 9", "auto br", "iface br", "  bridge-ports port", "  bridge-learning off", "  post-up bridge fdb append 00:00:00:00:00:00 dev port dst 192.0.2.9",
			"iface vxlan7 inet manual", "  pre-up ip link add $IFACE type vxlan id 7 dstport 4789", "allow-hotplug vxlan7", "% for v in (1, 2):", "iface vxlan${v}", "  vxlan-id ${v}", "% endfor", "vlan 5", "  vxlan-id 6")
		notSilent(t, strings.Join(lines, "\n")+"\n", migrate.IfUpDown2, "interfaces")
	}
}
