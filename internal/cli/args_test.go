package cli

import (
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	for line, want := range map[string]string{
		"":                           "",
		"link":                       "link show --",
		"l":                          "link show --",
		"link sh vx1":                "link show -- vx1",
		"l s vx1 up":                 "link set -- vx1 up",
		"link list":                  "link show --",
		"link ls":                    "link show --",
		"link lst":                   "link show --",
		"link d vx1":                 "link del -- vx1",
		"link delete vx1":            "link del -- vx1",
		"link change vx1 up":         "link set -- vx1 up",
		"fdb":                        "fdb show --",
		"f a x":                      "fdb add -- x",
		"fdb app x":                  "fdb append -- x",
		"fdb d x":                    "fdb del -- x",
		"fdb delete x":               "fdb del -- x",
		"fdb r x":                    "fdb replace -- x",
		"fdb list":                   "fdb show --",
		"fdb lst":                    "fdb show --",
		"fdb f dev x":                "fdb flush -- dev x",
		"-j -p -d -s -t -4 link":     "link show --json --pretty --details --statistics --timestamp -4 --",
		"link -json show -details x": "link show --json --details -- x",
		"-stats -stat -s link":       "link show --statistics --statistics --statistics --",
		"--json link":                "link show --json --",
		"-pretty -6 fdb":             "fdb show --pretty -6 --",
		"-jd fdb":                    "fdb show -j -d --",
		"--control /a fdb":           "fdb show --control=/a --",
		"fdb -control=/a":            "fdb show --control=/a --",
		"run --no-offload tap,udp-gso --no-offload=udp-gro -tune vx id 1": "run --no-offload=tap,udp-gso --no-offload=udp-gro --tune -- vx id 1",
		"run --spin vx id 1":               "run --spin -- vx id 1",
		"run -spin=1ms":                    "run --spin=1ms --",
		"run vx id 1":                      "run -- vx id 1",
		"fdb show --help":                  "fdb show --help --",
		"link help":                        "link --help",
		"link add help":                    "link add --help",
		"help":                             "--help",
		"help link add":                    "link add --help",
		"-h":                               "--help",
		"link show -- -odd":                "link show -- -odd",
		"v":                                "version --",
		"-V":                               "version --",
		"-o -br link":                      "link show --oneline --brief --",
		"-oneline -brief l":                "link show --oneline --brief --",
		"link -jo":                         "link show -j -o --",
		"-s -s -0 -c l":                    "link show --statistics --statistics --",
		"-c=never -color=always -tshort l": "link show --tshort --",
		"-f inet -family inet6 l":          "link show -4 -6 --",
		"-f link fdb":                      "fdb show --",
		"-b file":                          "--batch=file",
		"-s -batch - -force":               "--statistics --batch=- --force",
		"-n ns1 l":                         "link show --netns=ns1 --",
		"-netns ns1 l":                     "link show --netns=ns1 --",
		"run --metrics [::1]:9 vx id 1":    "run --metrics=[::1]:9 -- vx id 1",
		"run --web control vx id 1":        "run --web=control -- vx id 1",
		"mon fdb":                          "monitor -- fdb",
		"-ts monitor":                      "monitor --tshort --",
		"-tshort -t monitor":               "monitor --tshort --timestamp --",
	} {
		got, err := normalise(strings.Fields(line))
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v, want %q", line, strings.Join(got, " "), err, want)
		}
	}
	for _, line := range []string{"banana", "link banana", "fdb x", "-x link", "link --banana", "--control", "-jx link", "run --no-offload", "run --no-off tap", "-b", "-f ipx l", "-n"} {
		if got, err := normalise(strings.Fields(line)); err == nil {
			t.Errorf("%q was taken as %q", line, got)
		}
	}
}

func TestRunElsewhere(t *testing.T) {
	for line, want := range map[string]string{
		"run vx id 1":                     "",
		"-n ns1 link":                     "",
		"-n ns1 run vx id 1":              "ns1: run --control=/run/uvtep/netns/ns1.sock -- vx id 1",
		"-j -n ns1 run --control /a -o":   "ns1: run --json --control=/a --oneline --",
		"-n ns1 run --spin vx id 1 -- -n": "ns1: run --control=/run/uvtep/netns/ns1.sock --spin -- vx id 1 -n",
	} {
		args, err := normalise(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		name, rest, err := runElsewhere(args)
		got := strings.TrimPrefix(name+": "+strings.Join(rest, " "), ": ")
		if err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
	for _, name := range []string{"..", "a/b", ""} {
		if _, _, err := runElsewhere([]string{"link", "show", "--netns=" + name, "--"}); err == nil {
			t.Errorf("-netns %q was taken", name)
		}
	}
}
