package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/bgp"
)

// TestFile: all words of a file.
func TestFile(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := parse("f", []byte(`
as: 4200000001
router-id: 192.0.2.1
control: /run/c
socket: /run/s
metrics: 127.0.0.1:9473
listen: ["192.0.2.1:1179"]
ipv6: true
stale-time: 60
linger: 3
dup-addr-detection: {max-moves: 7, time: 90}
neighbors:
  - {address: 192.0.2.254, remote-as: 65001, port: 1179, password-file: `+key+`, passive: true, ebgp-multihop: 3, hold-time: 9, connect-retry: 2, update-source: 192.0.2.1, dev: vrf0, maximum-prefix: 10, maximum-prefix-action: reset}
  - {address: "2001:db8::1", remote-as: 65002, ttl-security: true}
  - {address: 192.0.2.253, remote-as: internal}
  - {address: 192.0.2.252, remote-as: external}
links:
  - all
  - vxlan7
  - {name: vxlan42, import: ["65001:42", "192.0.2.1:7"], export: ["65001:42"], rd: "192.0.2.1:5", flood: false, advertise: [mac]}
`))
	if err != nil {
		t.Fatal(err)
	}
	n := f.Neighbours[0]
	if n.Password != "secret" || n.Port != 1179 || !n.Passive || n.Hops != 3 || n.HoldTime.Seconds() != 9 || n.ConnectRetry.Seconds() != 2 || n.Device != "vrf0" || n.Limit != 10 || n.LimitAction != bgp.LimitReset {
		t.Errorf("the neighbour is %+v", n)
	}
	if !f.Neighbours[1].TTLSecurity || f.StaleTime.Seconds() != 60 || f.Linger.Seconds() != 3 || f.Duplicate.Moves != 7 || !f.IPv6 || len(f.Listen) != 1 {
		t.Errorf("the file is %+v", f)
	}
	if in, ex := f.Neighbours[2], f.Neighbours[3]; in.RemoteAS != f.AS || in.External || ex.RemoteAS != 0 || !ex.External {
		t.Errorf("the neighbours are %+v, %+v", in, ex)
	}
	l := f.Links.ByName["vxlan42"]
	if !f.Links.All || len(f.Links.ByName) != 2 || len(l.Import) != 2 || len(l.Export) != 1 || l.RD == (bgp.RD{}) || !l.NoFlood || l.NoMAC || !l.NoNeighbours {
		t.Errorf("the links are %+v", f.Links)
	}
}

// TestFileMistakes: each is told with what to write.
func TestFileMistakes(t *testing.T) {
	const good = "as: 65001\nrouter-id: 192.0.2.1\nlinks: all\nneighbors:\n  - {address: 192.0.2.2, remote-as: 65001}\n"
	for _, c := range []struct{ old, new, want string }{
		{good, "", "is empty"},
		{"as: 65001", "as: 0", "write this host's AS number"},
		{"router-id: 192.0.2.1", "router-id: 2001:db8::1", "router-id"},
		{"links: all", "links: none", "write all, or a list"},
		{"links: all", "", "links is missing"},
		{"links: all", "asn: 3\nlinks: all", "asn"},
		{"remote-as: 65001", "remote-as: 65001, weight: 3", `f: line 5: unknown key "weight"`},
		{", remote-as: 65001", "", "f:5: neighbor 192.0.2.2 has no remote-as"},
		{"remote-as: 65001", "remote-as: 0", "f:5: neighbor 192.0.2.2 has no remote-as"},
		{"remote-as: 65001", "remote-as: inside", `line 5: remote-as is "inside": write an AS number, internal or external`},
		{"remote-as: 65001", "remote-as: 4294967296", `remote-as is "4294967296"`},
		{"remote-as: 65001", "remote-as: 65001, hold-time: 1", "f:5: hold-time 1 is out of range"},
		{"remote-as: 65001", "remote-as: 65001, password-file: /nowhere", "f:5: password-file"},
		{"remote-as: 65001", "remote-as: 65001, maximum-prefix-action: none", "write discard, reset or warn"},
		{"remote-as: 65001", `remote-as: 65001, update-source: "2001:db8::1"`, "another family"},
		{"links: all", "links: [{name: v, import: [x]}]", "f:3: bgp: route target"},
		{"links: all", "links: [{name: v, advertise: [all]}]", `f:3: advertise "all"`},
		{"links: all", "links: [v, v]", "that of another"},
		{"links: all", "links: all\nstale-time: 0", "stale-time 0"},
		{"links: all", "links: all\nlinger: -1", "linger -1"},
		{"  - {address: 192.0.2.2, remote-as: 65001}\n", "  - {address: 192.0.2.2, remote-as: 1}\n  - {address: 192.0.2.2, remote-as: 1}\n", "f:6: neighbor 192.0.2.2 is there twice"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if _, err := parse("f", []byte(text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", text, err, c.want)
		}
	}
	if f, err := parse("f", []byte(good)); err != nil || f.Linger != defaultLinger {
		t.Errorf("%+v, %v", f, err)
	}
}
