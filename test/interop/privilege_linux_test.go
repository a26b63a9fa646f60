package interop_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// TestLeastPrivilege: a daemon that is not root, with two capabilities or, where its TAP was made
// for it, with none, and confined, joins a kernel's VTEP.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	l := lab.ForTest(t)
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(a, b, lab.WireOptions{}))(t)
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	check(t, a.AddAddr(w.A, netip.PrefixFrom(one, 24)), b.AddAddr(w.B, netip.PrefixFrom(two, 24)),
		b.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: two, Remote: one}), b.SetMTU("vxlan0", 1400), b.SetUp("vxlan0", true),
		b.AddAddr("vxlan0", prefix("198.51.100.2/24")))
	for _, test := range []struct {
		name, child string
		tap         []string // commands of ip that make it
		says        string   // once, in the log
	}{
		{"two capabilities", "net-admin", nil, ""},
		{"none, and a TAP of its own", "tap-owner", []string{
			fmt.Sprintf("tuntap add vxlan0 mode tap user %d", nobody), "link set vxlan0 mtu 1400 up",
		}, "mtu 1400 (want 1450)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := theirs(t)
			if os.Geteuid() != 0 {
				lab.SkipOrFail(t, fmt.Errorf("%w: another user's id is not to be had here: run as root", lab.ErrUnavailable))
			}
			check(t, os.Chmod(filepath.Dir(dir), 0o755))
			for _, command := range test.tap {
				_, _, err := a.Run(t.Context(), "ip", strings.Fields(command)...)
				check(t, err)
			}
			d := &daemon{host: a, socket: filepath.Join(dir, "s")}
			d.proc = must(a.Start(lab.Command{
				Path: must(os.Executable())(t),
				Args: strings.Fields("--control " + d.socket + " run vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2"),
				Env:  []string{childMode + "=" + test.child, childExe + "=" + exe, "GOCOVERDIR=" + dir},
			}))(t)
			check(t, d.proc.WaitStderr("uvtep: ready\n", soon))
			status := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/status", d.proc.Pid())))(t))
			for _, want := range []string{"Uid:\t65534\t65534\t65534\t65534\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
				if !strings.Contains(status, want) {
					t.Errorf("the daemon's status lacks %q:\n%s", want, status)
				}
			}
			check(t, a.AddAddr("vxlan0", prefix("198.51.100.1/24")))
			ping(t, a, netip.MustParseAddr("198.51.100.2"), 1300)
			d.uvtep(t, strings.Fields("fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.0.2.2")...)
			if got := d.uvtep(t, "fdb", "show", "dev", "vxlan0"); !strings.Contains(got, "02:00:00:00:00:01 dst 192.0.2.2") {
				t.Errorf("the entry is missing:\n%s", got)
			}
			if err := d.proc.Stop(soon); err != nil {
				t.Errorf("after SIGTERM: %v", err)
			}
			log := d.proc.Stderr()
			t.Log(log)
			if strings.Contains(log, "level=ERROR") || strings.Count(log, "the netdev keeps") != len(test.tap)/2 || !strings.Contains(log, test.says) {
				t.Errorf("the daemon logged:\n%s", log)
			}
			for _, command := range test.tap[:len(test.tap)/2] {
				_, _, err := a.Run(context.WithoutCancel(t.Context()), "ip", strings.Fields(strings.Replace(command, "add", "del", 1))[:5]...)
				check(t, err)
			}
		})
	}
}
