package cli

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// browse asks as a browser does, by the thread that calls it.
func browse(network, address, method, path, host string) (status int, text string, err error) {
	conn, err := net.DialTimeout(network, address, timeout)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return 0, "", err
	}
	if _, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method, path, host); err != nil {
		return 0, "", err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// TestRunWeb: a confined daemon shows its page on a port, or on its control socket, and there alone.
func TestRunWeb(t *testing.T) {
	a, b := hosts(t)
	if err := a.SetUp("lo", true); err != nil {
		t.Fatal(err)
	}
	const port, link = "127.0.0.1:9473", " vxlan0 id 42 local 192.0.2.1 remote 192.0.2.2"
	a.daemon("--web " + port + link)
	a.mustUvtep("fdb add 02:00:00:00:00:07 dev vxlan0 dst 192.0.2.7")
	file := filepath.Join(t.TempDir(), "uvtep.yaml")
	if err := os.WriteFile(file, []byte("web: control\nlinks:\n- {name: vxlan0, id: 42, local: 192.0.2.2, remotes: [192.0.2.1]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.daemon("--config " + file)
	for _, at := range []struct {
		host             host
		network, address string
		below            string
	}{{a, "tcp", port, ""}, {b, "unix", b.socket, "/web"}} {
		for _, ask := range []struct {
			method, path, host string
			status             int
			want               string
		}{
			{"GET", "/", "127.0.0.1:9473", 200, "<!DOCTYPE html>"},
			{"GET", "/page.js", "localhost:8080", 200, "poll();"},
			{"GET", "/state.json", "[::1]:9473", 200, `"name":"vxlan0","id":42,"up":true,"mtu":`},
			{"GET", "/fdb.json?q=192.0.2", "127.0.0.1", 200, `"state":"permanent"`},
			{"POST", "/state.json", "127.0.0.1", 405, ""},
			{"GET", "/state.json", "evil.example:9473", 403, "open the page by the host's IP address"},
		} {
			err := at.host.Do(func() error {
				status, text, err := browse(at.network, at.address, ask.method, at.below+ask.path, ask.host)
				if err == nil && (status != ask.status || !strings.Contains(text, ask.want)) {
					t.Errorf("%s: %s %s as %s: %d %.300s", at.network, ask.method, ask.path, ask.host, status, text)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		}
	}
	// Where it is not asked for there is none, and the API is not beside it.
	for _, ask := range []struct {
		network, address, path string
		status                 int
	}{{"tcp", port, "/v1/links", 404}, {"tcp", port, "/web/", 404}, {"unix", a.socket, "/web/", 404}} {
		if err := a.Do(func() error {
			status, text, err := browse(ask.network, ask.address, "GET", ask.path, "localhost")
			if status != ask.status {
				t.Errorf("%s %s: %d %.300s", ask.network, ask.path, status, text)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	a.socket += "2"
	if r := a.uvtep("run --web " + port + " vxlan1 id 43"); r.status != exitRefused || !strings.Contains(r.stderr, "web: "+port+" is taken by another process: give another ADDR:PORT with --web") {
		t.Errorf("a second daemon on the port: %+v", r)
	}
}
