package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/uvtep/uvtep/internal/words"
)

// mistake is one key of a link with a value that cannot be.
type mistake struct {
	key, value string
	at         string // where it is found; "": the value, "key": the key
	want       string // in the message
}

// mistakes are those of a link's keys.
func mistakes() []mistake {
	all := []mistake{
		{"id", "-1", "", "0 to 16777215"}, {"id", "16777216", "", "0 to 16777215"}, {"id", "0x1000000", "", "0 to 16777215"},
		{"id", "99999999999999999999", "", "0 to 16777215"}, {"id", "forty", "", "0 to 16777215"}, {"id", "1.5", "", "0 to 16777215"},
		{"id", "1_0", "", "0 to 16777215"}, {"id", "0b11", "", "0 to 16777215"}, {"id", "1 2", "", "too much"}, {"id", "[1, 2]", "", "too much"},
		{"id", "{a: b}", "", "no keys"}, {"id", `""`, "", "needs a value"}, {"id", "true", "", "needs a value"},
		{"id", "", "key", "needs a value"}, {"id", "null", "key", "needs a value"}, {"id", "~", "key", "needs a value"},
		{"vni", "16777216", "", "0 to 16777215"}, {"id", "[[1]]", "", "something else than values"}, {"id", "[{a: 1}]", "", "something else than values"},

		{"remote", "239.1.1.1", "", "write group 239.1.1.1"}, {"remote", "0.0.0.0", "", "address of a host"},
		{"remote", "255.255.255.255", "", "broadcast"}, {"remote", "'::ffff:192.0.2.1'", "", "write 192.0.2.1"},
		{"remote", "fe80::1%eth0", "", "dev eth0"}, {"remote", "192.0.2.256", "", "no IP address"}, {"remote", "192.0.2", "", "no IP address"},
		{"remote", "peer!.example.net", "", "no IP address"}, {"remote", "-peer.example.net", "", "no IP address"},
		{"remote", "peer..example.net", "", "no IP address"}, {"remote", "192.0.2.1/24", "", "no IP address"},
		{"remote", "[192.0.2.1, 192.0.2.2]", "", "too much"}, {"remote", "192.0.2.1 192.0.2.2", "", "too much"},
		{"remote", "true", "", "needs a value"}, {"remote", "", "key", "needs a value"}, {"remote", `""`, "", "needs a value"},
		{"remote", "{ip: 192.0.2.1}", "", "no keys"}, {"remote", "fe80::1", "vxlan1", "give its device"},

		{"remotes", "192.0.2.1", "", "is a list"}, {"remotes", "{a: b}", "", "is a list"}, {"remotes", "[239.1.1.1]", "239.1.1.1", "write group"},
		{"remotes", "[192.0.2.3, 192.0.2.3]", "192.0.2.3]", "twice"}, {"remotes", "[192.0.2.3, '2001:db8::3']", "'2001:db8::3'", "only IPv4 or only IPv6"},
		{"remotes", "[a.example.net, A.example.net.]", "A.example", "twice"}, {"remotes", "[peer!]", "peer!", "neither"},
		{"remotes", "[[192.0.2.3]]", "[192.0.2.3]", "a remote is"}, {"remotes", "[null]", "null", "a remote is"},
		{"remotes", `[""]`, `""`, "a remote is"}, {"remotes", "[192.0.2.300]", "192.0.2.300", "neither"},
		{"remotes", "[192.0.2.1, 0.0.0.0]", "0.0.0.0", "address of a host"}, {"remotes", "[{a: b}]", "{a", "a remote is"},
		{"remotes", "['::ffff:192.0.2.1']", "'::f", "write 192.0.2.1"}, {"remotes", "[255.255.255.255]", "255", "broadcast"},

		{"group", "192.0.2.1", "", "write remote 192.0.2.1"}, {"group", "239.1.1", "", "no IP address"}, {"group", "peers.example.net", "", "no IP address"},
		{"group", "ff02::1%eth0", "", "dev eth0"}, {"group", "", "key", "needs a value"}, {"group", "[239.1.1.1, 239.1.1.2]", "", "too much"},
		{"local", "239.1.1.1", "", "this host's"}, {"local", "255.255.255.255", "", "broadcast"}, {"local", "any", "", "no IP address"},
		{"local", "eth0", "", "no IP address"}, {"local", "", "key", "needs a value"}, {"local", "fe80::1%eth0", "", "dev eth0"},
		{"dev", `""`, "", "needs a value"}, {"dev", "eth/0", "", "slash"}, {"dev", "sixteencharacter", "", "15 at most"}, {"dev", "..", "", "no device name"},
		{"dev", "[eth0, eth1]", "", "too much"}, {"dev", "eth0 eth1", "", "too much"}, {"dev", "", "key", "needs a value"}, {"dev", "{eth0: up}", "", "no keys"},
		{"dev", "false", "", "needs a value"}, {"dev", "true", "", "needs a value"},

		{"dstport", "0", "", "8472"}, {"dstport", "65536", "", "0 to 65535"}, {"dstport", "-1", "", "0 to 65535"}, {"dstport", "vxlan", "", "0 to 65535"},
		{"dstport", "4789.0", "", "0 to 65535"}, {"dstport", "4789 4790", "", "too much"}, {"dstport", "[4789, 4790]", "", "too much"},
		{"dstport", "", "key", "needs a value"}, {"dstport", "true", "", "needs a value"},
		{"srcport", "1000", "", "needs a value"}, {"srcport", "[1000]", "", "needs a value"}, {"srcport", "[2000, 1000]", "", "lower port first"},
		{"srcport", "2000 1000", "", "lower port first"}, {"srcport", "[0, 5]", "", "1 or more"}, {"srcport", "[1, 2, 3]", "", "too much"},
		{"srcport", "[low, high]", "", "0 to 65535"}, {"srcport", "[1, 65536]", "", "0 to 65535"}, {"srcport", "{min: 1, max: 2}", "", "no keys"},
		{"srcport", "[]", "", "needs a value"}, {"srcport", "1000 to 2000", "", "0 to 65535"}, {"srcport", "", "key", "needs a value"},

		{"ttl", "256", "", "auto or inherit"}, {"ttl", "-1", "", "auto or inherit"}, {"ttl", "banana", "", "auto or inherit"},
		{"ttl", "1.5", "", "auto or inherit"}, {"ttl", "", "key", "needs a value"}, {"hoplimit", "300", "", "auto or inherit"},
		{"tos", "10", "", "hexadecimal"}, {"tos", "100", "", "hexadecimal"}, {"tos", "0x100", "", "0x00-0xff"}, {"tos", "banana", "", "0x00-0xff"},
		{"tos", "AF44", "", "0x00-0xff"}, {"tos", "", "key", "needs a value"}, {"dsfield", "16", "", "hexadecimal"},
		{"df", "maybe", "", "set or unset or inherit"}, {"df", "1", "", "set or unset"}, {"df", "true", "", "needs a value"},

		{"ageing", "soon", "", "0 to 4294967295"}, {"ageing", "-1", "", "0 to 4294967295"}, {"ageing", "4294967296", "", "0 to 4294967295"},
		{"ageing", "300s", "", "0 to 4294967295"}, {"ageing", "300 seconds", "", "too much"}, {"ageing", "", "key", "needs a value"},
		{"maxaddress", "many", "", "unlimited"}, {"maxaddress", "-5", "", "unlimited"}, {"maxaddress", "1073741825", "", "unlimited"},
		{"maxaddress", "none", "", "unlimited"}, {"maxaddress", "1.5", "", "unlimited"}, {"maxaddress", "", "key", "needs a value"},
		{"mtu", "67", "", "68 to"}, {"mtu", "65486", "", "68 to 65485"}, {"mtu", "jumbo", "", "is no number"}, {"mtu", "-1", "", "is no number"}, {"mtu", "", "key", "needs a value"},
		{"address", "1:2", "", "such as"}, {"address", "'01:00:5e:00:00:01'", "", "unicast"}, {"address", "'00:00:00:00:00:00'", "", "or zero"},
		{"address", "02:00:00:00:00:0g", "", "such as"}, {"address", "02:00:00:00:00:01:02", "", "such as"}, {"address", "192.0.2.1", "", "such as"},

		{"accept", "none", "", "peers, any"}, {"accept", "192.0.2.0/33", "", "peers, any"}, {"accept", "[192.0.2.0/24, x]", "", "peers, any"},
		{"accept", "'::ffff:192.0.2.0/120'", "", "IPv4 prefixes"}, {"accept", "any peers", "", "too much"}, {"accept", "[any, 192.0.2.1]", "", "peers, any"},
		{"samehost", "any", "", "auto, none"}, {"samehost", "[192.0.2.0/24, x]", "", "auto, none"}, {"samehost", "", "key", "needs a value"},
		{"accept", "peer1.example.net", "", "peers, any"}, {"accept", "", "key", "needs a value"}, {"accept", "{peers: true}", "", "no keys"},
		{"reserved", "maybe", "", "ignore or drop"}, {"reserved", "true", "", "needs a value"}, {"reserved", "Drop", "", "ignore or drop"},
		{"innervlan", "maybe", "", "pass or drop"}, {"innervlan", "100", "", "pass or drop"}, {"innervlan", "", "key", "needs a value"},
		{"queues", "0", "", "1 to 256"}, {"queues", "257", "", "1 to 256"}, {"queues", "all", "", "1 to 256"}, {"queues", "-1", "", "1 to 256"},
		{"up", "maybe", "", "true or false"}, {"up", "1", "", "true or false"}, {"up", "'true'", "", "true or false"}, {"up", "yes", "", "true or false"},
		{"down", "true", "key", "up: false"}, {"type", "vxlan", "key", "unknown key"}, {"name", "a/b", "", "slash"}, {"name", "''", "", "one value"},
		{"name", "[a]", "", "one value"}, {"name", "sixteencharacter", "", "15 at most"}, {"name", "a b", "", "space"},

		{"fdb", "all", "", "is a list"}, {"fdb", "{mac: x}", "", "is a list"}, {"fdb", "[x]", "x]", "has keys"}, {"fdb", "[[a]]", "[a]", "has keys"},
	}
	for _, flag := range []string{"learning", "udpcsum", "udp6zerocsumtx", "udp6zerocsumrx"} {
		all = append(all, mistake{flag, "yes", "", "true or false"}, mistake{flag, "1", "", "true or false"},
			mistake{flag, "'true'", "", "true or false"}, mistake{flag, "", "key", flag + ": true"},
			mistake{flag, "{on: true}", "", "no keys"}, mistake{flag, "[on]", "", ""}, mistake{"no" + flag, "true", "key", flag + ": false"})
	}
	for _, entry := range []struct{ keys, at, want string }{
		{"mac: zz", "zz", "six bytes"}, {"mac: 02:00:00:00:00", "02:", "six bytes"}, {"mac: ''", "''", "six bytes"}, {"mac: [a]", "[a]", "one value"},
		{"dst: 192.0.2.7", "{dst", "has no mac"}, {"state: static", "{state", "has no mac"}, {"mac: null", "mac", "one value"},
		{"mac: '02:00:00:00:00:07', dst: 0.0.0.0", "0.0.0.0", "address of a VTEP"}, {"mac: '02:00:00:00:00:07', dst: peer.example.net", "peer", "no IP address"},
		{"mac: '02:00:00:00:00:07', dst: 255.255.255.255", "255", "broadcast"}, {"mac: '02:00:00:00:00:07', dst: '2001:db8::7'", "'2001", "family"},
		{"dst: '::ffff:192.0.2.7', mac: '02:00:00:00:00:07'", "'::f", "write 192.0.2.7"}, {"mac: '02:00:00:00:00:07', dst: fe80::1%eth0", "fe80", "dev eth0"},
		{"mac: '02:00:00:00:00:07', port: 65536", "65536", "0 to 65535"},
		{"mac: '02:00:00:00:00:07', port: http", "http", "0 to 65535"}, {"mac: '02:00:00:00:00:07', vni: 16777216", "16777216", "0 to 16777215"},
		{"mac: '02:00:00:00:00:07', vni: -1", "-1", "0 to 16777215"}, {"mac: '02:00:00:00:00:07', via: a/b", "a/b", "slash"},
		{"mac: '02:00:00:00:00:07', state: temp", "temp", "permanent or static or dynamic"}, {"mac: '02:00:00:00:00:07', state: ''", "''", "permanent"},
		{"mac: '02:00:00:00:00:07', extern_learn: maybe", "maybe", "true or false"}, {"mac: '02:00:00:00:00:07', router: 1", "1}", "true or false"},
		{"mac: '02:00:00:00:00:07', vlan: 5", "vlan", "unknown key"}, {"mac: '02:00:00:00:00:07', dev: eth0", "dev", "unknown key"},
		{"mac: '02:00:00:00:00:07', dst: 192.0.2.7, dst: 192.0.2.8", "dst: 192.0.2.8", "twice"}, {"mac: '02:00:00:00:00:07', dst: [192.0.2.7]", "[192", "one value"},
		{"mac: '02:00:00:00:00:07', self: true", "self", "unknown key"}, {"mac: '02:00:00:00:00:07', dst:", "dst", "one value"},
	} {
		all = append(all, mistake{"fdb", "[{" + entry.keys + "}]", entry.at, entry.want})
	}
	all = append(all,
		mistake{"fdb", "[{mac: '02:00:00:00:00:07', dst: 192.0.2.7}, {mac: '02:00:00:00:00:07', dst: 192.0.2.8}]", "'02:00:00:00:00:07', dst: 192.0.2.8", "one of them"},
		mistake{"fdb", "[{mac: '00:00:00:00:00:00', dst: 192.0.2.7}, {mac: '00:00:00:00:00:00', dst: 192.0.2.7, state: static}]", "'00:00:00:00:00:00', dst: 192.0.2.7, state", "one of them"})
	for _, key := range []string{"banana", "Id", "ID", "ports", "dst-port", "vxlan", "peer", "macs", "ip"} {
		all = append(all, mistake{key, "1", "key", "unknown key"})
	}
	for _, key := range slices.Sorted(maps.Keys(words.Refused())) {
		all = append(all, mistake{key, "1", "key", `"` + key + `"`})
	}
	return all
}

