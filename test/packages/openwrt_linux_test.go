package packages_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// procd stands in for OpenWrt's procd.sh: it prints what the script asks procd for. What procd does with it is not shown here.
const procd = `
procd_open_instance() { :; }
procd_close_instance() { :; }
procd_set_param() { for word; do printf '%s\n' "$word"; done; echo; }
. "$script"
PROG=$program FILE=$dir/uvtep.yaml STATE=$dir/state
`

// TestOpenWrt: the script asks procd to start a daemon that works, and to do so again for ever, refuses a file with a
// mistake, and reloads.
func TestOpenWrt(t *testing.T) {
	l := lab.ForTest(t)
	h := must(l.Host("a"))(t)
	b := must(l.Host("b"))(t)
	w := must(l.Wire(h, b, lab.WireOptions{}))(t)
	check(t, h.AddAddr(w.A, prefix("192.0.2.1/24")))
	dir := t.TempDir()
	run := func(line string) (string, error) {
		p := must(h.Start(lab.Command{Path: "dash", Args: []string{"-euc", procd + line}, Env: []string{
			"script=" + must(filepath.Abs("../../packaging/openwrt/uvtep.init"))(t), "program=" + exe, "dir=" + dir, "UVTEP_CONTROL=" + filepath.Join(dir, "s"),
		}}))(t)
		err := p.Wait(soon)
		return p.Stdout() + p.Stderr(), err
	}
	file := filepath.Join(dir, "uvtep.yaml")
	check(t, os.WriteFile(file, []byte("banana\n"), 0o600))
	if said, err := run("start_service"); err == nil || strings.Contains(said, "command") {
		t.Errorf("a file with a mistake is started: %s", said)
	}
	check(t, os.WriteFile(file, []byte("links:\n  - {name: vxlan0, id: 42, local: 192.0.2.1, remote: 192.0.2.2}\n...\n"), 0o600))
	said, err := run("start_service")
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	asked := map[string][]string{}
	for parameter := range strings.SplitSeq(strings.TrimSpace(said), "\n\n") {
		words := strings.Split(parameter, "\n")
		asked[words[0]] = words[1:]
	}
	if got := strings.Join(asked["respawn"], " "); got != "3600 1 0" { // 0: for ever, instance_exit in procd's service/instance.c
		t.Errorf("respawn %s", got)
	}
	command := asked["command"]
	if len(command) == 0 {
		t.Fatalf("no command: %s", said)
	}
	p := must(h.Start(lab.Command{Path: command[0], Args: command[1:], Env: []string{"UVTEP_CONTROL=" + filepath.Join(dir, "s")}}))(t)
	check(t, p.WaitStderr("uvtep: ready\n", soon))
	check(t, os.WriteFile(file, []byte("links:\n  - {name: vxlan0, id: 42, local: 192.0.2.1, remote: 192.0.2.2}\n  - {name: vxlan1, id: 43, local: 192.0.2.1}\n...\n"), 0o600))
	if said, err := run("reload_service"); err != nil || !h.HasLink("vxlan1") {
		t.Errorf("after a reload: %v: %s", err, said)
	}
	check(t, p.Stop(soon))
}
