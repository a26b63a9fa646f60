package config

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/control"
	"github.com/uvtep/uvtep/internal/words"
)

var compareAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestParseLinkAdd(t *testing.T) {
	for sentence, want := range map[string]string{
		"vxlan0 id 42":                  `{"name":"vxlan0","id":42}`,
		"vxlan0 type vxlan id 42":       `{"name":"vxlan0","id":42}`,
		"type vxlan id 42 vxlan0":       `{"name":"vxlan0","id":42}`,
		"name vxlan0 type vxlan vni 42": `{"name":"vxlan0","id":42}`,
		"dev vxlan0 type vxlan id 0x2a": `{"name":"vxlan0","id":42}`,
		"name dev id 0":                 `{"name":"dev","id":0}`,
		"mtu 1400 vxlan0 id 16777215":   `{"name":"vxlan0","id":16777215,"mtu":1400}`,
		"vxlan0 up type vxlan id 42":    `{"name":"vxlan0","id":42,"up":true}`,
		"lea id 42":                     `{"name":"lea","id":42}`,
		"vxlan0 type vxlan id 42 dstport 4789 remote 192.0.2.54 local 192.0.2.50 dev eth0": `{"name":"vxlan0","id":42,
			"dstport":4789,"remote":"192.0.2.54","local":"192.0.2.50","dev":"eth0"}`,
		"dev eth0 local 192.0.2.50 id 42":                    `{"name":"eth0","local":"192.0.2.50","id":42}`,
		"vx id 1 group ff05::100 dev eth0":                   `{"name":"vx","id":1,"group":"ff05::100","dev":"eth0"}`,
		"vx id 1 srcport 1000 2000 ttl 5":                    `{"name":"vx","id":1,"srcport":[1000,2000],"ttl":5}`,
		"vx id 1 ttl auto":                                   `{"name":"vx","id":1,"ttl":"auto"}`,
		"vx id 1 hoplimit inherit df unset":                  `{"name":"vx","id":1,"ttl":"inherit","df":"unset"}`,
		"vx id 1 tos 10":                                     `{"name":"vx","id":1,"tos":16}`, // hexadecimal, as ip reads it
		"vx id 1 tos 0x10":                                   `{"name":"vx","id":1,"tos":16}`,
		"vx id 1 tos AF11":                                   `{"name":"vx","id":1,"tos":40}`,
		"vx id 1 dsfield EF":                                 `{"name":"vx","id":1,"tos":184}`,
		"vx id 1 tos CS6":                                    `{"name":"vx","id":1,"tos":192}`,
		"vx id 1 tos inherit":                                `{"name":"vx","id":1,"tos":"inherit"}`,
		"vx id 1 nolearning ageing 100":                      `{"name":"vx","id":1,"learning":false,"ageing":100}`,
		"vx id 1 learning ageing none":                       `{"name":"vx","id":1,"learning":true,"ageing":0}`,
		"vx id 1 maxaddress 10":                              `{"name":"vx","id":1,"maxaddress":10}`,
		"vx id 1 maxaddr unlimited":                          `{"name":"vx","id":1,"maxaddress":"unlimited"}`,
		"vx id 1 noudpcsum udp6zerocsumtx noudp6zerocsumrx":  `{"name":"vx","id":1,"udpcsum":false,"udp6zerocsumtx":true,"udp6zerocsumrx":false}`,
		"vx id 1 address 02:00:00:00:00:01":                  `{"name":"vx","id":1,"address":"02:00:00:00:00:01"}`,
		"vx id 1 accept 192.0.2.0/24,2001:db8::1":            `{"name":"vx","id":1,"accept":"192.0.2.0/24,2001:db8::1"}`,
		"vx id 1 samehost none":                              `{"name":"vx","id":1,"samehost":"none"}`,
		"vx id 1 samehost 192.0.2.0/24,2001:db8::1":          `{"name":"vx","id":1,"samehost":"192.0.2.0/24,2001:db8::1"}`,
		"vx id 1 accept any reserved drop innervlan drop":    `{"name":"vx","id":1,"accept":"any","reserved":"drop","innervlan":"drop"}`,
		"vx id 1 gbp gbpid 0x10":                             `{"name":"vx","id":1,"gbp":true,"gbpid":16}`,
		"vx id 1 flowlabel 0x12345":                          `{"name":"vx","id":1,"flowlabel":74565}`,
		"vx id 1 label inherit":                              `{"name":"vx","id":1,"flowlabel":"inherit"}`,
		"vx id 1 proxy l3miss":                               `{"name":"vx","id":1,"proxy":true,"l3miss":true}`,
		"vx id 1 proxy learn":                                `{"name":"vx","id":1,"proxy":true,"proxylearn":true}`,
		"vx id 1 proxy learn nolearning":                     `{"name":"vx","id":1,"proxy":true,"proxylearn":true,"learning":false}`,
		"vx id 1 proxy learning":                             `{"name":"vx","id":1,"proxy":true,"learning":true}`,
		"vx id 1 noproxy learning":                           `{"name":"vx","id":1,"proxy":false,"learning":true}`,
		"vx id 1 learning proxy":                             `{"name":"vx","id":1,"proxy":true,"learning":true}`,
		"vx id 1 learn":                                      `{"name":"vx","id":1,"learning":true}`,
		"vx id 1 persist user 1234 group-owner 5 txqueues 2": `{"name":"vx","id":1,"persist":true,"user":1234,"group-owner":5,"queues":2}`,
		"vx id 1 nopersist":                                  `{"name":"vx","id":1,"persist":false}`,
		"vx id 1 loopguard off":                              `{"name":"vx","id":1,"loopguard":"off"}`,
		"vx id 1 mss clamp bumlimit 100 moveguard off":       `{"name":"vx","id":1,"mss":"clamp","bumlimit":100,"moveguard":"off"}`,
		"vx id 1 min_ttl 254":                                `{"name":"vx","id":1,"min_ttl":254}`,
		"vx id 1 evpn learning":                              `{"name":"vx","id":1,"learning":true,"evpn":true}`,
		"vx id 1 peerbumlimit 7 bumlimit 9":                  `{"name":"vx","id":1,"peerbumlimit":7,"bumlimit":9}`,
		"vx id 1 l2miss nol3miss":                            `{"name":"vx","id":1,"l2miss":true,"l3miss":false}`,
		"vx id 1 nogbp":                                      `{"name":"vx","id":1,"gbp":false}`,
		"vx id 1 nolocalbypass":                              `{"name":"vx","id":1,"localbypass":false}`,
		"vx id 1 queues 4":                                   `{"name":"vx","id":1,"queues":4}`,
		"vx id 1 rem 192.0.2.1 dst 4790":                     `{"name":"vx","id":1,"remote":"192.0.2.1","dstport":4790}`,
		"vx id 1 reserved_bits 0xf7ffffff000000ff":           `{"name":"vx","id":1,"reserved":"drop"}`,
		"vx id 1 reserved_bits 0xB7ffffff000000ff":           `{"name":"vx","id":1,"reserved":"0xb7ffffff000000ff"}`,
		"vx id 1 noexternal norsc nogpe novnifilter":         `{"name":"vx","id":1}`,
		"vx id 1 loc 192.0.2.1 dstp 8472 reser drop":         `{"name":"vx","id":1,"local":"192.0.2.1","dstport":8472,"reserved":"drop"}`,
		"vx id 1 master br0":                                 `{"name":"vx","id":1,"master":"br0"}`,
		"vx id 1 reserved 0xff":                              `{"name":"vx","id":1,"reserved":"0xff"}`,
		"vx id 1 reserved_bits 0 port 7 8":                   `{"name":"vx","id":1,"reserved":"ignore","srcport":[7,8]}`,
	} {
		got, err := ParseLinkAdd(strings.Fields(sentence), words.AnyFamily)
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		var w api.LinkChange
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, got, compareAddr); d != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, d)
		}
	}
}