// brokenFile is a file with one mistake and its place.
type brokenFile struct {
	text         string
	line, column int
	want         string
}

// block and flow put a mistake into the second of three links, as lines of
// their own and as one line.
func (m *mistake) block() brokenFile { return m.file("    ", "\n    ", "") }
func (m *mistake) flow() brokenFile  { return m.file("{", ", ", "}") }

func (m *mistake) file(open, between, end string) brokenFile {
	keys := []string{"name: vxlan1", "id: 1"}
	said := m.key + ": " + m.value
	switch m.key {
	case "name":
		keys = []string{said, "id: 1"}
	case "id", "vni":
		keys = []string{"name: vxlan1", said}
	default:
		keys = append(keys, said)
	}
	text := "links:\n  - {name: vxlan0, id: 100}\n  - " + strings.TrimLeft(open, " ") + strings.Join(keys, between) + end +
		"\n  - name: vxlan2\n    id: 102\n"
	second := strings.Index(text, "100}")
	from := second + strings.Index(text[second:], said)
	value := from + len(m.key) + len(": ")
	switch i := strings.Index(text[value:], m.at); {
	case m.at == "key":
	case i >= 0:
		from = value + i // the value itself for ""
	default:
		from = strings.LastIndex(text[:from], m.at)
	}
	return brokenFile{text: text, line: 1 + strings.Count(text[:from], "\n"), column: from - strings.LastIndex(text[:from], "\n"), want: m.want}
}

