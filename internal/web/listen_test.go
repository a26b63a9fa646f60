package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCheckAddr(t *testing.T) {
	for text, ok := range map[string]bool{
		"127.0.0.1:9473": true, "[::1]:9473": true, ":9473": true, "0.0.0.0:1": true, "control": true, "[fe80::1%eth0]:80": true,
		"": false, "9473": false, "localhost:9473": false, "127.0.0.1": false, "127.0.0.1:0": false, "127.0.0.1:x": false, "127.0.0.1:65536": false, "/run/s": false, "Control": false,
	} {
		if err := CheckAddr(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestListen: the page is served until the end; an address that others reach is warned of, and a taken port said.
func TestListen(t *testing.T) {
	for addr, warns := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		var log bytes.Buffer
		s, err := Listen(addr, newPage(&daemon{}), slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "whoever reaches the status page reads"); got != warns {
			t.Errorf("%s: the log has %q", addr, log.String())
		}
		if _, err := Listen(s.Addr(), newPage(&daemon{}), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "is taken by another process: give another") {
			t.Errorf("a port that is taken: %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx) }()
		_, port, _ := net.SplitHostPort(s.Addr())
		client := http.Client{Timeout: 30 * time.Second}
		res, err := client.Get("http://127.0.0.1:" + port + "/")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil || res.Body.Close() != nil || !strings.HasPrefix(string(text), "<!DOCTYPE html>") {
			t.Errorf("%v: %.100s", err, text)
		}
		client.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	var none *Server
	if none.Serve(t.Context()) != nil || none.Close() != nil {
		t.Error("no server has something to do")
	}
}