func TestParseLinkAddRefuses(t *testing.T) {
	for sentence, want := range map[string]string{
		"":                            "needs a name",
		"id 42":                       "needs a name",
		"vx":                          "needs an id",
		"vx id":                       "0 to 16777215",
		"vx id 1 remote peer.example": "or the name as a remote of a configuration file",
		"vx id 16777216":              "0 to 16777215",
		"vx id -1":                    "0 to 16777215",
		"vx id 1_0":                   "0 to 16777215",
		"vx id 0b11":                  "0 to 16777215",
		"vx id 99999999999999999999":  "0 to 16777215",
		"vx id 1 id 2":                `"id" is given twice`,
		"vx id 1 vni 2":               `"id" is given twice`,
		"vx id 1 learning nolearning": "given twice",
		"vx id 1 reserved_bits all":   "such as 0xf7ffffff000000ff for all",
		"vx id 1 reserved_bits 0x0800000000000001": "has bits of the I flag or the VNI, 0x800000000000000",
		"vx id 1 reserved 0x100":                   "has bits of the I flag or the VNI, 0x100",
		"vx id 1 reserved maybe":                   "write ignore or drop",
		"vx id 1 reserved drop reserved_bits 0":    "given twice",
		"vx id 1 remote 192.0.2.1 group 239.1.1.1": "write one of them",
		"vx id 1 remote 239.1.1.1":                 "write group 239.1.1.1",
		"vx id 1 group 192.0.2.1":                  "write remote 192.0.2.1",
		"vx id 1 group":                            "group needs a value",
		"vx id 1 remote example.net":               "no IP address",
		"vx id 1 remote 192.0.2.1 local ::1":       "two IPv4 or two IPv6",
		"vx id 1 local 239.1.1.1":                  "this host's",
		"vx id 1 local any":                        "no IP address",
		"vx id 1 dstport 65536":                    "0 to 65535",
		"vx id 1 dstport 0":                        "8472",
		"vx id 1 srcport 1000":                     "needs a value",
		"vx id 1 srcport 2000 1000":                "lower port first",
		"vx id 1 ttl 256":                          "auto or inherit",
		"vx id 1 ttl banana":                       "auto or inherit",
		"vx id 1 tos 100":                          "0x00-0xff",
		"vx id 1 tos AF44":                         "0x00-0xff",
		"vx id 1 df maybe":                         "set or unset or inherit",
		"vx id 1 ageing soon":                      "0 to 4294967295",
		"vx id 1 ageing 4294967296":                "0 to 4294967295",
		"vx id 1 maxaddress many":                  "unlimited",
		"vx id 1 mtu 67":                           "68 to",
		"vx id 1 address 1:2":                      "such as",
		"vx id 1 accept none":                      "peers, any",
		"vx id 1 queues 0":                         "1 to 256",
		"vx id 1 queues 257":                       "1 to 256",
		"vx id 1 banana":                           `unknown word "banana"`,
		"vx id 1 queues 2 txqueues 2":              "given twice",
		"vx id 1 user 4294967295":                  "0 to 4294967294",
		"vx id 1 mss 1400":                         "clamp or none",
		"vx id 1 moveguard yes":                    "on or off",
		"vx id 1 loopguard 1":                      "on or off",
		"vx id 1 gbpid 65536":                      "0 to 65535",
		"vx id 1 external":                         "add a link for each VNI",
		"vx id 1 gpe":                              "VXLAN-GPE",
		"vx id 1 remcsumrx":                        "only Linux speaks",
		"vx id 1 nogpe nogpe":                      "given twice",
		"vx id 1 flowlabel 0x100000":               "0 to 1048575",
		"vx id 1 flowlabel auto":                   "inherit",
		"vx id 1 master":                           "write master DEVICE",
		"vx id 1 master br0 nomaster":              "given twice",
		"vx id 1 netns ns1":                        "ip link set NAME netns",
		"vx id 1 link eth0":                        "dev NAME",
		"vx type bridge id 1":                      "write vxlan",
		"vx id 1 name vy":                          "has a name already",
		"vx vy id 1":                               `unknown word "vy"`,
		"sixteencharacter id 1":                    "15 at most",
		"a/b id 1":                                 "slash",
	} {
		_, err := ParseLinkAdd(strings.Fields(sentence), words.AnyFamily)
		wantUsage(t, sentence, err, want)
	}
	_, err := ParseLinkAdd([]string{"vx", "id", "1", "remote", "2001:db8::1"}, words.IPv4)
	wantUsage(t, "-4", err, "-4 asks for")
	_, err = ParseLinkAdd([]string{"vx", "id", "1", "remote", "192.0.2.1"}, words.IPv6)
	wantUsage(t, "-6", err, "-6 asks for")
}