// brokenByHand have their place marked with «.
func brokenByHand() map[string]string {
	link := "links:\n  - name: vxlan0\n    id: 1\n"
	return map[string]string{
		"«just words":                     "has keys",
		"«- name: vxlan0\n":               "has keys",
		"«[]":                             "has keys",
		"«banana: 1\nlinks: []":           "unknown key",
		"links: «yes":                     "is a list",
		"links:\n  «vxlan0:\n    id: 1\n": "is a list",
		"links:\n  - «vxlan0\n":           "a link has keys",
		"links:\n  - «[a]\n":              "a link has keys",
		"links:\n  - «id: 1\n":            "has no name",
		"links:\n  - name: «vxlan0\n":     "has no id",
		"links:\n  - name: «vxlan0\n    remote: 192.0.2.2\n":          "has no id",
		"links: []\n«links: []\n":                                     "twice",
		"control: /run/a\n«control: /run/b\n":                         "twice",
		"control: «uvtep.sock\n":                                      "from the root",
		"control: «[a]\n":                                             "one value",
		"control: «''\n":                                              "one value",
		"«control:\nlinks: []\n":                                      "one value",
		"maxaddress: «0\n":                                            "or unlimited",
		"maxaddress: «many\n":                                         "or unlimited",
		"metrics: «9472\n":                                            "ADDR:PORT",
		"metrics: «localhost:9472\n":                                  "ADDR:PORT",
		"metrics: «127.0.0.1:http\n":                                  "ADDR:PORT",
		"metrics: «127.0.0.1:0\n":                                     "ADDR:PORT",
		"metrics: «':9472'\n":                                         "ADDR:PORT",
		"web: «9473\n":                                                "ADDR:PORT",
		"web: «localhost:9473\n":                                      "ADDR:PORT",
		"metrics: «127.0.0.1:65536\n":                                 "ADDR:PORT",
		link + "    «id: 2\n":                                         "twice",
		link + "    vni: «2\n":                                        "twice",
		link + "    ttl: 1\n    mtu: 1400\n    «ttl: 2\n":             "twice",
		link + "    remote: 192.0.2.1\n    «remotes: [192.0.2.2]\n":   "twice",
		link + "    remote: 192.0.2.1\n    group: «239.1.1.1\n":       "write one of them",
		link + "    group: 239.1.1.1\n    remote: «192.0.2.1\n":       "write one of them",
		link + "    group: 239.1.1.1\n    remotes: [«192.0.2.1]\n":    "write one of them",
		link + "    group: 239.1.1.1\n    remote: «peer.example\n":    "write one of them",
		link + "    remotes: [«peer.example]\n    group: 239.1.1.1\n": "write one of them",
		link + "    local: 192.0.2.1\n    remote: «2001:db8::1\n":     "two IPv4 or two IPv6",
		link + "    local: 2001:db8::1\n    remotes: [«192.0.2.2]\n":  "two IPv4 or two IPv6",
		link + "    remote: 2001:db8::1\n    local: «192.0.2.1\n":     "two IPv4 or two IPv6",
		link + "  - name: «vxlan0\n    id: 2\n":                       "another name",
		link + "  - name: vxlan1\n    id: «1\n":                       "another id",
		link + "  - name: vxlan1\n    id: «0x1\n    dstport: 4789\n":  "another id",
		"links:\n  - {name: a, id: 1, local: 192.0.2.1}\n  - {name: b, id: «1, local: 192.0.2.1, remote: 192.0.2.2}\n":            "another id",
		"links:\n  - {name: a, id: 1, local: '2001:db8::1'}\n  - {name: «b, id: 2, local: '2001:db8::1', udp6zerocsumrx: true}\n": "alike",
		link + "    fdb:\n      - mac: \"02:00:00:00:00:07\"\n        dst: «192.0.2.300\n":                                        "no IP address",
		link + "    fdb:\n      - mac: \"02:00:00:00:00:07\"\n        dst: 192.0.2.3\n        «dst: 192.0.2.4\n":                  "twice",
		link + "    fdb:\n      - mac: \"02:00:00:00:00:07\"\n      - mac: «\"02:00:00:00:00:07\"\n":                              "one of them",
		"links: []\n---\n«links: []\n":                                   "one document",
		"links:\n  - name: «&n vxlan0\n    id: 1\n":                      "anchors",
		"links:\n  - {name: a, id: 1, df: [set]x}\n":                     "no YAML",
		"links:\n  - name: vxlan0\n    id: «!!int 1\n":                   "tags",
		"links:\n  - name: vxlan0\n    id: 1\n    «<<: {ttl: 1}\n":       "",
		"links:\n  - name: vxlan0\n    id: 1\n    {a: 1}: 2\n":           "",
		"links:\n\t- name: vxlan0\n":                                     "no YAML",
		"links:\n  - name: \"vxlan0\n    id: 1\n":                        "no YAML",
		"links:\n  - {name: vxlan0, id: 1\n":                             "no YAML",
		"links:\n  - name: vxlan0\n   id: 1\n":                           "no YAML",
		"links: [\n":                                                     "no YAML",
		"links:\n  - name: vxlan0\n    id: 1\n    remotes: [192.0.2.1\n": "no YAML",
		"links:\n  - name: 'vxlan0\n":                                    "no YAML",
		"links:\n  - name: vxlan0: x\n":                                  "no YAML",
		"links: ]\n":                                                     "no YAML",
		"«%YAML 1.2\n---\nlinks: []\n":                                   "directives",
		"links:\n  - name: a\n    id: 1\n    dev: é«\xff\n":              "UTF-8",
		"links: }\n":                  "",
		"links:\n  - name: @vxlan0\n": "no YAML",
	}
}

