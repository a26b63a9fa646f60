package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// offered are the words that a shell would offer after a command line, whose last word may be unfinished.
func (h host) offered(words ...string) []string {
	h.t.Helper()
	out, _, err := h.Run(h.t.Context(), exe, append([]string{completeCommand}, words...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(out) {
		if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(word, ":") {
			all = append(all, word)
		}
	}
	return all
}

// TestCompletes: shells offer what the running daemon knows, and words.
func TestCompletes(t *testing.T) {
	h, _ := hosts(t)
	t.Setenv(controlEnv, h.socket)
	d := h.daemon("vxlan42 id 42 local 192.0.2.1 remote 192.0.2.2 dev eth0")
	h.mustUvtep("link add vxlan43 id 43 local 192.0.2.1 remote 203.0.113.3 dev eth0")
	h.mustUvtep("link add $(touch) id 44 local 192.0.2.1 dev eth0")
	h.mustUvtep("fdb add 02:00:00:00:00:07 dev vxlan42 dst 192.0.2.7")
	h.mustUvtep("port add trunk0 trunk")
	for _, test := range []struct{ line, want, not string }{
		{"link show @", "vxlan42 vxlan43", "$(touch)"},
		{"l sh vxlan43@", "vxlan43", "vxlan42"},
		{"-s -d link show dev @", "vxlan42 vxlan43", "up"},
		{"link show u@", "up", "vxlan42"},
		{"link @", "add set del show", "vxlan42"},
		{"link set vxlan42 df @", "set unset inherit", "up"},
		{"link set vxlan42 mo@", "moveguard", "up"},
		{"link set vxlan42 up no@", "nolearning nomaster", "up noup"},
		{"link add vxlan45 id @", "42 43 44", "up"},
		{"link add vxlan45 id 45 dev @", "eth0 lo", "vxlan9"},
		{"link add vxlan45 id 45 trunk @", "trunk0", "vxlan42"},
		{"link add @", "", "id vxlan42"},
		{"port show @", "trunk0", "vxlan42"},
		{"fdb show dev @", "vxlan42 vxlan43", "dst"},
		{"fdb show dev vxlan43 dst @", "203.0.113.3", "192.0.2.7 192.0.2.2"},
		{"fdb show @", "dev dst state", "vxlan42"},
		{"fdb del @", "02:00:00:00:00:07 00:00:00:00:00:00", "dev"},
		{"fdb del 02:@", "02:00:00:00:00:07", "00:00:00:00:00:00"},
		{"fdb add 02:00:00:00:00:08 dev vxlan42 dst @", "192.0.2.2 192.0.2.7", "203.0.113.3"},
		{"fdb get 02:00:00:00:00:07 @", "dev", "dst"},
		{"ping @", "192.0.2.2 192.0.2.7 203.0.113.3", "dev"},
		{"ping 192.0.2.2 dev @", "vxlan42", "192.0.2.2"},
		{"monitor fdb dev @", "vxlan42", "link"},
		{"run --no-offload @", "tap udp-gso udp-gro filter", "vxlan42"},
		{"export --to @", "iproute2", "vxlan42"},
		{"export vx@", "vxlan42 vxlan43", ""},
	} {
		line := strings.TrimSuffix(test.line, "@")
		words := strings.Fields(line)
		if strings.HasSuffix(line, " ") {
			words = append(words, "")
		}
		got := h.offered(words...)
		for want := range strings.FieldsSeq(test.want) {
			if !slices.Contains(got, want) {
				t.Errorf("uvtep %s: offered %q, which lacks %s", test.line, got, want)
			}
		}
		for not := range strings.FieldsSeq(test.not) {
			if slices.Contains(got, not) {
				t.Errorf("uvtep %s: offered %s, which does not belong there", test.line, not)
			}
		}
	}
	if err := d.Stop(timeout); err != nil {
		t.Error(err)
	}
	if got := h.offered("link", "show", "vx"); len(got) != 0 {
		t.Errorf("without a daemon: offered %q", got)
	}
}

// TestCompletionScripts: the shells take the scripts.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		r := uvtep(t, "", "completion", shell)
		if r.status != 0 || !strings.Contains(r.out, cobra.ShellCompRequestCmd) {
			t.Fatalf("completion %s: %d %s", shell, r.status, r.stderr)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("%s is not installed here", shell)
			continue
		}
		cmd := exec.Command(path, "-n", "/dev/stdin")
		cmd.Stdin = strings.NewReader(r.out)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s does not take its script: %v\n%s", shell, err, out)
		}
	}
}
