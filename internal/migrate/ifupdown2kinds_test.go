package migrate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/uvtep/uvtep/internal/migrate"
)

// written writes files to a directory of the test's, by their names in it.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// says is what a file that was made says of its links, KEY=VALUE, by their names.
func says(t *testing.T, file []byte) map[string][]string {
	t.Helper()
	if file == nil {
		return map[string][]string{}
	}
	loaded(t, file)
	var made struct{ Links []map[string]any }
	if err := yaml.Unmarshal(file, &made); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, l := range made.Links {
		var said []string
		for key, v := range l {
			if key == "fdb" {
				for _, e := range v.([]any) {
					said = append(said, fmt.Sprint(e))
				}
				continue
			}
			said = append(said, fmt.Sprintf("%s=%v", key, v))
		}
		all[l["name"].(string)] = said
	}
	return all
}

// kind is an input, and what is right of it.
type kind struct {
	name  string
	files map[string]string
	links map[string]string // the words that a link has, and those that it has not, with a ! before them
	told  []string          // what is said of it
}

func (k *kind) check(t *testing.T, file []byte, told []string, err error) {
	t.Helper()
	if _, nothing := errors.AsType[*migrate.NothingError](err); err != nil && (!nothing || len(k.links) > 0) {
		t.Fatal(err)
	}
	got := says(t, file)
	if len(got) != len(k.links) {
		t.Errorf("%d links, want %d:\n%s", len(got), len(k.links), file)
	}
	for name, want := range k.links {
		for word := range strings.FieldsSeq(want) {
			word, not := strings.CutPrefix(word, "!")
			word = strings.ReplaceAll(word, "~", " ")
			if has := slices.ContainsFunc(got[name], func(s string) bool { return s == word || not && strings.HasPrefix(s, word+"=") }); has == not {
				t.Errorf("%s: %s is %v, want %v; it says %q", name, word, has, !not, got[name])
			}
		}
	}
	all := strings.Join(told, "\n")
	for _, want := range k.told {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q:\n%s", want, all)
		}
	}
}

const lo = "auto lo\niface lo inet loopback\n    vxlan-local-tunnelip 192.0.2.1\n"