// TestBrokenFiles: each is refused with its place, and nothing of it is left to
// apply.
func TestBrokenFiles(t *testing.T) {
	var all []brokenFile
	for _, m := range mistakes() {
		all = append(all, m.block(), m.flow())
	}
	for text, want := range brokenByHand() {
		b := brokenFile{text: strings.ReplaceAll(text, "«", ""), want: want}
		if before, _, marked := strings.Cut(text, "«"); marked {
			b.line = 1 + strings.Count(before, "\n")
			b.column = 1 + utf8.RuneCountInString(before[1+strings.LastIndex(before, "\n"):])
		}
		all = append(all, b)
	}
	if len(all) < 300 {
		t.Errorf("%d broken files, fewer than 300", len(all))
	}
	name := filepath.Join(t.TempDir(), "broken.yaml")
	for _, b := range all {
		if err := os.WriteFile(name, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := ReadFile(name)
		errs, ok := errors.AsType[FileErrors](err)
		if !ok || f != nil {
			t.Errorf("taken: %v, %v\n%s", f, err, b.text)
			continue
		}
		e := errs[0]
		if len(errs) != 1 {
			t.Errorf("%d errors, want one:\n%v\n%s", len(errs), err, b.text)
		}
		if !strings.Contains(e.Message, b.want) || strings.Contains(e.Message, "\n") {
			t.Errorf("%q, want %q in it\n%s", e.Message, b.want, b.text)
		}
		if at := fmt.Sprintf("%s:%d:%d: ", name, b.line, b.column); b.line > 0 && !strings.HasPrefix(e.Error(), at) {
			t.Errorf("%v, want it at %d:%d\n%s", e, b.line, b.column, b.text)
		}
		if e.Place.Line < 1 || e.Place.Column < 1 {
			t.Errorf("no place: %v\n%s", e, b.text)
		}
	}
	t.Logf("%d broken files", len(all))
}
