package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/test/lab"
)

// monitor starts `uvtep monitor` in the host, and gives it time to listen by
// what makes it print.
func (h host) monitor(line, until string, make func()) *lab.Process {
	h.t.Helper()
	p, err := h.Start(lab.Command{Path: exe, Args: strings.Fields(line), Env: []string{"UVTEP_CONTROL=" + h.socket}})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := lab.Eventually(timeout, func() error {
		make()
		return p.WaitStdout(until, 100*time.Millisecond)
	}); err != nil {
		h.t.Fatalf("uvtep %s: %v: %s", line, err, p.Stderr())
	}
	return p
}

// TestMonitorLink: a link's line is ip's, when it changes and when it goes; and
// the stream ends with the daemon, or by a signal.
func TestMonitorLink(t *testing.T) {
	need(t, "ip")
	a, _ := hosts(t)
	daemon := a.daemon("vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2 dev eth0")
	mtu := 1300
	change := func() {
		mtu++
		a.must("ip", "link", "set", "vxlan0", "mtu", fmt.Sprint(mtu))
	}
	p, all := a.monitor("monitor link", "mtu 13", change), a.monitor("-j monitor", `"mtu":13`, change)
	ip, err := a.Start(lab.Command{Path: "ip", Args: []string{"monitor", "link"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Eventually(timeout, func() error { change(); return ip.WaitStdout("mtu 13", 100*time.Millisecond) }); err != nil {
		t.Fatal(err)
	}
	a.must("ip", "link", "set", "vxlan0", "mtu", "1400")
	var lines [2]string
	for i, p := range []*lab.Process{ip, p} {
		if err := p.WaitStdout("mtu 1400 ", timeout); err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(p.Stdout(), "mtu 1400 ")
		if err := lab.Eventually(timeout, func() error {
			if _, rest, _ = strings.Cut(p.Stdout(), "mtu 1400 "); strings.Count(rest, "\n") < 2 {
				return fmt.Errorf("%q", rest)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		lines[i] = strings.Join(strings.SplitAfterN(rest, "\n", 3)[:2], "")
	}
	if lines[0] != lines[1] {
		t.Errorf("(-ip +uvtep)\n%s", cmp.Diff(lines[0], lines[1]))
	}
	a.mustUvtep("fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.0.2.3")
	a.mustUvtep("link del vxlan0")
	if err := p.WaitStdout("Deleted ", timeout); err != nil {
		t.Error(err, p.Stdout())
	}
	if err := all.WaitStdout(`"event":"del","object":"link"`, timeout); err != nil {
		t.Error(err, all.Stdout())
	}
	if strings.Contains(p.Stdout(), "02:00:00:00:00:01") || !strings.Contains(all.Stdout(), `"fdb":{"mac":"02:00:00:00:00:01","ifname":"vxlan0","dst":"192.0.2.3"`) {
		t.Errorf("monitor link printed\n%s\nmonitor\n%s", p.Stdout(), all.Stdout())
	}
	for s := bufio.NewScanner(strings.NewReader(all.Stdout())); s.Scan(); {
		if !json.Valid(s.Bytes()) {
			t.Errorf("no JSON: %s", s.Text())
		}
	}
	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(timeout); err != nil || p.ExitCode() != 0 || p.Stderr() != "" {
		t.Errorf("after SIGINT: %v, exit status %d: %s", err, p.ExitCode(), p.Stderr())
	}
	if err := daemon.Stop(timeout); err != nil {
		t.Errorf("the daemon ended with %v: %s", err, daemon.Stderr())
	}
	_ = all.Wait(timeout)
	if all.ExitCode() != exitNotRunning || strings.Count(all.Stderr(), "\n") != 1 {
		t.Errorf("after the daemon's end: exit status %d: %s", all.ExitCode(), all.Stderr())
	}
}

// TestRunMetrics scrapes a daemon, and starts a second one on the port.
func TestRunMetrics(t *testing.T) {
	a, _ := hosts(t)
	if err := a.SetUp("lo", true); err != nil {
		t.Fatal(err)
	}
	a.daemon("--metrics 127.0.0.1:9472 vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2")
	err := a.Do(func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:9472") // by this thread, which is in the host
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
			return err
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		for _, want := range []string{`uvtep_link_up{link="vxlan0"} 1`, `uvtep_link_mtu_bytes{link="vxlan0"} 1450`, "process_cpu_seconds_total "} {
			if !strings.Contains(string(body), "\n"+want) {
				t.Errorf("no %s in\n%s", want, body)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	a.socket += "2"
	r := a.uvtep("run --metrics 127.0.0.1:9472 vxlan1 id 43")
	if r.status != exitRefused || !strings.Contains(r.stderr, "127.0.0.1:9472 is taken") || strings.Count(r.stderr, "\n") != 1 || a.HasLink("vxlan1") {
		t.Errorf("on a port that is taken: %+v", r)
	}
}
