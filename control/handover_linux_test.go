package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/uvtep/uvtep/api"
)

// TestMayTakeOver: root and the daemon's user may have what the daemon has open, and nobody else: not who may change
// everything by the socket's group, and not whom the kernel does not tell.
func TestMayTakeOver(t *testing.T) {
	p := peerPolicy{uid: nobody}
	for _, tt := range []struct {
		who *peer
		may bool
	}{{&peer{uid: 0}, true}, {&peer{uid: nobody}, true}, {&peer{uid: stranger, groups: []uint32{group, 0, nobody}}, false}, {nil, false}} {
		ctx := t.Context()
		if tt.who != nil {
			ctx = context.WithValue(ctx, peerKey{}, *tt.who)
		}
		if err := p.mayTakeOver(ctx); (err == nil) != tt.may || err != nil && !errors.Is(err, api.ErrDenied) {
			t.Errorf("%+v: %v, want that it may: %v", tt.who, err, tt.may)
		}
	}
}

// TestHandOver: who asks by the daemon's protocol gets its connection, and who asks by another one is told, before anything
// of the daemon ends.
func TestHandOver(t *testing.T) {
	for _, tt := range []struct {
		name, protocol string
		able           bool
		want           int
	}{
		{"as it should be", "p/1", true, http.StatusSwitchingProtocols},
		{"another protocol", "p/2", true, http.StatusUnprocessableEntity},
		{"no protocol", "", true, http.StatusUnprocessableEntity},
		{"a daemon that cannot", "p/1", false, http.StatusUnprocessableEntity},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := ServerConfig{Path: filepath.Join(t.TempDir(), "s"), Backend: &fakeBackend{}, Netdevs: noNetdevs{}, Protocol: "p/1", Log: slog.New(slog.DiscardHandler)}
			asked := 0
			if tt.able {
				c.HandOver = func(u *net.UnixConn) {
					asked++
					_, _ = io.WriteString(u, "what there is")
				}
			}
			s, err := Listen(c)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(ctx) }()
			u, err := net.Dial("unix", c.Path)
			if err != nil {
				t.Fatal(err)
			}
			defer u.Close()
			if _, err := fmt.Fprintf(u, "POST /v1/handover HTTP/1.1\r\nHost: uvtep\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", tt.protocol); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(u)
			r, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
			if r.StatusCode != tt.want {
				t.Errorf("status %d, want %d", r.StatusCode, tt.want)
			}
			if tt.want == http.StatusSwitchingProtocols {
				if given, err := io.ReadAll(in); string(given) != "what there is" || err != nil {
					t.Errorf("given %q, %v", given, err)
				}
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if given := tt.want == http.StatusSwitchingProtocols; given != (asked == 1) {
				t.Errorf("the daemon was asked %d times", asked)
			}
		})
	}
}
