package interop_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestSameJSON compares what ip and bridge print with -j with what uvtep prints:
// the same keys with values of the same types, and where they are the link's
// own and not the device's, the same values.
func TestSameJSON(t *testing.T) {
	t.Parallel()
	theirs, ours := speakers(t)
	for line := range strings.Lines(`
		ip link add vx1 address 02:00:00:00:00:01 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 dstport 4789 dev eth0 SAME
		ip link add vx2 address 02:00:00:00:00:02 type vxlan id 43 group 239.1.1.1 dev eth0 dstport 4790 nolearning ttl 7 tos inherit df set maxaddress 9 noudpcsum
		ip link add vx3 address 02:00:00:00:00:03 type vxlan id 44 remote 2001:db8:1::2 dev eth0 dstport 4791 ttl inherit df inherit tos 4 srcport 1000 2000 ageing 5 maxaddress 0
		ip link add vx4 address 02:00:00:00:00:04 type vxlan id 45 group ff05::1 local 2001:db8:1::1 dev eth0 dstport 4792 udp6zerocsumtx SAME
		ip link set vx1 up
		bridge fdb append 00:00:00:00:00:00 dev vx1 dst 192.0.2.7 port 1234 vni 77 via eth0
		bridge fdb add 02:00:00:00:01:01 dev vx1 dst 192.0.2.8 static router
		bridge fdb add 02:00:00:00:01:02 dev vx1 dst 192.0.2.8 dynamic extern_learn
		bridge fdb add 02:00:00:00:01:03 dev vx3 dst 2001:db8:1::8`) {
		line = strings.TrimSpace(strings.ReplaceAll(line, "SAME", sameDefaults))
		if line == "" {
			continue
		}
		if _, status := theirs.say(t, line); status != 0 {
			t.Fatalf("ip refuses: %s", line)
		}
		if _, status := ours.say(t, line); status != 0 {
			t.Fatalf("uvtep refuses: %s", line)
		}
	}
	for _, line := range []string{
		"ip -j link show vx1", "ip -j -d link show vx1", "ip -j -d link show vx2", "ip -j -d link show vx3", "ip -j -d link show vx4",
		"ip -j -s link show vx1", "ip -j -s -s link show vx1", "ip -j -d -s link show vx1", "ip -j -br link show vx1",
		"ip -j link show type vxlan", "ip -j link show type bridge",
		"bridge -j fdb show dev vx1", "bridge -j -s fdb show dev vx1", "bridge -j fdb show dev vx3", "bridge -j fdb show",
		"bridge -j fdb get 02:00:00:00:01:01 dev vx1 self", "bridge -j fdb show dev vx1 state stale",
	} {
		want, got := shape(t, theirs.raw(t, line)), shape(t, ours.raw(t, line))
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if got[key] != want[key] {
				t.Errorf("%s: %s: kernel %s, uvtep %q", line, key, want[key], got[key])
			}
		}
		for _, key := range slices.Sorted(maps.Keys(got)) {
			// iproute2 knows localbypass from 6.4 on; Debian 12 has 6.1.
			if _, ok := want[key]; !ok && !strings.HasSuffix(key, ".info_data.localbypass") {
				t.Errorf("%s: %s: %s is uvtep's alone", line, key, got[key])
			}
		}
	}
}

// raw is what a line prints, as it is.
func (s *speaker) raw(t *testing.T, line string) string {
	t.Helper()
	words := strings.Fields(line)
	if s.daemon != nil {
		return s.daemon.uvtep(t, words[1:]...)
	}
	out, errs, err := s.Run(t.Context(), words[0], words[1:]...)
	if err != nil {
		t.Fatalf("%s: %v: %s", line, err, errs)
	}
	return out
}

// shape is each key of a JSON array of objects with its value, or its value's
// type where the device decides on it. Elements go by their name or MAC address
// and remote, for bridge prints them in the order of a hash.
func shape(t *testing.T, text string) map[string]string {
	t.Helper()
	var all []map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	shape := map[string]string{"elements": "an array"}
	for _, e := range all {
		name := fmt.Sprint(e["ifname"], e["mac"], e["dst"], e["port"])
		if dev, _ := e["ifname"].(string); dev != "" && !strings.HasPrefix(dev, "vx") {
			continue // bridge shows other devices, too
		}
		flatten(shape, name, e)
	}
	return shape
}

// ofDevice are the keys whose values differ between a vxlan device and a TAP
// (see normalisations), or with the time.
func ofDevice(key string) bool {
	return slices.Contains([]string{
		"ifindex", "qdisc", "operstate", "txqlen", "min_mtu", "max_mtu", "promiscuity", "allmulti",
		"num_tx_queues", "num_rx_queues", "gso_max_size", "gso_max_segs", "tso_max_size", "tso_max_segs", "gro_max_size",
		"bytes", "packets", "errors", "dropped", "multicast", "used", "updated", "carrier_changes",
	}, key)
}

func flatten(into map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			switch {
			case key == "uvtep": // its own
			case ofDevice(key):
				into[path+"."+key] = fmt.Sprintf("%T", value)
			default:
				flatten(into, path+"."+key, value)
			}
		}
	default:
		into[path] = fmt.Sprintf("%T %[1]v", v)
	}
}
