package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/internal/words"
)

// TestNeigh: the sentence of ip neigh, in any order, and what is wrong with one.
func TestNeigh(t *testing.T) {
	for sentence, want := range map[string]string{
		"add 198.51.100.7 lladdr 02:00:00:00:00:07 dev vx":                      `{"dev":"vx","ip":"198.51.100.7","mac":"02:00:00:00:00:07"}`,
		"replace dev vx nud permanent lladdr 2:0:0:0:0:7 to 2001:db8::7 router": `{"dev":"vx","ip":"2001:db8::7","mac":"02:00:00:00:00:07","router":true}`,
		"add 2001:db8::7 dev vx lladdr 02:00:00:00:00:07 override router":       `{"dev":"vx","ip":"2001:db8::7","mac":"02:00:00:00:00:07","router":true,"override":true}`,
		"del 198.51.100.7 dev vx":                                               `{"dev":"vx","ip":"198.51.100.7"}`,
		"add 198.51.100.7 dev vx":                                               "write lladdr",
		"add lladdr 02:00:00:00:00:07 dev vx":                                   "needs an IP address",
		"add 198.51.100.7 lladdr 02:00:00:00:00:07":                             "needs an IP address and a link",
		"add 198.51.100.7 lladdr host dev vx":                                   "no MAC address",
		"add 198.51.100 lladdr 02:00:00:00:00:07 dev vx":                        "no IP address",
		"add 198.51.100.7 nud reachable":                                        "neither age",
		"add proxy 198.51.100.7 dev vx":                                         "the kernel's neighbour proxy",
		"add 198.51.100.7 198.51.100.8 dev vx":                                  "twice",
		"add 198.51.100.7 dev vx dev vy lladdr 2:0:0:0:0:7":                     "twice",
		"add 198.51.100.7 dev vx lladdr":                                        "needs a value",
		"del dev averyveryverylongname 198.51.100.7":                            "dev:",
	} {
		args := strings.Fields(sentence)
		n, err := ParseNeigh(args[0], args[1:], words.AnyFamily)
		got, _ := json.Marshal(n)
		if err != nil {
			got = []byte(err.Error())
		}
		if err == nil && string(got) != want || err != nil && !strings.Contains(string(got), want) {
			t.Errorf("%s: %s, want %s", sentence, got, want)
		}
	}
	if _, err := ParseNeigh("add", strings.Fields("2001:db8::7 dev vx lladdr 2:0:0:0:0:7"), words.IPv4); err == nil {
		t.Error("an IPv6 address with -4 is taken")
	}
	for args, want := range map[string]string{"": "", "dev vx": "vx"} {
		if dev, err := ParseNeighShow(strings.Fields(args)); err != nil || dev != want {
			t.Errorf("show %s: %q, %v", args, dev, err)
		}
	}
	for _, args := range []string{"dev", "vx", "dev vx dev vy", "dev averyveryverylongname"} {
		if _, err := ParseNeighShow(strings.Fields(args)); err == nil {
			t.Errorf("show %s is taken", args)
		}
	}
}
