package config

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParsePort(t *testing.T) {
	for sentence, want := range map[string]string{
		"trunk0 trunk": `{"name":"trunk0","type":"trunk"}`,
		"dev trunk0 type trunk mtu 1400 address 02:00:00:00:00:01 queues 2 up": `{"name":"trunk0","type":"trunk","mtu":1400,"address":"02:00:00:00:00:01","queues":2,"up":true}`,
		"t trunk persist user 7 group-owner 8":                                 `{"name":"t","type":"trunk","persist":true,"user":7,"group-owner":8}`,
	} {
		c, err := ParsePortAdd(strings.Fields(sentence))
		b, jerr := json.Marshal(c)
		if err != nil || jerr != nil || string(b) != want {
			t.Errorf("%s: %s, %v, want %s", sentence, b, err, want)
		}
	}
	for sentence, want := range map[string]string{
		"": "needs a name", "trunk0": "needs a type", "trunk0 access": "unknown word", "trunk0 trunk mtu": "needs a value",
		"trunk0 trunk mtu 7": "68 to", "trunk0 trunk id 5": "unknown word", "trunk0 trunk mtu 1400 mtu 1400": "twice",
		"trunk0 type access": "write trunk", "a/b trunk": "slash", "dev": "needs a value", "trunk0 trunk trunk": "unknown word",
	} {
		if _, err := ParsePortAdd(strings.Fields(sentence)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", sentence, err, want)
		}
	}
	if name, c, err := ParsePortSet([]string{"trunk0", "down"}); name != "trunk0" || c.Up == nil || *c.Up || err != nil {
		t.Errorf("%s %+v %v", name, c, err)
	}
	if _, _, err := ParsePortSet([]string{"trunk0"}); err == nil || !strings.Contains(err.Error(), "nothing to change") {
		t.Errorf("set nothing: %v", err)
	}
	for sentence, want := range map[string]string{"": "", "trunk0": "trunk0", "dev trunk0": "trunk0"} {
		if name, err := ParsePortName(strings.Fields(sentence)); name != want || err != nil {
			t.Errorf("%s: %q, %v", sentence, name, err)
		}
	}
	for _, sentence := range []string{"trunk0 trunk1", "dev", "a/b"} {
		if _, err := ParsePortName(strings.Fields(sentence)); err == nil {
			t.Errorf("%s: no error", sentence)
		}
	}
}

func TestFilePorts(t *testing.T) {
	f, err := readText(t, `
ports:
  - {name: trunk0, mtu: 1400, persist: true}
  - name: trunk1
    type: trunk
    up: false
links:
  - {name: v10, id: 1010, trunk: trunk0, vlan: 10}
`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(f.Ports)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0]["name"] != "trunk0" || all[0]["mtu"] != 1400.0 || all[0]["persist"] != true || all[0]["up"] != true ||
		all[1]["type"] != "trunk" || all[1]["up"] != false {
		t.Errorf("%s", b)
	}
	for text, want := range map[string]string{
		"ports: {}":                                     ":1:8: ports is a list",
		"ports: [trunk0]":                               ":1:9: a port has keys",
		"ports: [{mtu: 1400}]":                          ":1:9: the port has no name",
		"ports: [{name: a/b}]":                          ":1:16: name",
		"ports: [{name: t, type: access}]":              ":1:25: type",
		"ports: [{name: t, id: 7}]":                     ":1:19: unknown key",
		"ports: [{name: t, nopersist: true}]":           ":1:19: unknown key",
		"ports: [{name: t, mtu: 7}]":                    ":1:24: mtu 7",
		"ports: [{name: t, up: maybe}]":                 ":1:23: up",
		"ports: [{name: t}, {name: t}]":                 ":1:27: port t is there already",
		"ports: [{name: t}]\nlinks: [{name: t, id: 1}]": ":2:16: link t has the name",
		"links: [{name: v, id: 1, trunk: t, vlan: 1}]":  "there is no port t",
		"links: [{name: v, id: 1, trunk: t}]":           "out of range: 1 to 4094",
		"links: [{name: v, id: 1, vlan: 1}]":            "give the port with trunk",
		"links: [{name: v, id: 1, vlan: 4095}]":         "1 to 4094",
		"ports: [{name: t}]\nlinks: [{name: a, id: 1, trunk: t, vlan: 1}, {name: b, id: 2, trunk: t, vlan: 1}]": "is link a's",
	} {
		if _, err := readText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