func wantUsage(t *testing.T, what string, err error, want string) {
	t.Helper()
	var usage *words.UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q: %v, want one line of a usage error with %q", what, err, want)
	}
}

func TestParseLinkSet(t *testing.T) {
	for sentence, want := range map[string]string{
		"vx up":                               `{"up":true}`,
		"dev vx down":                         `{"up":false}`,
		"vx mtu 1400 up":                      `{"mtu":1400,"up":true}`,
		"up vx":                               `{"up":true}`,
		"vx addr 02:00:00:00:00:01":           `{"address":"02:00:00:00:00:01"}`,
		"vx name vy":                          `{"name":"vy"}`,
		"dev vx type vxlan ageing 10":         `{"ageing":10}`,
		"vx type vxlan remote 192.0.2.9":      `{"remote":"192.0.2.9"}`,
		"vx dev eth1 nolearning dstport 8472": `{"dev":"eth1","learning":false,"dstport":8472}`,
		"dev vx type vxlan dev eth1 ttl 0":    `{"dev":"eth1","ttl":0}`,
	} {
		name, got, err := ParseLinkSet(strings.Fields(sentence), words.AnyFamily)
		if err != nil || name != "vx" {
			t.Errorf("%s: name %q, %v", sentence, name, err)
			continue
		}
		var w api.LinkChange
		if err := json.Unmarshal([]byte(want), &w); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(w, got, compareAddr); d != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, d)
		}
	}
	for sentence, want := range map[string]string{
		"":                                    "needs a name",
		"vx":                                  "nothing to change",
		"vx up down":                          "given twice",
		"vx name a/b":                         "slash",
		"vx name vy name vz":                  "given twice",
		"vx banana":                           `unknown word "banana"`,
		"vx mtu":                              "needs a value",
		"vx noexternal":                       "leave it out",
		"vx master a/b":                       "slash",
		"vx group 239.1.1.1 remote 192.0.2.1": "write one of them",
	} {
		_, _, err := ParseLinkSet(strings.Fields(sentence), words.AnyFamily)
		wantUsage(t, sentence, err, want)
	}
}

