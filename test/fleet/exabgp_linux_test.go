package fleet_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

// exabgp is ExaBGP in a host, with a file for what it is told and one for what it hears.
type exabgp struct{ dir string }

// exabgpHelper is the process that ExaBGP starts: it hands what is written to its first file to
// ExaBGP, and what ExaBGP says to the second one.
const exabgpHelper = "#!/bin/sh\nexec 3<&0\ncat <&3 >\"$2\" &\nexec tail -n +1 -f \"$1\"\n"

// startExaBGP starts ExaBGP as a neighbour of site 2.
func startExaBGP(t *testing.T, h *lab.Host, n int) *exabgp {
	t.Helper()
	e := &exabgp{openDir(t)}
	helper := write(t, e.dir, "helper", exabgpHelper)
	check(t, os.Chmod(helper, 0o755))
	conf := fmt.Sprintf(`process helper {
	run %s %s %s;
	encoder json;
}
neighbor 192.0.2.2 {
	router-id %[4]v;
	local-address %[4]v;
	local-as 65001;
	peer-as 65001;
	passive;
	family {
		l2vpn evpn;
	}
	api {
		processes [ helper ];
		receive {
			parsed;
			update;
		}
	}
}
`, helper, write(t, e.dir, "told", ""), filepath.Join(e.dir, "heard"), outer(n))
	program := must(filepath.Abs("testdata/withevpn.py"))(t)
	p := must(h.Start(lab.Command{Path: "/usr/bin/python3", Args: []string{program, write(t, e.dir, "conf", conf)}, Env: []string{
		"exabgp_tcp_bind=" + outer(n).String(), "exabgp_daemon_user=root", "exabgp_daemon_daemonize=false", "exabgp_api_cli=false", "exabgp_log_destination=stderr", "PYTHONDONTWRITEBYTECODE=1",
	}}))(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("ExaBGP said:\n%s%s\nit heard:\n%s", p.Stdout(), p.Stderr(), e.heard())
		}
	})
	return e
}

// tell has ExaBGP announce or withdraw.
func (e *exabgp) tell(t *testing.T, command string) {
	t.Helper()
	f := must(os.OpenFile(filepath.Join(e.dir, "told"), os.O_APPEND|os.O_WRONLY, 0))(t)
	_, err := fmt.Fprintln(f, command)
	check(t, err, f.Close())
}

func (e *exabgp) heard() string {
	text, _ := os.ReadFile(filepath.Join(e.dir, "heard")) // not yet there: nothing was heard
	return string(text)
}

// TestExaBGP: a third implementation announces a VTEP with a host and withdraws them, and hears
// what is here.
func TestExaBGP(t *testing.T) {
	installed(t, "setpriv", "python3-exabgp")
	sites := newFleet(t, "exabgp", "uvtep")
	u := sites[1]
	e := startExaBGP(t, sites[0].Host, 1)
	u.uvtep(t, agentFile(65001, 2, neighbor(1, 65001))+"linger: 1\n")
	m := mac(1)
	e.tell(t, "announce evpn multicast 192.0.2.1 42 65001")
	e.tell(t, "announce evpn mac "+m.String()+" 198.51.100.1 192.0.2.1 42 65001 3")
	u.prints(t, "fdb show dev vxlan42", "00:00:00:00:00:00 dst 192.0.2.1 ")
	u.prints(t, "fdb show dev vxlan42", m.String()+" dst 192.0.2.1 ")
	u.prints(t, "neigh show dev vxlan42", "198.51.100.1 lladdr "+m.String())
	if v := u.macView(t, m); v.RemoteSeq != 3 {
		t.Errorf("it is shown as %+v", v)
	}
	speak(t, u.behind, u.mac)
	eventually(t, func() error {
		text := strings.ToLower(e.heard())
		for _, want := range []string{`"rd": "192.0.2.2:42"`, `"ip": "192.0.2.2"`, u.mac.String()} {
			if !strings.Contains(text, strings.ToLower(want)) {
				return fmt.Errorf("ExaBGP does not hear %s", want)
			}
		}
		return nil
	})
	e.tell(t, "withdraw evpn mac "+m.String()+" 198.51.100.1 192.0.2.1 42 65001 3")
	e.tell(t, "withdraw evpn multicast 192.0.2.1 42 65001")
	eventually(t, func() error {
		if out := u.uvtepCLI(t, "fdb show dev vxlan42") + u.uvtepCLI(t, "neigh show dev vxlan42"); out != "" {
			return fmt.Errorf("the data plane still has:\n%s", out)
		}
		return nil
	})
}
