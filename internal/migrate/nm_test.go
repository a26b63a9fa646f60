package migrate_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// TestNMKinds has profiles as nmcli writes them (1.42), and as people do.
func TestNMKinds(t *testing.T) {
	const uuid = "11111111-2222-3333-4444-555555555555"
	for _, k := range []kind{
		{"every key", map[string]string{"vx1.nmconnection": `# by hand
[connection]
id=tenant
uuid=` + uuid + `
type=vxlan
autoconnect=false
interface-name=vx1
master=br0
slave-type=bridge

[ethernet]
cloned-mac-address=02:00:00:00:00:01
mtu=1400

[vxlan]
ageing=60
destination-port=4789
id=10
l2-miss=true
l3-miss=true
learning=false
limit=10
local=192.0.2.1
parent=eth0
proxy=true
remote=192.0.2.2
rsc=true
source-port-max=2000
source-port-min=1000
tos=8
ttl=5
colour=red

[ipv4]
address1=198.51.100.1/24
method=manual
`}, map[string]string{"vx1": "id=10 remote=192.0.2.2 local=192.0.2.1 dev=eth0 dstport=4789 srcport=[1000~2000] ttl=5 tos=0x8 ageing=60 maxaddress=10 learning=false proxy=true l2miss=true l3miss=true mtu=1400 address=02:00:00:00:00:01 up=false !udpcsum"},
			[]string{"vx1.nmconnection:6: vx1 stays down", "rsc=true is left out: uvtep has no such", "colour=red is left out", "master=br0 is left out", "address1=198.51.100.1/24 is left out"}},
		{"what is not said", map[string]string{"a": "[connection]\ntype=vxlan\ninterface-name=vx2\n[vxlan]\nid=11\nremote=ff02::1\n"},
			map[string]string{"vx2": "id=11 group=ff02::1 dstport=8472 ttl=auto up=true !learning !mtu"}, []string{"mtu 1500 of vx2 is left out: the kernel", "no cloned-mac-address"}},
		{"a parent's profile", map[string]string{"eth.nmconnection": "[connection]\ntype=ethernet\nuuid=" + uuid + "\ninterface-name=wan0\n", "vx.nmconnection": "[connection]\ntype=vxlan\ninterface-name=vx3\n[vxlan]\nid=3\nid=4\nparent=" + uuid + "\n",
			"vy.nmconnection": "[connection]\ntype=vxlan\ninterface-name=vx4\n[vxlan]\nid=5\nparent=99999999-2222-3333-4444-555555555555\n", "vx.nmconnection~": "[connection]\ntype=vxlan\n", ".hidden": "[connection]\ntype=vxlan\n"},
			map[string]string{"vx3": "id=4 dev=wan0", "vx4": "id=5 !dev"}, []string{"id=3 is left out: it is said again", "parent=99999999-2222-3333-4444-555555555555 is left out: no profile"}},
		{"two of a name", map[string]string{"a": "[connection]\ntype=vxlan\ninterface-name=vx1\n[vxlan]\nid=1\n", "b": "[connection]\ntype=vxlan\ninterface-name=vx1\n[vxlan]\nid=2\nstray\n", "c": "[connection]\nuuid=u\ntype=vxlan\ninterface-name=vx5\n[vxlan]\nid=5\n", "d": "[connection]\nuuid=u\ntype=vxlan\ninterface-name=vx6\n[vxlan]\nid=6\n"},
			map[string]string{"vx1": "id=1", "vx5": "id=5"}, []string{"NetworkManager activates one profile", `"stray" is left out`, "a file before it has its uuid"}},
		{"no profile", map[string]string{"a": "[connection]\ntype=ethernet\n"}, nil, nil},
	} {
		t.Run(k.name, func(t *testing.T) {
			file, told, err := migrate.NM([]string{written(t, k.files)})
			k.check(t, file, told, err)
		})
	}
	if _, _, err := migrate.NM([]string{"testdata/nowhere"}); err == nil {
		t.Error("a directory that is not there")
	}
}

// TestNMSilence deletes the lines of generated profiles.
func TestNMSilence(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 13))
		lines := append([]string{"[connection]", "type=vxlan", "interface-name=vx1"}, some(r, "autoconnect=no", "master=br0")...)
		lines = append(append(lines, "[ethernet]"), some(r, "mtu=0", "mtu=1400", "cloned-mac-address=random", "cloned-mac-address=02:00:00:00:00:02")...)
		lines = append(append(lines, "[vxlan]", fmt.Sprintf("id=%d", 2+seed)), some(r, "ageing=300", "destination-port=4789", "l2-miss=true", "l3-miss=maybe", "learning=true", "limit=0", "local=192.0.2.1", "parent=eth0", "proxy=true",
			"remote=192.0.2.2", "remote=192.0.2.2x", "rsc=false", "source-port-min=0", "source-port-max=900", "tos=8", "ttl=300", "colour=red", "ageing=60")...)
		notSilent(t, strings.Join(lines, "\n")+"\n", func(name string) ([]byte, []string, error) { return migrate.NM([]string{name}) }, "vx.nmconnection", "[ethernet]")
	}
}
