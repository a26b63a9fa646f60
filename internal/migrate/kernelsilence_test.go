package migrate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/migrate"
)

// anyPlace is where a note says that something stands, in its midst, too.
var anyPlace = regexp.MustCompile(`\S+:\d+`)

// outcomeOf is what an import printed and told, the places left aside.
func outcomeOf(file []byte, told []string, err error) string {
	for i := range told {
		told[i] = anyPlace.ReplaceAllString(told[i], "PLACE")
	}
	slices.Sort(told)
	return fmt.Sprint(string(file), strings.Join(told, "\n"), err)
}

// TestNetDevSilence deletes each line of generated files of networkd in turn: what is printed
// changes, or what is told. No line says what is so without it, or is about something else.
func TestNetDevSilence(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 9))
		files := map[string]string{
			"10-va.netdev": lines(slices.Concat([]string{"[NetDev]", "Name=va", "Kind=vxlan"}, some(r, "MTUBytes=1400", "MTUBytes=1.5K", "MACAddress=02:00:00:00:00:01", "MACAddress=none", "Colour=red"),
				[]string{"[VXLAN]", "VNI=7"}, some(r, "VNI=", "Remote=192.0.2.2", "Remote=192.0.2.3", "Local=192.0.2.1", "TOS=28", "TTL=7", "TTL=inherit", "TTL=", "MacLearning=no", "FDBAgeingSec=1month", "FDBAgeingSec=soon",
					"MaximumFDBEntries=99", "ReduceARPProxy=yes", "L2MissNotification=yes", "RouteShortCircuit=yes", "UDPChecksum=yes", "RemoteChecksumTx=yes", "GroupPolicyExtension=yes", "GenericProtocolExtension=yes",
					"DestinationPort=4789", "DestinationPort=0", "PortRange=50000-51000", "PortRange=9-1", "IPDoNotFragment=inherit", "no assignment"))),
			"20-vb.netdev":           lines([]string{"[NetDev]", "Name=vb", "Kind=vxlan", "[VXLAN]", "VNI=8", "Local=192.0.2.1", "Independent=yes"}),
			"20-vb.netdev.d/a.conf":  lines([]string{"[VXLAN]", "TTL=9", "Remote=192.0.2.9"}),
			"20-vb.netdev.d/b.conf":  lines([]string{"[VXLAN]", "TTL=10", "Remote="}),
			"30-typo.netdev":         lines([]string{"[NetDev]", "Name=vc", "Kind=vxlann", "[VXLAN]"}),
			"40-eth0.network":        lines(slices.Concat([]string{"[Match]", "Name=eth0", "[Network]", "VXLAN=va"}, some(r, "VXLAN=vz", "VXLAN=va vb", "VXLAN=vb", "VXLAN="))),
			"50-va.network":          lines(slices.Concat([]string{"[Match]", "Name=va"}, some(r, "Host=h1"), []string{"[Link]"}, some(r, "ActivationPolicy=down", "MTUBytes=1300", "MACAddress=02:00:00:00:00:02", "RequiredForOnline=no"), []string{"[Network]", "Address=198.51.100.1/24", "[BridgeFDB]", "Destination=192.0.2.5"}, some(r, "VNI=9", "OutgoingInterface=eth0", "VLANId=5"), []string{"[BridgeFDB]", "MACAddress=02:00:00:00:00:09", "Destination=192.0.2.6", "[BridgeFDB]", "MACAddress=02:00:00:00:00:0a", "AssociatedWith=master"})),
			"50-va.network.d/a.conf": lines([]string{"[BridgeFDB]", "MACAddress=02:00:00:00:00:0b", "Destination=192.0.2.7"}),
		}
		outcome := func(files map[string]string) string {
			dir := networkd(t, files)
			file, told, err := migrate.NetDev([]string{dir})
			for i := range told {
				told[i] = strings.ReplaceAll(told[i], dir, "")
			}
			return outcomeOf(file, told, err)
		}
		whole := outcome(files)
		for name, text := range files {
			all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			for n, line := range all {
				if line == "[Link]" && all[n+1] == "[Network]" { // an empty section
					continue
				}
				without := maps.Clone(files)
				without[name] = lines(slices.Delete(slices.Clone(all), n, n+1))
				if outcome(without) == whole {
					t.Errorf("%s:%d: %q is of no consequence in\n%s\n%s", name, n+1, line, text, whole)
				}
			}
		}
	}
}

