package cli

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
)

// events are one of each kind.
func events() map[string]api.Event {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6789000, time.Local)
	ip := netip.MustParseAddr
	return map[string]api.Event{
		"new":      {Time: when, Event: "new", Object: "fdb", FDB: &api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: ip("192.0.2.2"), State: "permanent"}, Reason: "user"},
		"move":     {Time: when, Event: "move", Object: "fdb", FDB: &api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: ip("192.0.2.3"), State: "dynamic"}, Reason: "learned", Old: ip("192.0.2.2")},
		"aged":     {Time: when, Event: "del", Object: "fdb", FDB: &api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: ip("192.0.2.3"), State: "stale"}, Reason: "aged"},
		"l2miss":   {Time: when, Event: "miss", Object: "fdb", FDB: &api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:33", State: "stale"}},
		"l3miss":   {Time: when, Event: "miss", Object: "fdb", FDB: &api.FDBEntry{Dev: "vx1", Dst: ip("2001:db8:2::5"), State: "stale"}},
		"hold":     {Time: when, Event: "hold", Object: "fdb", FDB: &api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: ip("192.0.2.3"), State: "dynamic"}},
		"release":  {Time: when, Event: "release", Object: "fdb", FDB: &api.FDBEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Dst: ip("192.0.2.3"), State: "dynamic"}},
		"local":    {Time: when, Event: "new", Object: "local", Local: &api.LocalEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", IP: ip("198.51.100.7")}},
		"here":     {Time: when, Event: "move", Object: "local", Local: &api.LocalEntry{Dev: "vx1", MAC: "02:00:00:00:00:01"}, Old: ip("192.0.2.2")},
		"ipmoved":  {Time: when, Event: "move", Object: "local", Local: &api.LocalEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", IP: ip("198.51.100.7")}, OldMAC: "02:00:00:00:00:02"},
		"away":     {Time: when, Event: "del", Object: "local", Local: &api.LocalEntry{Dev: "vx1", MAC: "02:00:00:00:00:01"}, Reason: "moved"},
		"conflict": {Time: when, Event: "conflict", Object: "local", Local: &api.LocalEntry{Dev: "vx1", MAC: "02:00:00:00:00:01", Contested: true}, Old: ip("192.0.2.2")},
		"policy":   {Time: when, Event: "policy", Object: "link", Policy: &api.Policy{Dev: "vx1", ID: 7}},
		"drop":     {Time: when, Event: "drop", Object: "drop", Drop: &api.Drop{Dev: "vx1", Reason: "rx-not-peer", Count: 12}},
		"nolink":   {Time: when, Event: "drop", Object: "drop", Drop: &api.Drop{Reason: "rx-unknown-vni", Count: 1}},
		"novni":    {Time: when, Event: "drop", Object: "drop", Drop: &api.Drop{Reason: "rx-unknown-vni", Count: 2, VNI: new(uint32)}},
		"lost":     {Time: when, Event: "lost", Lost: 7},
		"link": {Time: when, Event: "del", Object: "link", Link: &api.Link{Netdev: api.Netdev{
			Index: 5, Name: "vx1", MAC: "02:00:00:00:00:ff", Broadcast: "ff:ff:ff:ff:ff:ff", MTU: 1450, Flags: []string{"BROADCAST", "MULTICAST"},
			Qdisc: "noop", OperState: "DOWN", LinkMode: "DEFAULT", Group: "default", TxQLen: 4096,
		}}},
	}
}

