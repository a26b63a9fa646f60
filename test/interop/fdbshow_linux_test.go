package interop_test

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// say runs a command of bridge(8), or the same words of uvtep.
func (s *site) say(ctx context.Context, words string) (stdout string, err error) {
	args := strings.Fields(words)
	if s.kind == uvtep {
		stdout, _, err = s.daemon.try(ctx, args...)
	} else {
		stdout, _, err = s.Run(ctx, "bridge", args...)
	}
	return stdout, err
}

// place is where a VTEP stands: how its link is made and what is said to it.
type place struct {
	name   string
	link   func(f family, s, peer *site) link
	learns bool // from a peer that is there
	words  string
}

func places() []place {
	remote := func(_ family, _, peer *site) link { return link{remote: peer.outer} }
	return []place{
		{name: "remote", learns: true, link: remote},
		{name: "remote-without-dev", learns: true, link: func(_ family, _, peer *site) link {
			return link{remote: peer.outer, noDev: true}
		}},
		{name: "group", learns: true, link: func(f family, _, _ *site) link { return link{group: f.group} }},
		{name: "no-destination", link: func(family, *site, *site) link { return link{noDev: true} }, words: `
			append ZEROS dev vxlan0 dst OUT7
			append ZEROS dev vxlan0 dst OUT8
			add 02:00:00:00:01:07 dev vxlan0 dst OUT7`},
		{name: "states", learns: true, link: remote, words: `
			add 02:00:00:00:01:01 dev vxlan0 dst OUT7
			add 02:00:00:00:01:02 dev vxlan0 dst OUT7 self permanent
			add 02:00:00:00:01:03 dev vxlan0 dst OUT7 static
			add 02:00:00:00:01:04 dev vxlan0 dst OUT7 dynamic
			add 02:00:00:00:01:05 dev vxlan0 dst OUT7 extern_learn
			add 02:00:00:00:01:06 dev vxlan0 dst OUT7 dynamic extern_learn
			add 02:00:00:00:01:07 dev vxlan0 dst OUT7 router
			add 02:00:00:00:01:08 dev vxlan0 dst OUT7 static router extern_learn
			add 02:00:00:00:01:09 dev vxlan0 dst OUT7
			replace 02:00:00:00:01:09 dev vxlan0 dst OUT8 static
			replace 02:00:00:00:01:10 dev vxlan0 dst OUT8
			add 02:00:00:00:01:11 dev vxlan0 dst OUT7
			del 02:00:00:00:01:11 dev vxlan0
			replace MACB dev vxlan0 dst OUT7 dynamic`},
		{name: "remotes", link: remote, words: `
			append ZEROS dev vxlan0 dst OUT2
			append ZEROS dev vxlan0 dst OUT7
			append ZEROS dev vxlan0 dst OUT8 port 4790
			append ZEROS dev vxlan0 dst OUT8 vni 77
			append ZEROS dev vxlan0 dst OUT8 via eth0
			append ZEROS dev vxlan0 dst OUT8 port 4790 vni 77 via eth0
			append ZEROS dev vxlan0 dst OUT9
			del ZEROS dev vxlan0 dst OUT9
			add 01:00:5e:01:01:01 dev vxlan0 dst OUT7
			append 01:00:5e:01:01:01 dev vxlan0 dst OUT8
			append 33:33:00:00:00:99 dev vxlan0 dst OUT8 static
			add 02:00:00:00:01:01 dev vxlan0 dst OUT7 port 4790
			add 02:00:00:00:01:02 dev vxlan0 dst OUT7 vni 77
			add 02:00:00:00:01:03 dev vxlan0 dst OUT7 via eth0
			add 02:00:00:00:01:04 dev vxlan0 dst OUT7 port 4789 vni 42
			add 02:00:00:00:01:05 dev vxlan0 dst OUT7 port 4790 vni 16777215 via eth0 static`},
	}
}