// TestIfUpDown2Kinds has what ifupdown2 3.0.0 and 3.9.0, ifupdown-ng 0.11 and
// 0.12 and ifupdown's commands make of stanzas, each of a kind that is read
// otherwise than one would think.
func TestIfUpDown2Kinds(t *testing.T) {
	for _, k := range []kind{
		{"a template's loop", map[string]string{"interfaces": lo + `
auto vx1
iface vx1
    vxlan-id 1
% for v in [20, 30]:
auto vx${v}
iface vx${v}
    vxlan-id ${v}
    vxlan-port 8472
% endfor
    vxlan-ttl 9
auto vx2
iface vx2
    vxlan-id 2
<%
port = 5000
%>
    vxlan-ttl 7
%if True:
    vxlan-ageing 60
%endif
`}, map[string]string{"vx1": "id=1 dstport=4789 !ttl", "vx2": "id=2 ttl=7 !ageing"},
			[]string{`"vxlan-port 8472"`, `"vxlan-ttl 9" is left out: it follows an iface of a template`, `"port = 5000"`, `"vxlan-ageing 60"`}},
		{"no template", map[string]string{"interfaces": "auto vx1\niface vx1\n    vxlan-id 1\n    post-up bridge fdb append 00:00:00:00:00:00 dev ${IFACE} dst 192.0.2.9\n"},
			map[string]string{"vx1": "id=1 map[dst:192.0.2.9~mac:00:00:00:00:00:00~state:permanent]"}, nil},
		{"a peer twice", map[string]string{"interfaces": lo + "auto vx1\niface vx1\n    vxlan-id 1\n    vxlan_remoteip 192.0.2.2\n    vxlan_remoteip 192.0.2.2\n"},
			map[string]string{"vx1": "map[dst:192.0.2.2~mac:00:00:00:00:00:00~state:permanent]"}, []string{"interfaces:8: vxlan-remoteip 192.0.2.2 is left out: it has been said before"}},
		{"commands make the link", map[string]string{"interfaces": `
iface vxlan7 inet manual
    pre-up /sbin/ip link add $IFACE type vxlan id 7 dstport 4789 || true
    up bridge fdb append 00:00:00:00:00:00 dev $IFACE dst 192.0.2.2
    post-up /etc/network/vxlan-up.sh
auto br7
iface br7 inet manual
    bridge_ports vxlan7
`}, nil, []string{"vxlan7 is made by this command; uvtep import iproute2", "interfaces:4: up bridge fdb", "vxlan-up.sh is left out", "bridge-ports vxlan7"}},
		{"source-directory", map[string]string{"interfaces": lo + "source-directory more\n", "more/a.intf": "auto vx1\niface vx1\n vxlan-id 1\n", "more/b": "auto vx2\niface vx2\n vxlan-id 2\n", "more/sub/c": "iface vx3\n vxlan-id 3\n"},
			map[string]string{"vx1": "id=1 local=192.0.2.1", "vx2": "id=2"}, nil},
		{"decimal numbers", map[string]string{"interfaces": "auto vx1\niface vx1\n vxlan-id 011\n vxlan-ttl 017\n vxlan-ageing 0_600\n vxlan-port 05000\n vxlan-tos 010\n mtu 01400\n vxlan-udp-csum true\n"},
			map[string]string{"vx1": "id=11 ttl=17 ageing=600 dstport=5000 tos=0xa mtu=768 udpcsum=false"}, []string{"ifupdown2 reads vxlan-udp-csum true as no"}},
		{"learning of bridges", map[string]string{"interfaces": lo + `
auto a
iface a
    vxlan-id 1
auto b
iface b
    vxlan-id 2
    bridge-learning on
auto c
iface c
    vxlan-id 3
    vxlan-learning on
auto d
iface d
    vxlan-id 4
    bridge-learning off
auto e
iface e
    vxlan-id 5
auto f
iface f
    vxlan-id 6
auto br
iface br
    bridge-ports a b c
    bridge-learning off
auto br2
iface br2
    bridge_ports glob e[0-3]x e f
    bridge_learning e=off f=on
`}, map[string]string{"a": "learning=false", "b": "learning=true", "c": "learning=true", "d": "!learning", "e": "learning=false", "f": "learning=true"}, nil},
		{"policies", map[string]string{"interfaces": "auto vx1\niface vx1\n vxlan-id 1\n vxlan-ttl 3\nauto vx2\niface vx2\n vxlan-id 2\n mtu 1300\n vxlan-mcastgrp 239.1.1.2\n",
			"ifupdown2/policy.d/a.json": `{"vxlan": {"defaults": {"vxlan-port": 8472, "vxlan-ttl": "9", "vxlan-learning": "no", "vxlan-colour": "red", "vxlan-local-tunnelip": "192.0.2.7"}}, "address": {"defaults": {"mtu": "1400"}}, "README": "no module"}`,
			"ifupdown2/policy.d/b.json": `{"vxlan": {"module_globals": {"vxlan-physdev-mcastgrp": "eth9"}}}`, "ifupdown2/policy.d/c.json": "{"},
			map[string]string{"vx1": "dstport=8472 ttl=3 learning=false mtu=1400 local=192.0.2.7 !dev", "vx2": "ttl=9 mtu=1300 group=239.1.1.2 dev=eth9"},
			[]string{"vxlan-colour red is left out", "c.json:1: it is left out"}},
		{"commands add entries", map[string]string{"interfaces": `
auto vx1
iface vx1
    vxlan-id 1
    vxlan-remoteip 192.0.2.2
    post-up bridge fdb append 00:00:00:00:00:00 dev $IFACE dst 192.0.2.3 && bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.4; true
    post-up bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.2
    up for p in 192.0.2.5 192.0.2.6; do bridge fdb append 00:00:00:00:00:00 dev vx1 dst $p; done
    down bridge fdb del 00:00:00:00:00:00 dev vx1 dst 192.0.2.3
auto br0
iface br0
    bridge-ports vx1
    post-up bridge fdb add 02:00:00:00:00:07 dev vx1 dst 192.0.2.7 port 4790 vni 9 self static || true
`}, map[string]string{"vx1": "map[dst:192.0.2.2~mac:00:00:00:00:00:00~state:permanent] map[dst:192.0.2.7~mac:02:00:00:00:00:07~port:4790~state:static~vni:9]"},
			[]string{"interfaces:8: up for p in", "interfaces:9: down bridge fdb del", "interfaces:7: post-up bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.2 is left out: it has been said before"}},
		{"ranges", map[string]string{"interfaces": lo + "auto vx[8-11]\niface vx[8-11]\n vxlan-port 4800\niface vx8\n vxlan-id 8\niface vx10\n vxlan-id 10\nauto r[1-2]\niface r[1-2]\n vxlan-id 5\niface x[1-99999]\n vxlan-id 6\n"},
			map[string]string{"vx8": "id=8 dstport=4800 up=true", "vx10": "id=10 dstport=4800", "r1": "id=5"},
			[]string{"r2 is left out: r1 has its vxlan-id", "vxlan-port 4800 is left out: vx9 has no vxlan-id", "x[1-99999] is left out"}},
		{"two stanzas of a name", map[string]string{"interfaces": "auto vx1\niface vx1\n vxlan-id 1\n vxlan-port 8472\n mtu 1400\niface vx1 inet static\n address 198.51.100.1/24\n vxlan-ttl 7\n vxlan-port 5000\n mtu 1300\n"},
			map[string]string{"vx1": "id=1 dstport=8472 ttl=7 mtu=1400"}, []string{"vxlan-port 5000 is left out: the first one counts", "mtu 1300 is left out", "address 198.51.100.1/24 is left out"}},
		{"states", map[string]string{"interfaces": `
iface late
    vxlan-id 1
auto late
allow-hotplug hot
iface hot
    vxlan-id 2
iface raw
    vxlan-id 3
auto raw.5
iface raw.5
iface p1
    vxlan-id 4
iface p2
    vxlan-id 5
    link-down yes
iface p3
    vxlan-id 6
iface p4
    vxlan-id 7
iface p5
    vxlan-id 8
iface idle
    bridge-ports p5
auto br
iface br
    bridge-ports glob p[1-2] regex p[3] glob q*
auto over
iface over
    vlan-raw-device p4
    vlan-id 5
`}, map[string]string{"late": "up=false", "hot": "up=false", "raw": "up=true", "p1": "up=true", "p2": "up=false", "p3": "up=true", "p4": "up=true", "p5": "up=false"},
			[]string{"auto late stands behind its iface", "allow-hotplug hot does not count", "p2 stays down: link-down"}},
		{"ifupdown-ng 0.11", map[string]string{"interfaces": lo + "iface vx1\n vxlan-id 1\n vxlan-local-ip 192.0.2.5\n vxlan-remote-ip 192.0.2.2\n vxlan-dstport 8472\n vxlan-ageing 60\n vxlan-learning off\nauto vx1\nauto vx2\niface vx2\n vxlan-id 2\n vxlan-remote-group 239.1.1.1\n vxlan-physdev eth0\n"},
			map[string]string{"vx1": "remote=192.0.2.2 local=192.0.2.5 dstport=8472 ageing=60 learning=false up=true", "vx2": "group=239.1.1.1 dev=eth0 dstport=4789 !local"}, nil},
		{"ifupdown-ng 0.12", map[string]string{"interfaces": "template base\n vxlan-local-ip 2001:db8::1\n mtu 1430\nauto vx1\niface vx1\n inherit base\n vxlan-id 1\n vxlan-peer-ips 2001:db8::2 2001:db8::3\n vxlan-evpn yes\n"},
			map[string]string{"vx1": "local=2001:db8::1 mtu=1430 !remote map[dst:2001:db8::2~mac:00:00:00:00:00:00~state:permanent] map[dst:2001:db8::3~mac:00:00:00:00:00:00~state:permanent]"}, []string{"vxlan-evpn yes"}},
		{"continued lines", map[string]string{"interfaces": "# a comment \\\nauto gone\nauto vx1\niface vx1\n vxlan-id 1\n post-up bridge fdb append 00:00:00:00:00:00 \\\n\n  dev vx1 dst 192.0.2.3\n"},
			map[string]string{"vx1": "map[dst:192.0.2.3~mac:00:00:00:00:00:00~state:permanent]"}, nil},
		{"the MTU", map[string]string{"interfaces": "auto a\niface a\n vxlan-id 1\nauto b\niface b\n vxlan-id 2\n vxlan-physdev eth0\n address 198.51.100.1/24\nauto c\niface c\n vxlan-id 3\n vxlan-dstport 4789\n"},
			map[string]string{"a": "!mtu", "b": "!mtu", "c": "!mtu"},
			[]string{"mtu 1500 of a is left out: ifupdown2", "where eth0 takes that", "mtu 1500 of c is left out: the kernel", "without which ifupdown2 sets 1500"}},
		{"no link", map[string]string{"interfaces": "auto vx1\niface vx1\n vxlan-vni 10\n vrf red\n vxlan-port 8472\nauto eth0\niface eth0 inet dhcp\n up ip link set eth0 up\n"}, nil,
			[]string{"vx1 is left out: vxlan-vni is of a device with many VNIs", "vxlan-port 8472 is left out with it"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			file, told, err := migrate.IfUpDown2(filepath.Join(written(t, k.files), "interfaces"))
			k.check(t, file, told, err)
		})
	}
}