func TestParseLinkName(t *testing.T) {
	for sentence, want := range map[string]string{
		"": "", "vx": "vx", "dev vx": "vx", "type vxlan": "", "vx type vxlan": "vx", "type vxlan dev vx": "vx",
	} {
		if got, err := ParseLinkName(strings.Fields(sentence)); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", sentence, got, err, want)
		}
	}
	for sentence, want := range map[string]string{
		"vx vy": `unknown word "vy"`, "dev": "needs a value", "type bridge": "write vxlan", "a/b": "slash",
	} {
		_, err := ParseLinkName(strings.Fields(sentence))
		wantUsage(t, sentence, err, want)
	}
}

// TestWordsAreDisjoint: a word that comes to be supported has to leave the
// table of refusals.
func TestWordsAreDisjoint(t *testing.T) {
	later := words.Refused()
	for w := range words.Known(false) {
		if later[w] != "" {
			t.Errorf("%q is both taken and refused", w)
		}
	}
}

func FuzzLinkSentence(f *testing.F) {
	for _, s := range []string{
		"vxlan0 type vxlan id 42 dstport 4789 remote 192.0.2.54 local 192.0.2.50 dev eth0",
		"vx id 1 group ff05::1 tos AF11 ttl inherit df set srcport 1 2 accept 192.0.2.0/24 maxaddress unlimited",
		"vx up mtu 1400 address 02:00:00:00:00:01 noudpcsum ageing none name vy",
		"vx id 0x ttl 0b1 tos 0x100 proxy gbp",
		"vx id 1 group ::", "vx id 1 remote 255.255.255.255", "vx id 1 local ::ffff:192.0.2.1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sentence string) {
		args := strings.Split(sentence, " ")
		add, err := ParseLinkAdd(args, words.AnyFamily)
		checkSentence(t, err)
		if err == nil {
			if _, err := control.LinkConfig(&add.LinkSpec); err != nil {
				t.Errorf("the parser took what control refuses: %v", err)
			}
		}
		name, change, err := ParseLinkSet(args, words.AnyFamily)
		checkSentence(t, err)
		if err == nil && (words.ValidName(name) != nil || control.ValidateLink(&change.LinkSpec) != nil) {
			t.Errorf("the parser took what control refuses: %q %+v", name, change)
		}
		_, err = ParseLinkName(args)
		checkSentence(t, err)
	})
}

// checkSentence: every refusal is a usage error that says something.
func checkSentence(t *testing.T, err error) {
	t.Helper()
	var usage *words.UsageError
	if err != nil && (!errors.As(err, &usage) || usage.Message == "") {
		t.Errorf("%T %v is no usage error", err, err)
	}
}