// TestFDBShow gives a kernel VTEP and uvtep the same place, with the same
// addresses, the same peer and the same words, and wants the same lines of
// `bridge fdb show` and `uvtep fdb show`. Only their order may differ, but the
// all-zeros entries, which uvtep prints first.
func TestFDBShow(t *testing.T) {
	t.Parallel()
	installed(t, "bridge")
	for _, f := range testedFamilies() {
		for _, p := range places() {
			t.Run(f.name+"/"+p.name, func(t *testing.T) {
				shows := []string{
					"fdb show dev vxlan0", "fdb show", "-j fdb show dev vxlan0", "-j fdb show", "-s fdb show dev vxlan0",
					"-s -j fdb show dev vxlan0", "fdb show dev vxlan0 dynamic",
					"fdb show dev vxlan0 state permanent", "fdb", "fdb list dev vxlan0",
					"fdb get " + zeros + " dev vxlan0 self", "fdb get 02:00:00:00:00:63 dev vxlan0 self",
				}
				for mac := range strings.FieldsSeq(p.words) {
					if macIn.MatchString(mac) {
						shows = append(shows, "fdb get "+mac+" dev vxlan0 self", "-j fdb get "+mac+" dev vxlan0 self")
					}
				}
				shows = slices.Compact(slices.Sorted(slices.Values(shows)))
				want, got := p.stand(t, f, kernel, shows), p.stand(t, f, uvtep, shows)
				for _, show := range shows {
					if want[show] != got[show] {
						t.Errorf("%s\nbridge prints:\n%s\nuvtep prints:\n%s", show, want[show], got[show])
					}
				}
			})
		}
	}
}

// stand puts a VTEP of a kind in the place and returns what each of the
// commands prints.
func (p place) stand(t *testing.T, f family, kind string, shows []string) map[string]string {
	t.Helper()
	sites := newSites(t, f, lab.WireOptions{}, kind, kernel)
	s, peer := sites[0], sites[1]
	check(t, s.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"), peer.Sysctl("net.ipv6.conf.default.disable_ipv6", "1"))
	mine, its := p.link(f, s, peer), link{remote: s.outer, mac: staticMAC(2)}
	if mine.group.IsValid() {
		its.remote, its.group = its.group, mine.group
	}
	mine.mac = staticMAC(1)
	s.addLink(t, mine)
	check(t, s.AddAddr("vxlan0", inner4(1)))
	if p.learns {
		peer.addLink(t, its)
		check(t, peer.AddAddr("vxlan0", inner4(2)))
		check(t, s.MustReach(inner4(2).Addr(), 56, soon))
		check(t, peer.SetUp("vxlan0", false)) // its neighbour probes, seconds later, would move what the words say
	}
	words := strings.NewReplacer("ZEROS", zeros, "MACB", staticMAC(2), "OUT", strings.TrimSuffix(strings.Split(f.outer, "%")[0], "%"))
	for line := range strings.Lines(p.words) {
		if line = words.Replace(strings.TrimSpace(line)); line == "" {
			continue
		}
		if out, err := s.say(t.Context(), "fdb "+line); err != nil || out != "" {
			t.Fatalf("%s: fdb %s: %v, printed %q", kind, line, err, out)
		}
	}
	printed := make(map[string]string)
	for _, show := range shows {
		show = words.Replace(show)
		out, err := s.say(t.Context(), show)
		lines := ofLink(t, out, strings.HasPrefix(show, "-j") || strings.Contains(show, "-j "))
		if kind == uvtep && strings.Contains(show, "show") {
			zerosFirst(t, show, lines)
		}
		slices.SortStableFunc(lines, byMAC)
		if err != nil {
			lines = append(lines, "refused") // bridge exits with 254
		}
		printed[show] = strings.Join(lines, "\n")
	}
	return printed
}

var (
	macIn  = regexp.MustCompile(`([0-9a-f]{2}:){5}[0-9a-f]{2}`)
	agesIn = regexp.MustCompile(`used \d+/\d+|"used":\d+,"updated":\d+`)
)

func byMAC(a, b string) int { return strings.Compare(macIn.FindString(a), macIn.FindString(b)) }

// ofLink are the lines of the output that tell of vxlan0, or the elements of a
// JSON array: bridge shows other devices as well, and the ages are those of
// the run.
func ofLink(t *testing.T, out string, isJSON bool) []string {
	t.Helper()
	var lines []string
	if isJSON && out != "" {
		var all []json.RawMessage
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		for _, e := range all {
			lines = append(lines, string(e))
		}
	} else {
		lines = strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	}
	other := regexp.MustCompile(`dev eth|"ifname":"eth|dev lo|"ifname":"lo"`)
	lines = slices.DeleteFunc(lines, other.MatchString)
	for i, l := range lines {
		lines[i] = agesIn.ReplaceAllString(l, "AGES")
	}
	return lines
}

func zerosFirst(t *testing.T, show string, lines []string) {
	t.Helper()
	others := false
	for _, l := range lines {
		first := macIn.FindString(l) == zeros
		if first && others {
			t.Errorf("%s: an all-zeros entry comes after others:\n%s", show, strings.Join(lines, "\n"))
			return
		}
		others = others || !first
	}
}
