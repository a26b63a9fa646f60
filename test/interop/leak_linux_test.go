package interop_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/client"
	"github.com/uvtep/uvtep/test/lab"
)

var rounds = flag.Int("rounds", 150, "how often TestNothingLeft adds and deletes a link after a warm-up")

const (
	// warmUp is how many rounds come before those whose memory counts: what workers borrow for the first time stays.
	warmUp = 300
	// readings is of how many rounds the least memory is that one: there is more before a garbage collection.
	readings = 100
	// promised is how much memory there may be more after promisedRounds, in KiB. Of fewer rounds the first ones are a
	// larger part, and a machine that does other work has more of them borrow at the same time.
	promised, promisedRounds, besides = 1 << 10, 5000, 4 << 10
)

// TestNothingLeft adds a link, sends frames both ways and deletes it, hundreds of
// times (-rounds) against one daemon: no file descriptor, no goroutine, no thread and no
// memory to speak of may be left. The goroutines are those of the real process:
// SIGQUIT makes the Go runtime print them all. A daemon that did a few rounds is
// the measure for the one that did all.
func TestNothingLeft(t *testing.T) {
	t.Parallel() // it mostly waits for the kernel to take devices down
	few, many := 20, warmUp+*rounds
	if raceDetector { // each round takes ten times as long
		many = 100
	}
	short := churn(t, few)
	long := churn(t, many)
	if short.files != long.files {
		t.Errorf("open files: %d after %d rounds, %d after %d", short.files, few, long.files, many)
	}
	if !maps.Equal(short.goroutines, long.goroutines) {
		t.Errorf("goroutines by origin: %v after %d rounds, %v after %d", short.goroutines, few, long.goroutines, many)
	}
	if len(long.goroutines) == 0 {
		t.Error("no goroutine was counted")
	}
	// The runtime keeps threads that once blocked in a call.
	if long.threads > short.threads+8 {
		t.Errorf("threads: %d after %d rounds, %d after %d", short.threads, few, long.threads, many)
	}
	more := besides
	if *rounds >= promisedRounds {
		more = promised
	}
	if long.rssKiB > long.warmKiB+more && !raceDetector {
		t.Errorf("memory: %d KiB after %d rounds, %d KiB after %d", long.warmKiB, warmUp, long.rssKiB, many)
	}
	t.Logf("after %d rounds: %+v", few, short)
	t.Logf("after %d rounds: %+v", many, long)
}

// usage is what a process holds.
type usage struct {
	files, threads  int
	warmKiB, rssKiB int            // after the warm-up, and in the end
	goroutines      map[string]int // by the function that started them
}

// churn runs rounds against a new daemon and returns what it holds at the end.
func churn(t *testing.T, times int) usage {
	t.Helper()
	sites := newSites(t, families()[0], lab.WireOptions{}, uvtep, uvtep)
	a, b := sites[0], sites[1]
	b.addLink(t, link{remote: a.outer, mac: staticMAC(2)})
	far := must(b.OpenPacket("vxlan0"))(t)
	before := devices(t, a.Host)
	atRest := files(t, a.daemon.proc)
	c := client.New(a.daemon.socket)
	var u usage
	var resident []int
	for n := range times {
		round(t, c, a, b, far, n)
		if t.Failed() {
			t.FailNow()
		}
		threads, kib := threadsAndMemory(t, a.daemon.proc)
		u.threads, resident = threads, append(resident, kib)
	}
	u.rssKiB = slices.Min(resident[max(times-readings, 0):])
	if times > warmUp {
		u.warmKiB = slices.Min(resident[warmUp-readings : warmUp])
	}
	c.Close()
	eventually(t, func() error { // the connection's file goes when the server has seen its end
		if got := files(t, a.daemon.proc); got > atRest {
			return fmt.Errorf("%d files are open, %d were before the first link", got, atRest)
		}
		return nil
	})
	if after := devices(t, a.Host); !slices.Equal(before, after) {
		t.Errorf("devices before: %q, after: %q", before, after)
	}
	u.files = files(t, a.daemon.proc)
	check(t, a.daemon.proc.Signal(syscall.SIGQUIT))
	_ = a.daemon.proc.Wait(soon)
	u.goroutines = goroutines(a.daemon.proc.Stderr())
	return u
}

// round is one life of a link: every third with a group, every fourth with a
// port of its own.
func round(t *testing.T, c *client.Client, a, b *site, far *lab.PacketSocket, n int) {
	t.Helper()
	const name = "vxlan0"
	add := api.LinkChange{LinkSpec: api.LinkSpec{
		Name: name, ID: new(uint32(42)), Local: &a.outer, Remote: &b.outer, Address: new(staticMAC(1)),
	}, Up: new(true)}
	if n%3 == 2 {
		extra := add
		extra.Name, extra.ID, extra.Remote, extra.Address = "vxlan1", new(uint32(43)), nil, nil
		extra.Group, extra.Dev = new(netip.MustParseAddr("239.1.1.1")), &a.dev
		if n%4 == 3 {
			extra.DstPort = new(uint16(4790))
		}
		check(t, c.AddLink(t.Context(), extra))
		defer func() { check(t, c.DeleteLink(t.Context(), "vxlan1")) }()
	}
	check(t, c.AddLink(t.Context(), add))
	near := must(a.OpenPacket(name))(t)
	mine, its := must(net.ParseMAC(staticMAC(1)))(t), must(net.ParseMAC(staticMAC(2)))(t)
	forth := frame(its, mine, nil, 100, fmt.Sprintf("forth %d.", n))
	back := frame(mine, its, nil, 100, fmt.Sprintf("back %d.", n))
	check(t, near.Send(forth))
	_, err := far.WaitFor(func(p lab.Packet) bool { return bytes.Equal(p.Data, forth) }, soon)
	check(t, err, far.Send(back))
	_, err = near.WaitFor(func(p lab.Packet) bool { return bytes.Equal(p.Data, back) }, soon)
	check(t, err, near.Close(), c.DeleteLink(t.Context(), name))
	if a.HasLink(name) {
		t.Errorf("round %d: the link is still there", n)
	}
}

func files(t *testing.T, p *lab.Process) int {
	t.Helper()
	return len(must(os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid())))(t))
}

// threadsAndMemory reads /proc/PID/status.
func threadsAndMemory(t *testing.T, p *lab.Process) (threads, rssKiB int) {
	t.Helper()
	text := string(must(os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid())))(t))
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch words[0] {
		case "Threads:":
			threads = must(strconv.Atoi(words[1]))(t)
		case "VmRSS:":
			rssKiB = must(strconv.Atoi(words[1]))(t)
		}
	}
	return threads, rssKiB
}

var createdBy = regexp.MustCompile(`created by (\S+)`)

// goroutines counts those of a dump by the function that started each; the main
// one has none. The runtime's own come and go with its load.
func goroutines(dump string) map[string]int {
	counts := make(map[string]int)
	for stack := range strings.SplitSeq(dump, "\n\n") {
		if !strings.HasPrefix(stack, "goroutine ") || strings.HasPrefix(stack, "goroutine 0 ") {
			continue
		}
		origin := "main"
		if m := createdBy.FindStringSubmatch(stack); m != nil {
			origin = m[1]
		}
		if !strings.HasPrefix(origin, "runtime.") {
			counts[origin]++
		}
	}
	return counts
}
