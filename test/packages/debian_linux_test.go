package packages_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uvtep/uvtep/test/lab"
)

// site is a machine beside a VTEP of the kernel, 192.0.2.2 with 198.51.100.2 behind it.
type site struct {
	*machine
	peer *lab.Host
}

func newSite(t *testing.T) *site {
	t.Helper()
	lab.NeedKernelVXLAN(t)
	l := lab.ForTest(t)
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(a, b, lab.WireOptions{}))(t)
	check(t, a.AddAddr(w.A, prefix("192.0.2.1/24")), b.AddAddr(w.B, prefix("192.0.2.2/24")),
		b.AddKernelVXLAN(lab.KernelVXLAN{Name: "vxlan0", VNI: 42, Local: addr("192.0.2.2"), Remote: addr("192.0.2.1")}), b.SetMTU("vxlan0", 1400),
		b.SetUp("vxlan0", true), b.AddAddr("vxlan0", prefix("198.51.100.2/24")))
	return &site{boot(t, a), b}
}

// TestDebian: the package from the first installation to the purge, on a system that systemd runs.
func TestDebian(t *testing.T) {
	older, newer := "", ""
	if *debs == "" {
		older, newer = deb(t, "0.0.1"), deb(t, "0.0.2")
	} else {
		older, newer, _ = strings.Cut(*debs, ",")
	}
	s := newSite(t)
	before := s.files()
	s.copyIn(older, "/tmp/older.deb")
	s.copyIn(newer, "/tmp/newer.deb")

	begin := time.Now()
	for _, line := range []string{ // three commands, from the package to a ping
		"dpkg -i /tmp/older.deb",
		"uvtep link add vxlan0 type vxlan id 42 local 192.0.2.1 remote 192.0.2.2 up",
		"ip address add 198.51.100.1/24 dev vxlan0",
	} {
		s.sh(line)
	}
	check(t, s.MustReach(addr("198.51.100.2"), 56, soon))
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("from the package to a ping: %v", took)
	} else {
		t.Logf("from the package to a ping: %v", took)
	}
	s.confined()
	if *long {
		s.reloads()
	}
	s.upgrades("dpkg -i /tmp/newer.deb")
	s.comesBack()
	if *long {
		s.completes()
		s.hangs()
		s.others()
	}
	s.goes(before)
}

// status is a property of a unit.
func (s *site) status(unit, property string) string {
	s.t.Helper()
	return strings.TrimSpace(s.sh("systemctl show --value -p " + property + " " + unit))
}

// confined: the daemon is a user's of its own, with two capabilities.
func (s *site) confined() {
	s.t.Helper()
	status := s.sh("cat /proc/$(systemctl show --value -p MainPID uvtep)/status; id -u uvtep; systemctl is-enabled uvtep")
	for _, want := range []string{"CapEff:\t0000008000001000\n", "CapBnd:\t0000008000001000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n", "\nenabled\n"} {
		if !strings.Contains(status, want) {
			s.t.Errorf("the daemon lacks %q:\n%s", want, status)
		}
	}
	if uid := strings.TrimSpace(s.sh("id -u uvtep")); uid == "0" || !strings.Contains(status, fmt.Sprintf("Uid:\t%s\t%[1]s\t%[1]s\t%[1]s\n", uid)) {
		s.t.Errorf("the daemon is not of user %s:\n%s", uid, status)
	}
}

// reloads: `systemctl reload` applies the file, and fails where it has a mistake.
func (s *site) reloads() {
	s.t.Helper()
	s.sh(`printf 'links:\n  - {name: vxlan7, id: 7, local: 192.0.2.1, remote: 192.0.2.2}\n...\n' >/etc/uvtep/conf.d/seven.yaml && systemctl reload uvtep && uvtep link show vxlan7`)
	s.sh("echo banana >/etc/uvtep/conf.d/eight.yaml")
	s.fails("systemctl reload uvtep")
	s.sh("rm /etc/uvtep/conf.d/eight.yaml && systemctl reload uvtep && uvtep link show vxlan7")
}

