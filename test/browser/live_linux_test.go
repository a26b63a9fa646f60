package browser_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/uvtep/uvtep/test/lab"
)

// forward leads connections to a port of this host to a unix socket, as `ssh -L PORT:SOCKET` does, until the
// test ends.
func forward(t *testing.T, socket string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				u, err := net.Dial("unix", socket)
				if err != nil {
					return
				}
				defer u.Close()
				go func() { _, _ = io.Copy(u, c); _ = u.Close() }()
				_, _ = io.Copy(c, u)
			})
		}
	}()
	return l.Addr().String()
}

// TestLive: the page of a daemon on a host, by its control socket, follows traffic: rates, who was heard, a search for
// what was learned, drops; what other pages want of that socket is refused.
func TestLive(t *testing.T) {
	if !*wanted {
		t.Skip("say -browser to look at the page in Chromium")
	}
	l := lab.ForTest(t)
	hosts, sockets := make([]*lab.Host, 2), make([]string, 2)
	for i, name := range []string{"a", "b"} {
		h, err := l.Host(name)
		check(t, err)
		hosts[i], sockets[i] = h, filepath.Join(t.TempDir(), "s")
	}
	_, err := l.Wire(hosts[0], hosts[1], lab.WireOptions{NameA: "eth0", NameB: "eth0"})
	check(t, err)
	far := []string{"192.0.2.2", "192.0.2.1"}
	for i, h := range hosts {
		check(t, h.AddAddr("eth0", netip.MustParsePrefix(far[1-i]+"/24")))
		sentence := "run --web control vxlan0 id 42 local " + far[1-i] + " remote " + far[i]
		p, err := h.Start(lab.Command{Path: exe, Args: append([]string{"--control", sockets[i]}, strings.Fields(sentence)...)})
		check(t, err)
		check(t, p.WaitStderr("uvtep: ready\n", soon))
		t.Cleanup(func() { _ = p.Stop(soon) })
		check(t, h.AddAddr("vxlan0", netip.MustParsePrefix([]string{"198.51.100.1/24", "198.51.100.2/24"}[i])))
	}
	a, b := hosts[0], hosts[1]
	hostile := `<b>&'x'</b`[:8]
	_, stderr, err := a.Run(t.Context(), exe, "--control", sockets[0], "link", "add", hostile, "id", "99", "local", "192.0.2.1", "remote", "192.0.2.9")
	if err != nil {
		t.Fatal(err, stderr)
	}
	url := "http://" + forward(t, sockets[0]) + "/web/"
	p := open(t, url, wide)
	p.wait("links", `document.querySelectorAll("#links tr").length === 2`)
	if got := is[string](p, `document.querySelectorAll("#links button")[1].textContent`); got != hostile {
		t.Errorf("the link %s is shown as %s", hostile, got)
	}
	p.wait("silence", `document.getElementById("rx").textContent === "0b/s"`)

	ctx, stop := context.WithCancel(t.Context())
	var traffic sync.WaitGroup
	t.Cleanup(func() { stop(); traffic.Wait() })
	traffic.Go(func() {
		for ctx.Err() == nil {
			_, _ = a.Ping(lab.PingConfig{Dst: netip.MustParseAddr("198.51.100.2"), Count: 20, Size: 1000, Timeout: time.Second})
			// A packet of a VNI that no link has.
			_, _, _ = b.Run(ctx, "bash", "-c", `printf '\x08\0\0\0\0\0\x2b\0AAAAAAAAAAAAAAAAAAAA' >/dev/udp/192.0.2.1/4789`)
		}
	})
	p.wait("rates", `/^[1-9][0-9.]*[kM]b\/s$/.test(document.getElementById("rx").textContent)`)
	p.wait("a line in the map", `document.querySelectorAll("#map .edge").length >= 1 && document.querySelector("#map .dot.heard") !== null`)
	p.wait("the drop", `document.getElementById("drops").textContent.includes("rx-unknown-vni")`)
	p.wait("what to do", `document.getElementById("do").textContent.includes("compare the VNI")`)
	rates := is[string](p, `document.getElementById("rx").textContent + document.getElementById("rx-line").firstChild.getAttribute("d")`)
	p.wait("other rates", at(`document.getElementById("rx").textContent + document.getElementById("rx-line").firstChild.getAttribute("d") !== %q`, rates))

	mac, err := b.MAC("vxlan0")
	check(t, err)
	p.run(chromedp.SetValue("#fdb-q", strings.ReplaceAll(mac.String(), ":", "-"), chromedp.ByID), chromedp.Focus("#fdb-q", chromedp.ByID))
	p.keys(kb.Enter)
	p.wait("the far host's entry", at(`document.querySelectorAll("#entries tr").length === 1 && document.getElementById("entries").textContent.startsWith("%svxlan0192.0.2.2dynamic")`, mac))
	p.sound()

	// A page of this very origin, and the API behind the same socket.
	for what, expr := range map[string]string{
		"a look":   `fetch("/v1/links").then((r) => r.status)`,
		"a change": `fetch("/v1/links/vxlan0", { method: "DELETE" }).then((r) => r.status)`,
	} {
		if got := is[int](p, expr); got != 403 {
			t.Errorf("%s by the API from the page: status %d", what, got)
		}
	}
	if !is[bool](p, `fetch("state.json").then((r) => r.json()).then((s) => s.links.length === 2)`) {
		t.Error("a link has gone")
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
