package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

func TestParseFDBEntry(t *testing.T) {
	const mac = `"dev":"vx1","mac":"02:00:00:00:00:01"`
	for sentence, want := range map[string]string{
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1":                             `{` + mac + `,"dst":"192.0.2.1"}`,
		"dev vx1 dst 192.0.2.1 02:00:00:00:00:01":                             `{` + mac + `,"dst":"192.0.2.1"}`,
		"dst 192.0.2.1 dev vx1 to 2:0:0:0:0:1 self":                           `{` + mac + `,"dst":"192.0.2.1"}`,
		"02:00:00:00:00:01 dev vx1":                                           `{` + mac + `}`,
		"02:00:00:00:00:01 dev vx1 dst 2001:db8::1 port 8472 vni 7 via eth0":  `{` + mac + `,"dst":"2001:db8::1","port":8472,"vni":7,"via":"eth0"}`,
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 local":                       `{` + mac + `,"dst":"192.0.2.1","state":"permanent"}`,
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 permanent":                   `{` + mac + `,"dst":"192.0.2.1","state":"permanent"}`,
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 temp":                        `{` + mac + `,"dst":"192.0.2.1","state":"static"}`,
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 static static":               `{` + mac + `,"dst":"192.0.2.1","state":"static"}`,
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 dynamic extern_learn router": `{` + mac + `,"dst":"192.0.2.1","state":"dynamic","extern_learn":true,"router":true}`,
		// Words that add up or say nothing, and cut short ones (fdb_modify in bridge/fdb.c).
		"02:00:00:00:00:01 dev vx1 self static permanent dst 192.0.2.1": `{` + mac + `,"dst":"192.0.2.1","state":"permanent"}`,
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 static dynamic":        `{` + mac + `,"dst":"192.0.2.1","state":"dynamic"}`,
		"02:00:00:00:00:01 vlan 1 dev vx1 self dst 192.0.2.1 use":       `{` + mac + `,"dst":"192.0.2.1"}`,
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 dyn ext rout ext":      `{` + mac + `,"dst":"192.0.2.1","state":"dynamic","extern_learn":true,"router":true}`,
		"02:00:00:00:00:01 dev vx1 src_vni 7 vni 8 dst 192.0.2.1":       `{` + mac + `,"dst":"192.0.2.1","vni":8,"src_vni":7}`,
		"02:00:00:00:00:01 dev vx1 sticky static":                       `{"dev":"vx1","mac":"02:00:00:00:00:01","sticky":true,"state":"static"}`,
		"00:00:00:00:00:00 dev vx1 dst 192.0.2.9 noflood":               `{"dev":"vx1","mac":"00:00:00:00:00:00","dst":"192.0.2.9","noflood":true}`,
		"00:00:00:00:00:00 dev vx1 dst 239.1.1.1":                       `{"dev":"vx1","mac":"00:00:00:00:00:00","dst":"239.1.1.1"}`,
	} {
		got, err := ParseFDBEntry("append", strings.Fields(sentence), words.AnyFamily)
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		var w api.FDBEntry
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, got, compareAddr); d != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, d)
		}
	}
	for sentence, want := range map[string]string{
		"":                  "needs a MAC address and a link",
		"02:00:00:00:00:01": "needs a MAC address and a link",
		"dev vx1":           "needs a MAC address and a link",
		"dev vx1 02:00:00:00:00:01 02:00:00:00:00:02":          "two MAC addresses",
		"dev vx1 02-00-00-00-00-01":                            "nor a MAC address",
		"dev vx1 banana":                                       `"banana"`,
		"dev vx1 to":                                           "needs a value",
		"dev vx1 dev vx2 02:00:00:00:00:01":                    "given twice",
		"dev vx1 02:00:00:00:00:01 dst 192.0.2.300":            "no IP address",
		"dev vx1 02:00:00:00:00:01 dst 0.0.0.0":                "VTEP",
		"dev vx1 02:00:00:00:00:01 dst ::ffff:192.0.2.1":       "write 192.0.2.1",
		"dev vx1 02:00:00:00:00:01 dst 192.0.2.1 port 65536":   "0 to 65535",
		"dev vx1 02:00:00:00:00:01 dst 192.0.2.1 port http":    "0 to 65535",
		"dev vx1 02:00:00:00:00:01 dst 192.0.2.1 vni 16777216": "0 to 16777215",
		"dev vx1 02:00:00:00:00:01 master":                     "bridge fdb",
		"dev vx1 02:00:00:00:00:01 vlan 4095":                  "1 to 4094",
		"dev vx1 02:00:00:00:00:01 src_vni 16777216":           "0 to 16777215",
		"dev vx1 02:00:00:00:00:01 nhid 3":                     "as dst IP",
		"dev a/b 02:00:00:00:00:01":                            "slash",
	} {
		_, err := ParseFDBEntry("add", strings.Fields(sentence), words.AnyFamily)
		wantUsage(t, sentence, err, want)
	}
}