// upgrades: an upgrade under traffic loses no frame, and keeps the netdev and what it knows.
func (s *site) upgrades(command string) {
	s.t.Helper()
	index, pid := must(s.Link("vxlan0"))(s.t).Attrs().Index, s.status("uvtep", "MainPID")
	s.sh("uvtep fdb add 02:00:00:00:00:99 dev vxlan0 dst 192.0.2.2")
	s.losesNothing(func() { s.sh(command) })
	if is := must(s.Link("vxlan0"))(s.t).Attrs().Index; is != index {
		s.t.Errorf("another netdev: index %d, was %d", is, index)
	}
	if is := s.status("uvtep", "MainPID"); is == pid || is == "0" {
		s.t.Errorf("the daemon was not restarted: process %s", is)
	}
	s.sh("uvtep fdb show dev vxlan0 | grep 02:00:00:00:00:99")
	if *long {
		s.losesNothing(func() { s.sh("systemctl restart uvtep") })
	}
}

// losesNothing has frames flow both ways, 1,000 a second each, while change goes on.
func (s *site) losesNothing(change func()) {
	s.t.Helper()
	until := make(chan struct{})
	var counts [2]lab.UDPCount
	var both sync.WaitGroup
	for i := range counts {
		c := lab.RateConfig{From: s.Host, To: s.peer, Dst: addr("198.51.100.2"), Size: 200, Rate: 1000, Duration: time.Minute, Until: until}
		if i == 1 {
			c.From, c.To, c.Dst = c.To, c.From, addr("198.51.100.1")
		}
		both.Go(func() {
			var err error
			if counts[i], err = lab.UDPAtRate(s.t.Context(), c); err != nil {
				s.t.Error(err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond) // frames before, and after: no condition is waited for
	change()
	time.Sleep(200 * time.Millisecond)
	close(until)
	both.Wait()
	for i, n := range counts {
		s.t.Logf("%s: %v", []string{"forth", "back"}[i], n)
		if n.Lost() > 0 || n.SendErrors > 0 || n.Duplicated+n.Corrupt > 0 || n.Sent < 100 {
			s.t.Errorf("%s: %d lost", []string{"forth", "back"}[i], n.Lost())
		}
	}
}

// comesBack: systemd starts a daemon again that was killed, after a rest of a tenth of a second, with the link that was made
// by a command.
func (s *site) comesBack() {
	s.t.Helper()
	if rest := s.status("uvtep", "RestartUSec"); rest != "100ms" {
		s.t.Errorf("systemd waits for %s before it starts a daemon that was killed", rest)
	}
	pid := s.status("uvtep", "MainPID")
	s.sh("systemctl kill --signal=KILL --kill-who=main uvtep")
	check(s.t, lab.Eventually(soon, func() error {
		if is := s.status("uvtep", "MainPID"); is == pid || s.status("uvtep", "ActiveState") != "active" {
			return fmt.Errorf("process %s still is the daemon", is)
		}
		return nil
	}))
	s.sh("uvtep link show vxlan0")
	s.t.Logf("killed, and ready again after %v, of which %v were its start", s.between("ActiveExit", "ActiveEnter"), s.between("ExecMainStart", "ActiveEnter"))
}

// between is the time between two events of the daemon's unit.
func (s *site) between(from, to string) time.Duration {
	s.t.Helper()
	at := func(event string) int {
		return must(strconv.Atoi(s.status("uvtep", event+"TimestampMonotonic")))(s.t)
	}
	return time.Duration(at(to)-at(from)) * time.Microsecond
}

// others: a daemon in a network namespace, and the agent, which is of another user without any capability.
func (s *site) others() {
	s.t.Helper()
	s.sh(`ip netns add blue && ip -n blue link set lo up && printf 'links: []\n...\n' >/etc/uvtep/blue.yaml && systemctl start uvtep@blue && uvtep -n blue link add vxlan5 id 5 local 127.0.0.1 && ip -n blue link show vxlan5`)
	s.sh("cp /usr/share/doc/uvtep/examples/evpn.yaml /etc/uvtep/evpn.yaml && systemctl start uvtep-evpn && uvtep evpn show neighbor && systemctl reload uvtep-evpn")
	if status := s.sh("cat /proc/$(systemctl show --value -p MainPID uvtep-evpn)/status"); !strings.Contains(status, "CapBnd:\t0000000000000000\n") {
		s.t.Errorf("the agent has capabilities:\n%s", status)
	}
	s.sh("echo banana >>/etc/uvtep/evpn.yaml")
	s.fails("systemctl reload uvtep-evpn")
	// A unit that stops takes nothing from the others.
	s.sh("systemctl stop uvtep uvtep-evpn && uvtep -n blue link show vxlan5 && systemctl start uvtep && uvtep link show vxlan0 && systemctl stop uvtep@blue && uvtep link show vxlan0")
	s.sh("systemctl start uvtep@blue")
}

// goes: what is removed is stopped, and a purge leaves nothing.
func (s *site) goes(before map[string]bool) {
	s.t.Helper()
	s.sh("dpkg -r uvtep && test -e /etc/uvtep/uvtep.yaml && ! test -e /usr/bin/uvtep")
	for _, name := range []string{"vxlan0", "vxlan7"} {
		if s.HasLink(name) {
			s.t.Errorf("%s is left", name)
		}
	}
	if left := s.sh("systemctl list-units --all --plain --no-legend 'uvtep*'; pgrep uvtep || true"); strings.TrimSpace(left) != "" {
		s.t.Errorf("units or processes are left:\n%s", left)
	}
	s.sh("dpkg -P uvtep && (ip netns del blue 2>/dev/null || true)")
	var left []string
	for name := range s.files() {
		if !before[name] {
			left = append(left, name)
		}
	}
	slices.Sort(left)
	left = slices.DeleteFunc(left, func(name string) bool {
		return slices.Contains([]string{"/run/netns", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"}, name)
	})
	if len(left) > 0 {
		s.t.Errorf("left by the purge: %v", left)
	}
}

// completes: the shells of the system offer what the daemon knows, by the scripts that the package has.
func (s *site) completes() {
	s.t.Helper()
	const bash = `source /usr/share/bash-completion/bash_completion; _completion_loader uvtep || true
	line() { COMP_LINE="$*" COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9; COMPREPLY=(); __start_uvtep; echo "${COMPREPLY[*]}"; }
	COMP_WORDS=(uvtep link show vxlan0); COMP_CWORD=3; line uvtep link show vxlan0
	COMP_WORDS=(uvtep fdb del 02 : 00 : 00 : 00 : 00 : 9); COMP_CWORD=13; line uvtep fdb del 02:00:00:00:00:9`
	s.write("/tmp/bash", []byte(bash))
	if said := s.sh("bash /tmp/bash"); said != "vxlan0\n99\n" {
		s.t.Errorf("bash offers %q", said)
	}
	if said := s.sh(`fish -c 'complete -C "uvtep ping 192.0.2."'`); !strings.HasPrefix(said, "192.0.2.2") {
		s.t.Errorf("fish offers %q", said)
	}
	s.sh("zsh -n /usr/share/zsh/vendor-completions/_uvtep && zsh -c 'fpath+=/usr/share/zsh/vendor-completions; autoload -U compinit; compinit -D; whence _uvtep' && test -s /usr/share/man/man1/uvtep-link-add.1.gz")
}

// hangs: a daemon that does not feed its watchdog is started again.
func (s *site) hangs() {
	s.t.Helper()
	s.sh("mkdir -p /etc/systemd/system/uvtep.service.d && printf '[Service]\\nWatchdogSec=2s\\nTimeoutAbortSec=1s\\n' >/etc/systemd/system/uvtep.service.d/tests.conf && systemctl daemon-reload && systemctl restart uvtep")
	pid := s.status("uvtep", "MainPID")
	s.sh("kill -STOP " + pid)
	check(s.t, lab.Eventually(soon, func() error {
		if is := s.status("uvtep", "MainPID"); is == pid || s.status("uvtep", "ActiveState") != "active" {
			return fmt.Errorf("process %s still is the daemon", is)
		}
		return nil
	}))
	s.sh("uvtep link show vxlan0 && rm -r /etc/systemd/system/uvtep.service.d && systemctl daemon-reload")
}
