package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// orderMark is set, to an order, in the environment of a process that makes traffic.
const orderMark = "UVTEP_LOAD_ORDER"

// order tells a process what to do.
type order struct {
	Kind     string
	Addr     netip.AddrPort // to listen on or to send to
	Duration time.Duration
	Streams  int
	Sizes    []int
	Segment  int
	From     netip.Addr // to send from; invalid: the route's choice
	VNI      uint32
	Net      netip.Prefix // that flows' addresses are of
	Rate     int          // a second; 0: as many as go
}

// report is what a process says in the end.
type report struct {
	Bytes, Count, Refused, Reordered, Corrupt int64
	Elapsed                                   time.Duration // from the first to the last byte or datagram
	Trips                                     []time.Duration
	Error                                     string
}

// TestMain is [lab.TestMain] for the packages whose tests make traffic with this package: it runs the sender or the
// receiver where this process was started to be one.
//
//	func TestMain(m *testing.M) { os.Exit(load.TestMain(m)) }
func TestMain(m interface{ Run() int }) int {
	if text := os.Getenv(orderMark); text != "" {
		return obey(text)
	}
	return lab.TestMain(m)
}

// obey runs the process's side.
func obey(text string) int {
	var o order
	var r report
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		run, known := map[string]func(*order, *line) (report, error){
			"tcp-send": sendStreams, "tcp-receive": receiveStreams,
			"udp-send": sendFlood, "udp-send-spread": sendSpread, "udp-receive": receiveFlood,
			"udp-ping": ping, "udp-echo": echo, "vxlan-send": sendTunnel,
		}[o.Kind]
		if !known {
			err = fmt.Errorf("no kind of traffic: %q", o.Kind)
		} else {
			raw(o.Streams + 1)
			r, err = run(&o, &line{in: bufio.NewReader(os.Stdin)})
		}
	}
	if err != nil {
		r.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return 1
	}
	return 0
}

// line is how a child talks to who started it: it says "ready PORT", is told to go on by a line (a sender: start; a
// receiver: no more will come), and prints its report.
type line struct{ in *bufio.Reader }

func (l *line) ready(port int) { fmt.Printf("ready %d\n", port) }

// wait returns when the other side has said that it is time, or is gone.
func (l *line) wait() { _, _ = l.in.ReadString('\n') }

// told reports whether the other side has said that it is time, or is gone.
func (l *line) told() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(os.Stdin.Fd()), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// child is a running sender or receiver.
type child struct {
	*lab.Process
	in   *os.File
	kind string
	port uint16 // that it listens on
}

// start runs a child in a host and waits until it is ready.
func start(h *lab.Host, o order) (*child, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := h.Start(lab.Command{Path: "/proc/self/exe", Stdin: r, Env: []string{
		orderMark + "=" + string(text),
		"GODEBUG=asyncpreemptoff=1",                       // see raw
		"GORACE=atexit_sleep_ms=0 " + os.Getenv("GORACE"), // the race detector sleeps a second at the end of a process
	}})
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	c := &child{Process: p, in: w, kind: o.Kind}
	if err := p.WaitStdout("\n", 10*time.Second); err != nil {
		c.close()
		return nil, err
	}
	if _, err := fmt.Sscanf(p.Stdout(), "ready %d\n", &c.port); err != nil {
		_, err := c.report(time.Second)
		c.close()
		return nil, fmt.Errorf("%s did not get ready: %w: %q", o.Kind, err, p.Stdout())
	}
	return c, nil
}

// tell lets the child go on. One that has ended by itself needs no telling: its report says why.
func (c *child) tell() error {
	if _, err := io.WriteString(c.in, "\n"); !errors.Is(err, unix.EPIPE) {
		return err
	}
	return nil
}

// report waits for the child's end.
func (c *child) report(timeout time.Duration) (report, error) {
	var r report
	if err := c.Wait(timeout); err != nil {
		return r, fmt.Errorf("%s: %w: %s", c.kind, err, c.Stderr())
	}
	out := c.Stdout()
	if _, rest, ok := strings.Cut(out, "\n"); ok && strings.HasPrefix(out, "ready ") {
		out = rest
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		return r, fmt.Errorf("%s: %w: %q %s", c.kind, err, out, c.Stderr())
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s: %s", c.kind, r.Error)
	}
	return r, nil
}

func (c *child) close() {
	_ = c.in.Close()
	_ = c.Close() // killed where it still runs; its report counted, or its error was seen
}

// duel runs a receiver and a sender to their ends and returns what both say, and the CPU time of the whole machine while
// the sender sent and the receiver was not done.
func duel(from, to *lab.Host, receive, send order) (sent, received report, cpu time.Duration, err error) {
	patience := send.Duration + 20*time.Second
	rx, err := start(to, receive)
	if err != nil {
		return sent, received, 0, err
	}
	defer rx.close()
	send.Addr = netip.AddrPortFrom(send.Addr.Addr(), rx.port)
	tx, err := start(from, send)
	if err != nil {
		return sent, received, 0, err
	}
	defer tx.close()
	before, err := busy()
	if err != nil {
		return sent, received, 0, err
	}
	if err = tx.tell(); err != nil {
		return sent, received, 0, err
	}
	if sent, err = tx.report(patience); err != nil {
		return sent, received, 0, err
	}
	if err = rx.tell(); err != nil {
		return sent, received, 0, err
	}
	if received, err = rx.report(patience); err != nil {
		return sent, received, 0, err
	}
	after, err := busy()
	return sent, received, after - before, err
}
