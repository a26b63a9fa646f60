// Command where says what the CPU time of uvtep's workers goes to. It reads what
// `perf script -F comm,ip,sym` prints of a profile with call chains:
//
//	go test -run '^$' -bench 'EndToEnd/TCP/as-is/streams=1$/forward' -benchtime 3s ./bench &
//	sleep 6; perf record -a -g -F 1999 -o /tmp/perf.data -- sleep 25
//	perf script -i /tmp/perf.data -F comm,ip,sym | go run ./bench/where
//
// A sample counts for the first line of the table whose functions are all in its
// chain.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// task is a kind of work: who does it, and the functions that show it, outermost
// first.
type task struct {
	worker, what string
	in           []string
}

// tasks are the work of a worker that reads the port and sends, and of one that
// receives and writes to the port, the most telling function first.
var tasks = []task{ //nolint:gochecknoglobals // a table, never written
	{"send", "wake the receiver of the datagram", []string{"VTEP).readPort", "sendmmsg", "try_to_wake_up"}},
	{"send", "copy the payload into the kernel's buffers", []string{"VTEP).readPort", "sendmmsg", "_copy_from_iter"}},
	{"send", "allocate and fill those buffers", []string{"VTEP).readPort", "sendmmsg", "ip_make_skb"}},
	{"send", "transmit, and the peer's stack up to its socket", []string{"VTEP).readPort", "sendmmsg", "udp_send_skb"}},
	{"send", "rest of sendmmsg", []string{"VTEP).readPort", "sendmmsg"}},
	{"send", "copy the frame out of the TAP", []string{"VTEP).readPort", "tun_do_read", "_copy_to_iter"}},
	{"send", "rest of reading", []string{"VTEP).readPort", "ReadBatch"}},
	{"send", "checksums", []string{"VTEP).readPort", "encap.addBytes"}},
	{"send", "uvtep's own code", []string{"VTEP).readPort", "PortWorker).Forward"}},
	{"send", "rest", []string{"VTEP).readPort"}},
	{"receive", "the host's stack behind the TAP: TCP, its acknowledgements", []string{"endpoint).readSocket", "tap.(*Device).WriteBatch", "netif_receive_skb"}},
	{"receive", "copy into the TAP", []string{"endpoint).readSocket", "tap.(*Device).WriteBatch", "_copy_from_iter"}},
	{"receive", "rest of writing", []string{"endpoint).readSocket", "tap.(*Device).WriteBatch"}},
	{"receive", "copy the datagrams out of the socket", []string{"endpoint).readSocket", "recvmmsg", "_copy_to_iter"}},
	{"receive", "rest of recvmmsg", []string{"endpoint).readSocket", "recvmmsg"}},
	{"receive", "checksums", []string{"endpoint).readSocket", "encap.addBytes"}},
	{"receive", "uvtep's own code", []string{"endpoint).readSocket", "NetWorker).Forward"}},
	{"receive", "rest", []string{"endpoint).readSocket"}},
	{"runtime", "Go's scheduler, waiting, waking", nil},
}

func main() {
	counts, err := count(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "where:", err)
		os.Exit(1)
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		fmt.Fprintln(os.Stderr, "where: no sample of a uvtep: pipe `perf script -F comm,ip,sym` of a profile recorded with -g into this command")
		os.Exit(1)
	}
	fmt.Println("| worker | work | % |\n|---|---|---|")
	for i, t := range tasks {
		if p := 100 * float64(counts[i]) / float64(total); p >= 0.5 {
			fmt.Printf("| %s | %s | %.0f |\n", t.worker, t.what, p)
		}
	}
}

// count returns how many samples of processes called uvtep each task has.
func count(r io.Reader) ([]int, error) {
	counts := make([]int, len(tasks))
	var comm string
	var chain []string // innermost first
	sample := func() {
		if comm != "uvtep" {
			return
		}
		slices.Reverse(chain)
		counts[slices.IndexFunc(tasks, func(t task) bool { return t.matches(chain) })]++
	}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		switch {
		case len(f) == 0:
			sample()
			comm, chain = "", chain[:0]
		case comm == "":
			comm = f[0]
		case len(f) > 1:
			chain = append(chain, f[1])
		}
	}
	sample()
	return counts, lines.Err()
}

// matches reports whether t's functions are in the chain, in their order.
func (t task) matches(chain []string) bool {
	at := 0
	for _, want := range t.in {
		i := slices.IndexFunc(chain[at:], func(name string) bool { return strings.Contains(name, want) })
		if i < 0 {
			return false
		}
		at += i
	}
	return true
}