func TestParseFDBFilters(t *testing.T) {
	for sentence, want := range map[string]string{
		"show":                       `{}`,
		"show dev vx1":               `{"dev":"vx1"}`,
		"show dynamic":               `{"state":["static","dynamic"]}`,             // as bridge: not what is permanent
		"show state dynamic dev vx1": `{"dev":"vx1","state":["static","dynamic"]}`, // bits: NUD_REACHABLE
		"show state static":          `{"state":["permanent","static"]}`,           // NUD_NOARP
		"show state perm":            `{"state":["permanent"]}`,
		"show state 0x40 dynamic":    `{"state":["static"]}`,
		"show state stale":           `{"state":["stale"]}`, // none
		"show state all":             `{}`,
		"show br br0":                `{"br":"br0"}`,
		"show brport vx1":            `{"dev":"vx1"}`,
		"show vlan 1":                `{"vlan":1}`,
		"show nostatic":              `{"state":["permanent","dynamic"]}`,
		"show permanent static":      `{"state":["permanent","static"]}`,
		"show dst 192.0.2.1 port 8472 vni 7 src_vni 8 via eth0": `{"dst":"192.0.2.1","port":8472,"vni":7,"src_vni":8,"via":"eth0"}`,
		"show owner c dev vx1":                    `{"dev":"vx1","owner":"c"}`,
		"show extern_learn norouter":              `{"extern_learn":true,"router":false}`,
		"flush dev vx1":                           `{"dev":"vx1"}`,
		"flush dev vx1 self":                      `{"dev":"vx1"}`,
		"flush dev vx1 dynamic":                   `{"dev":"vx1","state":["dynamic"]}`,
		"flush dev vx1 nopermanent":               `{"dev":"vx1","state":["static","dynamic"]}`,
		"flush dev vx1 permanent":                 `{"dev":"vx1","state":["permanent"]}`,
		"flush dev vx1 static":                    `{"dev":"vx1","state":["static"]}`,
		"flush dev vx1 nostatic":                  `{"dev":"vx1","state":["dynamic"]}`,            // NUD_NOARP unset
		"flush dev vx1 nodynamic":                 `{"dev":"vx1","state":["permanent","static"]}`, // NUD_NOARP set
		"flush dev vx1 nodynamic nostatic":        `{"dev":"vx1","state":["dynamic"]}`,            // the last word of a bit counts
		"flush dev vx1 nhid 200":                  `{"dev":"vx1","state":["stale"]}`,
		"flush dev vx1 nosticky port 0":           `{"dev":"vx1"}`,
		"flush dev vx1 offloaded":                 `{"dev":"vx1","offloaded":true}`,
		"get 02:00:00:00:00:01 brport vx1 vlan 5": `{"dev":"vx1","mac":"02:00:00:00:00:01"}`,
		"flush noextern_learn dev vx1 router":     `{"dev":"vx1","extern_learn":false,"router":true}`,
		"get 02:00:00:00:00:01 dev vx1":           `{"dev":"vx1","mac":"02:00:00:00:00:01"}`,
		"get dev vx1 to 2:0:0:0:0:1 self dynamic": `{"dev":"vx1","mac":"02:00:00:00:00:01"}`,
		"get 02:00:00:00:00:01 dev vx1 vni 7":     `{"dev":"vx1","mac":"02:00:00:00:00:01","vni":7}`,
	} {
		got, err := parseFilter(strings.Fields(sentence))
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		var w api.FDBFilter
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, got, compareAddr); d != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, d)
		}
	}
	for sentence, want := range map[string]string{
		"show banana":              `unknown word "banana"`,
		"show master br0":          "bridge ports",
		"show nhid 1":              "as dst IP",
		"show state":               "needs a value",
		"show state banana":        "is unknown",
		"show static nostatic":     "leave no entry",
		"show router norouter":     "given twice",
		"show 02:00:00:00:00:01":   "unknown word",
		"flush":                    "needs a link",
		"flush dynamic":            "needs a link",
		"flush dev vx1 brport vx1": "bridge ports",
		"flush dev vx1 vlan 3":     "bridge ports",
		"flush dev vx1 sticky":     "selects nothing",
		"flush dev vx1 nhid x":     "0 to 4294967295",
		"get dev vx1":              "needs a MAC address",
		"get 02:00:00:00:00:01":    "needs a MAC address",
		"get banana dev vx1":       "nor a MAC address",
		"get 02:00:00:00:00:01 dev vx1 dst 192.0.2.1": "fdb show",
	} {
		_, err := parseFilter(strings.Fields(sentence))
		wantUsage(t, sentence, err, want)
	}
}

func parseFilter(args []string) (api.FDBFilter, error) {
	parse := map[string]func([]string, words.Family) (api.FDBFilter, error){"show": ParseFDBShow, "flush": ParseFDBFlush, "get": ParseFDBGet}
	return parse[args[0]](args[1:], words.AnyFamily)
}

func FuzzFDBSentence(f *testing.F) {
	for _, s := range []string{
		"02:00:00:00:00:01 dev vx1 dst 192.0.2.1 port 8472 vni 7 via eth0 static extern_learn router self",
		"dev vx1 dst 2001:db8::1 to 00:00:00:00:00:00 local",
		"dev vx1 nopermanent nostatic dynamic state all src_vni 3 norouter",
		"br br0 brport vx1 vlan 1 master use nhid 3",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sentence string) {
		args := strings.Split(sentence, " ")
		e, err := ParseFDBEntry("add", args, words.AnyFamily)
		checkSentence(t, err)
		if err == nil && control.ValidateEntry(&e) != nil {
			t.Errorf("the parser took what control refuses: %+v: %v", e, control.ValidateEntry(&e))
		}
		for _, parse := range []func([]string, words.Family) (api.FDBFilter, error){ParseFDBShow, ParseFDBFlush, ParseFDBGet} {
			filter, err := parse(args, words.AnyFamily)
			checkSentence(t, err)
			if err == nil && control.ValidateFilter(&filter) != nil {
				t.Errorf("the parser took what control refuses: %+v: %v", filter, control.ValidateFilter(&filter))
			}
		}
	})
}