// TestIPRoute2Silence takes out each key and each entry of what ip and bridge print in turn.
func TestIPRoute2Silence(t *testing.T) {
	const links = `[{"ifname":"eth0","mtu":1500,"num_rx_queues":1},
{"ifname":"va","flags":["UP"],"mtu":1400,"address":"02:00:00:00:00:01","master":"br0","group":"7","ifalias":"x","altnames":["y"],"txqlen":9,"num_tx_queues":3,"inet6_addr_gen_mode":"none","linkinfo":{"info_kind":"vxlan","info_slave_kind":"bridge",
"info_data":{"id":7,"remote":"192.0.2.2","local":"192.0.2.1","link":"eth0","port_range":{"low":1,"high":2},"port":4789,"ttl":7,"tos":"0x8","df":"set","ageing":9,"limit":5,"reserved_bits":"0xff","gbp":null,"gpe":null,"learning":false,"proxy":true,"rsc":true,"l2miss":true,"l3miss":true,"udp_csum":false,"remcsum_tx":true,"localbypass":false,"mcroute":true,"colour":"red"}}},
{"ifname":"vb","flags":["UP"],"mtu":1500,"address":"02:00:00:00:00:02","link_netnsid":0,"num_rx_queues":1,"linkinfo":{"info_kind":"vxlan","info_data":{"id":8,"remote6":"2001:db8::2","local6":"2001:db8::1","port":4790,"ttl":0,"label":"0x5","learning":false,"udp_zero_csum6_tx":true,"udp_zero_csum6_rx":true}}},
{"ifname":"vc","flags":["UP"],"mtu":1500,"address":"02:00:00:00:00:03","num_rx_queues":1,"linkinfo":{"info_kind":"vxlan","info_data":{"external":true,"port":4791}}},
{"ifname":"vd","mtu":1500,"address":"02:00:00:00:00:04","num_rx_queues":1,"linkinfo":{"info_kind":"vxlan","info_data":{"id":9,"port":4792,"ttl":0}}}]`
	const fdb = `[{"mac":"00:00:00:00:00:00","ifname":"va","dst":"192.0.2.2","viaIf":"eth0","flags":["self"],"state":"permanent"},
{"mac":"00:00:00:00:00:00","ifname":"va","dst":"192.0.2.3","port":1,"vni":2,"viaIf":"eth0","flags":["self","router"],"state":"permanent"},
{"mac":"02:00:00:00:00:09","dev":"va","dst":"192.0.2.4","flags":["self"],"state":"static"},
{"mac":"02:00:00:00:00:0a","ifname":"va","dst":"192.0.2.4","flags":["self","extern_learn"],"state":""},
{"mac":"02:00:00:00:00:0b","ifname":"va","dst":"192.0.2.4","flags":["self"],"state":""},
{"mac":"02:00:00:00:00:0c","ifname":"va","flags":[],"master":"br0","state":"permanent"},
{"mac":"02:00:00:00:00:0d","ifname":"va","nhid":5,"flags":["self","extern_learn"],"state":""},
{"mac":"02:00:00:00:00:0e","ifname":"vz","dst":"192.0.2.4","flags":["self"],"state":"permanent"}]`
	// What another key says as well, or what is of no VXLAN link that can be kept.
	spared := []string{"num_rx_queues", "flags of vc", "mtu of vc", "address of vc", "port of vc", "mtu of eth0", "ifname of eth0"}
	outcome := func(links, entries any) string {
		text := func(v any) []byte {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		return outcomeOf(migrate.IPRoute2(text(links), text(entries), nil))
	}
	read := func(text string) (all []any) {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	whole := outcome(read(links), read(fdb))
	for i := range read(fdb) {
		if outcome(read(links), slices.Delete(read(fdb), i, i+1)) == whole {
			t.Errorf("entry %d is of no consequence:\n%s", i, whole)
		}
	}
	for i, one := range read(links) {
		device := one.(map[string]any)
		keys := slices.Collect(maps.Keys(device))
		info, _ := device["linkinfo"].(map[string]any)
		data, _ := info["info_data"].(map[string]any)
		for key := range data {
			keys = append(keys, "linkinfo/info_data/"+key)
		}
		for _, path := range keys {
			all := read(links)
			at := all[i].(map[string]any)
			parts := strings.Split(path, "/")
			for _, p := range parts[:len(parts)-1] {
				at = at[p].(map[string]any)
			}
			key := parts[len(parts)-1]
			delete(at, key)
			if slices.Contains(spared, key) || slices.Contains(spared, fmt.Sprintf("%s of %v", key, device["ifname"])) {
				continue
			}
			if outcome(all, read(fdb)) == whole {
				t.Errorf("%s of %v is of no consequence:\n%s", path, device["ifname"], whole)
			}
		}
	}
}