// TestMonitorLines: the text is that of `bridge monitor fdb`, `ip monitor neigh`
// (misses) and `ip monitor link`, as iproute2 6.15 printed it for a kernel device.
func TestMonitorLines(t *testing.T) {
	for what, want := range map[string]string{
		"new":      "02:00:00:00:00:01 dev vx1 dst 192.0.2.2 self permanent\n",
		"move":     "02:00:00:00:00:01 dev vx1 dst 192.0.2.3 self \n",
		"aged":     "Deleted 02:00:00:00:00:01 dev vx1 dst 192.0.2.3 self stale\n",
		"l2miss":   "miss dev vx1 lladdr 02:00:00:00:00:33 STALE \n",
		"l3miss":   "miss 2001:db8:2::5 dev vx1 STALE \n",
		"hold":     "Held 02:00:00:00:00:01 dev vx1 dst 192.0.2.3 self \n",
		"release":  "Released 02:00:00:00:00:01 dev vx1 dst 192.0.2.3 self \n",
		"local":    "02:00:00:00:00:01 dev vx1 ip 198.51.100.7 self local\n",
		"here":     "Moved from 192.0.2.2 02:00:00:00:00:01 dev vx1 self local\n",
		"ipmoved":  "Moved was 02:00:00:00:00:02 02:00:00:00:00:01 dev vx1 ip 198.51.100.7 self local\n",
		"away":     "Deleted 02:00:00:00:00:01 dev vx1 self local\n",
		"conflict": "Contested from 192.0.2.2 02:00:00:00:00:01 dev vx1 self contested local\n",
		"policy":   "dev vx1 gbpid 7\n",
		"drop":     "dev vx1 reason rx-not-peer count 12\n",
		"nolink":   "reason rx-unknown-vni count 1\n",
		"novni":    "reason rx-unknown-vni count 2 vni 0\n",
		"lost":     "",
		"link": "Deleted 5: vx1: <BROADCAST,MULTICAST> mtu 1450 qdisc noop state DOWN group default \n" +
			"    link/ether 02:00:00:00:00:ff brd ff:ff:ff:ff:ff:ff\n",
	} {
		for opts, before := range map[string]string{"": "", "-t": "Timestamp: Fri Jan  2 03:04:05 2026 6789 usec\n", "-ts": "[2026-01-02T03:04:05.006789] ", "all": "[LABEL]"} {
			var out, stderr bytes.Buffer
			m := monitorPrinter{app: &app{out: &out, err: &stderr, timestamp: opts == "-t", timestampShort: opts == "-ts"}, labels: opts == "all"}
			e := events()[what]
			if err := m.print(&e); err != nil {
				t.Fatal(err)
			}
			label := map[string]string{"fdb": "[NEIGH]", "link": "[LINK]", "local": "[LOCAL]", "drop": "[DROP]"}[e.Object]
			if full := strings.ReplaceAll(before, "[LABEL]", label) + want; want != "" && out.String() != full {
				t.Errorf("%s %s: %q, want %q", what, opts, out.String(), full)
			}
			if lost := strings.Contains(stderr.String(), "7 events lost"); want == "" && (!lost || out.String() != "") || lost && what != "lost" {
				t.Errorf("%s: printed %q and %q", what, out.String(), stderr.String())
			}
		}
	}
}

// TestMonitorJSON: one line an event, with the keys of bridge and ip.
func TestMonitorJSON(t *testing.T) {
	for what, want := range map[string]string{
		"new": `"event":"new","object":"fdb","fdb":{"mac":"02:00:00:00:00:01","ifname":"vx1","dst":"192.0.2.2","flags":["self"],"state":"permanent"},"reason":"user"}`,
		"move": `"event":"move","object":"fdb","fdb":{"mac":"02:00:00:00:00:01","ifname":"vx1","dst":"192.0.2.3","flags":["self"],"state":""},` +
			`"reason":"learned","old":"192.0.2.2"}`,
		"l3miss": `"event":"miss","object":"fdb","fdb":{"ifname":"vx1","dst":"2001:db8:2::5","flags":["self"],"state":"stale"}}`,
		"hold":   `"event":"hold","object":"fdb","fdb":{"mac":"02:00:00:00:00:01","ifname":"vx1","dst":"192.0.2.3","flags":["self"],"state":""}}`,
		"policy": `"event":"policy","object":"link","policy":{"ifname":"vx1","gbpid":7}}`,
		"drop":   `"event":"drop","object":"drop","drop":{"ifname":"vx1","reason":"rx-not-peer","count":12}}`,
		"lost":   `"event":"lost","lost":7}`,
		"ipmoved": `"event":"move","object":"local","local":{"mac":"02:00:00:00:00:01","ifname":"vx1","ip":"198.51.100.7","flags":["self"],"state":"local"},` +
			`"old_mac":"02:00:00:00:00:02"}`,
		"away": `"event":"del","object":"local","local":{"mac":"02:00:00:00:00:01","ifname":"vx1","flags":["self"],"state":"local"},"reason":"moved"}`,
		"link": `"event":"del","object":"link","link":{"ifindex":5,"ifname":"vx1","flags":["BROADCAST","MULTICAST"],"mtu":1450,`,
	} {
		var out bytes.Buffer
		m := monitorPrinter{app: &app{out: &out, json: true, pretty: true}}
		e := events()[what]
		if err := m.print(&e); err != nil {
			t.Fatal(err)
		}
		var parsed map[string]any
		if err := json.Unmarshal(out.Bytes(), &parsed); err != nil || parsed["time"] == nil {
			t.Errorf("%s: %v in %s", what, err, out.String())
		}
		if !strings.Contains(out.String(), want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%s: %s, want one line with %s", what, out.String(), want)
		}
	}
}
