package config

import (
	"strings"
	"testing"

	"github.com/uvtep/uvtep/api"
)

func TestParseLinkShow(t *testing.T) {
	devices := []api.Netdev{
		{Name: "vx1", Flags: []string{"UP"}, Master: "br0", Group: "default"},
		{Name: "vx2", Flags: []string{"BROADCAST"}, Group: "7"},
	}
	for sentence, want := range map[string]string{
		"":                         "vx1 vx2",
		"type vxlan":               "vx1 vx2",
		"type bridge":              "",
		"up":                       "vx1",
		"master br0":               "vx1",
		"vrf br0":                  "vx1",
		"master br1":               "",
		"nomaster":                 "vx2",
		"group default":            "vx1",
		"group 0":                  "vx1",
		"group 7 novf":             "vx2",
		"up nomaster":              "",
		"up type vxlan master br0": "vx1",
	} {
		f, err := ParseLinkShow(strings.Fields(sentence))
		if err != nil || f.Name != "" {
			t.Errorf("%q: %+v, %v", sentence, f, err)
		}
		var got []string
		for i := range devices {
			if f.Matches(&devices[i]) {
				got = append(got, devices[i].Name)
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q selects %q, want %q", sentence, s, want)
		}
	}
	for _, sentence := range []string{"vx1", "dev vx1", "up dev vx1", "vx1 type vxlan"} {
		if f, err := ParseLinkShow(strings.Fields(sentence)); err != nil || f.Name != "vx1" {
			t.Errorf("%q: %+v, %v", sentence, f, err)
		}
	}
	for sentence, want := range map[string]string{
		"vx1 vx2": "after the link's name", "dev": "needs a value", "master": "needs a value", "type": "needs a value",
		"group": "needs a value", "a/b": "slash", "master a/b": "slash",
	} {
		_, err := ParseLinkShow(strings.Fields(sentence))
		wantUsage(t, sentence, err, want)
	}
}
