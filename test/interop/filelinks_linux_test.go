package interop_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

// The figures for 4,094 links, beside those of another build:
//
//	go test ./test/interop -run TestLinksOfAFile -count=1 -v -links 4094 -before OTHER/uvtep
var (
	linksFlag  = flag.Int("links", 0, "links of a file in TestLinksOfAFile; with 4094 it holds to its targets")
	beforeFlag = flag.String("before", "", "another build of uvtep whose figures TestLinksOfAFile logs, too")
)

// What 4,094 links may take on the project's kind of machine, with 2 processors.
const (
	startTarget  = 12 * time.Second
	endTarget    = 5 * time.Second
	answerTarget = time.Second
	forever      = 5 * time.Minute
)

// TestLinksOfAFile: a daemon answers while it makes the links of its file, and ends
// without a netdev left.
func TestLinksOfAFile(t *testing.T) {
	n := *linksFlag
	if n == 0 {
		n = 200
	}
	h := must(lab.ForTest(t).Host("a"))(t)
	outer(t, h)
	if *beforeFlag != "" {
		beginAndEnd(t, h, *beforeFlag, n)
	}
	took := beginAndEnd(t, h, exe, n)
	if took.early == 0 {
		t.Error("no request was answered before all links were there")
	}
	if n == manyLinks && (took.start > startTarget || took.end > endTarget || took.answer > answerTarget) {
		t.Errorf("%d links: want a start in %v, an end in %v, each answer in %v", n, startTarget, endTarget, answerTarget)
	}
}

// TestEndWhileStarting: SIGTERM ends a daemon that is still making the links of its
// file, at once, and nothing is left.
func TestEndWhileStarting(t *testing.T) {
	const n = 1000
	h := must(lab.ForTest(t).Host("a"))(t)
	outer(t, h)
	p, c := startFile(t, h, exe, n)
	eventually(t, func() error {
		_, err := c.Link(t.Context(), fmt.Sprint(idlePrefix, 1))
		return err
	})
	check(t, p.Stop(soon)) // the rest would take longer
	if strings.Contains(p.Stderr(), "ready") || strings.Contains(p.Stderr(), "level=") {
		t.Errorf("it logged:\n%s", p.Stderr())
	}
	noneLeft(t, h, n)
}

// outer gives a host the address that startFile's links have.
func outer(t *testing.T, h *lab.Host) {
	t.Helper()
	check(t, h.AddAddr("lo", prefix("192.0.2.1/32")))
}

// figures are what a daemon with the links of a file took.
type figures struct {
	start, end, answer time.Duration // the slowest answer
	cpu                time.Duration
	early              int // answers before all links were there
}

// beginAndEnd starts a daemon with n links of a file, asks it things meanwhile, and ends
// it by SIGTERM.
func beginAndEnd(t *testing.T, h *lab.Host, program string, n int) (f figures) {
	t.Helper()
	begin := time.Now()
	p, c := startFile(t, h, program, n)
	asking, stop := context.WithCancel(t.Context())
	answers := make(chan []time.Duration)
	go func() { answers <- ask(asking, c) }()
	check(t, p.WaitStderr("uvtep: ready\n", forever))
	f.start = time.Since(begin)
	stop()
	took := <-answers
	f.early = len(took)
	if len(took) > 0 {
		f.answer = slices.Max(took)
	}
	last := must(h.Link(fmt.Sprint(idlePrefix, n)))(t)
	if last.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("the last link is down: %+v", last.Attrs())
	}
	begin = time.Now()
	check(t, p.Stop(forever))
	f.end = time.Since(begin)
	f.cpu = p.CPU()
	t.Logf("%s, %d links: start %v, end %v, CPU %v, %d answers meanwhile, the slowest after %v",
		filepath.Base(program), n, f.start, f.end, f.cpu, f.early, f.answer)
	if log := p.Stderr(); log != "uvtep: ready\n" {
		t.Errorf("%s logged:\n%s", program, log)
	}
	noneLeft(t, h, n)
	return f
}

// startFile starts a daemon with n links of a file, on netdevs that are up.
func startFile(t *testing.T, h *lab.Host, program string, n int) (*lab.Process, *client.Client) {
	t.Helper()
	var text strings.Builder
	text.WriteString("links:\n")
	for k := range n { // without a remote: nothing is sent that a log could tell of
		fmt.Fprintf(&text, "  - {name: %s%d, id: %d, local: 192.0.2.1}\n", idlePrefix, k+1, 10_000+k)
	}
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "links.yaml"), filepath.Join(dir, "s")
	check(t, os.WriteFile(file, []byte(text.String()), 0o600))
	p := must(h.Start(lab.Command{Path: program, Args: []string{"--control", socket, "run", "--config", file}}))(t)
	t.Cleanup(func() { _ = p.Close() })
	c := client.New(socket)
	t.Cleanup(func() { c.Close() })
	return p, c
}

// ask asks a daemon for a link again and again until ctx ends, and returns how long each
// answer took.
func ask(ctx context.Context, c *client.Client) (took []time.Duration) {
	for ctx.Err() == nil {
		begin := time.Now()
		_, err := c.Link(ctx, fmt.Sprint(idlePrefix, 1))
		if ctx.Err() == nil && (err == nil || errors.Is(err, api.ErrNoLink)) {
			took = append(took, time.Since(begin))
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	return took
}

func noneLeft(t *testing.T, h *lab.Host, n int) {
	t.Helper()
	for _, k := range []int{1, n / 2, n} {
		if name := fmt.Sprint(idlePrefix, k); h.HasLink(name) {
			t.Errorf("netdev %s is left", name)
		}
	}
}
