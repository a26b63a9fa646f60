package migrate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/config"
)

// check holds what an importer made to what it promises: a file that the daemon
// takes, and notes of one line.
func check(t *testing.T, links []*fileLink, n *notes) {
	t.Helper()
	file, err := fileOf(links, n)
	if err != nil {
		t.Fatal(err)
	}
	told := strings.Join(*n, "\n")
	if _, err := config.Read("", file); err != nil && !strings.Contains(told, "of what is printed: ") {
		t.Errorf("the daemon refuses it: %v\n%s", err, file)
	}
	for _, note := range *n {
		if strings.ContainsAny(note, "\n\r\x1b") {
			t.Errorf("not one line: %q", note)
		}
	}
}

func FuzzNetDev(f *testing.F) {
	names, err := filepath.Glob("testdata/networkd/*.netdev")
	if err != nil || len(names) == 0 {
		f.Fatal(err, names)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		network, err := os.ReadFile("testdata/networkd/20-vx.network")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), string(network))
	}
	f.Fuzz(func(t *testing.T, text, own string) {
		r := &netdevReader{names: map[string]bool{}}
		if sections, err := parseUnit("n", own, &r.notes); err == nil {
			r.networks = []network{{unit: unit{"n", sections}, match: networkMatch(sections, &r.notes)}}
		}
		var links []*fileLink
		if sections, err := parseUnit("f", text, &r.notes); err == nil {
			if l := r.link(&unit{"f", sections}); l != nil {
				links = append(links, l)
			}
		}
		r.strangers()
		check(t, links, &r.notes)
	})
}

func FuzzIfUpDown2(f *testing.F) {
	text, err := os.ReadFile("testdata/interfaces")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		i := &interfaces{files: func(string) ([]byte, error) { return []byte("iface x\nvxlan-id 1\n"), nil }}
		i.file("f", text)
		links := i.links()
		check(t, links, &i.notes)
	})
}

func FuzzNetplan(f *testing.F) {
	f.Add("network: {tunnels: {vx1: {mode: vxlan, id: 1, link: eth0, remote: 239.1.1.1, checksums: [udp], port-range: [1, 2]}}, ethernets: {eth0: {match: {name: e}}}}", "network: {tunnels: {vx1: {ttl: 3, mtu: null}}}")
	f.Fuzz(func(t *testing.T, one, two string) {
		r := &netplan{defs: map[string]*netplanDef{}}
		if r.merge("1", []byte(one)) == nil && r.merge("2", []byte(two)) == nil {
			check(t, r.links(), &r.notes)
		}
	})
}

func FuzzNM(f *testing.F) {
	f.Add("[connection]\ntype=vxlan\ninterface-name=vx1\n[vxlan]\nid=1\nremote=192.0.2.2\nsource-port-min=1\nparent=eth0\n[ethernet]\nmtu=1400\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := &nmReader{names: map[string]string{}}
		links := []*fileLink{r.link(r.parse("f", text))}
		check(t, links, &r.notes)
	})
}

func FuzzPolicy(f *testing.F) {
	f.Add(`{"vxlan": {"defaults": {"vxlan-port": "8472", "vxlan-local-tunnelip": 1}, "module_globals": {}}, "bridge": {"iface_defaults": {"x": {"bridge-learning": "off"}}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		i := &interfaces{files: func(string) ([]byte, error) { return []byte(text), nil }}
		i.file("f", "auto x\niface x\nvxlan-id 1\niface b\nbridge-ports x\n")
		all := policyModules{}
		_ = all.read(i, "p") // what cannot be read is told
		i.policy = policy{modules: []policyModules{all}}
		links := i.links()
		check(t, links, &i.notes)
	})
}
